//! Lists: their order, their filters, their pages; and counts.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::json;

use super::Harness;
use super::subject::{Subject, assert_invalid, complete, fail, new_activity, pair, progress, scoped, start};
use crate::{
    Activity, AgentId, Change, Counts, ListCursor, ListQuery, Metadata, NewActivity, Order, PAGE_LIMIT,
    Scope, Status, TYPE_LIMIT, Timestamp,
};

const ORDERS: [Order; 2] = [Order::Status, Order::Created];

fn all() -> ListQuery {
    ListQuery::new(Scope::all())
}

fn ids(activities: &[Activity]) -> Vec<AgentId> {
    activities.iter().map(|activity| activity.id).collect()
}

/// The ids in the order of the design: by group of statuses, then newest first, then by id.
fn in_order(mut activities: Vec<Activity>, order: Order) -> Vec<AgentId> {
    let group = |status| match (order, status) {
        (Order::Created, _) | (_, Status::Running) => 0,
        (_, Status::Queued) => 1,
        _ => 2,
    };
    activities.sort_by_key(|a| (group(a.status), std::cmp::Reverse((a.created, a.id))));
    ids(&activities)
}

/// A store with several activities in each status, of several types and tenants.
async fn varied(harness: &dyn Harness) -> Subject {
    let store = Subject::fresh(harness).await;
    for number in 0..24_u32 {
        let status = Status::ALL[number as usize % 5];
        let metadata = match number % 4 {
            0 => Metadata::new(),
            1 => pair("org", "acme"),
            2 => pair("org", "other").with("plan", number % 3).unwrap(),
            _ => pair("org", "acme").with("plan", number % 3).unwrap(),
        };
        let activity_type = if number % 3 == 0 { "research" } else { "summary" }.to_owned();
        // Ids that do not sort by time: those of another machine.
        let id = AgentId::from_u128(u128::from(number.wrapping_mul(0x9e37_79b9)) << 64 | u128::from(number));
        let new = NewActivity { activity_type, metadata, ..new_activity(id) };
        store.create(new).await.unwrap();
        store.bring(id, status).await;
        if number % 6 == 5 {
            harness.pass_time(Duration::from_millis(2)).await;
        }
    }
    store
}

/// By default running ones come first, then queued ones, then the rest; newest first within each.
pub async fn running_comes_first_then_queued_then_the_rest(harness: &dyn Harness) {
    let store = varied(harness).await;
    let listed = store.listed(&all()).await;
    assert_eq!(listed.len(), 24);
    assert_eq!(ids(&listed), in_order(listed.clone(), Order::Status));
    for activity in listed {
        assert_eq!(store.activity(activity.id).await, activity);
    }
}

/// In creation order the newest comes first, whatever the status, and a change of status moves nothing.
pub async fn creation_order_is_newest_first_whatever_the_status(harness: &dyn Harness) {
    let store = varied(harness).await;
    let query = all().order(Order::Created);
    let listed = store.listed(&query).await;
    assert_eq!(ids(&listed), in_order(listed.clone(), Order::Created));
    for activity in listed.iter().filter(|activity| activity.status == Status::Queued) {
        store.bring(activity.id, Status::Complete).await;
    }
    assert_eq!(store.listed_ids(&query).await, ids(&listed));
}

