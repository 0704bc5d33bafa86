//! The store: the file with the threads that serve it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use agentexec_activity_core::feed::{EventSource, Feed, FeedEvent};
use agentexec_activity_core::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, Message, NewActivity, Page, Scope, StopRequest, Timestamp,
    WatchCursor, WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::builder::SqliteStoreBuilder;
use crate::clock::Clock;
use crate::error::{Failed, Failure, FailureKind};
use crate::file::File;
use crate::health::{self, Health};
use crate::read::{self, activity, events, list};
use crate::readers::{READERS, Readers};
use crate::tail::{Bell, Tail};
use crate::write::{Tx, bulk, cancel, change, create, leases};
use crate::writer::Writer;
use crate::{schema, threads};

/// Activities in one SQLite file. Clones share the file and the threads that serve it.
///
/// Several processes, and several stores of one process, may have the same file open: each sees what the others
/// write, a watch within 100 ms. The file has to be on a local disk.
///
/// Every operation is cancel-safe: a write that nobody waits for any more is carried out all the same, or not at all.
///
/// When the last clone is dropped, watches end, what still waits is written, and the threads are waited for, which
/// takes a few milliseconds.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, Scope};
/// use agentexec_activity_sqlite::SqliteStore;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("activities.db");
/// let activities = Activities::new(SqliteStore::open(&path).await?);
/// let id = activities.create("research").metadata("org", "acme").await?;
/// drop(activities);
///
/// let reopened = Activities::new(SqliteStore::open(&path).await?);
/// assert!(reopened.detail(&Scope::all(), id).await?.is_some());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

/// The threads end in the order of these fields: the connection that writes is closed last, since it can carry over
/// the write-ahead log.
struct Inner {
    feed: Feed,
    life: u64,
    file: File,
    clock: Arc<Clock>,
    _tail: Tail,
    readers: Readers,
    writer: Writer,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.feed.close();
    }
}

/// The connections of a store, opened.
struct Opened {
    file: File,
    life: u64,
    writer: Connection,
    tail: Connection,
    readers: Vec<Connection>,
}

impl Opened {
    fn open(path: &Path, lock_wait: Duration) -> Result<Self, Error> {
        let file = File::prepare(path, lock_wait)?;
        let writer = file.writer()?;
        let life = schema::life(&writer).map_err(|error| file.error(error))?;
        let tail = file.reader()?;
        let readers = (0..READERS).map(|_| file.reader()).collect::<Result<_, _>>()?;
        Ok(Self { file, life, writer, tail, readers })
    }
}

impl SqliteStore {
    /// Opens the store in the file at `path`. A file that is not there is made, readable and writable by its owner
    /// only, and so is its folder. A file of an older version is brought up to date.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file is of another program, or of a newer version; [`Error::Unavailable`], with a
    /// [`Failure`] as its source, when it cannot be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(path).open().await
    }

    /// A store in the file at `path`, to be set up further.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref())
    }

    pub(crate) async fn open_by(settings: SqliteStoreBuilder) -> Result<Self, Error> {
        let SqliteStoreBuilder { path, events_kept, lock_wait, clock } = settings;
        let (opener, opened) = oneshot::channel();
        let wanted = path.clone();
        let open = move || {
            // Whoever wanted it may be gone.
            let _ = opener.send(Opened::open(&wanted, lock_wait));
        };
        threads::start(&path, "opener", open)?;
        let opened = opened.await.map_err(|_| Failure::new(FailureKind::Panicked, &path))??;
        Ok(Self { inner: Arc::new(Inner::start(opened, clock, events_kept)?) })
    }

    /// What there is to know of the file. It is read whole to see whether it is damaged, which takes about a second
    /// for each gigabyte.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be read, or when its lock cannot be had.
    pub async fn health(&self) -> Result<Health, Error> {
        let synchronous = |tx: &mut Tx<'_>| {
            tx.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(Failed::Sqlite)
        };
        let synchronous: u8 = self.inner.writer.run(synchronous).await?;
        let file = self.inner.file.clone();
        self.inner.readers.run(move |conn| health::look(conn, &file, synchronous)).await
    }

    fn source(&self) -> Weak<dyn EventSource> {
        let source: Weak<Inner> = Arc::downgrade(&self.inner);
        source
    }
}

impl Inner {
    fn start(opened: Opened, clock: Clock, events_kept: u64) -> Result<Self, Failure> {
        let Opened { file, life, writer, tail, readers } = opened;
        let (feed, bell) = Bell::with_feed();
        let clock = Arc::new(clock);
        let tail = Tail::start(&file, tail, life, &bell)?;
        let readers = Readers::start(&file, readers)?;
        let writer = Writer::start(&file, writer, Arc::clone(&clock), bell, events_kept)?;
        Ok(Self { feed, life, file, clock, _tail: tail, readers, writer })
    }
}

/// The file, and nothing of what it holds.
impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.file.path()).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventSource for Inner {
    async fn events_after(&self, place: WatchCursor, limit: usize) -> Result<Vec<FeedEvent>, Error> {
        let life = self.life;
        self.readers.run(move |conn| events::after_place(conn, life, place, limit)).await?
    }

    async fn activity(&self, id: AgentId) -> Result<Option<Activity>, Error> {
        let found = self.readers.run(move |conn| activity::by_id(conn, id)).await?;
        Ok(found.map(|found| found.activity))
    }
}

#[async_trait]
impl ActivityStore for SqliteStore {
    fn is_durable(&self) -> bool {
        true
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        self.inner.writer.run(move |tx| create::create(tx, &new)).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        self.inner.writer.run(move |tx| change::write(tx, &write)).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        let scope = scope.clone();
        self.inner.readers.run(move |conn| activity::detail(conn, &scope, id, log)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        query.check()?;
        let query = query.clone();
        self.inner.readers.run(move |conn| list::list(conn, &query)).await
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        let scope = scope.clone();
        self.inner.readers.run(move |conn| list::counts(conn, &scope)).await
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        let kept = self.inner.readers.run(events::kept).await?;
        let place = events::position(self.inner.life, kept, from)?;
        Ok(self.inner.feed.watch(self.source(), scope.clone(), id, place))
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        let scope = scope.clone();
        self.inner.writer.run(move |tx| cancel::request(tx, &scope, id, &ask)).await
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.inner.feed.stop_requested(&*self.inner, id, attempt).await
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        let scope = scope.clone();
        self.inner.writer.run(move |tx| bulk::cancel_queued(tx, &scope, &reason, after)).await
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        let scope = scope.clone();
        self.inner.writer.run(move |tx| bulk::purge(tx, &scope, ended_before, after)).await
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        let held = held.to_vec();
        self.inner.writer.run(move |tx| leases::renew(tx, &held, ttl)).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        let clock = Arc::clone(&self.inner.clock);
        self.inner.readers.run(move |conn| read::leases::expired(conn, &clock, limit)).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.inner.clock.now())
    }
}

#[cfg(test)]
mod tests;
