//! Readers among many writers: what they read is whole, in order, and there once.

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Harness;
use super::subject::{Subject, complete, fail, new_activity, next_event, pair, progress, scoped, start};
use crate::{
    Activity, AgentId, Change, ListQuery, NewActivity, Order, Scope, Status, Timestamp, WatchCursor,
    WatchEvent, WatchFrom,
};

const ORDERS: [Order; 2] = [Order::Status, Order::Created];
/// How many write at once.
const WRITERS: usize = 4;
/// How often each of them writes at the most.
const MOST_WRITES: usize = 600;

/// An id that does not sort by time.
fn scattered(number: usize) -> AgentId {
    AgentId::from_u128((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The ids in the order of a list.
fn in_order<'a>(activities: impl Iterator<Item = &'a Activity>, order: Order) -> Vec<AgentId> {
    let mut places: Vec<_> = activities
        .map(|activity| {
            let rank = if order == Order::Status { activity.status.rank() } else { 0 };
            (rank, std::cmp::Reverse((activity.created, activity.id)))
        })
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, std::cmp::Reverse((_, id)))| id).collect()
}

/// While several create, start, end, revive and remove others, each reader of pages sees what does not change once
/// and in its place, in both orders and through every filter.
pub async fn pages_are_stable_while_others_write(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (mut still, mut moving) = (Vec::new(), vec![Vec::new(); WRITERS]);
    for number in 0..80 {
        let (org, kind) = (["acme", "other"][number / 2 % 2], ["research", "summary"][number / 4 % 2]);
        let id = scattered(number);
        let new = NewActivity { activity_type: kind.into(), metadata: pair("org", org), ..new_activity(id) };
        store.create(new).await.unwrap();
        if number % 2 == 0 {
            store.bring(id, Status::ALL[number / 2 % 5]).await;
            still.push(store.activity(id).await);
        } else {
            moving[number / 2 % WRITERS].push(id);
        }
    }
    let (wrote, mut writes) = mpsc::channel(1);
    let mut writers = JoinSet::new();
    for ids in moving {
        writers.spawn(keep_writing(store.clone(), ids, wrote.clone()));
    }
    drop(wrote);
    for order in ORDERS {
        let all = || ListQuery::new(Scope::all()).order(order).limit(7);
        let queries = [
            all(),
            all().status(Status::Queued).status(Status::Error),
            all().activity_type("research"),
            all().metadata(pair("org", "acme")),
            ListQuery { scope: scoped("org", "other"), ..all() },
            all().created_from(still[10].created),
        ];
        for query in queries {
            let expected = in_order(still.iter().filter(|activity| query.admits(activity)), order);
            let mut seen = listed_among_writes(&store, &query, &mut writes).await;
            seen.retain(|id| still.iter().any(|activity| activity.id == *id));
            assert_eq!(
                seen, expected,
                "what does not change is not there once and in its place by {query:?}"
            );
        }
    }
    drop(writes);
    writers.join_all().await;
}

/// Everything that the query shows, with a write at least between its pages.
async fn listed_among_writes(
    store: &Subject,
    query: &ListQuery,
    writes: &mut mpsc::Receiver<()>,
) -> Vec<AgentId> {
    let (mut query, mut listed) = (query.clone(), Vec::new());
    loop {
        let page = store.list(&query).await.unwrap();
        listed.extend(page.items.iter().map(|activity| activity.id));
        let Some(next) = page.next else { return listed };
        query = query.after(next);
        // One that may have been before this page, and one behind it; none any more when the writers are done.
        let _ = writes.try_recv();
        writes.recv().await;
    }
}

/// Moves these on and on, and others that come and go, as long as somebody reads.
async fn keep_writing(store: Subject, ids: Vec<AgentId>, wrote: mpsc::Sender<()>) {
    for step in 0..MOST_WRITES {
        if wrote.is_closed() {
            return;
        }
        let id = ids[step % ids.len()];
        let change = match store.activity(id).await.status {
            Status::Queued => start(),
            Status::Running => [Change::Requeue, fail(), Change::Cancel][step % 3].clone(),
            _ => Change::Retry,
        };
        store.apply(id, change).await;
        if step % 5 == 0 {
            let passing = store.queued_with(pair("org", "passing")).await;
            store.bring(passing, Status::ALL[step / 5 % 5]).await;
            store.purge(&scoped("org", "passing"), Timestamp::MAX, None).await.unwrap();
        }
        // Full when nobody has heard of the one before: that one will do.
        let _ = wrote.try_send(());
        tokio::task::yield_now().await;
    }
}

