//! Cancellation: who may ask for it, and what the work and the caller see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::pending;
use std::time::Duration;

use agentexec_activity_core::{
    Activities, AgentId, CancelOutcome, Error, MemoryStore, Message, Scope, Status,
};
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{Retry, RunContext, RunError, RunExt, Track, TrackedError, from_fn};
use tokio::sync::oneshot;
use tokio::time::sleep;

type Ended = Result<&'static str, TrackedError<&'static str, &'static str>>;

fn tracked_store() -> (FailingStore, Activities) {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    (store, activities)
}

async fn cancel(activities: &Activities, id: AgentId) {
    let asked = activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    assert_eq!(asked, CancelOutcome::Requested);
}

/// Runs `work` and asks to cancel it a while after it began.
async fn canceled_while<F, Fut>(work: F) -> (Ended, FailingStore, AgentId)
where
    F: FnOnce(RunContext, FailingStore) -> Fut + Send,
    Fut: Future<Output = Result<&'static str, &'static str>> + Send,
{
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let given = store.clone();
    let run = activities.track(id, |cx| work(cx, given));
    let ask = async {
        sleep(Duration::from_secs(1)).await;
        cancel(&activities, id).await;
    };
    let (ended, ()) = tokio::join!(run, ask);
    (ended, store, id)
}

fn assert_canceled(ended: Ended, handed_back: Option<&'static str>) {
    let TrackedError::Run(RunError::Canceled { reason, error, .. }) = ended.unwrap_err() else { panic!() };
    assert_eq!((reason.as_str(), error), ("not needed", handed_back));
}

fn assert_recorded(store: &FailingStore, id: AgentId) {
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: not needed");
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_for_a_timer_is_canceled() {
    let (ended, store, id) = canceled_while(|_cx, _store| async {
        sleep(Duration::from_hours(1)).await;
        Ok("done")
    })
    .await;
    assert_canceled(ended, None);
    assert_recorded(&store, id);
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_for_what_never_comes_is_canceled() {
    let (ended, store, id) = canceled_while(|_cx, _store| pending()).await;
    assert_canceled(ended, None);
    assert_recorded(&store, id);
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_for_a_store_without_an_answer_is_canceled() {
    let (ended, store, id) = canceled_while(|cx, store| async move {
        loop {
            store.stall_next_answers(1);
            cx.progress("Reading", 30).await;
        }
    })
    .await;
    assert_canceled(ended, None);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_for_its_next_retry_is_canceled() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let failing = from_fn(|_cx, ()| async { Err::<&'static str, _>("busy") });
    let hour = Duration::from_hours(1);
    let runner = failing.retry_if(Retry::times(u32::MAX).base(hour).longest(hour), |_| true);
    let runner = runner.tracked(&activities);
    let (ended, ()) = tokio::join!(runner.run(id, ()), async {
        sleep(Duration::from_secs(1)).await;
        cancel(&activities, id).await;
    });
    assert_canceled(ended, Some("busy"));
    assert_recorded(&store, id);
}

#[tokio::test]
async fn what_is_handed_back_within_the_grace_period_stands_in_the_error() {
    let (ended, store, id) = canceled_while(|cx, _store| async move {
        cx.canceled().await;
        Err("read 3 of 5 pages")
    })
    .await;
    assert_canceled(ended, Some("read 3 of 5 pages"));
    assert_recorded(&store, id);
}

#[tokio::test]
async fn an_output_within_the_grace_period_makes_it_complete() {
    let (ended, store, id) = canceled_while(|cx, _store| async move {
        cx.canceled().await;
        Ok("what it has")
    })
    .await;
    assert_eq!(ended.unwrap(), "what it has");
    assert_eq!(store.statuses(id).last(), Some(&Status::Complete));
}

#[tokio::test]
async fn the_work_can_cancel_its_own_run_and_the_first_reason_counts() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.cancel("the budget is spent");
        cx.cancel("again");
        assert_eq!(cx.cancel_reason().as_deref(), Some("the budget is spent"));
        assert!(cx.token().is_cancelled());
        Err::<(), _>("read 3 of 5 pages")
    };
    let failed = activities.track(id, work).await.unwrap_err();
    let TrackedError::Run(RunError::Canceled { reason, error, .. }) = failed else { panic!("{failed}") };
    assert_eq!((reason.as_str(), error), ("the budget is spent", Some("read 3 of 5 pages")));
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: the budget is spent");
}

#[tokio::test(start_paused = true)]
async fn the_work_inside_a_timeout_cancels_the_whole_run() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        cx.cancel("the budget is spent");
        pending::<Result<(), &str>>().await
    });
    let other = from_fn(|_cx, ()| async { Ok::<_, &str>(()) });
    let runner = runner.timeout(Duration::from_mins(5)).fallback(other).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert!(failed.run_error().unwrap().is_canceled(), "{failed}");
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: the budget is spent");
}

