//! Everything that the memory store keeps, and each operation as one step under its lock.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::clock::Clock;
use super::events::{Event, Events, What};
use super::index::Index;
use super::record::{Answer, Record};
use crate::{
    Activity, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Change, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, Message, NewActivity, Page, RequestId, SCAN_LIMIT, Scope,
    Status, StopRequest, Timestamp, Write, Written,
};

#[derive(Debug, Default)]
pub(super) struct State {
    records: HashMap<AgentId, Record>,
    index: Index,
    leases: BTreeSet<(Instant, AgentId)>,
    clock: Clock,
    pub(super) events: Events,
}

pub(super) enum StopWait {
    Now(StopRequest),
    Later(oneshot::Receiver<StopRequest>),
}

impl State {
    pub(super) fn now(&mut self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn create(&mut self, new: &NewActivity) -> Result<Activity, Error> {
        if let Some(known) = self.records.get(&new.id) {
            let known = &known.activity;
            if known.activity_type != new.activity_type || known.metadata != new.metadata {
                return Err(Error::IdTaken { id: new.id });
            }
            return Ok(known.clone());
        }
        let activity = Activity::queued(new, self.now());
        let record = Record::new(activity.clone());
        self.index.insert(&activity);
        self.events.push(Event::of(&activity, What::Logged(record.first_entry())));
        self.records.insert(new.id, record);
        Ok(activity)
    }

    pub(super) fn write(&mut self, write: Write) -> Result<Written, Error> {
        let at = self.now();
        let id = write.id;
        let record = self.records.get_mut(&id).ok_or(Error::NotFound { id })?;
        if let Some(Answer::Written(written)) = record.remembered(write.request) {
            return Ok(written);
        }
        let next = write.decide(record.state())?;
        let before = record.activity.status;
        let held = record.lease.as_ref().map(|lease| lease.expires);
        let (written, entry) = record.apply(&write.change, write.request, next, write.message, at);
        self.events.push(Event::of(&record.activity, What::Logged(entry)));
        if !next.progress {
            let granted = record.lease.as_ref().map(|lease| lease.expires);
            self.index.moved(before, &record.activity);
            self.move_lease(id, held, granted);
        }
        Ok(written)
    }

    fn move_lease(&mut self, id: AgentId, from: Option<Instant>, to: Option<Instant>) {
        if let Some(expires) = from {
            self.leases.remove(&(expires, id));
        }
        if let Some(expires) = to {
            self.leases.insert((expires, id));
        }
    }

    pub(super) fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Option<Detail> {
        let record = self.records.get(&id).filter(|record| scope.admits(&record.activity.metadata))?;
        Some(record.detail(log))
    }

    pub(super) fn counts(&self, scope: &Scope) -> Counts {
        self.index.counts(scope).unwrap_or_else(|| {
            let mut counts = Counts::default();
            let query = ListQuery::new(scope.clone());
            for activity in self.ordered(&query, None).filter(|activity| query.admits(activity)) {
                *counts.of_mut(activity.status) += 1;
            }
            counts
        })
    }

    pub(super) fn list(&self, query: &ListQuery) -> Page {
        let mut items = Vec::new();
        let mut last = None;
        for activity in self.ordered(query, query.cursor).take(SCAN_LIMIT) {
            if items.len() == query.limit {
                return Page { items, next: last };
            }
            last = Some(ListCursor::behind(activity, query.order));
            if query.admits(activity) {
                items.push(activity.clone());
            }
        }
        Page { items, next: self.unless_last(query, last) }
    }

    /// The activities that the query may show, behind a place, in its order.
    fn ordered(&self, query: &ListQuery, after: Option<ListCursor>) -> impl Iterator<Item = &Activity> {
        let ids = self.index.behind(query, after);
        ids.filter_map(|id| self.records.get(&id).map(|record| &record.activity))
    }

    /// The place, unless nothing that the query may show is behind it.
    fn unless_last(&self, query: &ListQuery, place: Option<ListCursor>) -> Option<ListCursor> {
        place.filter(|place| self.ordered(query, Some(*place)).next().is_some())
    }

    pub(super) fn request_cancel(
        &mut self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        let found = self.records.get_mut(&id).filter(|record| scope.admits(&record.activity.metadata));
        let record = found.ok_or(Error::NotFound { id })?;
        let CancelRequest { request, reason, message } = ask;
        match record.remembered(request) {
            Some(Answer::Written(_)) => return Ok(CancelOutcome::Canceled),
            Some(Answer::CancelRequested) => return Ok(CancelOutcome::Requested),
            None => {}
        }
        match record.activity.status {
            Status::Queued => {
                self.write(Write::new(id, request, Change::Cancel, message))?;
                Ok(CancelOutcome::Canceled)
            }
            Status::Running => {
                if record.ask_to_stop(request, &reason) {
                    self.events.push(Event::of(&record.activity, What::CancelRequested(reason)));
                }
                Ok(CancelOutcome::Requested)
            }
            ended => Ok(CancelOutcome::AlreadyEnded(ended)),
        }
    }

    pub(super) fn wait_for_stop(&mut self, id: AgentId, attempt: Attempt) -> StopWait {
        let record = self.records.get_mut(&id);
        if let Some(stop) = StopRequest::of(record.as_ref().map(|record| &record.activity), attempt) {
            return StopWait::Now(stop);
        }
        record.map_or(StopWait::Now(StopRequest::Superseded), |record| StopWait::Later(record.wait()))
    }

    pub(super) fn cancel_queued(
        &mut self,
        scope: &Scope,
        reason: &Message,
        after: Option<ListCursor>,
    ) -> Batch {
        let query = ListQuery::new(scope.clone()).status(Status::Queued);
        let (found, next) = self.step(&query, after);
        let mut changed = 0;
        for id in found {
            let cancel = Write::new(id, RequestId::new(), Change::Cancel, reason.clone());
            changed += u64::from(self.write(cancel).is_ok());
        }
        Batch::new(changed, next)
    }

    pub(super) fn purge(
        &mut self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Batch {
        let ended = [Status::Complete, Status::Error, Status::Canceled];
        let query = ended.into_iter().fold(ListQuery::new(scope.clone()), ListQuery::status);
        let (found, next) = self.step(&query, after);
        let mut changed = 0;
        for id in found {
            let ended = self.records.get(&id).and_then(|record| record.activity.ended);
            if ended.is_some_and(|ended| ended < ended_before) {
                self.remove(id);
                changed += 1;
            }
        }
        Batch::new(changed, next)
    }

    fn remove(&mut self, id: AgentId) {
        let Some(record) = self.records.remove(&id) else { return };
        let activity = record.activity;
        self.index.remove(&activity);
        self.events.push(Event::of(&activity, What::Purged));
    }

    /// The next activities that a bulk command looks at, and where it goes on.
    fn step(&self, query: &ListQuery, after: Option<ListCursor>) -> (Vec<AgentId>, Option<ListCursor>) {
        let mut found = Vec::new();
        let mut last = None;
        for activity in self.ordered(query, after).take(SCAN_LIMIT) {
            last = Some(ListCursor::behind(activity, query.order));
            if query.admits(activity) {
                found.push(activity.id);
            }
        }
        (found, self.unless_last(query, last))
    }

    pub(super) fn renew(&mut self, id: AgentId, attempt: Attempt, ttl: Duration) -> bool {
        let at = self.now();
        let Some(record) = self.records.get_mut(&id) else { return false };
        let held = record.activity.status == Status::Running && record.activity.attempt == attempt;
        let Some(lease) = record.lease.as_mut().filter(|_| held) else { return false };
        self.leases.remove(&(lease.expires, id));
        lease.renew(ttl, at);
        self.leases.insert((lease.expires, id));
        true
    }

    pub(super) fn expired(&self, limit: usize) -> Vec<ExpiredLease> {
        let now = Instant::now();
        let due = self.leases.iter().take_while(|(expires, _)| *expires <= now);
        due.filter_map(|(_, id)| {
            let record = self.records.get(id)?;
            let lease = record.lease.as_ref()?;
            Some(ExpiredLease::new(*id, record.activity.attempt, lease.owner.clone(), lease.renewed))
        })
        .take(limit)
        .collect()
    }
}
