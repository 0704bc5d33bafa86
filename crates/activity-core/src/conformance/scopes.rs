//! Nothing outside a scope is seen or touched, and what is outside answers like what is not there.

use super::Harness;
use super::subject::{
    Subject, ask, assert_not_found, complete, fail, next_logged, pair, progress, scoped, start,
};
use crate::{
    AgentId, CancelOutcome, Change, Counts, ListQuery, LogQuery, Metadata, Order, Scope, Status, StopRequest,
    Timestamp, WatchFrom,
};

/// A store with one activity of each status for two tenants.
async fn two_tenants(harness: &dyn Harness) -> (Subject, Vec<AgentId>, Vec<AgentId>) {
    let store = Subject::fresh(harness).await;
    let (mut acme, mut other) = (Vec::new(), Vec::new());
    for status in Status::ALL {
        for (org, ids) in [("acme", &mut acme), ("other", &mut other)] {
            let id = store.queued_with(pair("org", org)).await;
            store.bring(id, status).await;
            ids.push(id);
        }
    }
    (store, acme, other)
}

/// Detail, list and counts show what is in the scope and nothing else.
pub async fn reads_show_only_the_scope(harness: &dyn Harness) {
    let (store, acme, other) = two_tenants(harness).await;
    let scope = scoped("org", "acme");
    for id in &acme {
        assert!(store.detail(&scope, *id, LogQuery::new()).await.unwrap().is_some());
    }
    for id in other.iter().chain([&AgentId::new()]) {
        assert!(store.detail(&scope, *id, LogQuery::new()).await.unwrap().is_none());
    }
    for order in [Order::Status, Order::Created] {
        let mut listed = store.listed_ids(&ListQuery::new(scope.clone()).order(order).limit(2)).await;
        listed.sort_unstable();
        let mut expected = acme.clone();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }
    // A filter narrows the scope and never widens it.
    let foreign = ListQuery::new(scope.clone()).metadata(pair("org", "other"));
    assert_eq!(store.listed(&foreign).await, []);
    for status in Status::ALL {
        assert_eq!(store.counts(&scope).await.unwrap().of(status), 1);
        assert_eq!(store.all_counts().await.of(status), 2);
    }
    assert_eq!(store.counts(&scoped("org", "nobody")).await.unwrap(), Counts::default());
}

/// A watch delivers the changes of the scope and nothing else, purges included.
pub async fn a_watch_shows_only_the_scope(harness: &dyn Harness) {
    let (store, acme, other) = two_tenants(harness).await;
    let scope = scoped("org", "acme");
    let mut watch = store.watch(&scope, None, WatchFrom::Now).await.unwrap();
    let mut foreign = store.watch(&scope, Some(other[0]), WatchFrom::Now).await.unwrap();
    store.queued_with(pair("org", "other")).await;
    store.apply(other[1], progress(10)).await;
    store.ask_to_cancel(other[1], "not seen").await;
    store.apply(other[0], start()).await;
    store.purge_all_ended(&scoped("org", "other")).await;
    let mine = store.queued_with(pair("org", "acme")).await;
    store.apply(acme[1], progress(20)).await;
    assert_eq!(next_logged(&mut watch).await, (mine, 1));
    assert_eq!(next_logged(&mut watch).await, (acme[1], 3));
    // Watching a foreign activity by its id is like watching one that is not there.
    let nothing = futures_util::poll!(futures_util::StreamExt::next(&mut foreign));
    assert!(nothing.is_pending(), "got {nothing:?}");
}

/// A request to cancel an activity outside the scope is answered like one for an activity that is not there.
pub async fn a_foreign_activity_cannot_be_canceled(harness: &dyn Harness) {
    let (store, acme, other) = two_tenants(harness).await;
    let before = store.everything().await;
    let scope = scoped("org", "acme");
    for id in other.into_iter().chain([AgentId::new()]) {
        let got = store.request_cancel(&scope, id, ask("mine now")).await;
        assert_not_found(got, id);
    }
    assert_eq!(store.everything().await, before);
    let got = store.request_cancel(&scope, acme[0], ask("my own")).await;
    assert_eq!(got.unwrap(), CancelOutcome::Canceled);
}

/// Canceling what is queued and purging what has ended touch the scope and nothing else.
pub async fn bulk_commands_touch_only_the_scope(harness: &dyn Harness) {
    let (store, acme, other) = two_tenants(harness).await;
    let mut before = Vec::new();
    for id in &other {
        before.push(store.whole(*id).await);
    }
    let scope = scoped("org", "acme");
    assert_eq!(store.cancel_all_queued(&scope).await.0, 1);
    assert_eq!(store.activity(acme[0]).await.status, Status::Canceled);
    assert_eq!(store.purge(&scope, Timestamp::default(), None).await.unwrap().changed, 0);
    assert_eq!(store.purge_all_ended(&scope).await.0, 4);
    for whole in before {
        assert_eq!(store.whole(whole.activity.id).await, whole);
    }
    assert_eq!(store.listed_ids(&ListQuery::new(scope)).await, [acme[1]]);
    assert_eq!(store.all_counts().await.total(), 6);
}

/// A scope is matched by type, and all its pairs must be there.
pub async fn scopes_are_matched_by_type_and_by_every_pair(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let both = pair("org", 1).with("team", "a").unwrap();
    let mine = store.queued_with(both.clone()).await;
    let text = store.queued_with(pair("org", "1").with("team", "a").unwrap()).await;
    store.queued_with(pair("org", 1).with("team", "b").unwrap()).await;
    store.queued_with(pair("org", 1)).await;
    store.queued_with(pair("team", "a")).await;
    store.queued_with(Metadata::new()).await;

    let scope = Scope::metadata(both).unwrap();
    assert_eq!(store.listed_ids(&ListQuery::new(scope.clone())).await, [mine]);
    assert_eq!(store.counts(&scope).await.unwrap().total(), 1);
    assert_eq!(store.counts(&scoped("org", 1)).await.unwrap().total(), 3);
    let got = store.request_cancel(&scope, text, ask("1 is not \"1\"")).await;
    assert_not_found(got, text);
    assert_eq!(store.cancel_all_queued(&scope).await.0, 1);
    assert_eq!(store.purge_all_ended(&scope).await.0, 1);
    assert_eq!(store.all_counts().await.total(), 5);
    // What a purge took is over for whoever still works on it.
    let attempt = crate::Attempt::FIRST;
    assert_eq!(store.stop_requested(mine, attempt).await, StopRequest::Superseded);
    for change in [start(), complete(), fail(), Change::Cancel] {
        assert_not_found(store.try_apply(mine, change).await, mine);
    }
}
