//! One watcher: reads from the feed, and from the store what the feed does not keep.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::bells::Interest;
use super::ring::Losses;
use super::{EventSource, FIRST_WAIT, FeedEvent, LONGEST_WAIT, same_life};
use crate::answer::{ANSWER_LIMIT, answered};
use crate::{Error, Scope, WatchCursor, WatchEvent};

/// How many events a watcher takes at a time.
const STEP: usize = 256;
/// How long a store may find nothing of what the feed has heard of, until that is taken to be gone.
const LAG_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Watcher {
    interest: Interest,
    source: Weak<dyn EventSource>,
    scope: Scope,
    /// The number of the last event that was delivered or passed over.
    seen: u128,
    /// What was read and not delivered yet.
    ahead: VecDeque<Ahead>,
    /// How often the feed had begun elsewhere, and had lost events, when this was last held against it.
    breaks: Option<u64>,
    losses: Losses,
    /// Whether an error has ended the watch.
    over: bool,
}

/// What comes next.
enum Ahead {
    Event(Arc<FeedEvent>),
    /// What is up to this number is gone.
    MissingTo(u128),
}

/// What the feed has for a watcher.
enum Read {
    Events(Vec<Arc<FeedEvent>>),
    Nothing,
    /// It has to look into the store first.
    Store,
    /// What it has seen was lost, and other events have those places.
    Lost,
    Closed,
}

impl Watcher {
    pub(super) fn new(interest: Interest, source: Weak<dyn EventSource>, scope: Scope, seen: u128) -> Self {
        let (losses, ahead) = (interest.losses, VecDeque::new());
        Self { interest, source, scope, seen, ahead, breaks: None, losses, over: false }
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
            let read = match self.read_feed() {
                Read::Events(events) => {
                    self.ahead.extend(events.into_iter().map(Ahead::Event));
                    Ok(())
                }
                Read::Nothing => {
                    rung.await;
                    Ok(())
                }
                Read::Store => self.read_store().await?,
                Read::Lost => Err(self.expired()),
                Read::Closed => return None,
            };
            if let Err(error) = read {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// The next of what was read that is wanted, or that something is missing before it.
    fn next_ahead(&mut self) -> Option<WatchEvent> {
        while let Some(next) = self.ahead.pop_front() {
            let event = match next {
                Ahead::Event(event) => event,
                Ahead::MissingTo(to) => {
                    let from = WatchCursor::new(self.seen + 1);
                    self.seen = to;
                    return Some(WatchEvent::Lagged { from, to: WatchCursor::new(to) });
                }
            };
            self.seen = event.cursor.number();
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
        let ring = &state.ring;
        let known = std::mem::replace(&mut self.losses, ring.losses());
        if self.losses.concern(self.seen, known) {
            return Read::Lost;
        }
        let went_on = self.breaks.replace(ring.breaks()) == Some(ring.breaks());
        let is_known = same_life(self.seen, ring.head()) && self.seen <= ring.head();
        let own = self.interest.id.and_then(|id| state.bells.behind(id, self.seen, STEP));
        let events = match own {
            // A place ahead of the tail, or of another life: the store knows whether it is one of its own.
            _ if !went_on && !is_known => return Read::Store,
            Some(own) => own,
            // The store has begun anew, and the tail is yet to notice.
            None if !same_life(self.seen, ring.head()) => Vec::new(),
            None if self.seen < ring.before() => return Read::Store,
            None => ring.behind(self.seen, STEP),
        };
        if !events.is_empty() {
            return Read::Events(events);
        }
        if is_known {
            // What happened to others is passed over.
            self.seen = ring.head();
        }
        Read::Nothing
    }

    /// Reads on from the store, however long it is away; nothing when it is gone.
    async fn read_store(&mut self) -> Option<Result<(), Error>> {
        let (mut wait, mut found_nothing) = (FIRST_WAIT, None);
        loop {
            let source = self.source.upgrade()?;
            let after = WatchCursor::new(self.seen);
            let answer = answered(ANSWER_LIMIT, source.events_after(after, STEP)).await;
            drop(source);
            match answer.and_then(|events| self.take_along(events)) {
                Ok(()) if !self.ahead.is_empty() => return Some(Ok(())),
                Ok(()) => {
                    // The feed has heard of more than the store finds. It will, unless that is gone.
                    let Some(to) = self.missing_to() else { return Some(Ok(())) };
                    if found_nothing.get_or_insert_with(Instant::now).elapsed() >= LAG_LIMIT {
                        self.ahead.push_back(Ahead::MissingTo(to));
                        return Some(Ok(()));
                    }
                }
                Err(error) if error.is_retryable() => {}
                Err(error) => return Some(Err(error)),
            }
            self.pause(wait).await?;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Takes events of the store along that follow what was seen, and notes what is missing before them.
    fn take_along(&mut self, events: Vec<FeedEvent>) -> Result<(), Error> {
        let mut last = self.seen;
        for event in events {
            let number = event.cursor.number();
            if !same_life(number, last) {
                return Err(self.expired());
            }
            if number <= last {
                continue;
            }
            if number > last + 1 {
                self.ahead.push_back(Ahead::MissingTo(number - 1));
            }
            self.ahead.push_back(Ahead::Event(Arc::new(event)));
            last = number;
        }
        Ok(())
    }

    /// Up to where the feed keeps nothing that follows what was seen; nothing when it keeps all.
    fn missing_to(&self) -> Option<u128> {
        let before = self.interest.feed.lock().ring.before();
        (same_life(self.seen, before) && self.seen < before).then_some(before)
    }

    /// Waits; nothing when the feed is closed meanwhile.
    async fn pause(&self, wait: Duration) -> Option<()> {
        let until = Instant::now() + wait;
        loop {
            let rung = self.interest.events();
            if self.interest.feed.lock().closed {
                return None;
            }
            if timeout_at(until, rung).await.is_err() {
                return Some(());
            }
        }
    }

    fn expired(&self) -> Error {
        Error::CursorExpired { cursor: WatchCursor::new(self.seen) }
    }
}