/// Filters on status, type, metadata and time, alone and all combinations of them, in both orders.
pub async fn filters_work_alone_and_together(harness: &dyn Harness) {
    let store = varied(harness).await;
    let everything = store.listed(&all().order(Order::Created)).await;
    let from = everything[18].created;
    let before = everything[6].created;
    for combination in 0..64_u32 {
        let has = |bit: u32| combination & (1 << bit) != 0;
        let mut query = all().limit(3).order(ORDERS[usize::from(has(5))]);
        let mut expected = everything.clone();
        if has(0) {
            query = query.status(Status::Running).status(Status::Error);
            expected.retain(|a| matches!(a.status, Status::Running | Status::Error));
        }
        if has(1) {
            query = query.activity_type("research");
            expected.retain(|a| a.activity_type == "research");
        }
        if has(2) {
            query = query.metadata(pair("org", "acme"));
            expected.retain(|a| a.metadata.get("org") == Some(&json!("acme")));
        }
        if has(3) {
            query = query.created_from(from);
            expected.retain(|a| a.created >= from);
        }
        if has(4) {
            query = query.created_before(before);
            expected.retain(|a| a.created < before);
        }
        assert_eq!(store.listed_ids(&query).await, in_order(expected, query.order), "{query:?}");
    }
    for status in Status::ALL {
        let expected = everything.iter().filter(|a| a.status == status).cloned().collect();
        assert_eq!(store.listed_ids(&all().status(status)).await, in_order(expected, Order::Status));
    }
    assert_eq!(store.listed(&all().activity_type("")).await, []);
    assert_eq!(store.listed(&all().created_before(Timestamp::default())).await, []);
}

/// Pages of any size make up the whole list, in its order; a cursor survives its text form.
pub async fn pages_make_up_the_whole_list(harness: &dyn Harness) {
    let store = varied(harness).await;
    for order in ORDERS {
        let whole = store.listed_ids(&all().order(order)).await;
        for limit in [1, 2, 5, 23, 24, 25, PAGE_LIMIT] {
            let mut query = all().order(order).limit(limit);
            let mut paged = Vec::new();
            loop {
                let page = store.list(&query).await.unwrap();
                assert!(page.items.len() <= limit);
                paged.extend(ids(&page.items));
                let Some(next) = page.next else { break };
                query = query.after(next.to_string().parse::<ListCursor>().unwrap());
            }
            assert_eq!(paged, whole, "{order:?} by {limit}");
        }
    }
    assert_eq!(store.list(&all()).await.unwrap().next, None, "the last page leads nowhere");
    let empty = store.list(&all().activity_type("nobody's")).await.unwrap();
    assert_eq!((empty.items, empty.next), (vec![], None));
}

/// An activity whose status does not change while the pages are read appears exactly once, while others are
/// created, started, ended and removed.
pub async fn what_does_not_change_appears_exactly_once(harness: &dyn Harness) {
    for order in ORDERS {
        let store = Subject::fresh(harness).await;
        let (mut still, mut moving) = (Vec::new(), Vec::new());
        for number in 0..30 {
            let id = store.at(Status::ALL[number % 5]).await;
            if number % 2 == 0 { still.push(id) } else { moving.push(id) }
        }
        let mut seen: HashMap<AgentId, usize> = HashMap::new();
        let mut query = all().order(order).limit(3);
        loop {
            let page = store.list(&query).await.unwrap();
            for activity in page.items {
                *seen.entry(activity.id).or_default() += 1;
            }
            let Some(next) = page.next else { break };
            query = query.after(next);
            move_some(&store, &mut moving).await;
        }
        for id in still {
            assert_eq!(seen.get(&id), Some(&1), "{order:?}: an unchanged activity was not seen once");
        }
    }
}

/// Moves three activities on to another status and creates another.
async fn move_some(store: &Subject, moving: &mut Vec<AgentId>) {
    for id in moving.drain(..moving.len().min(3)) {
        let change = match store.activity(id).await.status {
            Status::Queued => start(),
            Status::Running => complete(),
            Status::Complete => continue,
            Status::Error | Status::Canceled => Change::Retry,
        };
        store.apply(id, change).await;
    }
    store.queued().await;
}

/// A page goes on behind an activity that was removed since.
pub async fn a_page_goes_on_behind_a_purged_activity(harness: &dyn Harness) {
    for order in ORDERS {
        let store = Subject::fresh(harness).await;
        // The newest come first, so the first page is what will be gone.
        for fate in ["stays", "stays", "stays", "goes", "goes"] {
            let id = store.queued_with(pair("fate", fate)).await;
            store.bring(id, Status::Complete).await;
            harness.pass_time(Duration::from_millis(2)).await;
        }
        let whole = store.listed_ids(&all().order(order)).await;
        let first = store.list(&all().order(order).limit(2)).await.unwrap();
        assert_eq!(store.purge_all_ended(&scoped("fate", "goes")).await.0, 2);
        let rest = store.listed_ids(&all().order(order).after(first.next.unwrap())).await;
        assert_eq!(rest, whole[2..]);
    }
}

