//! The newest events, one behind the other.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{FeedEvent, same_life};

/// How many events are kept at the most for watchers to read from.
const KEPT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The number of the last event before the kept ones.
    before: u128,
    events: VecDeque<Arc<FeedEvent>>,
    /// How often something else began than what would have followed.
    breaks: u64,
    /// How often it went back behind what had been handed on, and where to the last time.
    losses: Losses,
}

/// How often events that had been handed on were lost, and behind which number the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    count: u64,
    behind: u128,
}

impl Losses {
    /// Whether a reader who has seen events up to this number, and who knows of `known`, has seen some that were
    /// lost since. Of several losses only the last is remembered, so then he is taken to have.
    pub(super) fn concern(self, seen: u128, known: Self) -> bool {
        match self.count - known.count {
            0 => false,
            1 => !same_life(seen, self.behind) || seen > self.behind,
            _ => true,
        }
    }
}

/// How an event follows those that were handed on before.
pub(super) enum Place {
    Next,
    /// It was handed on already.
    Known,
    /// Others are between, or the events began anew.
    Elsewhere,
}

impl Ring {
    pub(super) fn place(&self, number: u128) -> Place {
        let head = self.head();
        if number == head + 1 {
            Place::Next
        } else if same_life(number, head) && number <= head {
            Place::Known
        } else {
            Place::Elsewhere
        }
    }

    /// Adds the next event, and gives the oldest one when that has to leave.
    pub(super) fn push(&mut self, event: Arc<FeedEvent>) -> Option<Arc<FeedEvent>> {
        self.events.push_back(event);
        if self.events.len() <= KEPT {
            return None;
        }
        self.before += 1;
        self.events.pop_front()
    }

    pub(super) fn reset(&mut self, head: u128) {
        if same_life(head, self.head()) && head < self.head() {
            self.losses = Losses { count: self.losses.count + 1, behind: head };
        }
        self.events.clear();
        self.before = head;
        self.breaks += 1;
    }

    /// The number of the newest event.
    pub(super) fn head(&self) -> u128 {
        self.before + self.events.len() as u128
    }

    pub(super) fn breaks(&self) -> u64 {
        self.breaks
    }

    pub(super) fn losses(&self) -> Losses {
        self.losses
    }

    /// The number of the last event before the kept ones.
    pub(super) fn before(&self) -> u128 {
        self.before
    }

    /// At most `limit` kept events behind the one of this number.
    pub(super) fn behind(&self, number: u128, limit: usize) -> Vec<Arc<FeedEvent>> {
        let skipped = usize::try_from(number.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.events.iter().skip(skipped).take(limit).cloned().collect()
    }
}
