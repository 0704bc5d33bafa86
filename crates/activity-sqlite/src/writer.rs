//! The one thread of a store that writes, with group commit.
//!
//! A transaction is durable once the disk has flushed it, which takes much longer than carrying it out. So whatever
//! waits is carried out in one transaction and flushed once, and everybody is answered behind that. One operation that
//! SQLite fails at must not fail the others: then the transaction is rolled back, and each is tried again alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agentexec_activity_core::Error;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::error::{Failed, Failure, FailureKind};
use crate::file::File;
use crate::label::Tally;
use crate::schema::SCHEMA_VERSION;
use crate::tail::Bell;
use crate::threads;
use crate::write::{Tx, events};

/// How many operations may wait for the writer; whoever comes then waits to be let in.
const QUEUE: usize = 1024;
/// The most operations of one transaction.
const TOGETHER: usize = 512;
/// After this long a transaction takes up no more operations, so that other processes get their turn.
const LONGEST: Duration = Duration::from_millis(20);
/// How often, in transactions, the size of the write-ahead log is looked at.
const WAL_LOOK: u32 = 1000;
/// Above this many bytes readers are waited for, so that the log can begin anew: 64 MB.
const WAL_LIMIT: u64 = 64 << 20;
/// How long they are waited for.
const WAL_WAIT: Duration = Duration::from_millis(100);

/// An operation that waits for the writer.
trait Job: Send {
    /// Carries it out. It is called again when the transaction was rolled back.
    fn carry_out(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;

    /// Tells whoever waits what it has come to.
    fn answer(self: Box<Self>, done: Result<(), Failure>);
}

struct Operation<T, F> {
    work: F,
    outcome: Option<Result<T, Error>>,
    asker: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Operation<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, Failed> + Send,
{
    fn carry_out(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(match (self.work)(tx) {
            Ok(value) => Ok(value),
            Err(Failed::Refused(error)) => Err(error),
            Err(Failed::Sqlite(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, done: Result<(), Failure>) {
        let answer = match done {
            Ok(()) => self.outcome,
            Err(error) => Some(Err(error.into())),
        };
        if let Some(answer) = answer {
            // An asker that is gone does not need to know.
            let _ = self.asker.send(answer);
        }
    }
}

/// The handle of the writer. Dropping it ends the thread, once what waits was carried out.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    file: File,
}

impl Writer {
    pub(crate) fn start(
        file: &File,
        conn: Connection,
        clock: Arc<Clock>,
        bell: Bell,
        events_kept: u64,
    ) -> Result<Self, Failure> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let thread = WriterThread {
            conn,
            file: file.clone(),
            clock,
            events_kept,
            tally: Tally::default(),
            bell,
            waiting,
            transactions: 0,
        };
        let thread = threads::start(file.path(), "writer", move || thread.run())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), file: file.clone() })
    }

