//! The store under test, and the process of the test as one that uses it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agentexec::activity::{Activities, AgentId, Status};
use agentexec_testbed::RedisServer;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::history::{History, Past, Verdict};
use crate::job::{Job, Work};
use crate::journal::Journal;
use crate::line::{Heard, Teller};
use crate::record::{self, Record};
use crate::store;
use crate::witness::Witness;
use crate::worker::PATIENCE;

/// The lease of the runs of a test that does not say otherwise.
pub const LEASE: Duration = Duration::from_secs(2);
/// How often a test looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A store under test. It is gone when this is dropped.
#[derive(Debug)]
pub struct Bed {
    /// What it is called in the figures.
    pub name: &'static str,
    /// Its URL.
    pub url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(TempDir),
    Server(Box<RedisServer>),
}

impl Bed {
    /// A file in a folder of its own.
    ///
    /// # Panics
    /// When there can be no such folder.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = TempDir::with_prefix("agentexec-faults-").expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self { name: "SQLite", url, place: Place::File(folder) }
    }

    /// A server that keeps every write before it answers.
    #[must_use]
    pub fn redis() -> Self {
        Self::redis_on(RedisServer::builder().append_only().start())
    }

    /// This server.
    #[must_use]
    pub fn redis_on(server: RedisServer) -> Self {
        Self { name: "Redis", url: server.url(), place: Place::Server(Box::new(server)) }
    }

    /// Makes it empty: another file, or the same server without what it holds.
    pub fn renew(&mut self) {
        match &self.place {
            Place::File(folder) => {
                let name = format!("store-{}.db", fastrand::u64(..));
                self.url = format!("sqlite:{}", folder.path().join(name).display());
            }
            Place::Server(server) => server.query(&redis::cmd("FLUSHALL")),
        }
    }

    /// The server, of Redis.
    ///
    /// # Panics
    /// When the store is another.
    pub fn server(&mut self) -> &mut RedisServer {
        match &mut self.place {
            Place::Server(server) => server,
            Place::File(_) => panic!("{} has no server", self.name),
        }
    }

    /// The folder of the file, of SQLite.
    ///
    /// # Panics
    /// When the store is another.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        match &self.place {
            Place::File(folder) => folder.path().to_owned(),
            Place::Server(_) => panic!("{} has no folder", self.name),
        }
    }

    /// A job on this store.
    #[must_use]
    pub fn job(&self, name: impl Into<String>, work: Work) -> Job {
        let name = name.into();
        let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Job { name, store: self.url.clone(), seed, lease: LEASE, work }
    }

    /// The process of the test as one that uses the store.
    ///
    /// # Panics
    /// When the store cannot be opened.
    pub async fn observer(&self) -> Observer {
        let store = store::open(&self.url).await.expect("opening the store");
        let (teller, heard) = Teller::memory();
        let activities = Activities::builder(Journal::new(store, teller)).owner("test").lease(LEASE).build();
        Observer { activities, witness: Witness::start(), heard, reaper: None }
    }

    /// Prints a line of figures.
    #[allow(clippy::print_stdout, reason = "the figures are for whoever runs the tests")]
    pub fn say(&self, fault: &str, figures: impl std::fmt::Display) {
        println!("figures: {fault}, {}: {figures}", self.name);
    }
}

/// The process of the test, as one that uses the store.
#[derive(Debug)]
pub struct Observer {
    /// Its handle.
    pub activities: Activities,
    /// How late the machine is meanwhile.
    pub witness: Witness,
    heard: Heard,
    reaper: Option<JoinHandle<()>>,
}

impl Observer {
    /// Looks for lost runs, from now on.
    #[must_use]
    pub fn reaping(mut self) -> Self {
        let activities = self.activities.clone();
        self.reaper = Some(tokio::spawn(async move { activities.keep_reaping().await }));
        self
    }

    /// Waits until an activity says running no more, and says how long after `since` that was seen.
    ///
    /// # Panics
    /// When it says running for longer than [`PATIENCE`].
    pub async fn ended_after(&self, id: AgentId, since: Instant) -> Duration {
        loop {
            let detail = record::whole(&self.activities, id).await.expect("reading an activity");
            if detail.is_none_or(|detail| detail.activity.status != Status::Running) {
                return since.elapsed();
            }
            assert!(since.elapsed() < PATIENCE, "{id} says running for ever");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The longest of [`ended_after`](Self::ended_after) of several.
    pub async fn all_ended_after(&self, ids: impl IntoIterator<Item = AgentId>, since: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for id in ids {
            longest = longest.max(self.ended_after(id, since).await);
        }
        longest
    }

    /// Holds what was said, by the workers and by this process, against the record.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn check(&self, workers: impl IntoIterator<Item = Past>) -> Verdict {
        let mut history = History::new();
        workers.into_iter().for_each(|past| history.add(past));
        let lines = self.heard.lines();
        history.add(Past { process: "test".into(), lease: LEASE, over: None, lines });
        history.check(&Record::read(&self.activities).await.expect("reading the record"))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(reaper) = &self.reaper {
            reaper.abort();
        }
    }
}

/// Makes a test of each durable store out of an async function that takes a [`Bed`].
#[macro_export]
macro_rules! each_store {
    ($($(#[$attribute:meta])* $name:ident: $check:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn sqlite() {
                ($check)($crate::bed::Bed::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn redis() {
                ($check)($crate::bed::Bed::redis()).await;
            }
        }
    )*};
}
