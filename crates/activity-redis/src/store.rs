//! The store: its parts, and the trait that it carries out with them.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use agentexec_activity_core::feed::{EventSource, Feed, FeedEvent};
use agentexec_activity_core::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, Message, NewActivity, Page, Scope, StopRequest, Timestamp,
    WatchCursor, WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;
use redis::Cmd;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::builder::RedisStoreBuilder;
use crate::codec;
use crate::failure::Failure;
use crate::health::{Health, Info};
use crate::link::Link;
use crate::reply::{Reply, entry_id, life};
use crate::scan::Scan;
use crate::script::EVENTS;
use crate::{bulk, operations, tail};

/// The store on Redis. Clones share the connection.
///
/// It keeps two connections to the server, however many activities and watchers there are: one for operations,
/// and, while somebody watches or runs wait to be asked to stop, one that follows the events. It belongs to the
/// runtime that it was connected on.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    link: Arc<Link>,
    feed: Feed,
    tail: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tail.abort();
        self.feed.close();
    }
}

impl RedisStore {
    /// Connects to the server of a URL: `redis://user:password@host:6379/0`, with TLS `rediss://…`, a socket
    /// `unix:/path`. The rest is as [`builder`](Self::builder) says.
    ///
    /// # Errors
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url).connect().await
    }

    /// A store on the server of a URL, to be set up further.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    /// Looks at the server, and begins to follow events when they are wanted.
    pub(crate) async fn over(link: Link) -> Result<Self, Error> {
        let info = Info::read(&link).await?;
        info.check()?;
        if info.persistence(&link, false).await.is_missing() {
            tracing::warn!(
                server = link.server(),
                "this Redis saves nothing: all activities are lost when it stops; set `appendonly yes`"
            );
        }
        let (link, wanted) = (Arc::new(link), Arc::new(Notify::new()));
        let bell = Arc::clone(&wanted);
        let feed = Feed::new(move || bell.notify_one());
        let tail = tokio::spawn(tail::follow(Arc::clone(&link), feed.clone(), wanted)).abort_handle();
        Ok(Self { inner: Arc::new(Inner { link, feed, tail }) })
    }

    /// What the server says of itself, for a program's own check-up.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server does not answer.
    pub async fn health(&self) -> Result<Health, Error> {
        let link = &*self.inner.link;
        let mut ping = Cmd::new();
        ping.arg("PING");
        let begun = Instant::now();
        link.command(ping).await?;
        let latency = begun.elapsed();
        let info = Info::read(link).await?;
        let persistence = info.persistence(link, true).await;
        let activities = operations::counts(link, &Scope::all()).await?;
        Ok(info.health(link.server(), persistence, latency, activities))
    }

    fn link(&self) -> &Link {
        &self.inner.link
    }
}

/// Where it connects to, without credentials, and its namespace.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.link().server())
            .field("namespace", &self.link().keys.namespace())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The place of the newest event, and the events behind `after`, whatever life they are of.
    async fn read_events(
        &self,
        after: WatchCursor,
        limit: usize,
    ) -> Result<(WatchCursor, Vec<FeedEvent>), Failure> {
        let call = EVENTS.call(&self.link.keys, &[]).arg(entry_id(after)).arg(limit);
        let mut reply = Reply::of(self.link.call(call).await?)?;
        let newest = reply.some_place()?;
        let mut events = Vec::new();
        while let Some(place) = reply.place()? {
            events.extend(codec::read_event(place, &reply.some_bytes()?)?);
        }
        Ok((newest, events))
    }

    /// Where a watch begins.
    async fn position(&self, from: WatchFrom) -> Result<WatchCursor, Error> {
        let WatchFrom::After(place) = from else { return Ok(self.link.hello().await?) };
        let (newest, events) = self.read_events(place, 1).await?;
        if life(place) != life(newest) {
            return Err(Error::CursorExpired { cursor: place });
        }
        if place > newest {
            return Err(Error::invalid("cursor", "this store has not given it yet; watch from now"));
        }
        match events.first() {
            Some(next) if next.cursor.number() > place.number() + 1 => {
                Err(Error::CursorExpired { cursor: place })
            }
            _ => Ok(place),
        }
    }
}

#[async_trait]
impl EventSource for Inner {
    async fn events_after(&self, after: WatchCursor, limit: usize) -> Result<Vec<FeedEvent>, Error> {
        let (newest, events) = self.read_events(after, limit).await?;
        // Another life, or a server that has forgotten what it had told.
        if life(after) != life(newest) || after > newest {
            return Err(Error::CursorExpired { cursor: after });
        }
        Ok(events)
    }

    async fn activity(&self, id: AgentId) -> Result<Option<Activity>, Error> {
        Ok(operations::record(&self.link, id).await?.map(|record| record.activity))
    }
}

#[async_trait]
impl ActivityStore for RedisStore {
    fn is_durable(&self) -> bool {
        true
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        operations::create(self.link(), &new).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        operations::write(self.link(), &write).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        Ok(operations::detail(self.link(), scope, id, log).await?)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        query.check()?;
        Ok(Scan::of(query).run(self.link()).await?.into())
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        Ok(operations::counts(self.link(), scope).await?)
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        let place = self.inner.position(from).await?;
        let source: Weak<Inner> = Arc::downgrade(&self.inner);
        Ok(self.inner.feed.watch(source, scope.clone(), id, place))
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        operations::request_cancel(self.link(), scope, id, ask).await
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
        Ok(bulk::cancel_queued(self.link(), scope, &reason, after).await?)
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        Ok(bulk::purge(self.link(), scope, ended_before, after).await?)
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        Ok(bulk::renew(self.link(), held, ttl).await?)
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        Ok(bulk::expired(self.link(), limit).await?)
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(operations::now(self.link()).await?)
    }
}
