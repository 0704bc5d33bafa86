//! Asking work to stop, and learning that one should.

use std::pin::pin;
use std::time::Duration;

use super::Harness;
use super::subject::{Subject, ask, complete, fail, next_event, next_logged, progress, retried_start, start};
use crate::{AgentId, Attempt, CancelOutcome, Change, Error, Scope, Status, StopRequest, WatchEvent};

fn canceled(reason: &str) -> StopRequest {
    StopRequest::Cancel(reason.into())
}

/// A queued activity becomes canceled at once, and its log says why.
pub async fn a_queued_activity_is_canceled_at_once(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let mut watch = store.watch_all().await;
    assert_eq!(store.ask_to_cancel(id, "no longer needed").await, CancelOutcome::Canceled);
    let whole = store.whole(id).await;
    assert_eq!((whole.activity.status, whole.log.len()), (Status::Canceled, 2));
    assert_eq!(whole.activity.message.as_str(), "canceled: no longer needed");
    assert_eq!((whole.activity.started, whole.activity.ended), (None, Some(whole.log[1].at)));
    assert_eq!(next_logged(&mut watch).await, (id, 2));
    assert_eq!(store.all_counts().await.canceled, 1);
}

/// A running activity goes on, flagged; whoever waits for that, now or later, learns of it with the reason.
pub async fn a_running_one_is_asked_to_stop(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let mut one = pin!(store.stop_requested(id, Attempt::FIRST));
    let mut two = pin!(store.stop_requested(id, Attempt::FIRST));
    for _ in 0..3 {
        store.apply(id, progress(10)).await;
        assert!(futures_util::poll!(one.as_mut()).is_pending(), "nobody asked it to stop");
        assert!(futures_util::poll!(two.as_mut()).is_pending(), "nobody asked it to stop");
    }
    let (asked, one, two) = tokio::join!(store.ask_to_cancel(id, "enough 👋"), one, two);
    assert_eq!(asked, CancelOutcome::Requested);
    assert_eq!((one, two), (canceled("enough 👋"), canceled("enough 👋")));
    assert_eq!(store.stop_requested(id, Attempt::FIRST).await, canceled("enough 👋"));

    let whole = store.whole(id).await;
    assert_eq!((whole.activity.status, whole.log.len()), (Status::Running, 5));
    assert_eq!(whole.activity.cancel_requested, Some("enough 👋".into()));
    store.apply(id, progress(20)).await;
    store.apply(id, Change::Cancel).await;
}

/// The first reason is kept; asking again is answered as asking was.
pub async fn the_first_reason_is_kept(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    assert_eq!(store.ask_to_cancel(id, "first").await, CancelOutcome::Requested);
    assert_eq!(store.ask_to_cancel(id, "second").await, CancelOutcome::Requested);
    assert_eq!(store.activity(id).await.cancel_requested, Some("first".into()));
    assert_eq!(store.stop_requested(id, Attempt::FIRST).await, canceled("first"));
}

/// What has ended is left as it is, and the answer says how it ended.
pub async fn what_has_ended_is_not_canceled(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for status in [Status::Complete, Status::Error, Status::Canceled] {
        let id = store.at(status).await;
        let before = store.whole(id).await;
        assert_eq!(store.ask_to_cancel(id, "too late").await, CancelOutcome::AlreadyEnded(status));
        assert_eq!(store.whole(id).await, before);
    }
    let missing = AgentId::new();
    let got = store.request_cancel(&Scope::all(), missing, ask("nobody")).await;
    super::subject::assert_not_found(got, missing);
}

/// A requeue of a run that was asked to stop does not start it again: it becomes canceled, in the attempt and at
/// the percentage that it had.
pub async fn a_requeue_after_a_request_cancels(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    store.apply(id, progress(60)).await;
    store.ask_to_cancel(id, "enough").await;
    let written = store.apply(id, Change::Requeue).await;
    assert_eq!((written.status, written.attempt), (Status::Canceled, Attempt::FIRST));
    let activity = store.activity(id).await;
    assert_eq!((activity.status, activity.percentage.get()), (Status::Canceled, 60));
    assert!(activity.ended.is_some());
    assert_eq!(activity.cancel_requested, Some("enough".into()));
    assert_eq!(store.all_counts().await.canceled, 1);
}

/// Work that was asked to stop may end otherwise; the record keeps that it was asked.
pub async fn work_that_ends_all_the_same_keeps_its_ending(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for (ending, status) in [(complete(), Status::Complete), (fail(), Status::Error)] {
        let id = store.running().await;
        store.ask_to_cancel(id, "enough").await;
        assert_eq!(store.apply(id, ending).await.status, status);
        assert_eq!(store.activity(id).await.cancel_requested, Some("enough".into()));
        assert_eq!(store.stop_requested(id, Attempt::FIRST).await, StopRequest::Ended(status));
    }
}

