//! Writers that race: one wins, the others are told, and no reader ever sees something in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::subject::{
    Subject, ask, assert_refused, complete, fail, new_activity, next_logged, pair, progress, scoped, start,
    write,
};
use crate::{
    Activity, AgentId, Attempt, CancelOutcome, Change, Error, ListQuery, NewActivity, Order, Scope, Status,
    StopRequest, Timestamp, WatchFrom, Written,
};

/// How many race at once.
const RACERS: usize = 16;
/// How often a short race is run.
const ROUNDS: usize = 20;

/// Lets [`RACERS`] tasks begin together, each with its number, and gives what each of them answers.
async fn race<T, Fut>(store: &Subject, racer: impl Fn(Subject, usize) -> Fut) -> Vec<T>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let start_line = Arc::new(Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for number in 0..RACERS {
        let (start_line, run) = (start_line.clone(), racer(store.clone(), number));
        racers.spawn(async move {
            start_line.wait().await;
            run.await
        });
    }
    racers.join_all().await
}

/// Of many writers that end one activity exactly one wins; all others are refused by the ending that won.
pub async fn one_of_many_endings_wins(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.running().await;
        let answers = race(&store, move |store, number| async move {
            let change = [complete(), fail(), Change::Cancel][number % 3].clone();
            (change.target(), store.try_apply(id, change).await)
        })
        .await;
        let status = store.activity(id).await.status;
        assert!(status.is_terminal());
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.is_ok());
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(won[0].0, status);
        for (asked, answer) in lost {
            assert_refused(answer, id, status, asked);
        }
        assert_eq!(store.whole(id).await.log.len(), 3);
    }
    assert_eq!(store.all_counts().await.total(), ROUNDS as u64);
    assert_eq!(store.all_counts().await.active(), 0);
}

/// Of many workers that start one activity exactly one gets it.
pub async fn one_of_many_starts_wins(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.queued().await;
        let answers = race(&store, move |store, _| async move { store.try_apply(id, start()).await }).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for answer in lost {
            assert!(answer.as_ref().is_err_and(Error::is_already_running), "{answer:?}");
        }
    }
}

