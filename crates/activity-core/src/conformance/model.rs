//! The rules once more, in the plainest form: no index, no clock, no sharing, and none of the crate's own code
//! for them. The random part of the suite holds a store against this.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::{
    AgentId, Attempt, CancelOutcome, CancelRequest, Change, Counts, Detail, Error, Message, Metadata,
    NewActivity, Order, Percent, RequestId, Scope, Status, StopRequest, Timestamp, Write, Written,
};

/// What a reader sees of an activity, but for the times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub(super) id: AgentId,
    pub(super) activity_type: String,
    pub(super) metadata: Metadata,
    pub(super) status: Status,
    pub(super) percentage: Percent,
    pub(super) attempt: Attempt,
    pub(super) message: Message,
    pub(super) cancel_requested: Option<Message>,
    pub(super) has_started: bool,
    pub(super) has_ended: bool,
    pub(super) log: Vec<Line>,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    seq: u64,
    attempt: Attempt,
    status: Status,
    percentage: Percent,
    progress: bool,
    message: Message,
}

impl From<Detail> for View {
    fn from(detail: Detail) -> Self {
        let activity = detail.activity;
        let lines = detail.log.into_iter().map(|entry| Line {
            seq: entry.seq,
            attempt: entry.attempt,
            status: entry.status,
            percentage: entry.percentage,
            progress: entry.progress,
            message: entry.message,
        });
        Self {
            id: activity.id,
            activity_type: activity.activity_type,
            metadata: activity.metadata,
            status: activity.status,
            percentage: activity.percentage,
            attempt: activity.attempt,
            message: activity.message,
            cancel_requested: activity.cancel_requested,
            has_started: activity.started.is_some(),
            has_ended: activity.ended.is_some(),
            log: lines.collect(),
        }
    }
}

/// What a watcher is told, without the place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Logged(AgentId, u64),
    CancelRequested(AgentId, String),
    Purged(AgentId),
}

/// Whether a running activity has a lease, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lease {
    None,
    Held,
    Expired,
}

#[derive(Clone, Debug)]
struct Record {
    view: View,
    created: Timestamp,
    lease: Lease,
    /// The last attempt that the lease allows without anybody asking for it.
    last_attempt: Attempt,
    writes: Vec<(RequestId, Written)>,
    cancels: Vec<(RequestId, CancelOutcome)>,
}

/// A store as the rules describe it.
#[derive(Debug, Default)]
pub(super) struct Model {
    records: BTreeMap<AgentId, Record>,
    /// What watchers have yet to be told.
    pub(super) told: Vec<Told>,
}

/// The status that a change asks for, as a refusal names it.
pub(super) fn asked(change: &Change) -> Status {
    match change {
        Change::Start { .. } | Change::Progress { .. } => Status::Running,
        Change::Complete { .. } => Status::Complete,
        Change::Fail { .. } | Change::Lose => Status::Error,
        Change::Cancel => Status::Canceled,
        Change::Requeue | Change::Retry => Status::Queued,
    }
}

impl Record {
    /// Status, percentage and attempt after a change; the error when it is not allowed.
    fn after(&self, change: &Change) -> Result<(Status, Percent, Attempt), Error> {
        use Status::{Canceled, Complete, Error as Failed, Queued, Running};
        let View { id, status: from, percentage: kept, attempt, .. } = self.view;
        let asked_to_stop = self.view.cancel_requested.is_some();
        let following = Attempt::new(attempt.number() + 1);
        Ok(match (change, from) {
            (Change::Start { percentage, .. }, Queued) => (Running, *percentage, attempt),
            (Change::Progress { percentage: None, .. }, Running) => (Running, kept, attempt),
            (Change::Progress { percentage: Some(new), only_raise: true }, Running) if *new < kept => {
                (Running, kept, attempt)
            }
            (Change::Progress { percentage: Some(new), .. }, Running) => (Running, *new, attempt),
            (Change::Complete { percentage }, Running) => (Complete, *percentage, attempt),
            (Change::Fail { percentage: None }, Queued | Running) => (Failed, kept, attempt),
            (Change::Fail { percentage: Some(new) }, Queued | Running) => (Failed, *new, attempt),
            (Change::Cancel, Queued | Running) => (Canceled, kept, attempt),
            (Change::Lose, Running) if self.lease != Lease::Expired => return Err(Error::LeaseHeld { id }),
            (Change::Lose, Running) if attempt.number() >= self.last_attempt.number() => {
                (Failed, kept, attempt)
            }
            (Change::Requeue | Change::Lose, Running) if asked_to_stop => (Canceled, kept, attempt),
            (Change::Requeue | Change::Lose, Running) | (Change::Retry, Failed | Canceled) => {
                (Queued, Percent::ZERO, following)
            }
            _ => return Err(Error::Refused { id, from, to: asked(change) }),
        })
    }

