//! The newest events, one behind the other.

use std::collections::VecDeque;
use std::sync::Arc;

use super::FeedEvent;

/// How many events are kept at the most for watchers to read from.
const KEPT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The number of the last event before the kept ones.
    before: u128,
    events: VecDeque<Arc<FeedEvent>>,
    /// How often what was kept was thrown away, since something else began.
    breaks: u64,
}

impl Ring {
    /// Adds events, and says whether they follow the ones before.
    pub(super) fn extend(&mut self, events: Vec<FeedEvent>) -> bool {
        let breaks = self.breaks;
        for event in events {
            let number = event.cursor.number();
            let head = self.head();
            if number <= head && head - number < u128::from(u64::MAX) {
                continue;
            }
            if number != head + 1 {
                self.reset(number.saturating_sub(1));
            }
            if self.events.len() == KEPT {
                self.events.pop_front();
                self.before += 1;
            }
            self.events.push_back(Arc::new(event));
        }
        breaks == self.breaks
    }

    pub(super) fn reset(&mut self, head: u128) {
        self.events.clear();
        self.before = head;
        self.breaks += 1;
    }

    /// The number of the newest event.
    fn head(&self) -> u128 {
        self.before + self.events.len() as u128
    }

    pub(super) fn breaks(&self) -> u64 {
        self.breaks
    }

    /// Whether events behind this one are kept no more.
    pub(super) fn has_dropped_behind(&self, number: u128) -> bool {
        number < self.before
    }

    /// Whether this is the number of a kept event, or of the last before them.
    pub(super) fn knows(&self, number: u128) -> bool {
        (self.before..=self.head()).contains(&number)
    }

    /// At most `limit` kept events behind the one of this number.
    pub(super) fn behind(&self, number: u128, limit: usize) -> Vec<Arc<FeedEvent>> {
        let skipped = usize::try_from(number.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.events.iter().skip(skipped).take(limit).cloned().collect()
    }
}
