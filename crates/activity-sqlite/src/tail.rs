//! The thread that follows the events of the file, for everybody in this process who waits.
//!
//! It works only while somebody waits. A commit of this process wakes it at once; those of other processes it finds by
//! looking at SQLite's data version, which costs a few microseconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use agentexec_activity_core::feed::Feed;
use rusqlite::Connection;

use crate::error::Failure;
use crate::file::File;
use crate::read::events::{after, cursor, kept};
use crate::threads;

/// How often the changes of other processes are looked for.
const POLL: Duration = Duration::from_millis(25);
/// How long it rests after a failure.
const FAILURE_WAIT: Duration = Duration::from_millis(500);
/// How many events are read at a time.
const STEP: usize = 512;

/// Wakes the tail when there is something to do for it.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    feed: Feed,
    tail: Arc<OnceLock<Thread>>,
}

impl Bell {
    /// A feed, and the bell of the tail that will fill it.
    pub(crate) fn with_feed() -> (Feed, Self) {
        let tail = Arc::new(OnceLock::<Thread>::new());
        let waker = Arc::clone(&tail);
        let feed = Feed::new(move || wake(&waker));
        (feed.clone(), Self { feed, tail })
    }

    /// Something was committed.
    pub(crate) fn ring(&self) {
        if self.feed.is_wanted() {
            wake(&self.tail);
        }
    }
}

fn wake(tail: &OnceLock<Thread>) {
    if let Some(tail) = tail.get() {
        tail.unpark();
    }
}

/// The handle of the tail. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Tail {
    thread: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Tail {
    pub(crate) fn start(file: &File, conn: Connection, life: u64, bell: &Bell) -> Result<Self, Failure> {
        let over = Arc::new(AtomicBool::new(false));
        let tail = Follower {
            conn,
            file: file.clone(),
            life,
            feed: bell.feed.clone(),
            over: Arc::clone(&over),
            seen: None,
            version: None,
            fails: false,
        };
        let thread = threads::start(file.path(), "tail", move || tail.run())?;
        // Nobody has the feed yet, so nobody has rung in vain.
        let _ = bell.tail.set(thread.thread().clone());
        Ok(Self { thread: Some(thread), over })
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        threads::join(self.thread.take());
    }
}

struct Follower {
    conn: Connection,
    file: File,
    life: u64,
    feed: Feed,
    over: Arc<AtomicBool>,
    /// The number of the last event that was handed on; nothing after a rest.
    seen: Option<u64>,
    /// The data version that it was handed on in.
    version: Option<i64>,
    /// Whether the last look at the file failed.
    fails: bool,
}

impl Follower {
    fn run(mut self) {
        while !self.over.load(Ordering::Acquire) {
            if !self.feed.is_wanted() {
                (self.seen, self.version) = (None, None);
                thread::park();
                continue;
            }
            match self.step() {
                Ok(goes_on) => {
                    self.fails = false;
                    if !goes_on {
                        thread::park_timeout(POLL);
                    }
                }
                Err(error) => {
                    if !self.fails {
                        let error = self.file.error(error);
                        tracing::warn!(error = &error as &dyn std::error::Error, "watchers have to wait");
                    }
                    self.fails = true;
                    thread::park_timeout(FAILURE_WAIT);
                }
            }
        }
    }

    /// Hands on what is new, and says whether there may be more.
    fn step(&mut self) -> rusqlite::Result<bool> {
        let version = self.conn.prepare_cached("PRAGMA data_version")?.query_one([], |row| row.get(0))?;
        if self.version == Some(version) {
            return Ok(false);
        }
        let Some(seen) = self.seen else {
            let head = kept(&self.conn)?.head;
            self.feed.reset(cursor(self.life, head));
            self.seen = Some(head);
            return Ok(true);
        };
        let events = after(&self.conn, self.life, seen, STEP)?;
        let goes_on = events.len() == STEP;
        if let Some(last) = events.last() {
            self.seen = Some(last.cursor.number() as u64);
            self.feed.push(events);
        }
        if !goes_on {
            self.version = Some(version);
        }
        Ok(goes_on)
    }
}
