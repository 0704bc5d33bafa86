//! The calls held against the record, activity by activity.

use std::collections::BTreeMap;

use agentexec::activity::{AgentId, Detail, LogEntry, Status};

use super::calls::{self, Calls, Write};
use super::{Past, REAPED_WITHIN, Verdict, Violation, walk};
use crate::line::Step;
use crate::record::Record;

/// What an entry of a log comes from.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    Create,
    Write(&'a Write<'a>),
    Cancel,
}

impl<'a> Cause<'a> {
    pub(super) fn write(self) -> Option<&'a Write<'a>> {
        match self {
            Self::Write(write) => Some(write),
            Self::Create | Self::Cancel => None,
        }
    }
}

pub(super) type Causes<'a> = BTreeMap<u64, Cause<'a>>;

pub(super) fn check(processes: &[Past], record: &Record) -> Verdict {
    let mut verdict = Verdict { activities: record.details.len(), ..Verdict::default() };
    let calls = calls::read(processes, &mut verdict.violations);
    for (id, calls) in &calls {
        tally(calls, &mut verdict);
        match record.details.get(id) {
            Some(detail) => Subject { id: *id, calls, detail, verdict: &mut verdict }.check(record),
            None => {
                let created = calls.creates.iter().find(|create| create.acknowledged);
                verdict.violations.extend(
                    created.map(|by| Violation::LostActivity { id: *id, process: by.by.process.clone() }),
                );
            }
        }
    }
    let is_known = |id: &AgentId| calls.get(id).is_some_and(|calls| !calls.creates.is_empty());
    let unknown = record.details.keys().filter(|id| !is_known(id));
    verdict.violations.extend(unknown.map(|id| Violation::UnknownActivity { id: *id }));
    check_counts(record, &mut verdict.violations);
    verdict
}

fn tally(calls: &Calls<'_>, verdict: &mut Verdict) {
    let created = calls.creates.iter().any(|create| create.acknowledged);
    let written = calls.writes.iter().filter(|write| write.entry.is_some()).count();
    let open = calls.writes.iter().filter(|write| write.is_open()).count();
    verdict.acknowledged += usize::from(created) + written;
    verdict.open += open;
    verdict.refused += calls.writes.len() - written - open;
}

fn check_counts(record: &Record, violations: &mut Vec<Violation>) {
    for status in Status::ALL {
        let counted = record.counts.of(status);
        let listed = record.listed.get(&status).copied().unwrap_or_default();
        let found = record.details.values().filter(|detail| detail.activity.status == status).count() as u64;
        if counted != listed || counted != found {
            violations.push(Violation::CountDiffers { status, counted, listed, found });
        }
    }
}

/// One activity.
struct Subject<'a, 'v> {
    id: AgentId,
    calls: &'a Calls<'a>,
    detail: &'a Detail,
    verdict: &'v mut Verdict,
}

