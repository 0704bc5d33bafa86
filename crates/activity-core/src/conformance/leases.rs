//! Leases: held, renewed, expired, and lost to exactly one reaper.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use super::Harness;
use super::subject::{
    Subject, assert_refused, assert_stale, complete, fail, leased_start, percent, progress, retried_start,
    start, write,
};
use crate::{AgentId, Attempt, Change, Error, LeaseTerms, Status};

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(3600);
/// A lease that a case waits out.
const SHORT: Duration = Duration::from_millis(60);
/// What the clocks of the stores tell apart.
const TICK: Duration = Duration::from_millis(2);

async fn expired(store: &Subject) -> Vec<AgentId> {
    store.expired(100).await.unwrap().iter().map(|lease| lease.id).collect()
}

async fn renew(store: &Subject, id: AgentId, attempt: Attempt, ttl: Duration) -> bool {
    let answers = store.renew(&[(id, attempt)], ttl).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

fn assert_held<T: std::fmt::Debug>(got: Result<T, Error>, id: AgentId) {
    assert!(matches!(got, Err(Error::LeaseHeld { id: held }) if held == id), "{got:?}");
}

/// A lease that has time left is not listed as expired, and its activity cannot be lost; nor can one that is
/// held without a lease.
pub async fn a_lease_that_holds_is_not_lost(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for id in [store.leased(LONG).await, store.running().await] {
        let before = store.everything().await;
        assert_held(store.try_apply(id, Change::Lose).await, id);
        assert_eq!(store.everything().await, before);
    }
    assert_eq!(expired(&store).await, []);
}

/// A lease that is not renewed expires: it is listed with its holder, and its activity may be lost.
pub async fn a_lease_expires_with_time(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let lease = LeaseTerms::new("host-7/4711 ✓", SHORT);
    store.apply(id, Change::Start { lease: Some(lease), percentage: percent(20) }).await;
    let started = store.activity(id).await.started.unwrap();
    harness.pass_time(SHORT * 2).await;
    // A report does not renew a lease.
    store.apply(id, progress(30)).await;

    let listed = store.expired(10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].attempt), (id, Attempt::FIRST));
    assert_eq!((listed[0].owner.as_str(), listed[0].renewed), ("host-7/4711 ✓", started));
    // Expired is not lost: until a reaper comes, it is running.
    assert_eq!(store.activity(id).await.status, Status::Running);

    let lost = write(id, Change::Lose).of_attempt(Some(Attempt::FIRST));
    let written = store.write(lost).await.unwrap();
    assert_eq!((written.status, written.percentage.get()), (Status::Error, 30));
    assert_eq!(expired(&store).await, []);
    assert_refused(store.try_apply(id, complete()).await, id, Status::Error, Status::Complete);
}

/// A renewal that comes after the lease has expired, and before anybody reaped it, holds.
pub async fn a_late_renewal_holds(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.leased(SHORT).await;
    harness.pass_time(SHORT * 2).await;
    assert_eq!(expired(&store).await, [id]);
    assert!(renew(&store, id, Attempt::FIRST, LONG).await);
    assert_eq!(expired(&store).await, []);
    assert_held(store.try_apply(id, Change::Lose).await, id);

    // It expires again when it is not renewed again, and says when it was.
    assert!(renew(&store, id, Attempt::FIRST, SHORT).await);
    harness.pass_time(SHORT * 2).await;
    let listed = store.expired(10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].renewed >= store.activity(id).await.started.unwrap());
    store.apply(id, Change::Lose).await;
    assert!(!renew(&store, id, Attempt::FIRST, LONG).await, "too late: it was reaped");
}

/// Only the attempt that holds a lease renews it; what has ended, is queued, is not there or is held without a
/// lease has none to renew.
pub async fn only_the_holder_renews(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let leased = store.leased(LONG).await;
    assert!(renew(&store, leased, Attempt::FIRST, LONG).await);
    assert!(!renew(&store, leased, Attempt::new(2), LONG).await);
    store.apply(leased, Change::Requeue).await;
    assert!(!renew(&store, leased, Attempt::FIRST, LONG).await);
    assert!(!renew(&store, leased, Attempt::new(2), LONG).await, "nobody has started it");
    store.apply(leased, leased_start(LONG)).await;
    assert!(!renew(&store, leased, Attempt::FIRST, LONG).await);
    assert!(renew(&store, leased, Attempt::new(2), LONG).await);
    store.apply(leased, complete()).await;
    let unleased = store.running().await;
    for (id, attempt) in
        [(leased, Attempt::new(2)), (unleased, Attempt::FIRST), (AgentId::new(), Attempt::FIRST)]
    {
        assert!(!renew(&store, id, attempt, LONG).await);
    }
    assert_eq!(expired(&store).await, []);
}