    fn log(&mut self, progress: bool) -> u64 {
        let View { status, percentage, attempt, message, log, .. } = &mut self.view;
        let seq = log.len() as u64 + 1;
        let message = message.clone();
        log.push(Line {
            seq,
            attempt: *attempt,
            status: *status,
            percentage: *percentage,
            progress,
            message,
        });
        seq
    }

    fn group(&self) -> u8 {
        match self.view.status {
            Status::Running => 0,
            Status::Queued => 1,
            _ => 2,
        }
    }
}

impl Model {
    /// `created` is what the store answered, nothing when it refused.
    pub(super) fn create(&mut self, new: &NewActivity, created: Option<Timestamp>) -> Result<(), Error> {
        if let Some(known) = self.records.get(&new.id) {
            let same = known.view.activity_type == new.activity_type && known.view.metadata == new.metadata;
            return if same { Ok(()) } else { Err(Error::IdTaken { id: new.id }) };
        }
        let view = View {
            id: new.id,
            activity_type: new.activity_type.clone(),
            metadata: new.metadata.clone(),
            status: Status::Queued,
            percentage: Percent::ZERO,
            attempt: Attempt::FIRST,
            message: new.message.clone(),
            cancel_requested: None,
            has_started: false,
            has_ended: false,
            log: Vec::new(),
        };
        let created = created.unwrap_or_default();
        let (lease, last_attempt) = (Lease::None, Attempt::FIRST);
        let mut record = Record { view, created, lease, last_attempt, writes: vec![], cancels: vec![] };
        let seq = record.log(false);
        self.told.push(Told::Logged(new.id, seq));
        self.records.insert(new.id, record);
        Ok(())
    }

    pub(super) fn write(&mut self, write: &Write) -> Result<Written, Error> {
        let id = write.id;
        let record = self.records.get_mut(&id).ok_or(Error::NotFound { id })?;
        if let Some((_, answer)) = record.writes.iter().find(|(request, _)| *request == write.request) {
            return Ok(*answer);
        }
        let current = record.view.attempt;
        if let Some(given) = write.attempt
            && given != current
        {
            return Err(Error::StaleAttempt { id, given, current });
        }
        let (status, percentage, attempt) = record.after(&write.change)?;
        let view = &mut record.view;
        (view.status, view.percentage, view.attempt) = (status, percentage, attempt);
        view.message = write.message.clone();
        match status {
            Status::Queued => {
                view.has_started = false;
                view.has_ended = false;
                view.cancel_requested = None;
            }
            Status::Running => view.has_started = true,
            _ => view.has_ended = true,
        }
        if let Change::Start { lease: Some(lease), .. } = &write.change {
            record.lease = if lease.ttl.is_zero() { Lease::Expired } else { Lease::Held };
            record.last_attempt = lease.last_attempt;
        } else if status != Status::Running {
            record.lease = Lease::None;
        }
        let seq = record.log(matches!(write.change, Change::Progress { .. }));
        let written = Written { seq, status, percentage, attempt };
        record.writes.push((write.request, written));
        self.told.push(Told::Logged(id, seq));
        Ok(written)
    }

