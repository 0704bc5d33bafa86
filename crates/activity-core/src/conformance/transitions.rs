//! Which change may follow which status, and what it makes of the record.

use std::time::Duration;

use super::Harness;
use super::model::asked;
use super::subject::{
    Subject, assert_not_found, assert_refused, assert_stale, complete, every_change, fail, new_activity,
    next_logged, percent, progress, start, write,
};
use crate::{AgentId, Attempt, Change, Error, Percent, Status};

/// The status after the change, or nothing where the table has none. Written out once more, so that a mistake
/// in the table of the crate does not judge itself.
fn target(from: Status, change: &Change) -> Option<Status> {
    use Status::{Canceled, Complete, Error, Queued, Running};
    match (from, change) {
        (Queued, Change::Start { .. }) | (Running, Change::Progress { .. }) => Some(Running),
        (Running, Change::Complete { .. }) => Some(Complete),
        (Queued | Running, Change::Fail { .. }) => Some(Error),
        (Queued | Running, Change::Cancel) => Some(Canceled),
        (Running, Change::Requeue) | (Error | Canceled, Change::Retry) => Some(Queued),
        _ => None,
    }
}

/// A new activity is queued at 0 %, in its first attempt, with one entry in its log.
pub async fn a_new_activity_is_queued_at_zero(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = AgentId::new();
    let created = store.create(new_activity(id)).await.unwrap();
    assert_eq!((created.id, created.activity_type.as_str()), (id, "task"));
    assert_eq!((created.status, created.percentage), (Status::Queued, Percent::ZERO));
    assert_eq!((created.attempt, created.message.as_str()), (Attempt::FIRST, "Waiting to start."));
    assert_eq!((created.started, created.ended, &created.cancel_requested), (None, None, &None));
    assert_eq!(created.updated, created.created);

    let whole = store.whole(id).await;
    assert_eq!(whole.activity, created);
    assert_eq!((whole.log.len(), whole.trimmed_before, whole.next), (1, 0, None));
    let first = &whole.log[0];
    assert_eq!((first.seq, first.at, first.attempt), (1, created.created, Attempt::FIRST));
    assert_eq!((first.status, first.percentage, first.progress), (Status::Queued, Percent::ZERO, false));
    assert_eq!(first.message, created.message);
}

/// Every change from every status is allowed as the table says, or refused with an error that names both.
pub async fn every_change_follows_the_table(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for from in Status::ALL {
        for change in every_change() {
            let id = store.at(from).await;
            let before = store.whole(id).await;
            let got = store.try_apply(id, change.clone()).await;
            let after = store.whole(id).await;
            let Some(to) = target(from, &change) else {
                match change {
                    Change::Lose if from == Status::Running => {
                        assert!(matches!(got, Err(Error::LeaseHeld { id: held }) if held == id), "{got:?}");
                    }
                    _ => assert_refused(got, id, from, asked(&change)),
                }
                assert_eq!(after, before, "{change:?} was refused from {from} and changed something");
                continue;
            };
            let written = got.unwrap_or_else(|error| panic!("{change:?} from {from}: {error}"));
            assert_eq!(written.status, to, "{change:?} from {from}");
            let activity = &after.activity;
            let newest = after.log.last().unwrap();
            assert_eq!(after.log.len(), before.log.len() + 1);
            assert_eq!(
                (written.seq, written.status, written.percentage, written.attempt),
                (newest.seq, activity.status, activity.percentage, activity.attempt)
            );
            assert_eq!((newest.status, newest.percentage), (activity.status, activity.percentage));
            assert_eq!((&newest.message, newest.at), (&activity.message, activity.updated));
            assert_eq!(newest.progress, matches!(change, Change::Progress { .. }));
            assert_eq!(activity.ended.is_some(), to.is_terminal());
            let has_started = to == Status::Running || (to.is_terminal() && from == Status::Running);
            assert_eq!(activity.started.is_some(), has_started, "{change:?} from {from}");
        }
    }
}

/// What was refused has changed nothing: no record, no log, no count, no place in a list, no event.
pub async fn a_refused_change_changes_nothing(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut ids = Vec::new();
    for status in Status::ALL {
        ids.push((store.at(status).await, status));
    }
    let mut watch = store.watch_all().await;
    let before = store.everything().await;
    for (id, from) in &ids {
        for change in every_change().into_iter().filter(|change| target(*from, change).is_none()) {
            store.try_apply(*id, change).await.unwrap_err();
        }
        let stale = write(*id, Change::Retry).of_attempt(Some(Attempt::new(9)));
        store.write(stale).await.unwrap_err();
    }
    assert_eq!(store.everything().await, before);
    let marker = store.queued().await;
    assert_eq!(next_logged(&mut watch).await, (marker, 1), "a refused change was an event");
}

/// A change of an activity that was never created is refused as not found.
pub async fn an_activity_that_is_not_there_is_not_found(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    store.running().await;
    let missing = AgentId::new();
    for change in every_change() {
        assert_not_found(store.try_apply(missing, change).await, missing);
    }
    assert!(store.find(missing).await.is_none());
}

