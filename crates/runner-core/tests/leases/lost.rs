//! A run whose process is gone is reaped, once; one that only seemed gone goes on.

use std::future::pending;
use std::time::Duration;

use agentexec_activity_core::{
    Activities, AgentId, Attempt, CancelOutcome, Change, LEASE_TTL, LeaseTerms, Percent, Scope, Status,
};
use agentexec_runner_core::{RunContext, RunError, Track, TrackedError};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::durable::{Durable, Mood};

/// A run of a process that died: nobody renews its lease.
async fn dead(activities: &Activities, last_attempt: u32) -> AgentId {
    let id = activities.create("research").await.unwrap();
    start(activities, id, last_attempt).await;
    id
}

async fn start(activities: &Activities, id: AgentId, last_attempt: u32) {
    let lease = activities.lease_terms().map(|terms| terms.last_attempt(Attempt::new(last_attempt)));
    let start = Change::Start { lease, percentage: Percent::ZERO };
    activities.write(id, None, start, "Started.".into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_is_reaped_by_exactly_one_other() {
    let store = Durable::new();
    let ids = join_all((0..40).map(async |_| dead(&store.process("web-1/4711"), 1).await)).await;
    let others: Vec<_> = (2..10).map(|number| store.process(&format!("web-{number}"))).collect();
    let reap_all = async || join_all(others.iter().map(Activities::reap)).await;
    sleep(LEASE_TTL - Duration::from_secs(1)).await;
    assert!(reap_all().await.into_iter().all(|reaped| reaped.unwrap() == 0));
    sleep(Duration::from_secs(1)).await;
    let reaped: usize = reap_all().await.into_iter().map(Result::unwrap).sum();
    assert_eq!(reaped, ids.len());
    for id in ids {
        let whole = store.detail_of(id).await;
        assert_eq!((whole.activity.status, whole.log.len()), (Status::Error, 3));
        let since = whole.activity.started.unwrap();
        let expected = format!("Task lost: no heartbeat from web-1/4711 since {since}.");
        assert_eq!(whole.activity.message.as_str(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_only_reads_reaps_too() {
    let store = Durable::new();
    let id = dead(&store.process("web-1"), 1).await;
    let reader = store.process("web-2");
    let reaping = timeout(LEASE_TTL + Duration::from_secs(2), reader.keep_reaping());
    assert!(reaping.await.is_err());
    assert_eq!(store.status(id).await, Status::Error);
    assert_eq!(reader.reap().await.unwrap(), 0);
    assert_eq!(Durable::new().process("web-1").reap().await.unwrap(), 0, "a store without runs");
}

#[tokio::test(start_paused = true)]
async fn a_process_with_a_run_of_its_own_reaps_what_others_left() {
    let store = Durable::new();
    let id = dead(&store.process("web-1"), 1).await;
    let (_, run) = crate::held::run_for(&store.process("web-2"), LEASE_TTL + Duration::from_secs(2)).await;
    run.await.unwrap().unwrap();
    assert_eq!(store.status(id).await, Status::Error);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_tried_again_is_queued_again() {
    let store = Durable::new();
    let (worker, reaper) = (store.process("web-1"), store.process("web-2"));
    let id = dead(&worker, 2).await;
    sleep(LEASE_TTL).await;
    assert_eq!(reaper.reap().await.unwrap(), 1);
    let activity = store.detail_of(id).await.activity;
    assert_eq!((activity.status, activity.attempt), (Status::Queued, Attempt::new(2)));
    start(&worker, id, 2).await;
    sleep(LEASE_TTL).await;
    assert_eq!(reaper.reap().await.unwrap(), 1);
    assert_eq!(store.status(id).await, Status::Error);

    let asked = dead(&worker, 2).await;
    let outcome = worker.request_cancel(&Scope::all(), asked, "enough").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    sleep(LEASE_TTL).await;
    assert_eq!(reaper.reap().await.unwrap(), 1);
    assert_eq!(store.status(asked).await, Status::Canceled);
}

/// A run that is taken for lost after a while, by another process: how it ended for its caller, and when.
async fn taken_for_lost(
    mood: Mood,
) -> (TrackedError<&'static str, &'static str>, Duration, Durable, AgentId) {
    let store = Durable::new();
    let other = store.elsewhere().process("web-2");
    let reaper = tokio::spawn(async move { other.keep_reaping().await });
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    store.script().renewals = mood;
    let started = Instant::now();
    let work = |cx: RunContext| async move {
        sleep(2 * LEASE_TTL).await;
        cx.progress("Writing", 90).await;
        sleep(LEASE_TTL).await;
        Ok::<_, &str>("the answer")
    };
    let ended = activities.track(id, work).await.unwrap_err();
    reaper.abort();
    (ended, started.elapsed(), store, id)
}

#[tokio::test(start_paused = true)]
async fn a_plain_run_that_was_taken_for_lost_goes_on_and_gives_its_output() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let (ended, took, store, id) = taken_for_lost(mood).await;
        assert_eq!(took, 3 * LEASE_TTL, "{mood:?}");
        assert!(
            matches!(&ended, TrackedError::Unrecorded { source, .. } if source.refused_from() == Some(Status::Error)),
            "{ended}"
        );
        assert_eq!(ended.into_output(), Some("the answer"));
        let whole = store.detail_of(id).await;
        assert_eq!((whole.activity.status, whole.log.len()), (Status::Error, 3));
        assert!(whole.activity.message.as_str().starts_with("Task lost: no heartbeat from web-1 since "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_somebody_marks_as_failed_on_purpose_stops() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    let run = activities.track(id, |_cx| pending::<Result<(), &str>>());
    let operator = async {
        sleep(3 * LEASE_TTL).await;
        store.process("operator").error(id, "this will lead nowhere").await.unwrap();
    };
    let (ended, ()) = tokio::join!(run, operator);
    let ended = ended.unwrap_err();
    let reason = match ended.run_error() {
        Some(RunError::Canceled { reason, .. }) => reason.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, "somebody else has marked the activity as error");
    assert_eq!(store.last_message(id).await, "Task failed with error: this will lead nowhere");
}

#[test]
fn the_name_of_an_owner_is_made_safe_and_short() {
    let long = LeaseTerms::new("ü".repeat(5000), LEASE_TTL);
    assert!(long.owner.len() <= agentexec_activity_core::OWNER_LIMIT && long.owner.ends_with("ü…"));
    assert_eq!(LeaseTerms::new("web\u{1b}[31m-1\n", LEASE_TTL).owner, "web[31m-1 ");
}
