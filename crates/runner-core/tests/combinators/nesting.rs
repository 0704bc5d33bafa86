//! A runner inside a run belongs to that run.

use std::time::Duration;

use agentexec_activity_core::{Scope, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Run, RunContext, RunEvent, RunExt, Track, from_fn};
use futures_util::TryStreamExt;
use tokio::time::{Instant, sleep};

use crate::support::{BROKEN, BUSY, Busy, fails, tracked_store};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn it_reports_to_the_same_activity_and_the_same_stream() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let outer = from_fn(|cx: RunContext, ()| async move {
        let inner = from_fn(|cx: RunContext, ()| async move {
            cx.progress("Inside", 40).await;
            cx.emit(RunEvent::TextDelta { text: "Hel".into() }).await;
            Ok::<_, Busy>(cx.id())
        });
        let inside = inner.execute(&cx, ()).await.map_err(|_| BROKEN)?;
        Ok::<_, Busy>(inside == cx.id())
    });
    let mut stream = outer.tracked(&activities).run_streamed(id, ());
    let mut texts = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        if let RunEvent::TextDelta { text } = event {
            texts.push(text);
        }
    }
    assert!(stream.output().await.unwrap());
    assert_eq!(texts, ["Hel"]);
    assert_eq!(
        store.messages(id),
        ["Waiting to start.", "Task started.", "Inside", "Task completed successfully."]
    );
}

#[tokio::test(start_paused = true)]
async fn it_sees_the_deadline_and_the_cancellation_of_the_run() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let inner = || {
        from_fn(|cx: RunContext, ()| async move {
            let left = cx.deadline().unwrap() - Instant::now();
            cx.canceled().await;
            Ok::<_, Busy>(left)
        })
        .timeout(MINUTE * 9)
    };
    let outer =
        from_fn(move |cx: RunContext, ()| async move { inner().execute(&cx, ()).await.map_err(|_| BROKEN) });
    let runner = outer.timeout(MINUTE).tracked(&activities);
    let (left, ()) = tokio::join!(runner.run(id, ()), async {
        sleep(MINUTE / 2).await;
        activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    });
    assert_eq!(left.unwrap(), MINUTE);
}

#[tokio::test]
async fn a_second_lifecycle_on_its_activity_is_refused() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let inner = fails(0, BUSY);
    let tracked = inner.clone().tracked(&activities);
    let outer = activities.track(id, |cx| async move { tracked.run(cx.id(), ()).await });
    assert!(outer.await.is_err());
    assert_eq!(inner.tries(), 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
}

#[tokio::test]
async fn a_part_of_a_run_does_not_say_how_the_whole_completed() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        let part = cx.child(None);
        fails(9, BROKEN).fallback(fails(0, BUSY)).execute(&part, ()).await.map_err(|_| BROKEN)
    };
    activities.track(id, work).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), "Task completed successfully.");
}