/// A match that is behind more records than a store looks at for one page is found in the end.
pub async fn a_rare_match_is_found_in_the_end(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let rare = store.queued_with(pair("org", "acme")).await;
    let other = pair("org", "other");
    store.queued_many(harness.scan_limit() + 20, &other).await;
    for order in ORDERS {
        let query = all().metadata(pair("org", "acme")).order(order);
        assert_eq!(store.listed_ids(&query).await, [rare]);
        let both = all().status(Status::Queued).metadata(pair("org", "acme")).order(order);
        assert_eq!(store.listed_ids(&both).await, [rare]);
    }
}

/// A page has at least one place and at most [`PAGE_LIMIT`].
pub async fn limits_out_of_range_are_refused(harness: &dyn Harness) {
    let store = varied(harness).await;
    for limit in [0, PAGE_LIMIT + 1, usize::MAX] {
        assert_invalid(store.list(&all().limit(limit)).await, "limit");
    }
    assert_eq!(store.list(&all().limit(1)).await.unwrap().items.len(), 1);
    assert_eq!(store.list(&all().limit(PAGE_LIMIT)).await.unwrap().items.len(), 24);
}

/// A type that is longer than any is refused, however long it is.
pub async fn a_type_that_is_too_long_is_refused(harness: &dyn Harness) {
    let store = varied(harness).await;
    for wanted in ["t".repeat(TYPE_LIMIT + 1), "t".repeat(16 * 1024 * 1024)] {
        assert_invalid(store.list(&all().activity_type(wanted)).await, "type");
    }
    assert_eq!(store.listed_ids(&all().activity_type("t".repeat(TYPE_LIMIT))).await, []);
}

/// A cursor of a list in another order is refused.
pub async fn a_cursor_of_another_order_is_refused(harness: &dyn Harness) {
    let store = varied(harness).await;
    for (order, other) in [(Order::Status, Order::Created), (Order::Created, Order::Status)] {
        let next = store.list(&all().order(order).limit(2)).await.unwrap().next.unwrap();
        assert_invalid(store.list(&all().order(other).after(next)).await, "cursor");
    }
}

/// Counts follow every change of status, and a refused change and progress leave them.
pub async fn counts_follow_every_change(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    assert_eq!(store.all_counts().await, Counts::default());
    let id = store.queued_with(pair("org", "acme")).await;
    store.queued_with(pair("org", "other")).await;
    let changes = [
        (start(), Status::Running),
        (progress(10), Status::Running),
        (Change::Requeue, Status::Queued),
        (start(), Status::Running),
        (fail(), Status::Error),
        (Change::Retry, Status::Queued),
        (Change::Cancel, Status::Canceled),
        (Change::Retry, Status::Queued),
        (start(), Status::Running),
        (complete(), Status::Complete),
    ];
    for (change, status) in changes {
        store.apply(id, change).await;
        store.try_apply(id, if status == Status::Running { start() } else { progress(0) }).await.unwrap_err();
        let counts = store.all_counts().await;
        let mut expected = BTreeMap::from([(Status::Queued, 1)]);
        *expected.entry(status).or_default() += 1;
        for any in Status::ALL {
            assert_eq!(counts.of(any), expected.get(&any).copied().unwrap_or_default(), "{any} at {status}");
        }
        assert_eq!(counts.total(), 2);
        let scoped = store.counts(&scoped("org", "acme")).await.unwrap();
        assert_eq!((scoped.of(status), scoped.total()), (1, 1));
    }
    store.purge_all_ended(&Scope::all()).await;
    assert_eq!((store.all_counts().await.queued, store.all_counts().await.total()), (1, 1));
}