#[tokio::test]
async fn a_part_of_a_run_can_be_stopped_alone() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        let part = cx.child(None);
        part.token().cancel();
        part.canceled().await;
        Ok::<_, &str>((part.is_canceled(), cx.is_canceled()))
    };
    assert_eq!(activities.track(id, work).await.unwrap(), (true, false));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_fired_by_hand_cancels_the_run() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.token().cancel();
        pending::<Result<(), &str>>().await
    };
    assert!(activities.track(id, work).await.unwrap_err().run_error().unwrap().is_canceled());
    assert_eq!(store.statuses(id).last(), Some(&Status::Canceled));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_came_before_the_work_began_is_seen_by_it() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    // The start is carried out, but until it is sent again the run does not know.
    store.lose_next_answers(1);
    let run = activities.track(id, |cx| async move {
        cx.canceled().await;
        Err::<&'static str, _>("nothing done")
    });
    let ask = async {
        tokio::task::yield_now().await;
        cancel(&activities, id).await;
    };
    let (ended, ()) = tokio::join!(run, ask);
    assert_canceled(ended, Some("nothing done"));
    assert_recorded(&store, id);
}

#[tokio::test]
async fn a_reason_is_redacted_in_the_log() {
    let store = MemoryStore::new();
    let activities = Activities::builder(store.clone()).redact(|text| text.replace("Ada", "[name]")).build();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.cancel("Ada said so");
        Err::<(), _>("")
    };
    activities.track(id, work).await.unwrap_err();
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: [name] said so");
}

/// Runs work that waits until it is told to stop, with `meanwhile` done to its activity by somebody else.
async fn ended_by_somebody_else<F>(
    result: Result<&'static str, &'static str>,
    meanwhile: impl FnOnce(Activities, AgentId) -> F,
) -> (Ended, FailingStore, AgentId)
where
    F: Future<Output = ()>,
{
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let (begun, has_begun) = oneshot::channel();
    let run = activities.track(id, |cx| async move {
        begun.send(()).unwrap();
        cx.canceled().await;
        result
    });
    let (ended, ()) = tokio::join!(run, async {
        has_begun.await.unwrap();
        meanwhile(activities.clone(), id).await;
    });
    (ended, store, id)
}

#[tokio::test]
async fn canceled_by_somebody_else_the_work_stops_and_its_output_is_not_lost() {
    let (ended, store, id) = ended_by_somebody_else(Ok("the answer"), |activities, id| async move {
        activities.cancel(id, "cleaning up").await.unwrap();
    })
    .await;
    let failed = ended.unwrap_err();
    let TrackedError::Unrecorded { source, .. } = &failed else { panic!("{failed}") };
    assert_eq!(source.refused_from(), Some(Status::Canceled));
    assert_eq!(failed.into_output(), Some("the answer"));
    assert_eq!(store.messages(id).last().unwrap(), "Task canceled: cleaning up");
}

#[tokio::test]
async fn completed_by_somebody_else_the_work_stops_and_its_error_is_not_lost() {
    let (ended, store, id) = ended_by_somebody_else(Err("read 3 of 5 pages"), |activities, id| async move {
        activities.complete(id).await.unwrap();
    })
    .await;
    let failed = ended.unwrap_err();
    assert!(matches!(&failed, TrackedError::Unrecorded { source, .. }
        if source.refused_from() == Some(Status::Complete)));
    assert!(failed.run_error().unwrap().is_canceled());
    assert_eq!(failed.into_error(), Some("read 3 of 5 pages"));
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test]
async fn replaced_by_another_attempt_the_work_stops_and_cannot_touch_it() {
    let (ended, store, id) = ended_by_somebody_else(Ok("the answer"), |activities, id| async move {
        let first = activities.detail(&Scope::all(), id).await.unwrap().unwrap().activity.attempt;
        activities.requeue(id, first, "The worker is gone").await.unwrap();
        activities.start(id).await.unwrap();
    })
    .await;
    let failed = ended.unwrap_err();
    assert!(matches!(&failed, TrackedError::Unrecorded { source: Error::StaleAttempt { .. }, .. }));
    assert_eq!(failed.into_output(), Some("the answer"));
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Queued, Status::Running]);
}

#[tokio::test]
async fn progress_of_a_replaced_attempt_is_refused() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        let activities = cx.activities().unwrap();
        activities.requeue(cx.id(), cx.attempt(), "The worker is gone").await.unwrap();
        activities.start(cx.id()).await.unwrap();
        cx.progress("Still here", 90).await;
        let refused = cx.update(Message::new("Still here"), None).await.unwrap_err();
        assert!(matches!(refused, Error::StaleAttempt { .. }), "{refused}");
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap_err();
    assert!(!store.messages(id).contains(&"Still here".to_owned()));
}

/// A task that took the context along hears of the end of the run, however it ended.
#[tokio::test]
async fn whatever_the_work_set_going_hears_when_the_run_is_over() {
    let (_store, activities) = tracked_store();
    for dropped in [false, true] {
        let (tell, told) = oneshot::channel();
        let (begin, began) = oneshot::channel();
        let id = activities.create("research").await.unwrap();
        let activities = activities.clone();
        let run = tokio::spawn(async move {
            let work = |cx: RunContext| async move {
                tokio::spawn(async move {
                    begin.send(()).unwrap();
                    cx.canceled().await;
                    tell.send(()).unwrap();
                });
                if dropped {
                    pending::<()>().await;
                }
                Ok::<_, &str>("done")
            };
            activities.track(id, work).await
        });
        began.await.unwrap();
        if dropped {
            run.abort();
        }
        told.await.unwrap();
    }
}
