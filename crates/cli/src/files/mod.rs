//! The built-in tools: list, read and search files below one folder.
//!
//! Everything is opened through the folder's own handle ([`Root`]), so neither `..` nor an absolute path nor a
//! symbolic link leads out of it, also when somebody swaps a file for a link in between. What is read has
//! limits, and a call that is dropped (the run was canceled, the tool timed out) stops its thread.
//!
//! What git ignores is left out; hidden files and folders are listed, but looked into only when a call names
//! them. The formats of the outputs are read by the demo's brain, too.

mod list;
mod read;
mod root;
mod rules;
mod search;
#[cfg(test)]
mod testing;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentexec::tools::{DynTool, Effect, ToolError, report_status, tool_with};

pub(crate) use root::Root;

/// The names of the built-in tools, in the order that a model sees them.
pub(crate) const NAMES: [&str; 4] = ["list_files", "read_file", "search_text", REPORT];

/// The tool by which an agent says how it goes.
pub(crate) const REPORT: &str = "report_activity";

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(60);

const LIST: &str = "List the files and folders below a folder, one path per line: folders end with `/`, files \
are followed by a tab and their size in bytes. What git ignores is left out. Hidden folders (.github) are named \
but not entered, unless `path` is in one.";

const READ: &str = "Read a text file, whole or some of its lines. When it is not the whole file, the first line \
of the answer says which lines it is: `[lines A-B of N]`.";

const SEARCH: &str = "Search the files below a folder, or one file, for a text. The answer has the lines where \
it stands, as `path:line: text`, or `no match`. What git ignores, hidden files and folders (unless `path` is one) \
and files that are not text are passed over.";

/// The built-in tool of this name.
pub(crate) fn built_in(name: &str, root: &Arc<Root>) -> Option<DynTool> {
    let root = Arc::clone(root);
    let tool = match name {
        "list_files" => tool_with(root, name, LIST, |root, args, _cx| {
            blocking(move |stop| list::list(&root, &args, stop))
        }),
        "read_file" => {
            tool_with(root, name, READ, |root, args, _cx| blocking(move |_stop| read::read(&root, &args)))
        }
        "search_text" => tool_with(root, name, SEARCH, |root, args, _cx| {
            blocking(move |stop| search::search(&root, &args, stop))
        }),
        REPORT => return Some(report_status()),
        _ => return None,
    };
    Some(tool.effect(Effect::Pure).timeout(TIMEOUT))
}

/// What a model reads when a call fails. Not every protocol has a flag for that, so the text says it.
fn failed(what: impl std::fmt::Display) -> ToolError {
    ToolError::new(format!("Error: {what}"))
}

/// Whether the call that a thread works for is gone.
#[derive(Clone, Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets the flag when the call ends, in whichever way.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Files are read on a thread of their own, since the disk makes one wait. Dropped, the work is told to stop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let stop = Stop::default();
    let _told_at_the_end = StopOnDrop(stop.clone());
    match tokio::task::spawn_blocking(move || work(&stop)).await {
        Ok(result) => result,
        // The set of tools makes an answer of it.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(failed("the program is ending")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_call_that_is_dropped_stops_its_thread() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = mpsc::channel();
        let call = tokio::spawn(blocking(move |stop| {
            started.send(()).unwrap();
            while !stop.is_set() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            Ok(())
        }));
        has_started.await.unwrap();
        call.abort();
        has_ended.recv_timeout(Duration::from_secs(30)).expect("the thread goes on");
    }

    #[test]
    fn each_name_has_its_tool() {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(folder.path()).unwrap());
        for name in NAMES {
            assert_eq!(built_in(name, &root).unwrap().spec().name, name);
        }
        assert!(built_in("write_file", &root).is_none());
    }
}