/// Many leases are renewed in one step; the answers are in the order of what was asked.
pub async fn renewals_answer_in_order(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (mut held, mut expected) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let id = store.leased(Duration::ZERO).await;
        if number % 3 == 0 {
            store.apply(id, complete()).await;
        }
        held.push((id, Attempt::FIRST));
        expected.push(number % 3 != 0);
    }
    assert_eq!(store.renew(&held, LONG).await.unwrap(), expected);
    assert_eq!(expired(&store).await, []);
    assert_eq!(store.renew(&[], LONG).await.unwrap(), Vec::<bool>::new());
}

/// Leases that expired first are listed first, at most as many as asked for.
pub async fn expired_leases_come_in_their_order(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, store.leased(LONG).await);
    }
    store.leased(LONG).await;
    // What was started last expires first. However long this takes, their order is this one.
    for id in &ids {
        assert!(renew(&store, *id, Attempt::FIRST, Duration::ZERO).await);
        harness.pass_time(TICK).await;
    }
    assert_eq!(expired(&store).await, ids);
    let first_two = store.expired(2).await.unwrap();
    assert_eq!(first_two.iter().map(|lease| lease.id).collect::<Vec<_>>(), ids[..2]);
    assert_eq!(store.expired(0).await.unwrap(), []);
}

/// An activity that has ended, or was requeued, has no lease that could expire.
pub async fn an_ending_ends_the_lease(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for ending in [complete(), fail(), Change::Cancel, Change::Requeue] {
        let id = store.leased(Duration::ZERO).await;
        assert_eq!(expired(&store).await, [id]);
        store.apply(id, ending).await;
        assert_eq!(expired(&store).await, []);
    }
    // The next attempt has the lease that it starts with, here none.
    let id = store.leased(Duration::ZERO).await;
    store.apply(id, Change::Requeue).await;
    store.apply(id, start()).await;
    assert_eq!(expired(&store).await, []);
    assert_held(store.try_apply(id, Change::Lose).await, id);
}

/// A worker that lost its lease and wakes up cannot touch the attempt that replaced its own.
pub async fn a_requeued_worker_is_fenced_off(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.leased(Duration::ZERO).await;
    let reaped = write(id, Change::Requeue).of_attempt(Some(Attempt::FIRST));
    assert_eq!(store.write(reaped).await.unwrap().attempt, Attempt::new(2));
    let second = store.apply(id, leased_start(LONG)).await.attempt;
    assert_eq!(second, Attempt::new(2));
    let before = store.everything().await;
    for change in [progress(90), complete(), fail(), Change::Cancel, Change::Lose, Change::Requeue] {
        let late = write(id, change).of_attempt(Some(Attempt::FIRST));
        assert_stale(store.write(late).await, 1, 2);
    }
    assert!(!renew(&store, id, Attempt::FIRST, LONG).await);
    assert_eq!(store.everything().await, before);
    store.write(write(id, complete()).of_attempt(Some(second))).await.unwrap();
}

/// Of many reapers who see the same expired lease exactly one wins, and the others learn that it is over.
pub async fn one_reaper_wins(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.leased(SHORT).await;
    harness.pass_time(SHORT * 2).await;
    let reapers = (0..16).map(async |_| {
        let seen = store.expired(10).await.unwrap();
        let Some(lease) = seen.first() else { return false };
        match store.write(write(lease.id, Change::Lose).of_attempt(Some(lease.attempt))).await {
            Ok(_) => true,
            lost => {
                assert_refused(lost, id, Status::Error, Status::Error);
                false
            }
        }
    });
    let won = join_all(reapers).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    assert_eq!(store.whole(id).await.log.len(), 3);
}

/// A lease may be as long as durations go, at the start and when it is renewed.
pub async fn the_longest_lease_can_be_granted(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.leased(Duration::MAX).await;
    assert!(renew(&store, id, Attempt::FIRST, Duration::MAX).await);
    assert_eq!(expired(&store).await, []);
    assert_held(store.try_apply(id, Change::Lose).await, id);
    store.apply(id, complete()).await;
}

