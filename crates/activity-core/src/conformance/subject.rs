//! The store under test, with the shorthands that the cases are written in.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::Harness;
use crate::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Change, Counts, Detail,
    Error, LeaseTerms, ListCursor, ListQuery, LogQuery, Message, Metadata, NewActivity, Percent, RequestId,
    Scope, Status, WatchEvent, WatchFrom, WatchStream, Write, Written,
};

#[derive(Clone)]
pub(super) struct Subject(Arc<dyn ActivityStore>);

impl Deref for Subject {
    type Target = dyn ActivityStore;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Subject {
    pub(super) async fn fresh(harness: &dyn Harness) -> Self {
        Self(harness.fresh().await)
    }

    /// Two handles on one store.
    pub(super) async fn pair(harness: &dyn Harness) -> (Self, Self) {
        let (one, two) = harness.fresh_pair().await;
        (Self(one), Self(two))
    }

    pub(super) async fn queued(&self) -> AgentId {
        self.queued_with(Metadata::new()).await
    }

    pub(super) async fn queued_with(&self, metadata: Metadata) -> AgentId {
        let new = NewActivity { metadata, ..new_activity(AgentId::new()) };
        self.create(new).await.unwrap().id
    }

    pub(super) async fn queued_many(&self, many: usize, metadata: &Metadata) {
        // Some at a time: a store behind a network would take long one by one.
        let creates = (0..many).map(|_| self.queued_with(metadata.clone()));
        futures_util::stream::iter(creates).buffer_unordered(64).for_each(|_| async {}).await;
    }

    pub(super) async fn running(&self) -> AgentId {
        self.at(Status::Running).await
    }

    /// A running activity whose lease lasts so long.
    pub(super) async fn leased(&self, ttl: Duration) -> AgentId {
        let id = self.queued().await;
        self.apply(id, leased_start(ttl)).await;
        id
    }

    /// A new activity in this status.
    pub(super) async fn at(&self, status: Status) -> AgentId {
        let id = self.queued().await;
        self.bring(id, status).await;
        id
    }

    /// Brings a queued activity to this status.
    pub(super) async fn bring(&self, id: AgentId, status: Status) {
        if status != Status::Queued {
            self.apply(id, start()).await;
        }
        match status {
            Status::Queued | Status::Running => {}
            Status::Complete => drop(self.apply(id, complete()).await),
            Status::Error => drop(self.apply(id, fail()).await),
            Status::Canceled => drop(self.apply(id, Change::Cancel).await),
        }
    }

    /// Carries out a change that must be allowed, by a writer without an attempt.
    pub(super) async fn apply(&self, id: AgentId, change: Change) -> Written {
        self.try_apply(id, change).await.unwrap()
    }

    pub(super) async fn try_apply(&self, id: AgentId, change: Change) -> Result<Written, Error> {
        self.write(write(id, change)).await
    }

    pub(super) async fn ask_to_cancel(&self, id: AgentId, reason: &str) -> CancelOutcome {
        self.request_cancel(&Scope::all(), id, ask(reason)).await.unwrap()
    }

    pub(super) async fn activity(&self, id: AgentId) -> Activity {
        self.whole(id).await.activity
    }

    /// The record and its whole log.
    pub(super) async fn whole(&self, id: AgentId) -> Detail {
        self.find(id).await.unwrap_or_else(|| panic!("activity {id} is not there"))
    }

    pub(super) async fn find(&self, id: AgentId) -> Option<Detail> {
        let mut whole = self.detail(&Scope::all(), id, LogQuery::new()).await.unwrap()?;
        while let Some(next) = whole.next {
            let page = self.detail(&Scope::all(), id, LogQuery::new().from(next)).await.unwrap()?;
            whole.log.extend(page.log);
            whole.next = page.next;
        }
        Some(whole)
    }

    /// Everything that the query shows, over all its pages.
    pub(super) async fn listed(&self, query: &ListQuery) -> Vec<Activity> {
        let mut items = Vec::new();
        let mut query = query.clone();
        loop {
            let page = self.list(&query).await.unwrap();
            assert!(page.items.len() <= query.limit, "a page of {} has {}", query.limit, page.items.len());
            items.extend(page.items);
            let Some(next) = page.next else { return items };
            assert_ne!(query.cursor, Some(next), "a page leads to itself");
            query = query.after(next);
        }
    }

    pub(super) async fn listed_ids(&self, query: &ListQuery) -> Vec<AgentId> {
        self.listed(query).await.iter().map(|activity| activity.id).collect()
    }

    pub(super) async fn all_counts(&self) -> Counts {
        self.counts(&Scope::all()).await.unwrap()
    }

    /// Everything that a reader can see: what a refused change must leave as it is.
    pub(super) async fn everything(&self) -> (Vec<Detail>, Counts) {
        let mut details = Vec::new();
        for activity in self.listed(&ListQuery::new(Scope::all())).await {
            details.push(self.whole(activity.id).await);
        }
        (details, self.all_counts().await)
    }

    pub(super) async fn watch_all(&self) -> WatchStream {
        self.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap()
    }

    /// All steps of `cancel_queued`: how many were changed, in how many steps.
    pub(super) async fn cancel_all_queued(&self, scope: &Scope) -> (u64, usize) {
        all_steps(async |after| self.cancel_queued(scope, "canceled".into(), after).await).await
    }

    /// All steps of a purge of everything that has ended: how many were removed, in how many steps.
    pub(super) async fn purge_all_ended(&self, scope: &Scope) -> (u64, usize) {
        all_steps(async |after| self.purge(scope, crate::Timestamp::MAX, after).await).await
    }
}

async fn all_steps(step: impl AsyncFn(Option<ListCursor>) -> Result<Batch, Error>) -> (u64, usize) {
    let (mut changed, mut steps, mut after) = (0, 0, None);
    loop {
        let batch = step(after).await.unwrap();
        changed += batch.changed;
        steps += 1;
        assert!(batch.next.is_none() || batch.next != after, "a step leads to itself");
        after = batch.next;
        if after.is_none() {
            return (changed, steps);
        }
    }
}

pub(super) fn new_activity(id: AgentId) -> NewActivity {
    NewActivity {
        id,
        activity_type: "task".into(),
        message: "Waiting to start.".into(),
        metadata: Metadata::new(),
    }
}

/// Metadata of one pair.
pub(super) fn pair(key: &str, value: impl Into<serde_json::Value>) -> Metadata {
    Metadata::new().with(key, value).unwrap()
}

/// The scope of the activities with this pair.
pub(super) fn scoped(key: &str, value: impl Into<serde_json::Value>) -> Scope {
    Scope::metadata(pair(key, value)).unwrap()
}

/// A write of its own by a writer without an attempt; its message names the change.
pub(super) fn write(id: AgentId, change: Change) -> Write {
    let message = Message::new(format!("{change:?}"));
    Write::new(id, RequestId::new(), change, message)
}

pub(super) fn percent(value: u8) -> Percent {
    Percent::new(value).unwrap()
}

/// A request to stop; the log of a queued activity says "canceled: " and why.
pub(super) fn ask(reason: &str) -> CancelRequest {
    CancelRequest {
        request: RequestId::new(),
        reason: reason.into(),
        message: format!("canceled: {reason}").into(),
    }
}

pub(super) fn start() -> Change {
    Change::Start { lease: None, percentage: Percent::ZERO }
}

pub(super) fn leased_start(ttl: Duration) -> Change {
    let lease = LeaseTerms::new("worker-1", ttl);
    Change::Start { lease: Some(lease), percentage: Percent::ZERO }
}

/// A start under a lease that leaves it other attempts, up to this one.
pub(super) fn retried_start(ttl: Duration, last_attempt: u32) -> Change {
    let lease = LeaseTerms::new("worker-1", ttl).last_attempt(Attempt::new(last_attempt));
    Change::Start { lease: Some(lease), percentage: Percent::ZERO }
}

pub(super) fn progress(value: u8) -> Change {
    Change::Progress { percentage: Some(percent(value)), only_raise: false }
}

pub(super) fn complete() -> Change {
    Change::Complete { percentage: Percent::FULL }
}

pub(super) fn fail() -> Change {
    Change::Fail { percentage: None }
}

/// One of each change.
pub(super) fn every_change() -> [Change; 8] {
    [start(), progress(30), complete(), fail(), Change::Cancel, Change::Lose, Change::Requeue, Change::Retry]
}

/// The next event of a watch; the deadline of the case bounds the wait.
pub(super) async fn next_event(watch: &mut WatchStream) -> WatchEvent {
    watch.next().await.expect("the watch ended").unwrap()
}

/// The activity and the number of the log entry that the next event tells of.
pub(super) async fn next_logged(watch: &mut WatchStream) -> (AgentId, u64) {
    match next_event(watch).await {
        WatchEvent::Logged { id, entry, .. } => (id, entry.seq),
        other => panic!("expected a log entry, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_refused<T: std::fmt::Debug>(
    got: Result<T, Error>,
    id: AgentId,
    from: Status,
    to: Status,
) {
    match got {
        Err(Error::Refused { id: named, from: was, to: asked }) if (named, was, asked) == (id, from, to) => {}
        other => panic!("expected {from} to be refused as {to}, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_not_found<T: std::fmt::Debug>(got: Result<T, Error>, id: AgentId) {
    match got {
        Err(Error::NotFound { id: named }) if named == id => {}
        other => panic!("expected that {id} is not found, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_stale<T: std::fmt::Debug>(got: Result<T, Error>, given: u32, current: u32) {
    match got {
        Err(Error::StaleAttempt { given: g, current: c, .. })
            if (g.number(), c.number()) == (given, current) => {}
        other => panic!("expected attempt {given} to be stale since {current} counts, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_invalid<T: std::fmt::Debug>(got: Result<T, Error>, name: &str) {
    match got {
        Err(Error::Invalid { field, .. }) if field == name => {}
        other => panic!("expected an invalid {name}, got {other:?}"),
    }
}
