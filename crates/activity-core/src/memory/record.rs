//! One activity in memory: its record, its log in two parts, and who waits for it to stop.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::PROGRESS_KEPT;
use crate::change::{Next, REMEMBERED_REQUESTS, State as ChangeState};
use crate::{
    Activity, Attempt, Change, Detail, LOG_PAGE_LIMIT, LeaseTerms, LogEntry, LogQuery, Message, RequestId,
    Status, StopRequest, Timestamp, Written,
};

#[derive(Debug)]
pub(super) struct Record {
    pub(super) activity: Activity,
    /// Entries that changed the status: kept for good.
    changes: Vec<LogEntry>,
    /// Entries that only reported progress: the newest [`PROGRESS_KEPT`] of them.
    progress: VecDeque<LogEntry>,
    next_seq: u64,
    trimmed_before: u64,
    requests: VecDeque<(RequestId, Answer)>,
    pub(super) lease: Option<Lease>,
    waiting: Vec<oneshot::Sender<StopRequest>>,
}

/// What a request that is remembered was answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Written(Written),
    /// The holder was asked to stop.
    CancelRequested,
}

#[derive(Debug)]
pub(super) struct Lease {
    pub(super) owner: String,
    pub(super) expires: Instant,
    pub(super) renewed: Timestamp,
    last_attempt: Attempt,
}

/// A lease that is granted for longer than the clock can count is granted for this long.
const LONGEST_LEASE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn expiry(ttl: Duration) -> Instant {
    Instant::now() + ttl.min(LONGEST_LEASE)
}

impl Lease {
    fn granted(terms: &LeaseTerms, at: Timestamp) -> Self {
        let LeaseTerms { owner, ttl, last_attempt } = terms.clone();
        Self { owner, expires: expiry(ttl), renewed: at, last_attempt }
    }

    fn has_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    pub(super) fn renew(&mut self, ttl: Duration, at: Timestamp) {
        self.expires = expiry(ttl);
        self.renewed = at;
    }
}

impl Record {
    pub(super) fn new(activity: Activity) -> Self {
        Self {
            changes: vec![LogEntry::of(&activity, 1, activity.created, false)],
            activity,
            progress: VecDeque::new(),
            next_seq: 2,
            trimmed_before: 0,
            requests: VecDeque::new(),
            lease: None,
            waiting: Vec::new(),
        }
    }

    /// The log entry of a record that was just created.
    pub(super) fn first_entry(&self) -> LogEntry {
        LogEntry::of(&self.activity, 1, self.activity.created, false)
    }

    /// What the request of this name was answered with, when it is one of the last ones.
    pub(super) fn remembered(&self, request: RequestId) -> Option<Answer> {
        self.requests.iter().find(|(known, _)| *known == request).map(|(_, answer)| *answer)
    }

    fn remember(&mut self, request: RequestId, answer: Answer) {
        if self.requests.len() == REMEMBERED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back((request, answer));
    }

    /// Carries out a change that was allowed, and answers with its log entry.
    pub(super) fn apply(
        &mut self,
        change: &Change,
        request: RequestId,
        next: Next,
        message: Message,
        at: Timestamp,
    ) -> (Written, LogEntry) {
        let (activity, seq) = (&mut self.activity, self.next_seq);
        activity.status = next.status;
        activity.percentage = next.percentage;
        activity.attempt = next.attempt;
        activity.message = message;
        activity.updated = at;
        if !next.progress {
            self.enter(change, at);
        }
        self.next_seq += 1;
        let entry = LogEntry::of(&self.activity, seq, at, next.progress);
        self.log(entry.clone());
        let written = Written::new(seq, next);
        self.remember(request, Answer::Written(written));
        (written, entry)
    }

    /// What a new status brings with it: times, the lease, and the end of whoever worked until now.
    fn enter(&mut self, change: &Change, at: Timestamp) {
        self.lease = None;
        let activity = &mut self.activity;
        match activity.status {
            Status::Running => {
                activity.started = Some(at);
                if let Change::Start { lease: Some(terms), .. } = change {
                    self.lease = Some(Lease::granted(terms, at));
                }
            }
            Status::Queued => {
                activity.started = None;
                activity.ended = None;
                activity.cancel_requested = None;
                self.waiting.clear();
            }
            Status::Complete | Status::Error | Status::Canceled => {
                activity.ended = Some(at);
                let ended = StopRequest::Ended(activity.status);
                self.tell(&ended);
            }
        }
    }

    fn log(&mut self, entry: LogEntry) {
        if !entry.progress {
            self.changes.push(entry);
            return;
        }
        if self.progress.len() == PROGRESS_KEPT
            && let Some(trimmed) = self.progress.pop_front()
        {
            self.trimmed_before = trimmed.seq + 1;
        }
        self.progress.push_back(entry);
    }

    /// Keeps the first reason and tells whoever waits.
    pub(super) fn ask_to_stop(&mut self, request: RequestId, reason: &Message) -> bool {
        self.remember(request, Answer::CancelRequested);
        if self.activity.cancel_requested.is_some() {
            return false;
        }
        self.activity.cancel_requested = Some(reason.clone());
        self.tell(&StopRequest::Cancel(reason.clone()));
        true
    }

    fn tell(&mut self, request: &StopRequest) {
        for waiter in self.waiting.drain(..) {
            // A waiter that is gone does not need to know.
            let _ = waiter.send(request.clone());
        }
    }

    /// What decides the next change.
    pub(super) fn state(&self) -> ChangeState {
        let expired = self.lease.as_ref().is_some_and(Lease::has_expired);
        let last_attempt = self.lease.as_ref().map_or(Attempt::FIRST, |lease| lease.last_attempt);
        ChangeState::of(&self.activity, expired, last_attempt)
    }

    pub(super) fn wait(&mut self) -> oneshot::Receiver<StopRequest> {
        self.waiting.retain(|waiter| !waiter.is_closed());
        let (tell, told) = oneshot::channel();
        self.waiting.push(tell);
        told
    }

    pub(super) fn detail(&self, query: LogQuery) -> Detail {
        let skipped = self.changes.partition_point(|entry| entry.seq < query.from);
        let mut changes = self.changes.iter().skip(skipped).peekable();
        let skipped = self.progress.partition_point(|entry| entry.seq < query.from);
        let mut progress = self.progress.iter().skip(skipped).peekable();
        let limit = query.limit.min(LOG_PAGE_LIMIT);
        let mut log = Vec::new();
        let next = loop {
            let from_changes = match (changes.peek(), progress.peek()) {
                (Some(change), Some(report)) => change.seq < report.seq,
                (change, report) if change.is_none() && report.is_none() => break None,
                (change, _) => change.is_some(),
            };
            let entry = if from_changes { changes.next() } else { progress.next() };
            match entry {
                Some(entry) if log.len() == limit => break Some(entry.seq),
                Some(entry) => log.push(entry.clone()),
                None => break None,
            }
        };
        Detail::new(self.activity.clone(), log, self.trimmed_before, next)
    }
}