impl<'a> Subject<'a, '_> {
    fn check(mut self, record: &Record) {
        let mut causes = Causes::new();
        if let Some(first) = self.detail.log.first().filter(|first| first.seq == 1)
            && self.calls.creates.iter().any(|create| *create.message == first.message)
        {
            causes.insert(1, Cause::Create);
        }
        self.check_acknowledged(&mut causes);
        self.explain_the_rest(&mut causes);
        walk::walk(self.id, self.detail, &causes, &mut self.verdict.violations);
        self.check_head();
        self.check_holder(&causes, record);
    }

    /// What was acknowledged is there as it was.
    fn check_acknowledged(&mut self, causes: &mut Causes<'a>) {
        let id = self.id;
        for write in &self.calls.writes {
            let Some(told) = write.entry else { continue };
            let seq = told.seq;
            let process = || write.by.process.clone();
            let Ok(place) = self.detail.log.binary_search_by_key(&seq, |entry| entry.seq) else {
                if write.step == Step::Progress && seq < self.detail.trimmed_before {
                    self.verdict.trimmed += 1;
                } else {
                    self.verdict.violations.push(Violation::LostWrite { id, seq, process: process() });
                }
                continue;
            };
            let entry = &self.detail.log[place];
            let as_told = entry.status == told.status
                && entry.percentage == told.percentage
                && entry.attempt == told.attempt;
            if !as_told || !fits(write, entry) {
                let said = format!("{:?} {told:?} {}", write.step, write.message);
                let found = format!("{entry:?}");
                self.verdict.violations.push(Violation::Differs { id, seq, process: process(), said, found });
            }
            if causes.insert(seq, Cause::Write(write)).is_some() {
                self.verdict.violations.push(Violation::SharedEntry { id, seq });
            }
        }
    }

    /// What was not acknowledged may be there, once each; nothing else may.
    fn explain_the_rest(&mut self, causes: &mut Causes<'a>) {
        let mut open: Vec<_> = self.calls.writes.iter().filter(|write| write.is_open()).collect();
        let mut cancels: Vec<_> =
            self.calls.cancels.iter().filter(|cancel| cancel.may_have_canceled).collect();
        for entry in &self.detail.log {
            if causes.contains_key(&entry.seq) {
                continue;
            }
            if let Some(place) = open.iter().position(|write| fits(write, entry)) {
                let write = open.swap_remove(place);
                causes.insert(entry.seq, Cause::Write(write));
                self.verdict.carried_out += 1;
                self.verdict.failed_and_carried_out += usize::from(write.unanswered == 0);
            } else if let Some(place) = cancels
                .iter()
                .position(|cancel| *cancel.message == entry.message && entry.status == Status::Canceled)
            {
                cancels.swap_remove(place);
                causes.insert(entry.seq, Cause::Cancel);
            } else {
                self.verdict.violations.push(Violation::Unexplained {
                    id: self.id,
                    seq: entry.seq,
                    status: entry.status,
                    message: entry.message.to_string(),
                });
            }
        }
    }

    /// The record says what its last entry says.
    fn check_head(&mut self) {
        let activity = &self.detail.activity;
        let Some(last) = self.detail.log.last() else { return };
        let record = (activity.status, activity.percentage, activity.attempt, &activity.message);
        let log = (last.status, last.percentage, last.attempt, &last.message);
        if record != log {
            let (record, log) = (format!("{record:?}"), format!("{log:?}"));
            self.verdict.violations.push(Violation::HeadDiffers { id: self.id, record, log });
        }
    }

    /// Who held it when it was lost, and that whoever holds it lives.
    fn check_holder(&mut self, causes: &Causes<'_>, record: &Record) {
        let mut holder = None;
        for (seq, cause) in causes {
            let Some(write) = cause.write() else { continue };
            match write.step {
                Step::Start { .. } => holder = Some(write),
                Step::Lose => {
                    let process = holder.map_or_else(String::new, |start| start.by.process.clone());
                    self.verdict.lost.insert(self.id, process);
                    let entry = self.detail.log.iter().find(|entry| entry.seq == *seq);
                    let requeued = entry.is_some_and(|entry| entry.status == Status::Queued);
                    self.verdict.requeued += usize::from(requeued);
                }
                _ => {}
            }
        }
        let is_running = self.detail.activity.status == Status::Running;
        if let Some(start) = holder.filter(|_| is_running)
            && start.held_until(REAPED_WITHIN).is_some_and(|until| record.read > until)
        {
            let process = start.by.process.clone();
            self.verdict.violations.push(Violation::StillRunning { id: self.id, process });
        }
    }
}

/// Whether an entry says what a write asked for.
fn fits(write: &Write<'_>, entry: &LogEntry) -> bool {
    // These begin the next attempt, unless they end the present one.
    let begins =
        matches!(write.step, Step::Lose | Step::Requeue | Step::Retry) && entry.status == Status::Queued;
    let attempt = write.attempt.map(|attempt| if begins { attempt.next() } else { attempt });
    *write.message == entry.message
        && write.step.may_lead_to(entry.status)
        && write.percentage.is_none_or(|percentage| percentage == entry.percentage)
        && attempt.is_none_or(|attempt| attempt == entry.attempt)
}