/// Many are created in one moment: the pages of a list have each of them once, by their ids where the times are the
/// same, and a moment parts them into those before it and the rest.
pub async fn what_is_created_in_one_moment_is_listed_once(harness: &dyn Harness) {
    const EACH: usize = 40;
    let store = Subject::fresh(harness).await;
    let mut writers = JoinSet::new();
    for writer in 0..2 * WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut created = Vec::new();
            for number in 0..EACH {
                let id = scattered(number * 2 * WRITERS + writer);
                let new = NewActivity { metadata: pair("writer", writer), ..new_activity(id) };
                created.push(store.create(new).await.unwrap());
            }
            created
        });
    }
    let created: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    for order in ORDERS {
        let all = || ListQuery::new(Scope::all()).order(order);
        for limit in [1, 7, 50] {
            let expected = in_order(created.iter(), order);
            assert_eq!(store.listed_ids(&all().limit(limit)).await, expected, "{order:?} by {limit}");
        }
        let moment = created[created.len() / 2].created;
        let before = in_order(created.iter().filter(|activity| activity.created < moment), order);
        assert_eq!(store.listed_ids(&all().created_before(moment).limit(7)).await, before);
        let rest = in_order(created.iter().filter(|activity| activity.created >= moment), order);
        assert_eq!(store.listed_ids(&all().created_from(moment).limit(7)).await, rest);
        let of_first = in_order(created.iter().filter(|one| one.metadata == pair("writer", 0)), order);
        assert_eq!(store.listed_ids(&all().metadata(pair("writer", 0)).limit(7)).await, of_first);
    }
}

/// A watch that is dropped and resumed behind the last event that it delivered, again and again and after pauses,
/// while others write: together the pieces are the whole, as one watch that was never dropped has it.
pub async fn a_watch_that_is_resumed_while_others_write_misses_nothing(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    // Not so many that a store may trim some.
    let each = (harness.events_kept().unwrap_or(usize::MAX) / (4 * WRITERS)).clamp(4, 100);
    let mut whole = store.watch_all().await;
    let first = store.queued().await;
    let mut place = next_event(&mut whole).await.cursor();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let id = store.running().await;
            for value in 3..each {
                store.apply(id, progress((value % 100) as u8)).await;
            }
            store.apply(id, complete()).await;
        });
    }
    let (mut pieces, mut round) = (Vec::new(), 0);
    while pieces.len() < WRITERS * each {
        let piece = resumed(&store, place, 1 + (round * 7) % 23, WRITERS * each - pieces.len()).await;
        place = piece.last().unwrap().cursor();
        pieces.extend(piece);
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        round += 1;
    }
    writers.join_all().await;
    let mut uninterrupted = Vec::new();
    for _ in 0..WRITERS * each {
        uninterrupted.push(next_event(&mut whole).await);
    }
    assert_eq!(pieces, uninterrupted);
    assert!(pieces.windows(2).all(|pair| pair[0].cursor() < pair[1].cursor()), "places rise");
    let mut last: HashMap<AgentId, u64> = HashMap::new();
    for event in &pieces {
        let WatchEvent::Logged { id, entry, .. } = event else { panic!("unexpected {event:?}") };
        let last = last.entry(*id).or_default();
        assert_eq!(entry.seq, *last + 1, "a gap, or a wrong order");
        *last = entry.seq;
    }
    let ids: HashSet<_> = last.keys().copied().collect();
    assert!(ids.len() == WRITERS && !ids.contains(&first));
}

/// The next events behind a place, at most so many, by a watch of their own.
async fn resumed(store: &Subject, place: WatchCursor, wanted: usize, left: usize) -> Vec<WatchEvent> {
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::After(place)).await.unwrap();
    let mut piece = Vec::new();
    for _ in 0..wanted.min(left) {
        piece.push(next_event(&mut watch).await);
    }
    piece
}