/// Whoever waits learns when the attempt is over: on every ending, and when another attempt replaces it.
pub async fn waiting_ends_with_the_attempt(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for ending in [complete(), fail(), Change::Cancel, Change::Requeue] {
        let id = store.running().await;
        let mut waiting = pin!(store.stop_requested(id, Attempt::FIRST));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        let told = match store.apply(id, ending.clone()).await.status {
            Status::Queued => StopRequest::Superseded,
            ended => StopRequest::Ended(ended),
        };
        assert_eq!(waiting.await, told, "{ending:?}");
    }
    // One that waits since before the start, and is canceled in the queue.
    let id = store.queued().await;
    let mut waiting = pin!(store.stop_requested(id, Attempt::FIRST));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    store.ask_to_cancel(id, "not needed").await;
    assert_eq!(waiting.await, StopRequest::Ended(Status::Canceled));
}

/// Whoever waits learns that the lease was lost: that the activity has ended in error, is canceled as somebody had
/// asked for, or waits for another attempt. What was purged is nobody's any more.
pub async fn waiting_ends_when_the_lease_is_lost(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let told = [
        (1, StopRequest::Ended(Status::Error)),
        (2, StopRequest::Superseded),
        (2, StopRequest::Ended(Status::Canceled)),
    ];
    for (last_attempt, told) in told {
        let id = store.queued().await;
        store.apply(id, retried_start(Duration::ZERO, last_attempt)).await;
        let mut waiting = pin!(store.stop_requested(id, Attempt::FIRST));
        assert!(
            futures_util::poll!(waiting.as_mut()).is_pending(),
            "it has expired, and nobody has reaped it"
        );
        if told == StopRequest::Ended(Status::Canceled) {
            store.ask_to_cancel(id, "enough").await;
            // It is told of that, not of the end.
            assert_eq!(waiting.await, canceled("enough"));
            store.apply(id, Change::Lose).await;
        } else {
            store.apply(id, Change::Lose).await;
            assert_eq!(waiting.await, told, "in attempt 1 of {last_attempt}");
        }
        assert_eq!(store.stop_requested(id, Attempt::FIRST).await, told, "in attempt 1 of {last_attempt}");
    }
    store.purge_all_ended(&Scope::all()).await;
    for id in [store.at(Status::Error).await, store.at(Status::Complete).await] {
        store.purge_all_ended(&Scope::all()).await;
        assert_eq!(store.stop_requested(id, Attempt::FIRST).await, StopRequest::Superseded);
    }
}

/// Waiting for what is over, or is not there, ends at once; a request to cancel is not for the next attempt.
pub async fn waiting_for_what_is_over_ends_at_once(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    store.ask_to_cancel(id, "for the first attempt only").await;
    store.apply(id, Change::Cancel).await;
    let ended = StopRequest::Ended(Status::Canceled);
    assert_eq!(store.stop_requested(id, Attempt::FIRST).await, ended);
    store.apply(id, Change::Retry).await;
    store.apply(id, start()).await;
    assert_eq!(store.stop_requested(id, Attempt::FIRST).await, StopRequest::Superseded);
    let mut second = pin!(store.stop_requested(id, Attempt::new(2)));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    store.apply(id, complete()).await;
    assert_eq!(second.await, StopRequest::Ended(Status::Complete));
    store.purge_all_ended(&Scope::all()).await;
    for gone in [id, AgentId::new()] {
        assert_eq!(store.stop_requested(gone, Attempt::FIRST).await, StopRequest::Superseded);
    }
}

/// A wait that was dropped takes nothing with it: the next one is told all the same.
pub async fn a_dropped_wait_changes_nothing(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let mut watch = store.watch_all().await;
    for _ in 0..3 {
        let mut dropped = Box::pin(store.stop_requested(id, Attempt::FIRST));
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
    }
    let waiting = store.stop_requested(id, Attempt::FIRST);
    let (_, told) = tokio::join!(store.ask_to_cancel(id, "enough"), waiting);
    assert_eq!(told, canceled("enough"));
    let event = next_event(&mut watch).await;
    assert!(matches!(event, WatchEvent::CancelRequested { .. }), "{event:?}");
    let late = super::subject::write(id, progress(1)).of_attempt(Some(Attempt::new(2)));
    assert!(matches!(store.write(late).await, Err(Error::StaleAttempt { .. })));
}