/// While its lease leaves it another attempt, what is lost is queued again at 0 %; after the last one it has failed. An
/// attempt that somebody asks for is not one of those.
pub async fn a_lost_lease_is_queued_again_up_to_its_last_attempt(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    for attempt in 1..=3 {
        store.apply(id, retried_start(Duration::ZERO, 3)).await;
        store.apply(id, progress(70)).await;
        assert_eq!(expired(&store).await, [id]);
        let lost = write(id, Change::Lose).of_attempt(Some(Attempt::new(attempt)));
        let written = store.write(lost).await.unwrap();
        let (status, percentage, next) =
            if attempt < 3 { (Status::Queued, 0, attempt + 1) } else { (Status::Error, 70, attempt) };
        assert_eq!((written.status, written.percentage.get()), (status, percentage), "attempt {attempt}");
        assert_eq!(written.attempt, Attempt::new(next), "attempt {attempt}");
        let activity = store.activity(id).await;
        assert_eq!((activity.status, activity.attempt), (written.status, written.attempt));
        assert_eq!((activity.started.is_some(), activity.ended.is_some()), (attempt == 3, attempt == 3));
        assert_eq!(expired(&store).await, []);
    }
    store.apply(id, Change::Retry).await;
    store.apply(id, retried_start(Duration::ZERO, 3)).await;
    assert_eq!(store.apply(id, Change::Lose).await.status, Status::Error);
    // Each start brings its own terms.
    let id = store.queued().await;
    store.apply(id, retried_start(Duration::ZERO, 3)).await;
    store.apply(id, Change::Lose).await;
    store.apply(id, leased_start(Duration::ZERO)).await;
    assert_eq!(store.apply(id, Change::Lose).await.status, Status::Error);
    assert_eq!(store.all_counts().await.error, 2);
}

/// What was asked to stop is not started again when its lease is lost: it is canceled, at the percentage that it had.
pub async fn a_lost_lease_of_what_should_stop_is_canceled(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    store.apply(id, retried_start(Duration::ZERO, 3)).await;
    store.apply(id, progress(60)).await;
    store.ask_to_cancel(id, "enough").await;
    let written = store.apply(id, Change::Lose).await;
    assert_eq!((written.status, written.percentage.get()), (Status::Canceled, 60));
    assert_eq!(written.attempt, Attempt::FIRST);
    let activity = store.activity(id).await;
    assert_eq!((activity.status, activity.cancel_requested), (Status::Canceled, Some("enough".into())));
    assert_eq!(store.all_counts().await.canceled, 1);
}

/// A renewal changes how long a lease holds, and neither whose it is nor how often the work may be tried.
pub async fn a_renewal_keeps_the_terms_of_a_lease(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    store.apply(id, retried_start(LONG, 2)).await;
    for ttl in [LONG, Duration::ZERO] {
        assert!(renew(&store, id, Attempt::FIRST, ttl).await);
    }
    assert_eq!(store.expired(10).await.unwrap()[0].owner, "worker-1");
    assert_eq!(store.apply(id, Change::Lose).await.status, Status::Queued);
}

/// A holder that lost its lease has every write refused, whatever became of the activity.
pub async fn a_lost_attempt_is_fenced_off(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let late = [progress(90), complete(), fail(), Change::Cancel, Change::Lose, Change::Requeue];
    let requeued = store.queued().await;
    store.apply(requeued, retried_start(Duration::ZERO, 2)).await;
    store.apply(requeued, Change::Lose).await;
    let failed = store.leased(Duration::ZERO).await;
    store.apply(failed, Change::Lose).await;
    let before = store.everything().await;
    for change in late {
        let of_first = |id| write(id, change.clone()).of_attempt(Some(Attempt::FIRST));
        assert_stale(store.write(of_first(requeued)).await, 1, 2);
        assert_refused(store.write(of_first(failed)).await, failed, Status::Error, change.target());
    }
    for id in [requeued, failed] {
        assert!(!renew(&store, id, Attempt::FIRST, LONG).await);
    }
    assert_eq!(store.everything().await, before);
}

/// A thousand leases are renewed in one step and listed in one, in the order in which they expired.
pub async fn a_thousand_leases_are_renewed_in_one_step(harness: &dyn Harness) {
    const MANY: usize = 1000;
    let store = Subject::fresh(harness).await;
    let leases = (0..MANY).map(async |_| (store.leased(Duration::ZERO).await, Attempt::FIRST));
    let mut held: Vec<_> = stream::iter(leases).buffer_unordered(64).collect().await;
    let listed = store.expired(MANY).await.unwrap();
    assert!(listed.iter().map(|lease| lease.renewed).is_sorted());
    let mut listed: Vec<_> = listed.iter().map(|lease| (lease.id, lease.attempt)).collect();
    listed.sort_unstable();
    held.sort_unstable();
    assert_eq!(listed, held);
    assert_eq!(store.expired(MANY - 1).await.unwrap().len(), MANY - 1);

    assert_eq!(store.renew(&held, LONG).await.unwrap(), vec![true; MANY]);
    assert_eq!(store.expired(MANY).await.unwrap(), []);
    let last = held[MANY - 1];
    store.apply(last.0, complete()).await;
    let answers = store.renew(&held, LONG).await.unwrap();
    assert_eq!(answers.iter().position(|is_held| !is_held), Some(MANY - 1));
}
