//! A log as a walk through the table of statuses.

use agentexec::activity::{AgentId, Attempt, Detail, LogEntry, Percent, Status};

use super::Violation;
use super::check::Causes;
use crate::line::Step;

/// Whether the table has this step. A retry is told apart by the caller.
fn is_allowed(from: Status, to: Status) -> bool {
    use Status::{Canceled, Complete, Error, Queued, Running};
    match from {
        Queued => matches!(to, Running | Error | Canceled),
        Running => true,
        Complete => false,
        Error | Canceled => to == Queued,
    }
}

/// Follows a log from its first entry to its last.
pub(super) fn walk(id: AgentId, detail: &Detail, causes: &Causes<'_>, violations: &mut Vec<Violation>) {
    let mut before: Option<&LogEntry> = None;
    for entry in &detail.log {
        let after = before.map_or(0, |before| before.seq);
        let is_next = entry.seq == after + 1;
        // Only progress is trimmed, so it runs before and behind what is missing.
        let is_trimmed = entry.seq > after
            && entry.seq <= detail.trimmed_before
            && before.is_some_and(|before| before.status == Status::Running);
        if !is_next && !is_trimmed {
            violations.push(Violation::Gap { id, after, next: entry.seq });
        }
        match before {
            None => violations.extend(first(id, entry)),
            Some(before) => violations.extend(step(id, before, entry, is_next, causes)),
        }
        before = Some(entry);
    }
}

fn first(id: AgentId, entry: &LogEntry) -> Option<Violation> {
    let is_first = entry.status == Status::Queued
        && entry.attempt == Attempt::FIRST
        && entry.percentage == Percent::ZERO
        && !entry.progress;
    (!is_first).then_some(Violation::WrongEntry { id, seq: entry.seq, what: "no beginning of a log" })
}

/// What is wrong with an entry behind another. `is_next` says that none was trimmed between them.
fn step(
    id: AgentId,
    before: &LogEntry,
    entry: &LogEntry,
    is_next: bool,
    causes: &Causes<'_>,
) -> Option<Violation> {
    let (seq, from, to) = (entry.seq, before.status, entry.status);
    let write = causes.get(&seq).and_then(|cause| cause.write());
    if !is_allowed(from, to) {
        return Some(if from.is_terminal() {
            Violation::AfterTheEnd { id, seq }
        } else {
            Violation::ForbiddenStep { id, seq, from, to }
        });
    }
    if from.is_terminal() && write.is_none_or(|write| write.step != Step::Retry) {
        return Some(Violation::AfterTheEnd { id, seq });
    }
    let begins = to == Status::Queued;
    let attempt = if begins { before.attempt.next() } else { before.attempt };
    let keeps = matches!(to, Status::Error | Status::Canceled)
        && is_next
        && write.is_none_or(|write| write.percentage.is_none());
    let what = if entry.attempt != attempt {
        "the number of another attempt"
    } else if entry.progress != (from == Status::Running && to == Status::Running) {
        "the wrong mark of progress"
    } else if begins && entry.percentage != Percent::ZERO {
        "a percentage before its start"
    } else if keeps && entry.percentage != before.percentage {
        "a percentage that nobody asked for"
    } else {
        return None;
    };
    Some(Violation::WrongEntry { id, seq, what })
}