    pub(super) fn request_cancel(
        &mut self,
        scope: &Scope,
        id: AgentId,
        ask: &CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        let CancelRequest { request, reason, message } = ask;
        let record = self.records.get_mut(&id).filter(|record| within(scope, record));
        let record = record.ok_or(Error::NotFound { id })?;
        if let Some((_, answer)) = record.cancels.iter().find(|(known, _)| known == request) {
            return Ok(*answer);
        }
        let status = record.view.status;
        if status != Status::Queued && status != Status::Running {
            return Ok(CancelOutcome::AlreadyEnded(status));
        }
        let outcome = match status {
            Status::Queued => CancelOutcome::Canceled,
            _ => CancelOutcome::Requested,
        };
        record.cancels.push((*request, outcome));
        if status == Status::Queued {
            self.write(&Write::new(id, RequestId::new(), Change::Cancel, message.clone()))?;
        } else if record.view.cancel_requested.is_none() {
            record.view.cancel_requested = Some(reason.clone());
            self.told.push(Told::CancelRequested(id, reason.to_string()));
        }
        Ok(outcome)
    }

    pub(super) fn cancel_queued(&mut self, scope: &Scope, reason: &Message) -> u64 {
        let queued = self.ids(|record| within(scope, record) && record.view.status == Status::Queued);
        for id in &queued {
            let _ = self.write(&Write::new(*id, RequestId::new(), Change::Cancel, reason.clone()));
        }
        queued.len() as u64
    }

    /// Removes everything of the scope that has ended.
    pub(super) fn purge(&mut self, scope: &Scope) -> u64 {
        let ended = self.ids(|record| within(scope, record) && record.view.has_ended);
        for id in &ended {
            self.records.remove(id);
            self.told.push(Told::Purged(*id));
        }
        ended.len() as u64
    }

    /// A renewal for an hour, or for no time at all.
    pub(super) fn renew(&mut self, id: AgentId, attempt: Attempt, for_an_hour: bool) -> bool {
        let Some(record) = self.records.get_mut(&id) else { return false };
        if record.view.attempt != attempt || record.lease == Lease::None {
            return false;
        }
        record.lease = if for_an_hour { Lease::Held } else { Lease::Expired };
        true
    }

    pub(super) fn expired(&self) -> Vec<AgentId> {
        self.ids(|record| record.lease == Lease::Expired)
    }

    fn ids(&self, wanted: impl Fn(&Record) -> bool) -> Vec<AgentId> {
        self.records.values().filter(|record| wanted(record)).map(|record| record.view.id).collect()
    }

    pub(super) fn view(&self, id: AgentId) -> Option<View> {
        self.records.get(&id).map(|record| record.view.clone())
    }

    /// The attempt so far from the one that counts; of what is not there, from the first.
    pub(super) fn attempt(&self, id: AgentId, off: i32) -> Attempt {
        let current = self.records.get(&id).map_or(Attempt::FIRST, |record| record.view.attempt);
        Attempt::new(current.number().saturating_add_signed(off))
    }

    /// Whether the work of the attempt should stop, and why.
    pub(super) fn stop(&self, id: AgentId, attempt: Attempt) -> Option<StopRequest> {
        match self.view(id) {
            Some(view) if view.attempt == attempt && view.has_ended => Some(StopRequest::Ended(view.status)),
            Some(view) if view.attempt == attempt => view.cancel_requested.map(StopRequest::Cancel),
            _ => Some(StopRequest::Superseded),
        }
    }

    /// The ids of those of the scope that the filter takes, in order.
    pub(super) fn listed(&self, scope: &Scope, order: Order, filter: impl Fn(&View) -> bool) -> Vec<AgentId> {
        let listed = self.records.values().filter(|record| within(scope, record) && filter(&record.view));
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by_key(|record| {
            let group = if order == Order::Status { record.group() } else { 0 };
            (group, Reverse(record.created), Reverse(record.view.id))
        });
        listed.iter().map(|record| record.view.id).collect()
    }

    pub(super) fn counts(&self, scope: &Scope) -> Counts {
        let mut counts = Counts::default();
        for record in self.records.values().filter(|record| within(scope, record)) {
            match record.view.status {
                Status::Queued => counts.queued += 1,
                Status::Running => counts.running += 1,
                Status::Complete => counts.complete += 1,
                Status::Error => counts.error += 1,
                Status::Canceled => counts.canceled += 1,
            }
        }
        counts
    }
}

fn within(scope: &Scope, record: &Record) -> bool {
    let Some(pairs) = scope.pairs() else { return true };
    pairs.iter().all(|(key, value)| record.view.metadata.get(key) == Some(value))
}
