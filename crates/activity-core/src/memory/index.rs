//! The orders that activities are listed in, once for all of them and once for each metadata pair, so that what
//! one tenant asks for does not cost what all the others have.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use serde_json::Value;

use crate::{Activity, AgentId, Counts, ListCursor, ListQuery, Metadata, Order, Scope, Status, Timestamp};

/// A place in a list: rank, then newest first.
type Place = (u8, Reverse<Timestamp>, Reverse<AgentId>);

#[derive(Debug, Default)]
pub(super) struct Index {
    all: Places,
    by_pair: HashMap<String, HashMap<Value, Places>>,
}

/// The places of some activities, in both orders.
#[derive(Debug, Default)]
struct Places {
    by_status: BTreeSet<Place>,
    by_created: BTreeSet<Place>,
    counts: Counts,
}

impl Index {
    pub(super) fn insert(&mut self, activity: &Activity) {
        self.all.insert(activity);
        for (key, value) in activity.metadata.iter() {
            let values = self.by_pair.entry(key.to_owned()).or_default();
            values.entry(value.clone()).or_default().insert(activity);
        }
    }

    pub(super) fn remove(&mut self, activity: &Activity) {
        self.all.remove(activity);
        for (key, value) in activity.metadata.iter() {
            let Some(values) = self.by_pair.get_mut(key) else { continue };
            if let Some(places) = values.get_mut(value) {
                places.remove(activity);
                if places.by_created.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.by_pair.remove(key);
            }
        }
    }

    /// Puts an activity, which had another status, where it belongs now.
    pub(super) fn moved(&mut self, from: Status, activity: &Activity) {
        self.all.moved(from, activity);
        for (key, value) in activity.metadata.iter() {
            if let Some(places) = self.by_pair.get_mut(key).and_then(|values| values.get_mut(value)) {
                places.moved(from, activity);
            }
        }
    }

    /// The counts of a scope, when they are known without looking at its activities.
    pub(super) fn counts(&self, scope: &Scope) -> Option<Counts> {
        let pairs = scope.pairs().map_or(0, Metadata::len);
        match self.narrowest(scope.pairs().into_iter()) {
            None => Some(Counts::default()),
            Some(places) => (pairs <= 1).then_some(places.counts),
        }
    }

    /// The activities that the query may show, behind a place, in its order.
    pub(super) fn behind(
        &self,
        query: &ListQuery,
        after: Option<ListCursor>,
    ) -> impl Iterator<Item = AgentId> {
        let places = self.narrowest(query.scope.pairs().into_iter().chain([&query.metadata]));
        places.into_iter().flat_map(move |places| places.behind(query, after))
    }

    /// The fewest places that hold everything with all these pairs; nothing when there is no such activity.
    fn narrowest<'a>(&self, pairs: impl Iterator<Item = &'a Metadata>) -> Option<&Places> {
        let mut narrowest = &self.all;
        for (key, value) in pairs.flat_map(Metadata::iter) {
            let places = self.by_pair.get(key)?.get(value)?;
            if places.by_created.len() < narrowest.by_created.len() {
                narrowest = places;
            }
        }
        Some(narrowest)
    }
}

impl Places {
    fn insert(&mut self, activity: &Activity) {
        self.by_status.insert(place(activity, activity.status.rank()));
        self.by_created.insert(place(activity, 0));
        *self.counts.of_mut(activity.status) += 1;
    }

    fn remove(&mut self, activity: &Activity) {
        self.by_status.remove(&place(activity, activity.status.rank()));
        self.by_created.remove(&place(activity, 0));
        *self.counts.of_mut(activity.status) -= 1;
    }

    fn moved(&mut self, from: Status, activity: &Activity) {
        *self.counts.of_mut(from) -= 1;
        *self.counts.of_mut(activity.status) += 1;
        if from.rank() != activity.status.rank() {
            self.by_status.remove(&place(activity, from.rank()));
            self.by_status.insert(place(activity, activity.status.rank()));
        }
    }

    fn behind(&self, query: &ListQuery, after: Option<ListCursor>) -> impl Iterator<Item = AgentId> {
        let (places, first, last) = match query.order {
            Order::Status => {
                let ranks = query.statuses.iter().map(|status| status.rank());
                let first = ranks.clone().min().unwrap_or(0);
                (&self.by_status, first, ranks.max().unwrap_or(u8::MAX - 1))
            }
            Order::Created => (&self.by_created, 0, 0),
        };
        let from = match after {
            Some(cursor) if cursor.rank > last => Bound::Excluded(top_of(last + 1)),
            Some(cursor) if cursor.rank >= first => {
                Bound::Excluded((cursor.rank, Reverse(cursor.created), Reverse(cursor.id)))
            }
            _ => Bound::Included(top_of(first)),
        };
        places.range((from, Bound::Included(top_of(last + 1)))).map(|(_, _, Reverse(id))| *id)
    }
}

fn place(activity: &Activity, rank: u8) -> Place {
    (rank, Reverse(activity.created), Reverse(activity.id))
}

/// The place before every activity of this rank.
fn top_of(rank: u8) -> Place {
    (rank, Reverse(Timestamp::MAX), Reverse(AgentId::from_u128(u128::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewActivity;

    #[test]
    fn what_was_removed_leaves_nothing_behind() {
        let metadata = Metadata::new().with("org", "acme").unwrap().with("run", 1).unwrap();
        let new = NewActivity {
            id: AgentId::new(),
            activity_type: "task".into(),
            message: "Waiting".into(),
            metadata,
        };
        let activity = Activity::queued(&new, Timestamp::now());
        let mut index = Index::default();
        index.insert(&activity);
        assert_eq!(index.by_pair.len(), 2);
        index.remove(&activity);
        assert!(
            index.by_pair.is_empty() && index.all.by_status.is_empty() && index.all.by_created.is_empty()
        );
        assert_eq!(index.all.counts, Counts::default());
    }
}
