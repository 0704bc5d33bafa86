//! Commands over many activities, in bounded steps.

use super::Harness;
use super::subject::{Subject, next_event, next_logged, pair, scoped, start};
use crate::{
    AgentId, Attempt, Batch, Change, Counts, ListQuery, Metadata, NewActivity, Scope, Status, StopRequest,
    Timestamp, WatchEvent,
};

/// Canceling what is pending cancels every queued activity, with a log entry and an event each, and nothing else.
pub async fn pending_activities_are_canceled_and_running_ones_go_on(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut others = Vec::new();
    for status in [Status::Running, Status::Complete, Status::Error] {
        others.push(store.whole(store.at(status).await).await);
    }
    let mut queued = [store.queued().await, store.queued().await];
    let again = store.running().await;
    store.apply(again, Change::Requeue).await;
    let mut watch = store.watch_all().await;

    let batch = store.cancel_queued(&Scope::all(), "Closing down.".into(), None).await.unwrap();
    assert_eq!(batch, Batch::new(3, None));
    for id in queued {
        let whole = store.whole(id).await;
        assert_eq!((whole.activity.status, whole.log.len()), (Status::Canceled, 2));
        assert_eq!(whole.activity.message.as_str(), "Closing down.");
        assert!(whole.activity.ended.is_some());
    }
    assert_eq!(store.activity(again).await.attempt, Attempt::new(2));
    for whole in others {
        assert_eq!(store.whole(whole.activity.id).await, whole);
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(next_logged(&mut watch).await);
    }
    told.sort_unstable();
    queued.sort_unstable();
    let mut expected = vec![(queued[0], 2), (queued[1], 2), (again, 4)];
    expected.sort_unstable();
    assert_eq!(told, expected);
    let counts = store.all_counts().await;
    assert_eq!((counts.queued, counts.running, counts.canceled), (0, 1, 3));
    // A step that is sent again finds nothing to do.
    assert_eq!(store.cancel_all_queued(&Scope::all()).await.0, 0);
}

/// More activities than one step looks at are canceled in several steps; those of others, between them, stay.
pub async fn canceling_takes_as_many_steps_as_it_needs(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let many = harness.scan_limit() / 2 + 10;
    for org in ["acme", "other", "acme"] {
        store.queued_many(many, &pair("org", org)).await;
    }
    let (changed, steps) = store.cancel_all_queued(&scoped("org", "acme")).await;
    assert_eq!(changed, 2 * many as u64);
    assert!(steps > 1, "{} activities were looked at in one step", 3 * many);
    let counts = store.all_counts().await;
    assert_eq!((counts.queued, counts.canceled), (many as u64, 2 * many as u64));
}

/// A purge removes the record, its log, its places in lists and counts, and is an event; the id is free again.
pub async fn a_purge_takes_record_log_and_indexes(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = AgentId::new();
    let new = NewActivity { metadata: pair("org", "acme"), ..super::subject::new_activity(id) };
    store.create(new.clone()).await.unwrap();
    store.bring(id, Status::Complete).await;
    let kept = [store.queued().await, store.running().await];
    let mut watch = store.watch_all().await;

    let batch = store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap();
    assert_eq!(batch, Batch::new(1, None));
    assert!(store.find(id).await.is_none());
    for query in [ListQuery::new(Scope::all()), ListQuery::new(Scope::all()).order(crate::Order::Created)] {
        let mut listed = store.listed_ids(&query).await;
        listed.sort_unstable();
        assert_eq!(listed, kept);
    }
    assert_eq!(store.all_counts().await.total(), 2);
    assert_eq!(store.counts(&scoped("org", "acme")).await.unwrap(), Counts::default());
    assert_eq!(store.stop_requested(id, Attempt::FIRST).await, StopRequest::Superseded);
    let event = next_event(&mut watch).await;
    assert!(matches!(event, WatchEvent::Purged { id: purged, .. } if purged == id), "{event:?}");

    let fresh = NewActivity { metadata: Metadata::new(), activity_type: "another".into(), ..new };
    assert_eq!(store.create(fresh).await.unwrap().attempt, Attempt::FIRST);
    assert_eq!(store.whole(id).await.log.len(), 1);
    store.apply(id, start()).await;
}

/// A purge removes only what ended before the moment that it is given; what is queued or running has not ended.
pub async fn a_purge_spares_what_ended_later(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let early = store.at(Status::Canceled).await;
    harness.pass_time(std::time::Duration::from_millis(5)).await;
    let late = store.at(Status::Error).await;
    let revived = store.at(Status::Error).await;
    store.apply(revived, Change::Retry).await;
    let running = store.running().await;
    let early_end = store.activity(early).await.ended.unwrap();
    let late_end = store.activity(late).await.ended.unwrap();

    for before in [Timestamp::default(), early_end] {
        assert_eq!(store.purge(&Scope::all(), before, None).await.unwrap(), Batch::new(0, None));
    }
    assert_eq!(store.purge(&Scope::all(), late_end, None).await.unwrap().changed, 1);
    assert!(store.find(early).await.is_none());
    assert!(store.find(late).await.is_some());
    assert_eq!(store.purge_all_ended(&Scope::all()).await.0, 1);
    let mut left = store.listed_ids(&ListQuery::new(Scope::all())).await;
    left.sort_unstable();
    assert_eq!(left, [revived, running]);
}

/// More activities than one step looks at are purged in several steps.
pub async fn purging_takes_as_many_steps_as_it_needs(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let many = harness.scan_limit() / 2 + 10;
    for org in ["acme", "other", "acme"] {
        store.queued_many(many, &pair("org", org)).await;
    }
    store.cancel_all_queued(&Scope::all()).await;
    let running = store.running().await;
    let (changed, steps) = store.purge_all_ended(&scoped("org", "acme")).await;
    assert_eq!(changed, 2 * many as u64);
    assert!(steps > 1, "{} activities were looked at in one step", 3 * many);
    assert_eq!(store.all_counts().await.canceled, many as u64);
    assert_eq!(store.activity(running).await.status, Status::Running);
    assert_eq!(store.purge_all_ended(&Scope::all()).await.0, many as u64);
    assert_eq!(store.listed_ids(&ListQuery::new(Scope::all())).await, [running]);
}

/// There is nothing to do in an empty store.
pub async fn bulk_commands_on_an_empty_store_are_done_at_once(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let canceled = store.cancel_queued(&Scope::all(), "nothing".into(), None).await.unwrap();
    let purged = store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap();
    assert_eq!((canceled, purged), (Batch::new(0, None), Batch::new(0, None)));
    assert_eq!(store.renew(&[], std::time::Duration::from_secs(1)).await.unwrap(), Vec::<bool>::new());
    assert_eq!(store.expired(10).await.unwrap(), []);
}
