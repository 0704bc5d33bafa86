//! An activity that cannot start: no work is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agentexec_activity_core::{Activities, AgentId, Error, Scope, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Track, TrackedError};

use crate::support::tracked_store;

/// Tries to run work on the activity and gives the refusal, after a look that neither the closure nor its
/// future ran.
async fn refusal(activities: &Activities, id: AgentId) -> Error {
    let work_done = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&work_done);
    let work = move |_cx| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, &str>(()) }
    };
    let failed = activities.track(id, work).await.unwrap_err();
    assert_eq!(work_done.load(Ordering::SeqCst), 0);
    let TrackedError::NotStarted(error) = failed else { panic!("{failed}") };
    error
}

#[tokio::test]
async fn an_unknown_activity_is_not_found() {
    let (_store, activities) = tracked_store();
    assert!(refusal(&activities, AgentId::new()).await.is_not_found());
}

#[tokio::test]
async fn a_running_activity_is_refused_and_left_as_it_is() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    activities
        .track(id, |cx| async move {
            cx.progress("Reading", 30).await;
            let before = cx.activities().unwrap().detail(&Scope::all(), id).await.unwrap();
            assert!(refusal(cx.activities().unwrap(), id).await.is_already_running());
            assert_eq!(cx.activities().unwrap().detail(&Scope::all(), id).await.unwrap(), before);
            Ok::<_, &str>(())
        })
        .await
        .unwrap();
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test]
async fn an_activity_that_has_ended_is_refused_and_left_as_it_is() {
    let (store, activities) = tracked_store();
    for ended in [Status::Complete, Status::Error, Status::Canceled] {
        let id = activities.create("research").await.unwrap();
        activities.start(id).await.unwrap();
        match ended {
            Status::Complete => activities.complete(id).await.unwrap(),
            Status::Error => activities.error(id, "no paper").await.unwrap(),
            _ => activities.cancel(id, "not needed").await.unwrap(),
        };
        let before = store.recorded(id);
        assert_eq!(refusal(&activities, id).await.refused_from(), Some(ended));
        assert_eq!(store.recorded(id), before);
    }
}

#[tokio::test]
async fn an_activity_that_was_canceled_while_it_was_queued_is_refused() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    assert_eq!(refusal(&activities, id).await.refused_from(), Some(Status::Canceled));
    assert_eq!(store.statuses(id), [Status::Queued, Status::Canceled]);
}
