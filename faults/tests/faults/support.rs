//! What the tests share: the worker program, and the bounds that the product promises.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use agentexec::activity::AgentId;
use agentexec_faults::bed::{Bed, Observer};
use agentexec_faults::history::{REAPED_WITHIN, Verdict};
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::{Answer, End, Line};
use agentexec_faults::record::Record;
use agentexec_faults::worker::{PATIENCE, Worker};

/// What a machine that is busy with other things may take on top of what is promised, and of what it is seen to be
/// late.
const SCHEDULING: Duration = Duration::from_secs(3);

/// The program of the workers.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_faults-worker"))
}

pub(crate) fn worker(job: Job) -> Worker {
    Worker::start(program(), job)
}

/// A process that watches everything from now on.
pub(crate) fn watcher(bed: &Bed) -> Worker {
    let mut watcher = worker(bed.job("watcher", Work::Watch));
    watcher.wait_for(|line| matches!(line, Line::Watching).then_some(()));
    watcher
}

/// Waits until the watcher has seen everything that is written by now, and ends it: it has seen each entry once and
/// in order, or was told that it has missed some. Says how many it has seen.
pub(crate) async fn end_watch(mut watcher: Worker, observer: &Observer) -> usize {
    let last = observer.activities.create("the last").await.unwrap();
    watcher.wait_for(|line| matches!(line, Line::Seen { id, .. } if *id == last).then_some(()));
    watcher.finish(PATIENCE);

    let lagged = watcher.lines().contains(&Line::Lagged);
    let mut newest: BTreeMap<AgentId, u64> = BTreeMap::new();
    let mut seen = 0;
    for line in watcher.lines() {
        let Line::Seen { id, seq, .. } = line else { continue };
        let before = newest.insert(*id, *seq).unwrap_or_default();
        assert!(*seq == before + 1 || (lagged && *seq > before), "{id}: after {before} it saw {seq}");
        seen += 1;
    }
    if !lagged {
        let record = Record::read(&observer.activities).await.unwrap();
        for (id, detail) in record.details {
            let last = detail.log.last().map(|entry| entry.seq);
            assert_eq!(newest.get(&id).copied(), last, "{id}: what the watcher saw last");
        }
    }
    seen
}

/// What a dead process held under such a lease was reaped in time. Says how late the machine was meanwhile.
pub(crate) fn assert_reaped_in_time(after: Duration, lease: Duration, observer: &Observer) -> Duration {
    let late = observer.witness.worst();
    let bound = lease + REAPED_WITHIN + SCHEDULING + late;
    assert!(after <= bound, "reaped after {after:?}, lease {lease:?}, machine late by {late:?}");
    late
}

/// No run was taken for lost.
pub(crate) fn assert_none_lost(verdict: &Verdict) {
    assert!(verdict.lost.is_empty(), "taken for lost: {:?}", verdict.lost);
}

/// The answers to the calls that were sent in these lines, by activity.
pub(crate) fn answers(lines: &[Line]) -> BTreeMap<AgentId, Vec<Answer>> {
    let (mut sent, mut answers) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
    for line in lines {
        match line {
            Line::Sent { call, id, .. } => {
                sent.insert(*call, *id);
            }
            Line::Answered { call, answer } => {
                if let Some(id) = sent.get(call) {
                    answers.entry(*id).or_default().push(answer.clone());
                }
            }
            _ => {}
        }
    }
    answers
}

/// How the runs have ended for their callers.
pub(crate) fn ends(lines: &[Line]) -> BTreeMap<AgentId, End> {
    let end = |line: &Line| match line {
        Line::Ended { id, how } => Some((*id, how.clone())),
        _ => None,
    };
    lines.iter().filter_map(end).collect()
}

/// The runs whose end could not be recorded, or that were dropped: their callers know it, and only then may the run of
/// a process that is well be lost.
pub(crate) fn given_up(lines: &[Line]) -> BTreeSet<AgentId> {
    let is_given_up = |how: &End| matches!(how, End::Unrecorded { .. } | End::NotStarted | End::Dropped);
    ends(lines).into_iter().filter(|(_, how)| is_given_up(how)).map(|(id, _)| id).collect()
}

/// How many calls the store answered with a failure.
pub(crate) fn failures(lines: &[Line]) -> usize {
    let is_failure = |line: &&Line| matches!(line, Line::Answered { answer: Answer::Failed { .. }, .. });
    lines.iter().filter(is_failure).count()
}
