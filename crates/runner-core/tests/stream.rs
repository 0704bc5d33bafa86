//! The same run, event by event.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agentexec_activity_core::{Activities, Attempt, MemoryStore, Percent, Scope, Status};
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{
    EVENT_BUFFER, RunContext, RunEvent, RunExt, RunStream, Runner, TrackedError, from_fn,
};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::oneshot;

fn tracked_store() -> (MemoryStore, Activities) {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    (store, activities)
}

fn text(text: impl ToString) -> RunEvent {
    RunEvent::TextDelta { text: text.to_string() }
}

/// Says so many pieces of text, then ends.
fn talker(
    pieces: usize,
    result: Result<usize, &'static str>,
) -> impl Runner<Input = (), Output = usize, Error = &'static str> {
    from_fn(move |cx: RunContext, ()| async move {
        for piece in 0..pieces {
            cx.emit(text(piece)).await;
        }
        result
    })
}

const _: () = {
    const fn can_be_kept_anywhere<T: Send + Unpin + 'static>() {}
    struct Pinned(#[allow(dead_code)] std::marker::PhantomPinned);
    can_be_kept_anywhere::<RunStream<Pinned, Pinned>>();
};

#[tokio::test]
async fn the_events_come_in_order_and_the_last_follows_the_final_status() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        cx.progress("Reading", 30).await;
        cx.emit(text("Hello")).await;
        cx.note("Writing").await;
        Ok::<_, &str>(7)
    });
    let mut stream = runner.tracked(&activities).run_streamed(id, ());
    let mut events = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        if matches!(event, RunEvent::RunFinished { .. }) {
            assert_eq!(store.statuses(id).last(), Some(&Status::Complete));
        }
        events.push(event);
    }
    assert_eq!(
        events,
        [
            RunEvent::RunStarted { id, attempt: Attempt::FIRST },
            RunEvent::Progress { message: "Reading".into(), percentage: Some(Percent::clamped(30)) },
            text("Hello"),
            RunEvent::Progress { message: "Writing".into(), percentage: None },
            RunEvent::RunFinished { status: Status::Complete },
        ]
    );
    assert!(stream.next().await.is_none(), "a stream that has ended stays so");
    assert_eq!(stream.output().await.unwrap(), 7);
}

#[tokio::test]
async fn progress_that_reports_back_is_streamed_too() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        cx.update("Reading", Some(Percent::FULL)).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(())
    });
    let events: Vec<RunEvent> = runner.tracked(&activities).run_streamed(id, ()).try_collect().await.unwrap();
    let said = RunEvent::Progress { message: "Reading".into(), percentage: Some(Percent::FULL) };
    assert!(events.contains(&said), "{events:?}");
}

#[tokio::test]
async fn a_streamed_run_records_the_same_log() {
    let (store, activities) = tracked_store();
    let runner = from_fn(|cx: RunContext, fail: bool| async move {
        cx.progress("Reading", 30).await;
        cx.emit(text("Hello")).await;
        cx.note("Writing").await;
        if fail { Err("no paper") } else { Ok(7) }
    })
    .tracked(&activities);
    for fail in [false, true] {
        let (plain, streamed) =
            (activities.create("a").await.unwrap(), activities.create("a").await.unwrap());
        let whole = runner.run(plain, fail).await;
        let pieces = runner.run_streamed(streamed, fail).output().await;
        assert_eq!(whole.ok(), pieces.ok());
        assert_eq!(store.messages(plain), store.messages(streamed));
        assert_eq!(store.statuses(plain), store.statuses(streamed));
        assert_eq!(store.percentages(plain), store.percentages(streamed));
    }
}

#[tokio::test]
async fn a_failed_run_yields_its_error_last_and_once() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let mut stream = talker(1, Err("no paper")).tracked(&activities).run_streamed(id, ());
    let items: Vec<_> = stream.by_ref().collect().await;
    let [Ok(_), Ok(said), Ok(finished), Err(TrackedError::Run(error))] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(*said, text(0));
    assert_eq!(*finished, RunEvent::RunFinished { status: Status::Error });
    assert_eq!(error.to_string(), "no paper");
    assert!(stream.next().await.is_none());
    assert!(matches!(stream.output().await, Err(TrackedError::AlreadyReported)));
    assert_eq!(store.statuses(id).last(), Some(&Status::Error));
}

#[tokio::test]
async fn a_run_that_is_refused_yields_only_its_error() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    let items: Vec<_> = talker(1, Ok(7)).tracked(&activities).run_streamed(id, ()).collect().await;
    assert!(matches!(&items[..], [Err(TrackedError::NotStarted(_))]), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_was_not_written_is_not_announced() {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    let id = activities.create("research").await.unwrap();
    let failing = store.clone();
    let runner = from_fn(move |_cx: RunContext, ()| {
        failing.fail_next(u32::MAX);
        async { Ok::<_, &str>(7) }
    });
    let items: Vec<_> = runner.tracked(&activities).run_streamed(id, ()).collect().await;
    assert!(
        matches!(&items[..], [Ok(RunEvent::RunStarted { .. }), Err(TrackedError::Unrecorded { .. })]),
        "{items:?}"
    );
}

#[tokio::test]
async fn the_output_can_be_had_without_reading() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let stream = talker(EVENT_BUFFER * 5, Ok(7)).tracked(&activities).run_streamed(id, ());
    assert_eq!(stream.output().await.unwrap(), 7);
    let id = activities.create("research").await.unwrap();
    let stream = talker(EVENT_BUFFER * 5, Err("no paper")).tracked(&activities).run_streamed(id, ());
    assert_eq!(stream.output().await.unwrap_err().into_error(), Some("no paper"));
}

