//! The newest events, for watchers.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{EVENTS_KEPT, Inner};
use crate::{
    Activity, AgentId, Error, LogEntry, Message, Metadata, Scope, WatchCursor, WatchEvent, WatchFrom,
    WatchStream,
};

/// How many events a watcher looks at under one hold of the lock.
const STEP: usize = 256;

#[derive(Debug)]
pub(super) struct Event {
    id: AgentId,
    metadata: Metadata,
    what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Logged(LogEntry),
    CancelRequested(Message),
    Purged,
}

impl Event {
    pub(super) fn of(activity: &Activity, what: What) -> Self {
        Self { id: activity.id, metadata: activity.metadata.clone(), what }
    }

    fn at(&self, cursor: WatchCursor) -> WatchEvent {
        let id = self.id;
        match &self.what {
            What::Logged(entry) => WatchEvent::Logged { cursor, id, entry: entry.clone() },
            What::CancelRequested(reason) => {
                WatchEvent::CancelRequested { cursor, id, reason: reason.clone() }
            }
            What::Purged => WatchEvent::Purged { cursor, id },
        }
    }
}

/// The newest [`EVENTS_KEPT`] events, numbered from 1.
#[derive(Debug)]
pub(super) struct Events {
    /// Which life of a store this is, so that a place in another, before a restart, is not taken for one in this.
    life: u64,
    kept: VecDeque<Event>,
    /// How many were dropped: the number of the first kept one is one more.
    dropped: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self { life: Uuid::new_v4().as_u64_pair().0, kept: VecDeque::new(), dropped: 0 }
    }
}

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        if self.kept.len() == EVENTS_KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(event);
    }

    fn head(&self) -> u64 {
        self.dropped + self.kept.len() as u64
    }

    /// The number of the first event that a watch from there delivers.
    pub(super) fn position(&self, from: WatchFrom) -> Result<u64, Error> {
        let after = match from {
            WatchFrom::Now => self.head(),
            WatchFrom::After(place) => {
                let (life, seen) = Uuid::from_u128(place.number()).as_u64_pair();
                if life != self.life || seen < self.dropped {
                    return Err(Error::CursorExpired { cursor: place });
                }
                if seen > self.head() {
                    return Err(Error::invalid("cursor", "this store has not given it yet; watch from now"));
                }
                seen
            }
        };
        Ok(after + 1)
    }

    /// The next event from `next` on that `wanted` admits, and the number to go on from.
    fn next_from(&self, next: u64, wanted: impl Fn(&Event) -> bool) -> (Option<WatchEvent>, u64) {
        if next <= self.dropped {
            let lagged = WatchEvent::Lagged { from: self.cursor(next), to: self.cursor(self.dropped) };
            return (Some(lagged), self.dropped + 1);
        }
        let skipped = usize::try_from(next - self.dropped - 1).unwrap_or(usize::MAX);
        let mut number = next;
        for event in self.kept.iter().skip(skipped).take(STEP) {
            if wanted(event) {
                return (Some(event.at(self.cursor(number))), number + 1);
            }
            number += 1;
        }
        (None, number)
    }

    fn cursor(&self, number: u64) -> WatchCursor {
        WatchCursor::new(Uuid::from_u64_pair(self.life, number).as_u128())
    }
}

struct Watcher {
    store: Weak<Inner>,
    bell: Arc<Notify>,
    scope: Scope,
    id: Option<AgentId>,
    next: u64,
}

/// A watch that ends when the store is dropped.
pub(super) fn watch(inner: &Arc<Inner>, scope: Scope, id: Option<AgentId>, next: u64) -> WatchStream {
    let watcher = Watcher { store: Arc::downgrade(inner), bell: inner.bell.clone(), scope, id, next };
    stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next_event().await?;
        Some((Ok(event), watcher))
    })
    .fuse()
    .boxed()
}

impl Watcher {
    async fn next_event(&mut self) -> Option<WatchEvent> {
        loop {
            let bell = Arc::clone(&self.bell);
            let rung = bell.notified();
            let (found, behind) = {
                let store = self.store.upgrade()?;
                let state = store.lock();
                let wanted = |event: &Event| {
                    self.id.is_none_or(|id| id == event.id) && self.scope.admits(&event.metadata)
                };
                let (found, next) = state.events.next_from(self.next, wanted);
                self.next = next;
                (found, next <= state.events.head())
            };
            match found {
                Some(event) => return Some(event),
                None if behind => {}
                None => rung.await,
            }
        }
    }
}
