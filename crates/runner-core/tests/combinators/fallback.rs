//! Letting another runner take over.

use std::fmt;
use std::time::Duration;

use agentexec_activity_core::{Scope, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, Run, RunContext, RunError, RunEvent, RunExt, TrackedError, from_fn};
use futures_util::TryStreamExt;
use tokio::time::sleep;

use crate::support::{BROKEN, BUSY, Busy, Endless, Steps, fails, tracked_store};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_log_says_that_the_fallback_took_over_and_completed() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BROKEN).fallback(fails(0, BUSY)).tracked(&activities);
    assert_eq!(runner.run(id, ()).await.unwrap(), 1);
    assert_eq!(
        store.messages(id)[2..],
        ["Primary model failed, using fallback: broken", "Completed with fallback model"]
    );
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test]
async fn a_primary_that_does_well_needs_no_fallback() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let other = fails(0, BUSY);
    fails(0, BUSY).fallback(other.clone()).tracked(&activities).run(id, ()).await.unwrap();
    assert_eq!(other.tries(), 0);
    assert_eq!(store.messages(id).last().unwrap(), "Task completed successfully.");
}

#[tokio::test]
async fn when_both_fail_the_error_is_that_of_the_fallback() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let failed =
        fails(9, BUSY).fallback(fails(9, BROKEN)).tracked(&activities).run(id, ()).await.unwrap_err();
    assert_eq!(failed.into_error(), Some(BROKEN));
    assert_eq!(
        store.messages(id)[2..],
        ["Primary model failed, using fallback: busy", "Task failed with error: broken"]
    );
}

#[tokio::test]
async fn the_error_of_the_fallback_is_converted() {
    #[derive(Debug)]
    struct Other;

    impl fmt::Display for Other {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("another framework's error")
        }
    }

    impl From<Other> for Busy {
        fn from(_: Other) -> Self {
            BROKEN
        }
    }

    let other = from_fn(|_cx, ()| async { Err::<u32, _>(Other) });
    let failed = fails(9, BUSY).fallback(other).execute(&RunContext::untracked(), ()).await;
    assert_eq!(failed.unwrap_err().into_error(), Some(BROKEN));
}

#[tokio::test]
async fn a_predicate_decides_when_it_takes_over() {
    let cx = RunContext::untracked();
    let when_broken = |error: &RunError<Busy>| error.error() == Some(&BROKEN);
    let other = fails(0, BUSY);
    let failed = fails(9, BUSY).fallback_if(other.clone(), when_broken).execute(&cx, ()).await;
    assert_eq!((failed.unwrap_err().into_error(), other.tries()), (Some(BUSY), 0));
    let runner = fails(9, BROKEN).fallback_if(other.clone(), when_broken);
    assert_eq!(runner.execute(&cx, ()).await.unwrap(), 1);
}

#[tokio::test]
async fn it_goes_on_from_the_work_that_was_done() {
    let runner = Steps { breaks_after: 2 }.fallback(Steps { breaks_after: 9 });
    let (done, before) = runner.execute(&RunContext::untracked(), vec![]).await.unwrap();
    assert_eq!((before, done), (vec![0, 1], vec![2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn behind_retries_it_goes_on_from_the_last_of_them() {
    let runner = Steps { breaks_after: 1 }.retry(Retry::times(2)).fallback(Steps { breaks_after: 9 });
    let (done, before) = runner.execute(&RunContext::untracked(), vec![]).await.unwrap();
    assert_eq!((before, done), (vec![0, 1, 2], vec![3, 4]));
}

#[tokio::test]
async fn nothing_falls_back_on_a_cancellation() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let canceling = from_fn(|cx: RunContext, ()| async move {
        cx.cancel("not needed");
        Err::<u32, _>(BUSY)
    });
    let other = fails(0, BUSY);
    let failed = canceling.fallback(other.clone()).tracked(&activities).run(id, ()).await.unwrap_err();
    assert!(failed.run_error().unwrap().is_canceled(), "{failed}");
    assert_eq!((other.tries(), store.messages(id)[2..].len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_the_primary_ignores_does_not_reach_the_fallback() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let other = fails(0, BUSY);
    let runner = Endless.fallback(other.clone()).tracked(&activities);
    let (failed, ()) = tokio::join!(runner.run(id, ()), async {
        sleep(MINUTE).await;
        activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    });
    assert!(failed.unwrap_err().run_error().unwrap().is_canceled());
    assert_eq!(other.tries(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_falls_back_on_an_outer_deadline() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let until_told = from_fn(|cx: RunContext, ()| async move {
        cx.canceled().await;
        Err::<u32, _>(BUSY)
    });
    let other = fails(0, BUSY);
    let runner = until_told.fallback(other.clone()).timeout(MINUTE).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    let TrackedError::Run(RunError::TimedOut { error, .. }) = failed else { panic!("{failed}") };
    assert_eq!((error, other.tries()), (Some(BUSY), 0));
    assert_eq!(store.messages(id)[2..], ["Task timed out after 1m."]);
}

#[tokio::test(start_paused = true)]
async fn it_takes_over_when_the_primary_passes_a_deadline_of_its_own() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = Endless.timeout(MINUTE).fallback(fails(0, BUSY)).tracked(&activities);
    assert_eq!(runner.run(id, ()).await.unwrap(), 1);
    assert_eq!(
        store.messages(id)[2..],
        ["Primary model failed, using fallback: timed out after 1m", "Completed with fallback model"]
    );
}

#[tokio::test(start_paused = true)]
async fn one_deadline_runs_through_the_fallback_too() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = Endless.timeout(MINUTE).fallback(Endless).timeout(MINUTE * 2).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert!(matches!(failed, TrackedError::Run(RunError::TimedOut { after, .. }) if after == MINUTE * 2));
}

#[tokio::test]
async fn a_stream_sees_that_it_took_over() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BROKEN).fallback(fails(0, BUSY)).tracked(&activities);
    let events: Vec<RunEvent> = runner.run_streamed(id, ()).try_collect().await.unwrap();
    assert!(events.contains(&RunEvent::FellBack { error: "broken".into() }), "{events:?}");
}
