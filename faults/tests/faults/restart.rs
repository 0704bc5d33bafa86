//! The server of Redis is killed and started again while processes write: with every write in its append-only file
//! before it is answered, nothing acknowledged is lost, and the clients find back by themselves.

use std::time::{Duration, Instant};

use agentexec_faults::bed::Bed;
use agentexec_faults::job::{Job, Work};
use agentexec_faults::worker::{PATIENCE, Worker};

use crate::support::{assert_none_lost, end_watch, failures, watcher, worker};

const WRITERS: usize = 2;
/// Longer than a restart takes: what it interrupts must not be taken for lost.
const LEASE: Duration = Duration::from_secs(30);
/// How soon clients write again once the server answers.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_has_lost_nothing() {
    restarted(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo xtask faults"]
async fn a_server_that_restarts_twenty_times_has_lost_nothing() {
    restarted(20).await;
}

async fn restarted(rounds: u64) {
    let mut bed = Bed::redis();
    let observer = bed.observer().await.reaping();
    let watcher = watcher(&bed);
    let mut writers: Vec<Worker> = (0..WRITERS)
        .map(|number| {
            let write = Work::Write { at_once: 4, message_bytes: 0, pause: Duration::from_millis(2) };
            worker(Job { lease: LEASE, ..bed.job(format!("writer {number}"), write) })
        })
        .collect();

    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        writers.iter_mut().for_each(|writer| writer.wait_for_writes(100));
        bed.server().restart();
        let up = Instant::now();
        for writer in &mut writers {
            writer.catch_up();
            // The backlog is read, so this is one that was acknowledged by the server that is up now.
            writer.wait_for_writes(1);
            longest = longest.max(up.elapsed());
        }
    }
    writers.iter_mut().for_each(|writer| writer.finish(PATIENCE));
    let failed: usize = writers.iter().map(|writer| failures(writer.lines())).sum();
    let seen = end_watch(watcher, &observer).await;

    let verdict = observer.check(writers.into_iter().map(Worker::into_past)).await.clean();
    assert_none_lost(&verdict);
    let late = observer.witness.worst();
    assert!(longest <= RECOVERED_WITHIN + late, "recovered after {longest:?}, machine late by {late:?}");
    bed.say(
        "server killed and restarted",
        format_args!(
            "{rounds} rounds, {verdict}; recovered after {longest:.2?} at most, {failed} calls failed, {seen} \
             changes seen by a watcher"
        ),
    );
}
