//! Who waits, and for what.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::Inner;
use crate::AgentId;

/// The bells of everybody who waits: one for those who watch everything, one for each activity that somebody
/// watches or works on.
#[derive(Debug, Default)]
pub(super) struct Bells {
    everything: Arc<Notify>,
    watchers_of_everything: usize,
    one: HashMap<AgentId, Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    /// Rung at each event.
    events: Arc<Notify>,
    /// Rung when work might have to stop.
    stops: Arc<Notify>,
    users: usize,
}

impl Bells {
    pub(super) fn is_wanted(&self) -> bool {
        self.watchers_of_everything > 0 || !self.one.is_empty()
    }

    /// Something happened to this activity.
    pub(super) fn ring(&self, id: AgentId, may_stop: bool) {
        let Some(bell) = self.one.get(&id) else { return };
        bell.events.notify_waiters();
        if may_stop {
            bell.stops.notify_waiters();
        }
    }

    /// Something happened.
    pub(super) fn ring_watchers(&self) {
        self.everything.notify_waiters();
    }

    /// Everybody has to look for himself.
    pub(super) fn ring_all(&self) {
        self.everything.notify_waiters();
        for bell in self.one.values() {
            bell.events.notify_waiters();
            bell.stops.notify_waiters();
        }
    }
}

/// That somebody waits, as long as this lives.
pub(super) struct Interest {
    pub(super) feed: Arc<Inner>,
    pub(super) id: Option<AgentId>,
    events: Arc<Notify>,
    stops: Option<Arc<Notify>>,
}

impl Interest {
    /// And whether nobody waited before.
    pub(super) fn new(feed: &Arc<Inner>, id: Option<AgentId>) -> (Self, bool) {
        let mut state = feed.lock();
        let bells = &mut state.bells;
        let first = !bells.is_wanted();
        let (events, stops) = match id {
            None => {
                bells.watchers_of_everything += 1;
                (Arc::clone(&bells.everything), None)
            }
            Some(id) => {
                let bell = bells.one.entry(id).or_default();
                bell.users += 1;
                (Arc::clone(&bell.events), Some(Arc::clone(&bell.stops)))
            }
        };
        drop(state);
        (Self { feed: Arc::clone(feed), id, events, stops }, first)
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
