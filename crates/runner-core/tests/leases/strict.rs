//! A run that somebody may start again stops before its lease ends.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_activity_core::{Error, LEASE_TTL, Status};
use agentexec_runner_core::{Lifecycle, RunContext, TrackedError, Tracking};
use tokio::time::{Instant, sleep};

use crate::durable::{Durable, Mood};

struct OnDrop(Arc<Mutex<Option<Instant>>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

/// How long a stubborn strict run went on after its last renewal, whose store takes renewals and writes so from a
/// moment on.
async fn stubborn(grace: Duration, renewals: Mood, writes: Mood) -> (Duration, Durable) {
    let store = Durable::new();
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict).grace(grace);
    let ended: Arc<Mutex<Option<Instant>>> = Arc::default();
    let on_drop = OnDrop(ended.clone());
    let work = |_cx| async move {
        let _on_drop = on_drop;
        pending::<Result<(), &str>>().await
    };
    let break_down = async {
        sleep(LEASE_TTL + Duration::from_secs(5)).await;
        let mut script = store.script();
        (script.renewals, script.writes) = (renewals, writes);
    };
    let last_renewal = Instant::now() + LEASE_TTL;
    let (ended_with, ()) = tokio::join!(lifecycle.run(id, work), break_down);
    let ended_with = ended_with.unwrap_err();
    assert!(
        matches!(&ended_with, TrackedError::Unrecorded { source: Error::LeaseLost { id: lost }, .. } if *lost == id),
        "{ended_with}"
    );
    let ended = ended.lock().unwrap().unwrap();
    (ended - last_renewal, store)
}

#[tokio::test(start_paused = true)]
async fn it_stops_before_its_lease_ends_its_grace_included() {
    for renewals in [Mood::Fails, Mood::Hangs] {
        for writes in [Mood::Answers, Mood::Fails, Mood::Hangs] {
            for grace in [0, 5, 20, 50, 600] {
                let (went_on, _) = stubborn(Duration::from_secs(grace), renewals, writes).await;
                assert!(went_on < LEASE_TTL, "{renewals:?}, {writes:?}, grace {grace} s: {went_on:?}");
                assert!(went_on >= LEASE_TTL / 2, "{renewals:?}, {writes:?}, grace {grace} s: {went_on:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_why_and_hands_back_what_it_has() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    store.script().renewals = Mood::Fails;
    let work = |cx: RunContext| async move {
        cx.canceled().await;
        assert_eq!(cx.cancel_reason().unwrap(), "the lease could not be kept");
        sleep(Duration::from_secs(4)).await;
        Err::<(), _>("what it has")
    };
    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
    let ended = lifecycle.run(id, work).await.unwrap_err();
    assert_eq!(store.status(id).await, Status::Error);
    assert_eq!(
        store.last_message(id).await,
        format!(
            "Task failed with error: the lease could not be kept: the lease of activity {id} was lost, or could not \
             be renewed in time; is its store up?"
        )
    );
    assert_eq!(ended.into_error(), Some("what it has"));
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_while_its_lease_is_renewed() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
    let work = |_cx| async {
        for _ in 0..20 {
            // Every other renewal fails.
            store.script().renewals = Mood::FailsOnce;
            sleep(LEASE_TTL / 2).await;
        }
        Ok::<_, &str>("the answer")
    };
    assert_eq!(lifecycle.run(id, work).await.unwrap(), "the answer");
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_its_lease_is_lost_to_somebody_else() {
    let store = Durable::new();
    let activities = store.process("web-1");
    let id = activities.create("research").await.unwrap();
    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
    let run = lifecycle.run(id, |_cx| pending::<Result<(), &str>>());
    let operator = async {
        sleep(Duration::from_secs(20)).await;
        let attempt = store.detail_of(id).await.activity.attempt;
        store.process("operator").requeue(id, attempt, "Elsewhere.").await.unwrap();
    };
    let started = Instant::now();
    let (ended, ()) = tokio::join!(run, operator);
    assert!(matches!(ended, Err(TrackedError::Unrecorded { .. })));
    assert!(started.elapsed() < LEASE_TTL, "{:?}", started.elapsed());
    assert_eq!(store.status(id).await, Status::Queued);
}
