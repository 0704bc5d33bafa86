//! The store fails while a run goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentexec_activity_core::Status;
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{
    Lifecycle, Retry, RunContext, RunError, RunExt, Track, TrackedError, Tracking, from_fn,
};
use tokio::time::Instant;

use crate::support::tracked_store;

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_at_the_start_refuses_the_run() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work_done = AtomicU32::new(0);
    store.fail_next(u32::MAX);
    let failed = activities
        .track(id, |_cx| async {
            work_done.fetch_add(1, Ordering::SeqCst);
            Ok::<_, &str>(())
        })
        .await
        .unwrap_err();
    assert!(matches!(&failed, TrackedError::NotStarted(error) if error.is_retryable()), "{failed}");
    assert_eq!(work_done.into_inner(), 0);
    assert_eq!(store.statuses(id), [Status::Queued]);
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_is_one_start() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    store.lose_next_answers(1);
    activities.track(id, |_cx| async { Ok::<_, &str>(()) }).await.unwrap();
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test]
async fn progress_that_could_not_be_recorded_does_not_stop_the_work() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let failing = store.clone();
    let work = |cx: RunContext| async move {
        failing.fail_next(1);
        cx.progress("Reading", 30).await;
        cx.progress("Writing", 60).await;
        Ok::<_, &str>(cx.is_canceled())
    };
    assert!(!activities.track(id, work).await.unwrap());
    assert_eq!(
        store.messages(id),
        ["Waiting to start.", "Task started.", "Writing", "Task completed successfully."]
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_progress_does_not_stop_the_work() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let stalling = store.clone();
    let work = |cx: RunContext| async move {
        stalling.stall_next_answers(1);
        cx.progress("Reading", 30).await;
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap();
    assert_eq!(store.statuses(id).last(), Some(&Status::Complete));
}

#[tokio::test]
async fn strict_tracking_fails_the_run_and_keeps_its_output() {
    let (store, activities) = tracked_store();
    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
    let id = activities.create("research").await.unwrap();
    let failing = store.clone();
    let work = |cx: RunContext| async move {
        failing.fail_next(1);
        cx.progress("Reading", 30).await;
        assert!(cx.is_canceled(), "it is told to stop");
        Ok::<_, &str>("what it has")
    };
    let failed = lifecycle.run(id, work).await.unwrap_err();
    assert!(matches!(&failed, TrackedError::Unrecorded { source, .. } if source.is_retryable()), "{failed}");
    assert_eq!(failed.into_output(), Some("what it has"));
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
    assert_eq!(
        store.messages(id).last().unwrap(),
        "Task failed with error: progress could not be recorded: the failing store failed: told to fail"
    );
}

#[tokio::test]
async fn strict_tracking_stops_a_run_inside_timeouts_and_retries() {
    for _ in 0..32 {
        let (store, activities) = tracked_store();
        let id = activities.create("research").await.unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let (failing, count) = (store.clone(), Arc::clone(&tries));
        let runner = from_fn(move |cx: RunContext, ()| {
            let (failing, count) = (failing.clone(), Arc::clone(&count));
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                failing.fail_next(1);
                cx.progress("Reading", 30).await;
                Err::<(), _>("no paper")
            }
        });
        let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
        let policy = Retry::times(3).base(Duration::ZERO);
        let runner = runner.timeout(Duration::from_mins(1)).retry_if(policy, |_| true).tracked(lifecycle);
        let failed = runner.run(id, ()).await.unwrap_err();
        assert!(matches!(&failed, TrackedError::Unrecorded { .. }), "{failed}");
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn strict_tracking_stops_a_retry_that_could_not_be_announced() {
    for _ in 0..32 {
        let (store, activities) = tracked_store();
        let id = activities.create("research").await.unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let (failing, count) = (store.clone(), Arc::clone(&tries));
        let runner = from_fn(move |_cx: RunContext, ()| {
            count.fetch_add(1, Ordering::SeqCst);
            failing.fail_next(1);
            async { Err::<(), _>("no paper") }
        });
        let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
        let runner = runner.retry_if(Retry::times(3).base(Duration::ZERO), |_| true).tracked(lifecycle);
        runner.run(id, ()).await.unwrap_err();
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }
}

/// Runs work that lets the store fail `times` from its end on.
async fn ending_fails(
    times: u32,
    result: Result<&'static str, &'static str>,
) -> (Result<&'static str, TrackedError<&'static str, &'static str>>, Vec<Status>, Duration) {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let (failing, started) = (store.clone(), Instant::now());
    let work = |_cx| async move {
        failing.fail_next(times);
        result
    };
    let ended = activities.track(id, work).await;
    (ended, store.statuses(id), started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_final_status_is_written_again_when_the_store_fails() {
    let (ended, statuses, took) = ending_fails(4, Ok("the answer")).await;
    assert_eq!(ended.unwrap(), "the answer");
    assert_eq!(statuses, [Status::Queued, Status::Running, Status::Complete]);
    // 200 ms, then twice as long each time.
    assert!((Duration::from_secs(3)..Duration::from_millis(3100)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_final_status_that_is_given_up_leaves_the_output_to_the_caller() {
    let (ended, statuses, took) = ending_fails(u32::MAX, Ok("the answer")).await;
    let failed = ended.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the run ended well, but that could not be recorded: the failing store failed"
    );
    assert_eq!(failed.into_output(), Some("the answer"));
    assert_eq!(statuses, [Status::Queued, Status::Running]);
    assert!(took < agentexec_activity_core::SHUTDOWN_WAIT, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_final_status_that_is_given_up_leaves_the_error_to_the_caller() {
    let (ended, _, _) = ending_fails(u32::MAX, Err("no paper")).await;
    let failed = ended.unwrap_err();
    assert!(matches!(failed.run_error(), Some(RunError::Failed { error: "no paper", .. })));
    assert_eq!(
        failed.to_string(),
        "the run failed (no paper), but that could not be recorded: the failing store failed"
    );
    assert_eq!(failed.into_error(), Some("no paper"));
}

async fn ending_with(disturb: impl FnOnce(&FailingStore) + Send) -> Vec<Status> {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |_cx| async {
        disturb(&store);
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap();
    store.statuses(id)
}

#[tokio::test(start_paused = true)]
async fn a_final_status_whose_answer_was_lost_is_one_log_entry() {
    let statuses = ending_with(|store| store.lose_next_answers(2)).await;
    assert_eq!(statuses, [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test(start_paused = true)]
async fn a_final_status_that_is_never_answered_is_sent_again() {
    let statuses = ending_with(|store| store.stall_next_answers(2)).await;
    assert_eq!(statuses, [Status::Queued, Status::Running, Status::Complete]);
}
