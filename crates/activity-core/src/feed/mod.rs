//! One reader of a store's events serves every watcher and every waiting run of the process.
//!
//! A store in a file or behind a network numbers its events without a gap and can read them again. One part of
//! it, its tail, follows them and hands each on to the [`Feed`]; the feed keeps the newest of them and wakes
//! whoever waits. So a thousand watchers cost the store one reader and ten thousand runs that wait to be asked
//! to stop cost it nothing. A watcher that falls behind what the feed keeps reads on from the store, by
//! [`EventSource`]; what the store has trimmed by then is told as [`WatchEvent::Lagged`].
//!
//! A store holds a feed, hands its events to it in order, and serves
//! [`watch`](crate::ActivityStore::watch) and [`stop_requested`](crate::ActivityStore::stop_requested) from it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use std::sync::{Arc, Weak};
//!
//! use agentexec_activity_core::feed::{EventSource, Feed, FeedChange, FeedEvent};
//! use agentexec_activity_core::{Activity, AgentId, Error, Metadata, Scope, WatchCursor};
//! use futures_util::StreamExt;
//!
//! /// A store of which everything is still in the feed.
//! struct Store;
//!
//! #[async_trait::async_trait]
//! impl EventSource for Store {
//!     async fn events_after(&self, _: WatchCursor, _: usize) -> Result<Vec<FeedEvent>, Error> {
//!         Ok(Vec::new())
//!     }
//!
//!     async fn activity(&self, _: AgentId) -> Result<Option<Activity>, Error> {
//!         Ok(None)
//!     }
//! }
//!
//! let store: Arc<dyn EventSource> = Arc::new(Store);
//! let feed = Feed::new(|| println!("The tail goes on."));
//! let mut watch = feed.watch(Arc::downgrade(&store), Scope::all(), None, WatchCursor::new(0));
//!
//! // What the tail does.
//! let (cursor, id) = (WatchCursor::new(1), AgentId::new());
//! feed.push(vec![FeedEvent { cursor, id, metadata: Metadata::new(), change: FeedChange::Purged }]);
//! assert_eq!(watch.next().await.unwrap().unwrap().id(), Some(id));
//! # }
//! ```

mod bells;
mod ring;
mod watcher;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use tokio::sync::Notify;

use self::bells::{Bells, Interest};
use self::ring::{Place, Ring};
use self::watcher::Watcher;
use crate::answer::{ANSWER_LIMIT, answered};
use crate::{
    Activity, AgentId, Attempt, Error, LogEntry, Message, Metadata, Scope, StopRequest, WatchCursor,
    WatchEvent, WatchStream,
};

/// How long a watcher or a waiting run waits at first before it asks a store that failed again. It doubles each
/// time, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One event, with what decides who may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEvent {
    /// Its place. The upper 64 bits of its number name the life of the store's events, which is another one
    /// whenever they had to be numbered anew; 0 where that never happens. Within a life places are dense: the number
    /// of the next event is one more.
    pub cursor: WatchCursor,
    /// The activity.
    pub id: AgentId,
    /// The metadata of the activity, for scopes.
    pub metadata: Metadata,
    /// What happened.
    pub change: FeedChange,
}

/// What happened to an activity.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedChange {
    /// A log entry was written.
    Logged(LogEntry),
    /// Somebody asked to cancel it while it was running.
    CancelRequested(Message),
    /// It was removed.
    Purged,
}

impl FeedEvent {
    /// Whether a run of the activity should look whether it is to stop.
    fn may_stop(&self) -> bool {
        !matches!(&self.change, FeedChange::Logged(entry) if entry.progress)
    }
}

impl From<&FeedEvent> for WatchEvent {
    fn from(event: &FeedEvent) -> Self {
        let (cursor, id) = (event.cursor, event.id);
        match &event.change {
            FeedChange::Logged(entry) => Self::Logged { cursor, id, entry: entry.clone() },
            FeedChange::CancelRequested(reason) => {
                Self::CancelRequested { cursor, id, reason: reason.clone() }
            }
            FeedChange::Purged => Self::Purged { cursor, id },
        }
    }
}

/// What the feed reads from the store itself.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// The events behind a place, oldest first, at most `limit`; where older ones were trimmed, the oldest that
    /// are left. A store keeps at least its newest event.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] when the place is not one of the store's: the events have another life by now, or
    /// it is ahead of the newest, so some were lost. It ends the watch, as any error does but
    /// [`Error::Unavailable`], which is waited out, as is a store that does not answer within 5 seconds.
    async fn events_after(&self, after: WatchCursor, limit: usize) -> Result<Vec<FeedEvent>, Error>;

    /// The record as it is now; nothing when there is none. Whatever the error is, the store is asked again.
    async fn activity(&self, id: AgentId) -> Result<Option<Activity>, Error>;
}

/// Hands the events of a store on to every watcher and every waiting run of the process. Clones are the same
/// feed.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Called when somebody begins to wait while nobody did.
    wanted: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    ring: Ring,
    bells: Bells,
    closed: bool,
}

