//! One reader of a store's events serves every watcher and every waiting run of the process.
//!
//! A store in a file or behind a network numbers its events without a gap and can read them again. One part of
//! it, its tail, follows them and hands each on to the [`Feed`]; the feed keeps the newest of them and wakes
//! whoever waits. So a thousand watchers cost the store one reader and ten thousand runs that wait to be asked
//! to stop cost it nothing. A watcher that falls behind what the feed keeps reads on from the store, by
//! [`EventSource`]; what the store has trimmed by then is told as [`WatchEvent::Lagged`].

mod bells;
mod ring;
mod watcher;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use self::bells::{Bells, Interest};
use self::ring::Ring;
use self::watcher::Watcher;
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
    /// Its place. Places of one store are dense: the number of the next event is one more.
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
    /// are left.
    ///
    /// # Errors
    /// [`Error::Unavailable`] is waited out; any other error, as [`Error::CursorExpired`] when the events were
    /// started anew, ends the watch with it.
    async fn events_after(&self, after: WatchCursor, limit: usize) -> Result<Vec<FeedEvent>, Error>;

    /// The record as it is now; nothing when there is none.
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

impl Feed {
    /// An empty feed. `wanted` is called, on the thread of whoever begins to wait, when somebody waits while
    /// nobody did: the tail, which may rest while [`is_wanted`](Self::is_wanted) says no, then goes on.
    pub fn new(wanted: impl Fn() + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Inner { state: Mutex::default(), wanted: Box::new(wanted) }) }
    }

    /// Whether anybody waits for events.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.inner.lock().bells.is_wanted()
    }

    /// Hands on the next events, in order. When they do not follow what was handed on before, watchers read
    /// what is between from the store, and whoever waits to be stopped looks at the record again.
    pub fn push(&self, events: Vec<FeedEvent>) {
        let mut state = self.inner.lock();
        let State { ring, bells, .. } = &mut *state;
        for event in &events {
            bells.ring(event.id, event.may_stop());
        }
        if events.is_empty() || !ring.extend(events) {
            bells.ring_all();
        } else {
            bells.ring_watchers();
        }
    }

    /// Says that the tail goes on behind this place, whatever was handed on before: after a rest, or after it
    /// lost its connection for so long that it cannot tell what it missed.
    pub fn reset(&self, head: WatchCursor) {
        let mut state = self.inner.lock();
        state.ring.reset(head.number());
        state.bells.ring_all();
    }

    /// Ends every watch: the store is going away.
    pub fn close(&self) {
        let mut state = self.inner.lock();
        state.closed = true;
        state.bells.ring_all();
    }

    /// The events of the scope behind a place that the store has checked, of one activity or of all. The watch
    /// does not keep the store alive: it ends when the store is gone.
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
        .boxed()
    }

    /// Waits until the work of this attempt should stop; see
    /// [`ActivityStore::stop_requested`](crate::ActivityStore::stop_requested).
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
            match source.activity(id).await {
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
