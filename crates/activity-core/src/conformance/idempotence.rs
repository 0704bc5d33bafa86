//! What is sent again changes nothing and is answered as it was.

use std::time::Duration;

use super::Harness;
use super::subject::{Subject, ask, complete, new_activity, next_logged, pair, progress, start, write};
use crate::{
    AgentId, Attempt, CancelOutcome, Change, Error, LeaseTerms, NewActivity, Percent, REMEMBERED_REQUESTS,
    RequestId, Scope, Status,
};

/// Creating an activity again changes nothing, whatever has become of it, and answers with what it is now. The
/// message is not part of what it is.
pub async fn creating_again_answers_with_the_record_as_it_is(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut watch = store.watch_all().await;
    let new = NewActivity { metadata: pair("org", "acme"), ..new_activity(AgentId::new()) };
    let created = store.create(new.clone()).await.unwrap();
    assert_eq!(store.create(new.clone()).await.unwrap(), created);

    store.bring(new.id, Status::Complete).await;
    let before = store.everything().await;
    let again = NewActivity { message: "Another message.".into(), ..new.clone() };
    assert_eq!(store.create(again).await.unwrap(), before.0[0].activity);
    assert_eq!(store.everything().await, before);
    for seq in 1..=3 {
        assert_eq!(next_logged(&mut watch).await, (new.id, seq));
    }
    let marker = store.queued().await;
    assert_eq!(next_logged(&mut watch).await, (marker, 1), "a repeated create was an event");
}

/// An id that belongs to an activity with another type or other metadata is refused, and nothing changes.
pub async fn an_id_belongs_to_one_activity(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let new = NewActivity { metadata: pair("plan", 1), ..new_activity(AgentId::new()) };
    store.create(new.clone()).await.unwrap();
    let before = store.everything().await;
    let others = [
        NewActivity { activity_type: "another".into(), ..new.clone() },
        new_activity(new.id),
        NewActivity { metadata: pair("plan", 2), ..new.clone() },
        NewActivity { metadata: pair("plan", "1"), ..new.clone() },
        NewActivity { metadata: pair("plan", 1.0), ..new.clone() },
        NewActivity { metadata: pair("plan", 1).with("org", "acme").unwrap(), ..new.clone() },
    ];
    for other in others {
        let got = store.create(other.clone()).await;
        assert!(matches!(got, Err(Error::IdTaken { id }) if id == new.id), "{other:?} gave {got:?}");
    }
    assert_eq!(store.everything().await, before);
}

/// A write that is sent again is one entry of the log and one event, and is answered as it was, whatever has
/// become of the activity.
pub async fn a_write_sent_again_is_one_entry(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let mut watch = store.watch_all().await;
    let mut sent = Vec::new();
    for change in [start(), progress(10), Change::Requeue, start(), complete()] {
        let write = write(id, change);
        let written = store.write(write.clone()).await.unwrap();
        sent.push((write, written));
        for (write, written) in &sent {
            assert_eq!(store.write(write.clone()).await.unwrap(), *written, "{write:?}");
        }
    }
    // Also with the attempt of its writer, which another attempt has replaced since.
    let late = sent[1].0.clone().of_attempt(Some(Attempt::FIRST));
    assert_eq!(store.write(late).await.unwrap(), sent[1].1);

    assert_eq!(store.whole(id).await.log.len(), 1 + sent.len());
    for seq in 2..=6 {
        assert_eq!(next_logged(&mut watch).await, (id, seq));
    }
    let marker = store.queued().await;
    assert_eq!(next_logged(&mut watch).await, (marker, 1), "a repeated write was an event");
}

