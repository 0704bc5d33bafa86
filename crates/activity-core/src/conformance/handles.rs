//! Two handles on one store, as two processes have them: what one does, the other sees.

use std::pin::pin;
use std::time::Duration;

use super::Harness;
use super::subject::{
    Subject, ask, assert_refused, assert_stale, complete, fail, leased_start, next_event, next_logged,
    progress, start, write,
};
use crate::{
    AgentId, Attempt, CancelOutcome, Change, ListQuery, Order, Scope, Status, StopRequest, WatchFrom,
};

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(3600);

/// The clock is the store's: whichever handle asks or writes, no time is before an earlier one.
pub async fn times_never_go_back_between_handles(harness: &dyn Harness) {
    let (one, two) = Subject::pair(harness).await;
    let mut last = one.now().await.unwrap();
    for handle in [&two, &one, &two, &one] {
        let now = handle.now().await.unwrap();
        assert!(last <= now, "{last} and then {now}");
        last = now;
    }
    let id = one.queued().await;
    two.apply(id, start()).await;
    for (handle, value) in [(&one, 10), (&two, 20), (&one, 30), (&two, 40)] {
        handle.apply(id, progress(value)).await;
        harness.pass_time(Duration::from_millis(2)).await;
    }
    one.apply(id, complete()).await;
    let whole = two.whole(id).await;
    assert_eq!(whole, one.whole(id).await);
    let at: Vec<_> = whole.log.iter().map(|entry| entry.at).collect();
    assert!(at.is_sorted() && last <= at[0], "{last} and then {at:?}");
    assert!(whole.activity.updated <= two.now().await.unwrap());

    let mut created = vec![id];
    for handle in [&two, &one, &one, &two] {
        harness.pass_time(Duration::from_millis(2)).await;
        created.insert(0, handle.queued().await);
    }
    for handle in [&one, &two] {
        assert_eq!(handle.listed_ids(&ListQuery::new(Scope::all()).order(Order::Created)).await, created);
    }
}

/// A watch tells what another handle writes, at the same places: a watch of either goes on from there.
pub async fn a_watch_tells_what_other_handles_write(harness: &dyn Harness) {
    let (one, two) = Subject::pair(harness).await;
    let mut watches = [one.watch_all().await, two.watch_all().await];
    let id = one.queued().await;
    two.apply(id, start()).await;
    one.ask_to_cancel(id, "enough").await;
    two.apply(id, Change::Cancel).await;
    one.purge_all_ended(&Scope::all()).await;
    let mut events = Vec::new();
    for _ in 0..5 {
        let [of_one, of_two] = &mut watches;
        let event = next_event(of_one).await;
        assert_eq!(next_event(of_two).await, event);
        events.push(event);
    }
    for handle in [&one, &two] {
        for (index, event) in events.iter().enumerate() {
            let from = WatchFrom::After(event.cursor());
            let mut resumed = handle.watch(&Scope::all(), None, from).await.unwrap();
            for expected in &events[index + 1..] {
                assert_eq!(next_event(&mut resumed).await, *expected);
            }
        }
    }
    // One that waits already is woken by the other.
    let [of_one, of_two] = &mut watches;
    let (told, also_told, id) = tokio::join!(next_logged(of_one), next_logged(of_two), one.queued());
    assert_eq!((told, also_told), ((id, 1), (id, 1)));
}

/// Work that waits at one handle is stopped from another, and learns there how it ended.
pub async fn work_is_stopped_from_another_handle(harness: &dyn Harness) {
    let (one, two) = Subject::pair(harness).await;
    let id = one.running().await;
    let mut waiting = pin!(one.stop_requested(id, Attempt::FIRST));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    assert_eq!(two.ask_to_cancel(id, "from afar").await, CancelOutcome::Requested);
    assert_eq!(waiting.await, StopRequest::Cancel("from afar".into()));

    for (ending, told) in [
        (complete(), StopRequest::Ended(Status::Complete)),
        (fail(), StopRequest::Ended(Status::Error)),
        (Change::Cancel, StopRequest::Ended(Status::Canceled)),
        (Change::Requeue, StopRequest::Superseded),
    ] {
        let id = one.running().await;
        let mut waiting = pin!(one.stop_requested(id, Attempt::FIRST));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        two.apply(id, ending.clone()).await;
        assert_eq!(waiting.await, told, "{ending:?}");
        assert_eq!(two.stop_requested(id, Attempt::FIRST).await, told, "{ending:?}");
    }
}

/// What is sent again by another way, since the first gave no answer, is carried out once and answered alike.
pub async fn what_is_sent_again_to_another_handle_is_one_entry(harness: &dyn Harness) {
    let (one, two) = Subject::pair(harness).await;
    let new = super::subject::new_activity(AgentId::new());
    let created = one.create(new.clone()).await.unwrap();
    assert_eq!(two.create(new.clone()).await.unwrap(), created);
    for change in [start(), progress(10), Change::Requeue, start(), fail(), Change::Retry] {
        let write = write(new.id, change);
        let written = two.write(write.clone()).await.unwrap();
        assert_eq!(one.write(write).await.unwrap(), written);
    }
    let stop = ask("not needed");
    for handle in [&one, &two] {
        let outcome = handle.request_cancel(&Scope::all(), new.id, stop.clone()).await.unwrap();
        assert_eq!(outcome, CancelOutcome::Canceled);
    }
    assert_eq!(one.whole(new.id).await.log.len(), 8);
}

/// A lease belongs to an attempt and not to a handle: any renews it, one reaps it, and its holder hears of that.
pub async fn a_lease_is_renewed_and_reaped_from_any_handle(harness: &dyn Harness) {
    let (one, two) = Subject::pair(harness).await;
    let id = one.queued().await;
    one.apply(id, leased_start(Duration::ZERO)).await;
    let started = two.activity(id).await.started.unwrap();
    let listed = two.expired(10).await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].renewed), (1, id, started));
    assert_eq!(two.renew(&[(id, Attempt::FIRST)], LONG).await.unwrap(), [true]);
    assert_eq!(one.expired(10).await.unwrap(), []);
    assert_eq!(one.renew(&[(id, Attempt::FIRST)], Duration::ZERO).await.unwrap(), [true]);
    assert!(two.expired(10).await.unwrap()[0].renewed >= started);

    let lost = || write(id, Change::Lose).of_attempt(Some(Attempt::FIRST));
    let (first, second) = tokio::join!(one.write(lost()), two.write(lost()));
    let refused = if first.is_ok() { second } else { first };
    assert_refused(refused, id, Status::Error, Status::Error);
    assert_eq!(one.renew(&[(id, Attempt::FIRST)], LONG).await.unwrap(), [false]);
    two.apply(id, Change::Retry).await;
    let late = write(id, progress(90)).of_attempt(Some(Attempt::FIRST));
    assert_stale(one.write(late).await, 1, 2);
    assert_eq!(one.whole(id).await.log.len(), 4);
}
