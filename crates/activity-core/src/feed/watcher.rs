//! One watcher: reads from the feed, and from the store what the feed does not keep.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::{EventSource, FIRST_WAIT, FeedEvent, Interest, LONGEST_WAIT};
use crate::{Error, Scope, WatchCursor, WatchEvent};

/// How many events a watcher takes at a time.
const STEP: usize = 256;

pub(super) struct Watcher {
    interest: Interest,
    source: Weak<dyn EventSource>,
    scope: Scope,
    /// The number of the last event that was delivered or passed over.
    seen: u128,
    /// What was read and not delivered yet.
    ahead: VecDeque<Arc<FeedEvent>>,
    /// How often the feed had begun anew when this was last held against the store.
    breaks: Option<u64>,
    /// Whether an error has ended the watch.
    over: bool,
}

/// What the feed has for a watcher.
enum Read {
    Events(Vec<Arc<FeedEvent>>),
    Nothing,
    /// It has to look into the store first.
    Store,
    Closed,
}

impl Watcher {
    pub(super) fn new(interest: Interest, source: Weak<dyn EventSource>, scope: Scope, seen: u128) -> Self {
        Self { interest, source, scope, seen, ahead: VecDeque::new(), breaks: None, over: false }
    }

    /// The next event that the watcher may see; nothing when the store is gone.
    pub(super) async fn next_event(&mut self) -> Option<Result<WatchEvent, Error>> {
        loop {
            if self.over {
                return None;
            }
            if let Some(event) = self.next_ahead() {
                return Some(Ok(event));
            }
            let rung = self.interest.events();
            match self.read_feed() {
                Read::Events(events) => self.ahead.extend(events),
                Read::Nothing => rung.await,
                Read::Store => {
                    if let Err(error) = self.read_store().await? {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
                Read::Closed => return None,
            }
        }
    }

    /// The next of what was read that is wanted, or that some events are missing before it.
    fn next_ahead(&mut self) -> Option<WatchEvent> {
        while let Some(event) = self.ahead.front() {
            let number = event.cursor.number();
            if number > self.seen + 1 {
                let from = WatchCursor::new(self.seen + 1);
                self.seen = number - 1;
                return Some(WatchEvent::Lagged { from, to: WatchCursor::new(self.seen) });
            }
            let event = self.ahead.pop_front()?;
            self.seen = number;
            let wanted = self.interest.id.is_none_or(|id| id == event.id);
            if wanted && self.scope.admits(&event.metadata) {
                return Some(WatchEvent::from(&*event));
            }
        }
        None
    }

    fn read_feed(&mut self) -> Read {
        let state = self.interest.feed.lock();
        if state.closed {
            return Read::Closed;
        }
        let breaks = self.breaks.replace(state.ring.breaks());
        let went_on = breaks == self.breaks;
        if state.ring.has_dropped_behind(self.seen) || !(went_on || state.ring.knows(self.seen)) {
            return Read::Store;
        }
        match state.ring.behind(self.seen, STEP) {
            events if events.is_empty() => Read::Nothing,
            events => Read::Events(events),
        }
    }

    /// Reads on from the store, however long it is away; nothing when it is gone.
    async fn read_store(&mut self) -> Option<Result<(), Error>> {
        let mut wait = FIRST_WAIT;
        loop {
            let source = self.source.upgrade()?;
            match source.events_after(WatchCursor::new(self.seen), STEP).await {
                // The feed has heard of more than the store answers: it will.
                Ok(events) if events.is_empty() && self.is_behind() => {}
                Ok(events) => {
                    self.ahead.extend(events.into_iter().map(Arc::new));
                    return Some(Ok(()));
                }
                Err(error) if error.is_retryable() => {}
                Err(error) => return Some(Err(error)),
            }
            drop(source);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn is_behind(&self) -> bool {
        self.interest.feed.lock().ring.has_dropped_behind(self.seen)
    }
}
