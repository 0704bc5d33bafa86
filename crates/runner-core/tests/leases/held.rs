//! A run that lives keeps its lease, at the cost of one heartbeat for all runs of a handle.

use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, Attempt, Change, LEASE_TTL, Percent, Scope, Status};
use agentexec_runner_core::{Lifecycle, Track, Tracking};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use crate::durable::{Durable, Mood};

/// Starts a run that takes this long, in a task of its own.
pub(crate) async fn run_for(
    activities: &Activities,
    time: Duration,
) -> (AgentId, JoinHandle<Result<&'static str, String>>) {
    let id = activities.create("research").await.unwrap();
    let activities = activities.clone();
    let run = tokio::spawn(async move {
        let work = |_cx| async move {
            sleep(time).await;
            Ok::<_, &str>("the answer")
        };
        activities.track(id, work).await.map_err(|error| error.to_string())
    });
    (id, run)
}

#[tokio::test(start_paused = true)]
async fn a_run_far_longer_than_its_lease_is_never_lost() {
    let store = Durable::new();
    let other = store.elsewhere().process("web-2");
    let reaper = tokio::spawn(async move { other.keep_reaping().await });
    let (id, run) = run_for(&store.process("web-1"), Duration::from_hours(1)).await;
    assert_eq!(run.await.unwrap().unwrap(), "the answer");
    let statuses: Vec<_> = store.detail_of(id).await.log.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Status::Queued, Status::Running, Status::Complete]);
    reaper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_run_in_memory_takes_no_lease() {
    let store = Durable::new();
    store.script().is_durable = false;
    let (_, run) = run_for(&store.process("web-1"), Duration::from_hours(1)).await;
    run.await.unwrap().unwrap();
    assert_eq!(store.lease_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_are_renewed_by_one_call() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let mut runs = Vec::new();
    for _ in 0..1000 {
        runs.push(run_for(&activities, 2 * LEASE_TTL).await.1);
    }
    for run in runs {
        run.await.unwrap().unwrap();
    }
    // Four times in the time of a lease.
    assert_eq!(store.script().renewed, [1000; 7]);
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_one_call_takes_are_renewed_by_several() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let mut runs = Vec::new();
    for _ in 0..2500 {
        runs.push(run_for(&activities, LEASE_TTL / 3).await.1);
    }
    for run in runs {
        run.await.unwrap().unwrap();
    }
    assert_eq!(store.script().renewed, [1000, 1000, 500]);
}

#[tokio::test(start_paused = true)]
async fn runs_that_begin_apart_are_soon_renewed_together() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let mut runs = Vec::new();
    for _ in 0..60 {
        runs.push(run_for(&activities, 3 * LEASE_TTL).await.1);
        sleep(Duration::from_secs(1)).await;
    }
    store.script().renewed.clear();
    sleep(LEASE_TTL).await;
    let renewed = store.script().renewed.clone();
    assert!(renewed.len() <= 8, "not together: {renewed:?}");
    assert!(renewed.iter().sum::<usize>() >= 3 * 60, "not often enough: {renewed:?}");
    for run in runs {
        run.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_ends_with_the_last_run_and_begins_again_with_the_next() {
    let store = Durable::new();
    let activities = store.process("web-1");
    for _ in 0..2 {
        let before = store.lease_calls();
        let (_, run) = run_for(&activities, LEASE_TTL).await;
        run.await.unwrap().unwrap();
        assert!(store.lease_calls() > before);
        sleep(Duration::from_secs(2)).await;
        let ended = store.lease_calls();
        sleep(2 * LEASE_TTL).await;
        assert_eq!(store.lease_calls(), ended, "nobody runs, and it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_ends_with_the_handle() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let lease = activities.hold(AgentId::new(), Attempt::FIRST, Instant::now());
    let heartbeat = tokio::spawn(activities.heartbeat().unwrap());
    assert!(activities.heartbeat().is_none(), "it is driven already");
    sleep(LEASE_TTL).await;
    drop((lease, activities));
    let dropped = Instant::now();
    heartbeat.await.unwrap();
    assert_eq!(dropped.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_paused_past_its_leases_renews_them() {
    for mood in [Mood::Answers, Mood::FailsOnce, Mood::Slow(Duration::from_secs(2))] {
        let store = Durable::new();
        let (id, run) = run_for(&store.process("web-1"), 2 * LEASE_TTL + Duration::from_secs(30)).await;
        sleep(Duration::from_secs(1)).await;
        // Also when its connection broke meanwhile: nobody else reaps, and it does not reap itself.
        store.script().renewals = mood;
        advance(2 * LEASE_TTL).await;
        assert_eq!(run.await.unwrap().unwrap(), "the answer", "{mood:?}");
        assert_eq!(store.status(id).await, Status::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_or_hangs_is_tried_again_in_time() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let store = Durable::new();
        let other = store.elsewhere().process("web-2");
        let reaper = tokio::spawn(async move { other.keep_reaping().await });
        let (id, run) = run_for(&store.process("web-1"), 3 * LEASE_TTL).await;
        sleep(LEASE_TTL).await;
        store.script().renewals = mood;
        sleep(LEASE_TTL / 2).await;
        store.script().renewals = Mood::Answers;
        assert_eq!(run.await.unwrap().unwrap(), "the answer", "{mood:?}");
        assert_eq!(store.status(id).await, Status::Complete);
        reaper.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_lost_does_not_keep_it_from_renewing_its_own() {
    let store = Durable::new();
    let dead = store.process_with("web-2", Duration::from_secs(1));
    for _ in 0..3000 {
        let id = dead.create("research").await.unwrap();
        let lease = dead.lease_terms();
        let start = Change::Start { lease, percentage: Percent::ZERO };
        dead.write(id, None, start, "Started.".into()).await.unwrap();
    }
    let other = store.elsewhere().process("web-3");
    let (id, run) = run_for(&store.process_with("web-1", Duration::from_secs(2)), LEASE_TTL).await;
    tokio::task::yield_now().await;
    store.script().writes = Mood::Slow(Duration::from_millis(100));
    for _ in 0..50 {
        sleep(Duration::from_secs(1)).await;
        let expired = other.store().expired(4000).await.unwrap();
        assert!(expired.iter().all(|lease| lease.id != id), "its lease has expired");
    }
    assert_eq!(run.await.unwrap().unwrap(), "the answer");
    assert_eq!(other.counts(&Scope::all()).await.unwrap().error, 3000);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_any_length_can_be_asked_for() {
    for asked in [Duration::ZERO, Duration::MAX] {
        for grace in [Duration::ZERO, Duration::MAX] {
            let store = Durable::new();
            let activities = store.process_with("web-1", asked);
            let id = activities.create("research").await.unwrap();
            let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict).grace(grace);
            let work = |_cx| async {
                sleep(Duration::from_secs(30)).await;
                Ok::<_, &str>(())
            };
            lifecycle.run(id, work).await.unwrap();
            assert_eq!(store.status(id).await, Status::Complete);
        }
    }
}
