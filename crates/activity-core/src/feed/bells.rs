//! Who waits, and for what.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::ring::Losses;
use super::{FeedEvent, Inner, same_life};
use crate::AgentId;

/// The bells of everybody who waits: one for those who watch everything, one for each activity that somebody
/// watches or works on.
#[derive(Debug, Default)]
pub(super) struct Bells {
    everything: Arc<Notify>,
    watchers_of_everything: usize,
    one: HashMap<AgentId, Bell>,
}

/// One activity that somebody watches or works on.
#[derive(Debug, Default)]
struct Bell {
    /// Rung at each event.
    events: Arc<Notify>,
    /// Rung when work might have to stop.
    stops: Arc<Notify>,
    users: usize,
    /// Its events behind the number `since` as far as the ring keeps them: whoever has read up to there need not
    /// look at what happens to others, however much that is.
    kept: VecDeque<Arc<FeedEvent>>,
    since: u128,
}

impl Bells {
    pub(super) fn is_wanted(&self) -> bool {
        self.watchers_of_everything > 0 || !self.one.is_empty()
    }

    /// Takes an event down for whoever waits for its activity, and says which bells to ring.
    pub(super) fn hand_on(&mut self, event: &Arc<FeedEvent>, to_ring: &mut Vec<Arc<Notify>>) {
        let Some(bell) = self.one.get_mut(&event.id) else { return };
        bell.kept.push_back(Arc::clone(event));
        to_ring.push(Arc::clone(&bell.events));
        if event.may_stop() {
            to_ring.push(Arc::clone(&bell.stops));
        }
    }

    /// An event has left the ring.
    pub(super) fn forget(&mut self, event: &FeedEvent) {
        let Some(bell) = self.one.get_mut(&event.id) else { return };
        let number = event.cursor.number();
        if bell.kept.front().is_some_and(|oldest| oldest.cursor.number() == number) {
            bell.kept.pop_front();
            bell.since = number;
        }
    }

    /// What is kept says nothing of events up to this number.
    pub(super) fn restart(&mut self, head: u128) {
        for bell in self.one.values_mut() {
            bell.kept.clear();
            bell.since = head;
        }
    }

    /// The kept events of one activity behind a number, at most `limit`; nothing when events between that number
    /// and the kept ones may be missing.
    pub(super) fn behind(&self, id: AgentId, number: u128, limit: usize) -> Option<Vec<Arc<FeedEvent>>> {
        let bell = self.one.get(&id)?;
        if !same_life(number, bell.since) || number < bell.since {
            return None;
        }
        let read = bell.kept.partition_point(|event| event.cursor.number() <= number);
        Some(bell.kept.iter().skip(read).take(limit).cloned().collect())
    }

    /// The bell of those who watch everything.
    pub(super) fn of_everything(&self) -> Arc<Notify> {
        Arc::clone(&self.everything)
    }

    /// All bells: everybody has to look for himself.
    pub(super) fn all(&self) -> Vec<Arc<Notify>> {
        let each = self.one.values().flat_map(|bell| [Arc::clone(&bell.events), Arc::clone(&bell.stops)]);
        each.chain([self.of_everything()]).collect()
    }
}

/// That somebody waits, as long as this lives.
pub(super) struct Interest {
    pub(super) feed: Arc<Inner>,
    pub(super) id: Option<AgentId>,
    /// What had been lost when this began.
    pub(super) losses: Losses,
    events: Arc<Notify>,
    stops: Option<Arc<Notify>>,
}

impl Interest {
    /// And whether nobody waited before.
    pub(super) fn new(feed: &Arc<Inner>, id: Option<AgentId>) -> (Self, bool) {
        let mut state = feed.lock();
        let (head, losses) = (state.ring.head(), state.ring.losses());
        let bells = &mut state.bells;
        let first = !bells.is_wanted();
        let (events, stops) = match id {
            None => {
                bells.watchers_of_everything += 1;
                (bells.of_everything(), None)
            }
            Some(id) => {
                let bell = bells.one.entry(id).or_insert_with(|| Bell { since: head, ..Bell::default() });
                bell.users += 1;
                (Arc::clone(&bell.events), Some(Arc::clone(&bell.stops)))
            }
        };
        drop(state);
        (Self { feed: Arc::clone(feed), id, losses, events, stops }, first)
    }

    /// Ready at the next event from this call on.
    pub(super) fn events(&self) -> OwnedNotified {
        Arc::clone(&self.events).notified_owned()
    }

    /// Ready when, from this call on, work might have to stop.
    pub(super) fn stops(&self) -> OwnedNotified {
        Arc::clone(self.stops.as_ref().unwrap_or(&self.events)).notified_owned()
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut state = self.feed.lock();
        let bells = &mut state.bells;
        let Some(id) = self.id else {
            bells.watchers_of_everything -= 1;
            return;
        };
        if let Some(bell) = bells.one.get_mut(&id) {
            bell.users -= 1;
            if bell.users == 0 {
                bells.one.remove(&id);
            }
        }
    }
}