    /// Has an operation carried out, and waits until it is durable.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Error> {
        let (asker, answer) = oneshot::channel();
        let job = Box::new(Operation { work, outcome: None, asker });
        if let Some(jobs) = &self.jobs
            && jobs.send(job).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        Err(self.file.failure(FailureKind::Closed).into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        threads::join(self.thread.take());
    }
}

struct WriterThread {
    conn: Connection,
    file: File,
    clock: Arc<Clock>,
    events_kept: u64,
    tally: Tally,
    bell: Bell,
    waiting: mpsc::Receiver<Box<dyn Job>>,
    transactions: u32,
}

/// Why a transaction was not committed.
enum Broken {
    /// It could not even begin, so that others cannot either.
    Begin(Failure),
    /// It was rolled back.
    RolledBack(Failure),
}

impl WriterThread {
    fn run(mut self) {
        while let Some(job) = self.waiting.blocking_recv() {
            let mut jobs = vec![job];
            match self.commit_together(&mut jobs) {
                Ok(()) => answer_all(jobs, &Ok(())),
                Err(Broken::Begin(error)) => answer_all(jobs, &Err(error)),
                Err(Broken::RolledBack(error)) if jobs.len() == 1 => answer_all(jobs, &Err(error)),
                Err(Broken::RolledBack(_)) => self.commit_one_by_one(jobs),
            }
            self.bell.ring();
            self.bound_wal();
        }
        // Whoever has the file open last carries the log over in any case; this leaves less to do then.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }

    /// Carries out the first job and whatever waits behind it.
    fn commit_together(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> Result<(), Broken> {
        let since = Instant::now();
        self.begin()?;
        let mut carried_out = 0;
        while let Some(job) = jobs.get_mut(carried_out) {
            self.carry_out(job)?;
            carried_out += 1;
            if carried_out < TOGETHER
                && since.elapsed() < LONGEST
                && let Ok(next) = self.waiting.try_recv()
            {
                jobs.push(next);
            }
        }
        self.commit()
    }

    fn commit_one_by_one(&mut self, jobs: Vec<Box<dyn Job>>) {
        let mut jobs = jobs.into_iter();
        while let Some(mut job) = jobs.next() {
            let done = self.begin().and_then(|()| self.carry_out(&mut job)).and_then(|()| self.commit());
            match done {
                Ok(()) => job.answer(Ok(())),
                Err(Broken::RolledBack(error)) => job.answer(Err(error)),
                Err(Broken::Begin(error)) => {
                    job.answer(Err(error.clone()));
                    return answer_all(jobs.collect(), &Err(error));
                }
            }
        }
    }

    fn begin(&mut self) -> Result<(), Broken> {
        let begun = self.conn.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        begun.map_err(|error| Broken::Begin(self.file.error(error)))?;
        let version = self
            .conn
            .prepare_cached("PRAGMA user_version")
            .and_then(|mut version| version.query_one([], |row| row.get::<_, u32>(0)));
        match version {
            Ok(SCHEMA_VERSION) => Ok(()),
            other => {
                let upgraded = self.file.failure(FailureKind::Upgraded);
                let error = other.map_or_else(|error| self.file.error(error), |_| upgraded);
                self.roll_back();
                Err(Broken::Begin(error))
            }
        }
    }

    fn carry_out(&mut self, job: &mut Box<dyn Job>) -> Result<(), Broken> {
        let mut tx = Tx { conn: &self.conn, clock: &self.clock, tally: &mut self.tally };
        let done = match catch_unwind(AssertUnwindSafe(|| job.carry_out(&mut tx))) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => self.file.error(error),
            Err(_) => self.file.failure(FailureKind::Panicked),
        };
        Err(self.broken(done))
    }

    fn commit(&mut self) -> Result<(), Broken> {
        let done = self
            .tally
            .write(&self.conn)
            .and_then(|()| events::trim(&self.conn, self.events_kept))
            .and_then(|()| self.conn.prepare_cached("COMMIT")?.execute([]));
        done.map(drop).map_err(|error| self.broken(self.file.error(error)))
    }

    fn broken(&mut self, error: Failure) -> Broken {
        tracing::debug!(error = &error as &dyn std::error::Error, "a transaction was rolled back");
        self.roll_back();
        Broken::RolledBack(error)
    }

    fn roll_back(&mut self) {
        self.tally.clear();
        // Some errors have rolled it back already.
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, file = %self.file.path().display(), "a transaction was not rolled back");
        }
    }

    /// SQLite carries the log over by itself, but begins it anew only when no reader is in it. Readers who come and go
    /// without a pause would let it grow for ever.
    fn bound_wal(&mut self) {
        self.transactions += 1;
        if self.transactions < WAL_LOOK {
            return;
        }
        self.transactions = 0;
        if self.file.wal_bytes() <= WAL_LIMIT {
            return;
        }
        let file = self.file.path().display();
        match self.file.restart_wal(&mut self.conn, WAL_WAIT) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(%file, "its write-ahead log grows: a reader stays in it"),
            Err(error) => tracing::warn!(%error, %file, "its write-ahead log cannot begin anew"),
        }
    }
}

fn answer_all(jobs: Vec<Box<dyn Job>>, done: &Result<(), Failure>) {
    for job in jobs {
        job.answer(done.clone());
    }
}