#[tokio::test]
async fn no_event_is_lost_however_many_come_at_once() {
    let (_store, activities) = tracked_store();
    // Tokio lets a task do so much in one go; wherever that ends, nothing must be lost.
    for done_before in 0..EVENT_BUFFER * 3 {
        let id = activities.create("research").await.unwrap();
        let stream = talker(EVENT_BUFFER / 2, Ok(7)).tracked(&activities).run_streamed(id, ());
        let reader = tokio::spawn(async move {
            for _ in 0..done_before {
                tokio::task::consume_budget().await;
            }
            stream.try_collect::<Vec<_>>().await.unwrap()
        });
        let events = reader.await.unwrap();
        assert_eq!(events.len(), EVENT_BUFFER / 2 + 2, "after {done_before}");
        assert_eq!(events.last(), Some(&RunEvent::RunFinished { status: Status::Complete }));
    }
}

#[tokio::test]
async fn a_reader_that_pauses_pauses_the_run() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let runner = from_fn(move |cx: RunContext, ()| {
        let count = Arc::clone(&count);
        async move {
            for piece in 0..EVENT_BUFFER * 3 {
                cx.emit(text(piece)).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok::<_, &str>(())
        }
    });
    let mut stream = runner.tracked(&activities).run_streamed(id, ());
    stream.try_next().await.unwrap();
    tokio::task::yield_now().await;
    assert!(said.load(Ordering::SeqCst) <= EVENT_BUFFER, "what is not read is bounded");
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(rest.len(), EVENT_BUFFER * 3 + 1);
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_run() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let endless = from_fn(|cx: RunContext, ()| async move {
        cx.emit(text("Hello")).await;
        std::future::pending::<Result<(), &str>>().await
    });
    let mut stream = endless.tracked(&activities).run_streamed(id, ());
    stream.try_next().await.unwrap();
    assert_eq!(stream.try_next().await.unwrap(), Some(text("Hello")));
    drop(stream);
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Canceled]);
}

#[tokio::test]
async fn a_stream_that_was_never_polled_has_not_begun() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    drop(talker(1, Ok(7)).tracked(&activities).run_streamed(id, ()));
    activities.shutdown().await;
    assert_eq!(store.statuses(id), [Status::Queued]);
}

#[tokio::test]
async fn a_task_that_still_holds_the_context_does_not_keep_the_stream_open() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        tokio::spawn(async move {
            cx.emit(text("Hello")).await;
            std::future::pending::<()>().await;
            drop(cx);
        });
        Ok::<_, &str>(7)
    });
    let mut stream = runner.tracked(&activities).run_streamed(id, ());
    while stream.try_next().await.unwrap().is_some() {}
    assert_eq!(stream.output().await.unwrap(), 7);
}

#[tokio::test]
async fn a_task_that_goes_on_talking_is_not_heard_after_the_last_event() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let (ended, has_ended) = oneshot::channel::<()>();
    let (spoke, has_spoken) = oneshot::channel::<()>();
    let signals = Mutex::new(Some((has_ended, spoke)));
    let runner = from_fn(move |cx: RunContext, ()| {
        let (has_ended, spoke) = signals.lock().unwrap().take().unwrap();
        async move {
            tokio::spawn(async move {
                has_ended.await.unwrap();
                cx.emit(text("too late")).await;
                spoke.send(()).unwrap();
            });
            Ok::<_, &str>(7)
        }
    });
    let mut stream = runner.tracked(&activities).run_streamed(id, ());
    // The whole run happens while its first event is read.
    stream.try_next().await.unwrap();
    assert!(matches!(stream.try_next().now_or_never(), Some(Ok(Some(RunEvent::RunFinished { .. })))));
    ended.send(()).unwrap();
    has_spoken.await.unwrap();
    assert!(stream.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn what_another_run_says_last_does_not_end_this_one() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        cx.emit(RunEvent::RunFinished { status: Status::Error }).await;
        cx.emit(text("still here")).await;
        Ok::<_, &str>(7)
    });
    let events: Vec<_> = runner.tracked(&activities).run_streamed(id, ()).try_collect().await.unwrap();
    assert_eq!(
        events[1..],
        [
            RunEvent::RunFinished { status: Status::Error },
            text("still here"),
            RunEvent::RunFinished { status: Status::Complete }
        ]
    );
}

#[tokio::test]
async fn whether_anybody_listens_can_be_asked() {
    let (_store, activities) = tracked_store();
    let runner = from_fn(|cx: RunContext, ()| async move { Ok::<_, &str>(cx.is_streamed()) });
    let runner = runner.tracked(&activities);
    let (plain, streamed) = (activities.create("a").await.unwrap(), activities.create("a").await.unwrap());
    assert!(!runner.run(plain, ()).await.unwrap());
    assert!(runner.run_streamed(streamed, ()).output().await.unwrap());
}