/// Creates of one id that say the same are all answered alike; of those that say something else one wins.
pub async fn one_of_many_creates_wins(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for round in 0..ROUNDS {
        let id = AgentId::new();
        let same: Vec<Activity> =
            race(&store, move |store, _| async move { store.create(new_activity(id)).await.unwrap() }).await;
        assert!(same.iter().all(|activity| *activity == same[0]));
        assert_eq!(store.whole(id).await.log.len(), 1);

        let id = AgentId::new();
        let different = race(&store, move |store, number| async move {
            store.create(NewActivity { metadata: pair("racer", number), ..new_activity(id) }).await
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = different.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert_eq!(*won[0].as_ref().unwrap(), store.activity(id).await);
        assert!(lost.iter().all(|answer| matches!(answer, Err(Error::IdTaken { .. }))), "{lost:?}");
        assert_eq!(store.all_counts().await.queued, 2 * (round as u64 + 1));
    }
}

/// Copies of one write that arrive at once are one entry, and all get the same answer.
pub async fn duplicates_are_one_entry(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.running().await;
        for change in [progress(30), complete()] {
            let before = store.whole(id).await.log.len();
            let copy = write(id, change);
            let answers: Vec<Written> = race(&store, move |store, _| {
                let copy = copy.clone();
                async move { store.write(copy).await.unwrap() }
            })
            .await;
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            assert_eq!(store.whole(id).await.log.len(), before + 1);
        }
    }
}

/// Whoever reads the log while many write to it sees numbers without a gap, and a record that agrees with them.
pub async fn a_reader_of_the_log_sees_no_gap(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let each = harness.progress_kept().unwrap_or(400) / RACERS;
    let done = Arc::new(AtomicUsize::new(0));
    let reader = read_until_done(&store, id, &done);
    let writers = race(&store, |store, _| {
        let done = done.clone();
        async move {
            for value in 0..each {
                store.apply(id, progress((value % 100) as u8)).await;
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
    });
    tokio::join!(writers, reader);
    let whole = store.whole(id).await;
    let numbers: Vec<u64> = whole.log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=2 + (RACERS * each) as u64).collect::<Vec<_>>());
}

async fn read_until_done(store: &Subject, id: AgentId, done: &AtomicUsize) {
    let mut longest = 0;
    while done.load(Ordering::SeqCst) < RACERS {
        let whole = store.detail(&Scope::all(), id, crate::LogQuery::new()).await.unwrap().unwrap();
        for (index, entry) in whole.log.iter().enumerate() {
            assert_eq!(entry.seq, index as u64 + 1, "a gap");
        }
        assert!(whole.log.len() >= longest, "an entry is gone");
        assert!(whole.log.iter().map(|entry| entry.at).is_sorted());
        longest = whole.log.len();
        if whole.next.is_none() {
            let newest = whole.log.last().unwrap();
            assert_eq!(
                (&newest.message, newest.percentage),
                (&whole.activity.message, whole.activity.percentage)
            );
        }
        tokio::task::yield_now().await;
    }
}

/// A watcher of many racing writers gets the entries of each activity in their order, none left out.
pub async fn a_watcher_of_racing_writers_sees_no_gap(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    // No more events than every store keeps, so that a slow machine is not told that it lagged.
    let each = harness.events_kept().unwrap_or(1000).min(1000) / (2 * RACERS);
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let shared = store.running().await;
    let writers = race(&store, move |store, _| async move {
        let own = store.queued().await;
        for _ in 0..each.saturating_sub(2) {
            store.apply(shared, progress(1)).await;
        }
        store.apply(own, start()).await;
    });
    let reader = async {
        let mut last: HashMap<AgentId, u64> = HashMap::new();
        for _ in 0..2 + RACERS * each.max(2) {
            let (id, seq) = next_logged(&mut watch).await;
            let last = last.entry(id).or_default();
            assert_eq!(seq, *last + 1, "a gap, or a wrong order");
            *last = seq;
        }
        last.len()
    };
    let (_, seen) = tokio::join!(writers, reader);
    assert_eq!(seen, 1 + RACERS);
}

/// Either a purge removes an ended activity or a retry revives it, never both.
pub async fn a_purge_and_a_retry_do_not_both_win(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.at(Status::Error).await;
        let answers = race(&store, move |store, number| async move {
            if number % 2 == 0 {
                let purged = store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap();
                (purged.changed, 0)
            } else {
                match store.try_apply(id, Change::Retry).await {
                    Ok(_) => (0, 1),
                    Err(Error::NotFound { .. } | Error::Refused { from: Status::Queued, .. }) => (0, 0),
                    Err(other) => panic!("{other}"),
                }
            }
        })
        .await;
        let purged: u64 = answers.iter().map(|answer| answer.0).sum();
        let revived: u64 = answers.iter().map(|answer| answer.1).sum();
        assert_eq!(purged + revived, 1, "purged {purged} times and revived {revived} times");
        assert_eq!(store.find(id).await.is_some(), revived == 1);
        assert_eq!(store.all_counts().await.queued, revived);
        store.cancel_all_queued(&Scope::all()).await;
        store.purge_all_ended(&Scope::all()).await;
        assert_eq!(store.all_counts().await.total(), 0);
    }
}

/// A request to cancel that races with the start either keeps the work from starting or is told to it.
pub async fn a_request_to_cancel_and_a_start_agree(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.queued().await;
        let answers = race(&store, move |store, number| async move {
            if number == 0 {
                return store.try_apply(id, start()).await.ok().map(|_| CancelOutcome::Requested);
            }
            let scope = Scope::all();
            Some(store.request_cancel(&scope, id, ask("enough")).await.unwrap())
        })
        .await;
        let activity = store.activity(id).await;
        let canceled_at_once =
            answers.iter().filter(|answer| **answer == Some(CancelOutcome::Canceled)).count();
        let started = store.whole(id).await.log.iter().any(|entry| entry.status == Status::Running);
        if started {
            assert_eq!((activity.status, canceled_at_once), (Status::Running, 0));
            let told = store.stop_requested(id, Attempt::FIRST).await;
            assert_eq!(told, StopRequest::Cancel("enough".into()));
        } else {
            assert_eq!((activity.status, canceled_at_once), (Status::Canceled, 1));
        }
    }
}

/// Either a late renewal keeps a run or a reaper ends it, never both.
pub async fn a_reaper_and_a_renewal_do_not_both_win(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let id = store.leased(Duration::ZERO).await;
        let answers = race(&store, move |store, number| async move {
            if number % 2 == 0 {
                let held = [(id, Attempt::FIRST)];
                (store.renew(&held, Duration::from_secs(3600)).await.unwrap()[0], false)
            } else {
                (false, store.try_apply(id, Change::Lose).await.is_ok())
            }
        })
        .await;
        let renewed = answers.iter().any(|answer| answer.0);
        let lost = answers.iter().filter(|answer| answer.1).count();
        assert_eq!(lost, usize::from(!renewed), "renewed: {renewed}, lost {lost} times");
        let expected = if renewed { Status::Running } else { Status::Error };
        assert_eq!(store.activity(id).await.status, expected);
    }
}