/// A writer of another attempt is refused, whatever it asks and whatever the status is; a writer of the attempt
/// that counts, and one that belongs to none, are not.
pub async fn another_attempt_is_refused_whatever_it_asks(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for status in Status::ALL {
        let id = store.running().await;
        store.apply(id, Change::Requeue).await;
        store.bring(id, status).await;
        let before = store.whole(id).await;
        for change in every_change() {
            for other in [1, 3] {
                let stale = write(id, change.clone()).of_attempt(Some(Attempt::new(other)));
                assert_stale(store.write(stale).await, other, 2);
            }
        }
        assert_eq!(store.whole(id).await, before);
    }
    let id = store.running().await;
    store.write(write(id, progress(10)).of_attempt(Some(Attempt::FIRST))).await.unwrap();
    store.apply(id, progress(20)).await;
}

/// A requeue makes a running activity queued again: the next attempt, at 0 %, not started.
pub async fn a_requeue_begins_the_next_attempt(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    store.apply(id, progress(60)).await;
    let written = store.apply(id, Change::Requeue).await;
    assert_eq!((written.status, written.percentage), (Status::Queued, Percent::ZERO));
    assert_eq!(written.attempt, Attempt::new(2));
    let activity = store.activity(id).await;
    assert_eq!((activity.started, activity.ended), (None, None));
    assert_eq!(store.apply(id, start()).await.attempt, Attempt::new(2));
}

/// A retry makes an activity that failed or was canceled queued again, as if it had not ended; one that is
/// complete stays so.
pub async fn a_retry_begins_the_next_attempt(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for ending in [fail(), Change::Cancel] {
        let id = store.running().await;
        store.ask_to_cancel(id, "no longer needed").await;
        store.apply(id, ending).await;
        let written = store.apply(id, Change::Retry).await;
        assert_eq!((written.status, written.percentage), (Status::Queued, Percent::ZERO));
        assert_eq!(written.attempt, Attempt::new(2));
        let activity = store.activity(id).await;
        assert_eq!((activity.started, activity.ended), (None, None));
        assert_eq!(activity.cancel_requested, None, "the next attempt was not asked to stop");
        assert_eq!(store.apply(id, start()).await.attempt, Attempt::new(2));
    }
    let id = store.at(Status::Complete).await;
    assert_refused(store.try_apply(id, Change::Retry).await, id, Status::Complete, Status::Queued);
}

/// Progress without a percentage keeps it; with one it sets it, unless it may only rise.
pub async fn progress_sets_keeps_or_raises_the_percentage(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let begun = store.apply(id, Change::Start { lease: None, percentage: percent(5) }).await;
    assert_eq!(begun.percentage, percent(5));
    let steps = [
        (Some(40), false, 40),
        (None, false, 40),
        (Some(20), false, 20),
        (Some(10), true, 20),
        (None, true, 20),
        (Some(70), true, 70),
        (Some(70), true, 70),
        (Some(0), false, 0),
        (Some(100), true, 100),
    ];
    for (asked, only_raise, expected) in steps {
        let written = store.apply(id, Change::Progress { percentage: asked.map(percent), only_raise }).await;
        assert_eq!(written.percentage, percent(expected), "{asked:?}, only_raise {only_raise}");
        assert_eq!(store.activity(id).await.percentage, percent(expected));
    }
}

/// Complete and error take the percentage that they are given; error without one, and canceled, keep the last.
pub async fn each_ending_has_its_percentage(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let endings = [
        (complete(), 100),
        (Change::Complete { percentage: percent(95) }, 95),
        (fail(), 40),
        (Change::Fail { percentage: Some(percent(7)) }, 7),
        (Change::Cancel, 40),
    ];
    for (ending, expected) in endings {
        let id = store.running().await;
        store.apply(id, progress(40)).await;
        assert_eq!(store.apply(id, ending.clone()).await.percentage, percent(expected), "{ending:?}");
        assert_eq!(store.activity(id).await.percentage, percent(expected));
    }
}

/// The times of a record follow one another, and the store's clock never answers with an earlier moment.
pub async fn times_never_go_back(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let before = store.now().await.unwrap();
    let id = store.queued().await;
    store.apply(id, start()).await;
    harness.pass_time(Duration::from_millis(5)).await;
    for value in [10, 20, 30] {
        store.apply(id, progress(value)).await;
    }
    store.apply(id, complete()).await;
    let after = store.now().await.unwrap();

    let whole = store.whole(id).await;
    let at: Vec<_> = whole.log.iter().map(|entry| entry.at).collect();
    assert!(at.is_sorted(), "{at:?}");
    let activity = whole.activity;
    assert!(before <= activity.created && activity.updated <= after);
    assert_eq!(activity.created, at[0]);
    assert_eq!(activity.started, Some(at[1]));
    assert_eq!(activity.ended, Some(activity.updated));
    assert_eq!(activity.elapsed(after), Some(activity.updated.since(at[1])));
}
