//! SIGSTOP past the lease, then SIGCONT: the runs were marked as lost meanwhile, every late write is refused, and
//! the caller of a run still gets its output.

use std::time::{Duration, Instant};

use agentexec::activity::AgentId;
use agentexec_faults::bed::Bed;
use agentexec_faults::each_store;
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::{Answer, End, Line, Refusal};
use agentexec_faults::record::whole;
use agentexec_faults::worker::{PATIENCE, Worker};

use crate::support::{answers, assert_reaped_in_time, ends, worker};

const RUNS: usize = 3;
const REPORT_EVERY: Duration = Duration::from_millis(300);
const LEASE: Duration = Duration::from_secs(1);

each_store! {
    a_process_that_was_paused_past_its_lease_changes_nothing: paused;
}

async fn paused(bed: Bed) {
    let observer = bed.observer().await;
    let mut reapers = ["reaper 1", "reaper 2"].map(|name| worker(bed.job(name, Work::Reap)));
    let hold = Work::Hold { runs: RUNS, pause: REPORT_EVERY };
    let mut holder = worker(Job { lease: LEASE, ..bed.job("holder", hold) });
    // The starts, and a report of each. Between two rounds of reports nothing is under way.
    holder.wait_for_writes(2 * RUNS);
    holder.pause();
    let paused = Instant::now();
    let held: Vec<AgentId> = holder.held().into_iter().collect();
    assert_eq!(held.len(), RUNS);
    let longest = observer.all_ended_after(held.iter().copied(), paused).await;

    // One of them is tried again by somebody else, who has just begun.
    let retried = held[0];
    observer.activities.retry(retried, "once more").await.unwrap();
    observer.activities.start(retried).await.unwrap();

    holder.catch_up();
    let before = holder.lines().len();
    holder.resume();
    // It hears of its loss by itself, and the others are refused what they say meanwhile.
    holder.wait_for(|line| matches!(line, Line::Ended { id, .. } if *id == retried).then_some(()));
    wait_for_refusals(&mut holder, 2 * RUNS);
    holder.finish(PATIENCE);
    reapers.iter_mut().for_each(|reaper| reaper.finish(PATIENCE));
    let (late, ends) = (answers(&holder.lines()[before..]), ends(holder.lines()));

    for id in &held {
        let refusal = if *id == retried { Refusal::Attempt } else { Refusal::Status };
        let answers = &late[id];
        assert!(answers.iter().all(|answer| *answer == Answer::Refused { why: refusal }), "{answers:?}");
        let End::Unrecorded { output, .. } = &ends[id] else { panic!("{id} ended as {:?}", ends[id]) };
        // A run whose attempt was replaced is stopped; the others go on to their output.
        assert_eq!(output.is_some(), *id != retried, "{id}: {output:?}");
        let log = whole(&observer.activities, *id).await.unwrap().unwrap().log;
        assert_eq!(log.iter().filter(|entry| entry.status.is_terminal()).count(), 1, "{log:?}");
    }
    observer.activities.complete(retried).await.unwrap();

    let refused: usize = late.values().map(Vec::len).sum();
    let pasts = reapers.into_iter().chain([holder]).map(Worker::into_past);
    let verdict = observer.check(pasts).await.clean();
    assert_eq!(verdict.lost.len(), RUNS, "{verdict}");
    let late = assert_reaped_in_time(longest, LEASE, &observer);
    bed.say(
        "SIGSTOP past the lease",
        format_args!(
            "{RUNS} runs, reaped after {longest:.2?} at most (lease {LEASE:?}, machine late by {late:.2?}), {refused} late writes refused"
        ),
    );
}

fn wait_for_refusals(holder: &mut Worker, mut refusals: usize) {
    holder.wait_for(|line| {
        refusals -= usize::from(matches!(line, Line::Answered { answer: Answer::Refused { .. }, .. }));
        (refusals == 0).then_some(())
    });
}
