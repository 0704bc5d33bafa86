//! The threads of a store that read, each with a connection of its own, so that readers wait for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use agentexec_activity_core::Error;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Failure, FailureKind};
use crate::file::File;
use crate::threads;

/// How many threads read.
pub(crate) const READERS: usize = 3;
/// How many reads may wait for them; whoever comes then waits to be let in.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The handle of the readers. Dropping it ends the threads, and with them what nobody waits for any more.
pub(crate) struct Readers {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<(JoinHandle<()>, InterruptHandle)>,
    file: File,
}

impl Readers {
    pub(crate) fn start(file: &File, connections: Vec<Connection>) -> Result<Self, Failure> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self { jobs: Some(jobs), threads: Vec::new(), file: file.clone() };
        for conn in connections {
            let waiting = Arc::clone(&waiting);
            let interrupt = conn.get_interrupt_handle();
            let thread = threads::start(file.path(), "reader", move || serve(&conn, &waiting))?;
            readers.threads.push((thread, interrupt));
        }
        Ok(readers)
    }

    /// Reads in one transaction.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (asker, answer) = oneshot::channel();
        let job = Box::new(move |conn: &Connection| {
            if !asker.is_closed() {
                // An asker that is gone by now does not need to know.
                let _ = asker.send(in_transaction(conn, read));
            }
        });
        let Some(jobs) = &self.jobs else { return Err(self.closed()) };
        jobs.send(job).await.map_err(|_| self.closed())?;
        // A read that panicked gives no answer.
        let answer = answer.await.map_err(|_| self.file.failure(FailureKind::Panicked))?;
        answer.map_err(|error| self.file.error(error).into())
    }

    fn closed(&self) -> Error {
        self.file.failure(FailureKind::Closed).into()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for (thread, interrupt) in self.threads.drain(..) {
            interrupt.interrupt();
            threads::join(Some(thread));
        }
    }
}

fn serve(conn: &Connection, waiting: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(conn))).is_err() && !conn.is_autocommit() {
            // If even that fails, the next read says so.
            let _ = conn.execute_batch("ROLLBACK");
        }
    }
}

fn in_transaction<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let read = read(conn);
    let ended = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
    if ended.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    read
}
