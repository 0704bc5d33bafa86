//! Starting and ending the threads of a store.

use std::path::Path;
use std::thread::{Builder, JoinHandle};

use crate::error::Failure;

/// Starts a thread that is named after what it does, in eight bytes at the most: Linux shows fifteen of a name.
pub(crate) fn start(
    path: &Path,
    role: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Failure> {
    let thread = Builder::new().name(format!("sqlite {role}"));
    thread.spawn(run).map_err(|error| Failure::thread(path, error))
}

/// Waits until a thread that was told to end has ended.
pub(crate) fn join(thread: Option<JoinHandle<()>>) {
    // A waker that runs its task at once may drop the store on the very thread that has woken it.
    if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
        // What a thread panicked with was traced by the thread.
        let _ = thread.join();
    }
}