/// The last [`REMEMBERED_REQUESTS`] requests of an activity are remembered, the oldest of them included.
pub async fn the_last_sixteen_requests_are_remembered(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let mut sent = Vec::new();
    for value in 0..20 {
        let write = write(id, progress(value));
        let written = store.write(write.clone()).await.unwrap();
        sent.push((write, written));
    }
    let before = store.whole(id).await;
    for (write, written) in sent.iter().rev().take(REMEMBERED_REQUESTS) {
        assert_eq!(store.write(write.clone()).await.unwrap(), *written);
    }
    assert_eq!(store.whole(id).await, before);
}

/// A refused write was not carried out, so sending it again when it is allowed carries it out.
pub async fn a_refused_request_is_not_remembered(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let ending = write(id, complete());
    store.write(ending.clone()).await.unwrap_err();
    store.apply(id, start()).await;
    assert_eq!(store.write(ending).await.unwrap().status, Status::Complete);
}

/// Request ids are kept with the activity: another activity may have a write of the same name.
pub async fn request_ids_belong_to_one_activity(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let request = RequestId::new();
    for id in [store.queued().await, store.queued().await] {
        let mut start = write(id, start());
        start.request = request;
        assert_eq!(store.write(start).await.unwrap().status, Status::Running);
        assert_eq!(store.activity(id).await.status, Status::Running);
    }
}

/// A request that canceled a queued activity and is sent again, after a retry, does not cancel the next attempt.
pub async fn a_cancellation_sent_again_spares_the_next_attempt(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (id, stop) = (store.queued().await, ask("not needed"));
    let ask = async || store.request_cancel(&Scope::all(), id, stop.clone()).await.unwrap();
    assert_eq!(ask().await, CancelOutcome::Canceled);
    assert_eq!(ask().await, CancelOutcome::Canceled);
    store.apply(id, Change::Retry).await;
    assert_eq!(ask().await, CancelOutcome::Canceled);
    store.apply(id, start()).await;
    assert_eq!(ask().await, CancelOutcome::Canceled);
    let activity = store.activity(id).await;
    assert_eq!((activity.status, activity.cancel_requested), (Status::Running, None));
    assert_eq!(store.whole(id).await.log.len(), 4);
}

/// A request to stop a running activity that is sent again answers as it did, also when the activity has ended,
/// and does not stop the next attempt.
pub async fn a_request_to_stop_sent_again_answers_as_it_did(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (id, stop) = (store.running().await, ask("not needed"));
    let ask = async || store.request_cancel(&Scope::all(), id, stop.clone()).await.unwrap();
    assert_eq!(ask().await, CancelOutcome::Requested);
    assert_eq!(ask().await, CancelOutcome::Requested);
    store.apply(id, Change::Cancel).await;
    assert_eq!(ask().await, CancelOutcome::Requested);
    store.apply(id, Change::Retry).await;
    store.apply(id, start()).await;
    assert_eq!(ask().await, CancelOutcome::Requested);
    assert_eq!(store.activity(id).await.cancel_requested, None);
}

/// Requests are remembered from one attempt to the next, however it was replaced: a late copy of the start of an
/// attempt that is over starts nothing, and is answered as the start was.
pub async fn requests_are_remembered_across_attempts(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let endings = [vec![Change::Requeue], vec![Change::Lose], vec![super::subject::fail(), Change::Retry]];
    for ending in endings {
        let id = store.queued().await;
        let lease = LeaseTerms::new("worker-1", Duration::ZERO).last_attempt(Attempt::new(2));
        let begin = write(id, Change::Start { lease: Some(lease), percentage: Percent::ZERO });
        let mut sent = vec![(begin.clone(), store.write(begin).await.unwrap())];
        for change in [progress(40)].into_iter().chain(ending) {
            let write = write(id, change);
            sent.push((write.clone(), store.write(write).await.unwrap()));
        }
        let before = store.whole(id).await;
        assert_eq!((before.activity.status, before.activity.attempt), (Status::Queued, Attempt::new(2)));
        for (write, written) in &sent {
            assert_eq!(store.write(write.clone()).await.unwrap(), *written, "{write:?}");
        }
        assert_eq!(store.whole(id).await, before);
    }
}
