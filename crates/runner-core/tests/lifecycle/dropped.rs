//! The future is dropped before it is ready.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_activity_core::Status;
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{RunContext, Track};
use futures_util::FutureExt;

use crate::support::{OnDrop, tracked_store};

async fn never(_cx: RunContext) -> Result<(), &'static str> {
    std::future::pending().await
}

#[tokio::test]
async fn a_dropped_run_is_canceled_in_the_background_and_shutdown_waits_for_that() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let run = activities.track(id, never).now_or_never();
    assert!(run.is_none(), "the work never ends");
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: dropped before it finished");
}

#[tokio::test]
async fn the_work_of_a_dropped_run_is_dropped_before_the_status_is_written() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (look, log) = (store.clone(), Arc::clone(&seen));
    let work = move |_cx| async move {
        let _guard = OnDrop(move || log.lock().unwrap().extend(look.statuses(id)));
        std::future::pending::<Result<(), &str>>().await
    };
    assert!(activities.track(id, work).now_or_never().is_none());
    activities.shutdown().await;
    assert_eq!(*seen.lock().unwrap(), [Status::Queued, Status::Running]);
    assert_eq!(store.statuses(id).last(), Some(&Status::Canceled));
}

#[tokio::test]
async fn a_run_that_was_never_polled_has_not_begun() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    drop(activities.track(id, never));
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued]);
}

#[tokio::test]
async fn dropped_while_it_starts_it_is_canceled() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    store.stall_next_answers(1);
    assert!(activities.track(id, never).now_or_never().is_none());
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
}

#[tokio::test]
async fn dropped_while_its_start_is_refused_it_leaves_the_activity_alone() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let attempt = activities.start(id).await.unwrap();
    store.stall_next_answers(1);
    assert!(activities.track(id, never).now_or_never().is_none());
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running]);
    activities.complete(id).attempt(attempt).await.unwrap();
}

#[tokio::test]
async fn dropped_while_the_final_status_is_written_it_keeps_the_real_one() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let stalling = store.clone();
    let work = move |_cx| async move {
        stalling.stall_next_answers(1);
        Ok::<_, &str>(())
    };
    assert!(activities.track(id, work).now_or_never().is_none());
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test(start_paused = true)]
async fn dropped_before_the_final_status_is_written_again_it_keeps_the_real_one() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let failing = store.clone();
    let work = move |_cx| async move {
        failing.fail_next(1);
        Ok::<_, &str>(())
    };
    assert!(activities.track(id, work).now_or_never().is_none());
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test(start_paused = true)]
async fn the_write_in_the_background_is_repeated_while_the_store_is_down() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    assert!(activities.track(id, never).now_or_never().is_none());
    store.fail_next(3);
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_by_a_timeout_around_it_is_canceled() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), activities.track(id, never)).await.unwrap_err();
    activities.shutdown().await;
    assert_eq!(store.statuses(id).last(), Some(&Status::Canceled));
}
