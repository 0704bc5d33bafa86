//! Kill -9 of the writing process, again and again: nothing acknowledged is lost, and what the dead held is
//! reaped.

use std::sync::Arc;
use std::time::Duration;

use agentexec_faults::bed::{Bed, LEASE};
use agentexec_faults::each_store;
use agentexec_faults::job::Work;
use agentexec_faults::worker::{PATIENCE, Worker};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{assert_reaped_in_time, end_watch, watcher, worker};

each_store! {
    a_killed_writer_loses_nothing: |bed| killed(bed, 3);
    #[ignore = "takes minutes: cargo xtask faults"]
    fifty_killed_writers_lose_nothing: |bed| killed(bed, 50);
    a_process_that_is_killed_while_it_opens_a_new_store_does_no_harm: |bed| killed_early(bed, 5);
    #[ignore = "takes minutes: cargo xtask faults"]
    a_hundred_processes_that_are_killed_while_they_open_a_new_store_do_no_harm: |bed| killed_early(bed, 100);
}

/// The longest that a process is let live in [`killed_early`], and mostly less: by then it has opened its store.
const EARLY: Duration = Duration::from_millis(80);

/// Three processes open a store that is not there yet. Two are killed meanwhile, and the third goes on.
async fn killed_early(mut bed: Bed, rounds: u64) {
    let mut rng = Rng::with_seed(rounds);
    let (mut acknowledged, mut opened) = (0, 0);
    for _ in 0..rounds {
        bed.renew();
        let write = Work::Write { at_once: 2, message_bytes: 0, pause: Duration::from_millis(1) };
        let [mut first, mut second, mut third] =
            ["first", "second", "third"].map(|name| worker(bed.job(name, write.clone())));
        sleep(EARLY.mul_f64(rng.f64().powi(3))).await;
        first.kill();
        sleep(EARLY.mul_f64(rng.f64().powi(3) / 4.0)).await;
        second.kill();
        third.wait_for_writes(20);
        third.finish(PATIENCE);
        opened += [&first, &second].into_iter().filter(|worker| !worker.lines().is_empty()).count();
        let observer = bed.observer().await;
        let verdict = observer.check([first, second, third].map(Worker::into_past)).await.clean();
        acknowledged += verdict.acknowledged;
    }
    bed.say(
        "kill -9 while a new store is opened",
        format_args!(
            "{rounds} rounds, {acknowledged} writes acknowledged; {opened} of the killed had opened it"
        ),
    );
}

async fn killed(bed: Bed, rounds: u64) {
    let observer = Arc::new(bed.observer().await.reaping());
    let watcher = watcher(&bed);

    let mut rng = Rng::with_seed(rounds);
    let (mut pasts, mut reaped) = (Vec::new(), JoinSet::new());
    for round in 0..rounds {
        let write = Work::Write { at_once: 8, message_bytes: 0, pause: Duration::from_millis(2) };
        let mut writer = worker(bed.job(format!("writer {round}"), write));
        writer.wait_for_writes(rng.usize(50..500));
        let killed = writer.kill();
        let (observer, held) = (Arc::clone(&observer), writer.held());
        reaped.spawn(async move { observer.all_ended_after(held, killed).await });
        pasts.push(writer.into_past());
    }
    let longest = reaped.join_all().await.into_iter().max().unwrap();
    let seen = end_watch(watcher, &observer).await;

    let verdict = observer.check(pasts).await.clean();
    let late = assert_reaped_in_time(longest, LEASE, &observer);
    assert!(!verdict.lost.is_empty(), "nothing was held by the {rounds} writers that were killed");
    bed.say(
        "kill -9",
        format_args!(
            "{rounds} rounds, {verdict}; reaped after {longest:.2?} at most (lease {LEASE:?}, machine late by {late:.2?}), {seen} changes \
             seen by a watcher"
        ),
    );
}