/// After a great many racing operations the counts, the lists and the records agree.
pub async fn counts_and_lists_agree_in_the_end(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut shared = Vec::new();
    for _ in 0..8 {
        shared.push(store.queued().await);
    }
    let shared: Arc<[AgentId]> = shared.into();
    race(&store, move |store, racer| {
        let shared = shared.clone();
        async move {
            for step in 0..40 {
                let id = shared[(racer * 7 + step * 5) % shared.len()];
                let changes = [start(), progress(10), Change::Requeue, fail(), Change::Retry, Change::Cancel];
                // Most are refused: what counts is what is left behind.
                let _ = store.try_apply(id, changes[(racer + step) % changes.len()].clone()).await;
                if step % 10 == racer % 10 {
                    store.at(Status::ALL[step % 5]).await;
                    store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap();
                }
            }
        }
    })
    .await;
    let by_status = store.listed(&ListQuery::new(Scope::all()).limit(7)).await;
    let by_creation = store.listed(&ListQuery::new(Scope::all()).order(Order::Created).limit(7)).await;
    let counts = store.all_counts().await;
    for status in Status::ALL {
        for list in [&by_status, &by_creation] {
            let listed = list.iter().filter(|activity| activity.status == status).count();
            assert_eq!(counts.of(status), listed as u64, "{status}");
        }
    }
    for activity in by_status {
        let whole = store.whole(activity.id).await;
        let newest = whole.log.last().unwrap();
        assert_eq!((newest.status, newest.attempt), (activity.status, activity.attempt));
        assert_eq!(whole.activity, activity);
    }
}

/// An activity that is purged while others write to it, or create it anew, is there whole or not at all: no part of a
/// log without its record, no place in a list or a count without either.
pub async fn a_purge_among_writers_leaves_nothing_half_removed(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..ROUNDS {
        let new = NewActivity { metadata: pair("org", "acme"), ..new_activity(AgentId::new()) };
        let id = new.id;
        store.create(new.clone()).await.unwrap();
        store.apply(id, start()).await;
        for change in [progress(10), progress(20), fail()] {
            store.apply(id, change).await;
        }
        let again = new.clone();
        race(&store, move |store, number| {
            let new = again.clone();
            async move {
                // Who comes too late is refused: what counts is what is left behind.
                match number % 4 {
                    0 => drop(store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap()),
                    1 => drop(store.create(new).await.unwrap()),
                    2 => drop(store.try_apply(id, Change::Retry).await),
                    _ => drop(store.try_apply(id, start()).await),
                }
            }
        })
        .await;
        assert_whole_or_gone(&store, id).await;
        store.cancel_all_queued(&Scope::all()).await;
        if store.find(id).await.is_some_and(|whole| whole.activity.status == Status::Running) {
            store.apply(id, complete()).await;
        }
        store.purge_all_ended(&Scope::all()).await;
        assert_whole_or_gone(&store, id).await;
        store.create(new).await.unwrap();
        assert_eq!(store.whole(id).await.log.len(), 1, "the log of the one before it is still there");
        store.apply(id, Change::Cancel).await;
        store.purge_all_ended(&Scope::all()).await;
    }
}

/// Reads the one activity of a store in every way.
async fn assert_whole_or_gone(store: &Subject, id: AgentId) {
    let found = store.find(id).await;
    let expected: Vec<_> = found.iter().map(|whole| whole.activity.clone()).collect();
    for scope in [Scope::all(), scoped("org", "acme")] {
        for order in [Order::Status, Order::Created] {
            let query = ListQuery::new(scope.clone()).order(order);
            assert_eq!(store.listed(&query).await, expected);
        }
        let counts = store.counts(&scope).await.unwrap();
        assert_eq!(counts.total(), expected.len() as u64);
        assert!(expected.iter().all(|activity| counts.of(activity.status) == 1));
    }
    let Some(whole) = found else { return };
    let numbers: Vec<u64> = whole.log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=whole.log.len() as u64).collect::<Vec<_>>());
    assert_eq!((whole.log[0].status, whole.log[0].at), (Status::Queued, whole.activity.created));
    let newest = whole.log.last().unwrap();
    assert_eq!((newest.status, newest.attempt), (whole.activity.status, whole.activity.attempt));
}