impl Inner {
    /// A panic while the lock was held cannot leave a half-made change: nothing below it panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes events that follow, as far as they are new, and says which bells to ring.
    fn hand_on(&mut self, events: Vec<FeedEvent>) -> Vec<Arc<Notify>> {
        let (breaks, mut to_ring) = (self.ring.breaks(), Vec::new());
        let mut any = false;
        for event in events {
            let number = event.cursor.number();
            match self.ring.place(number) {
                Place::Known => continue,
                Place::Next => {}
                Place::Elsewhere => self.restart(number.saturating_sub(1)),
            }
            let event = Arc::new(event);
            self.bells.hand_on(&event, &mut to_ring);
            if let Some(oldest) = self.ring.push(event) {
                self.bells.forget(&oldest);
            }
            any = true;
        }
        if breaks != self.ring.breaks() {
            return self.bells.all();
        }
        to_ring.extend(any.then(|| self.bells.of_everything()));
        to_ring
    }

    fn restart(&mut self, head: u128) {
        self.ring.reset(head);
        self.bells.restart(head);
    }
}

/// Wakes whoever waits for these: under no lock, since that may be many.
fn ring(bells: Vec<Arc<Notify>>) {
    for bell in bells {
        bell.notify_waiters();
    }
}

/// Whether two places belong to the same life of a store's events.
fn same_life(one: u128, other: u128) -> bool {
    one >> 64 == other >> 64
}

impl Feed {
    /// An empty feed. `wanted` is called, on the thread of whoever begins to wait and under no lock, when somebody
    /// waits while nobody did: the tail, which may rest while [`is_wanted`](Self::is_wanted) says no, then goes on.
    /// The tail may be just about to rest, so the call must leave something behind, as
    /// [`Notify::notify_one`](tokio::sync::Notify::notify_one) does. It must not hold what holds the feed.
    pub fn new(wanted: impl Fn() + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Inner { state: Mutex::default(), wanted: Box::new(wanted) }) }
    }

    /// Whether anybody waits for events.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.inner.lock().bells.is_wanted()
    }

    /// Hands on the next events, in order; those that were handed on before are passed over. When they do not
    /// follow what was handed on before, watchers read what is between from the store, and whoever waits to be
    /// stopped looks at the record again. It costs the number of events, however many wait.
    pub fn push(&self, events: Vec<FeedEvent>) {
        let to_ring = self.inner.lock().hand_on(events);
        ring(to_ring);
    }

    /// Says that the tail goes on behind this place, whatever was handed on before: after a rest, or after it
    /// lost its connection for so long that it cannot tell what it missed. Everybody looks at the store then, so
    /// where events just follow, [`push`](Self::push) them. A place before the newest that was handed on says
    /// that the store has lost events: watchers that have seen some of them end with [`Error::CursorExpired`].
    pub fn reset(&self, head: WatchCursor) {
        let mut state = self.inner.lock();
        state.restart(head.number());
        let to_ring = state.bells.all();
        drop(state);
        ring(to_ring);
    }

    /// Ends every watch: the store is going away. Called when the store is dropped, since a watch that has
    /// nothing to read would not notice that.
    pub fn close(&self) {
        let mut state = self.inner.lock();
        state.closed = true;
        let to_ring = state.bells.all();
        drop(state);
        ring(to_ring);
    }

    /// The events of the scope behind a place that the store has checked, of one activity or of all. The watch
    /// does not keep the store alive; see [`close`](Self::close). One that fell behind what the feed keeps waits out
    /// a store that is away.
    pub fn watch(
        &self,
        source: Weak<dyn EventSource>,
        scope: Scope,
        id: Option<AgentId>,
        after: WatchCursor,
    ) -> WatchStream {
        let watcher = Watcher::new(self.interest(id), source, scope, after.number());
        stream::unfold(watcher, |mut watcher| async move {
            let event = watcher.next_event().await?;
            Some((event, watcher))
        })
        .fuse()
        .boxed()
    }

    /// Waits until the work of this attempt should stop; see
    /// [`ActivityStore::stop_requested`](crate::ActivityStore::stop_requested). It looks at the record at first and
    /// whenever something may have ended the work. Cancel-safe.
    pub async fn stop_requested(
        &self,
        source: &dyn EventSource,
        id: AgentId,
        attempt: Attempt,
    ) -> StopRequest {
        let interest = self.interest(Some(id));
        let mut wait = FIRST_WAIT;
        loop {
            let asked = interest.stops();
            match answered(ANSWER_LIMIT, source.activity(id)).await {
                Ok(activity) => match StopRequest::of(activity.as_ref(), attempt) {
                    Some(stop) => return stop,
                    None => wait = FIRST_WAIT,
                },
                Err(_) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    continue;
                }
            }
            asked.await;
        }
    }

    fn interest(&self, id: Option<AgentId>) -> Interest {
        let (interest, first) = Interest::new(&self.inner, id);
        if first {
            (self.inner.wanted)();
        }
        interest
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("wanted", &self.is_wanted()).finish_non_exhaustive()
    }
}
