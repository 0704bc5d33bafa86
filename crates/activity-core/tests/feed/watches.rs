//! Watchers: each event once, or told which are missing.

use agentexec_activity_core::feed::{FeedChange, FeedEvent};
use agentexec_activity_core::{AgentId, Metadata, Scope, WatchCursor};
use tokio::time::Instant;

use crate::source::{
    Mood, Source, Told, event, events, feed, is_over, read_all, read_one, read_ready, watch, watch_one, weak,
};

#[tokio::test(start_paused = true)]
async fn what_is_handed_on_is_delivered_at_once_to_everybody() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut watches: Vec<_> = (0..3).map(|_| watch(&feed, &source, 0)).collect();
    for watch in &mut watches {
        assert_eq!(read_ready(watch), []);
    }
    feed.push(source.write(id, 5));
    for watch in &mut watches {
        assert_eq!(read_ready(watch), events(1..=5));
    }
    assert_eq!(source.script().reads, 0, "the feed had it all");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_feed_began_reads_the_store_first() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.write(id, 700);
    feed.reset(WatchCursor::new(700));
    let mut watch = watch(&feed, &source, 3);
    assert_eq!(read_one(&mut watch).await, Told::Event(4));
    feed.push(source.write(id, 10));
    assert_eq!(read_all(&mut watch).await, events(5..=710));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_while_the_tail_lags_gets_what_follows_its_place() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    feed.push(source.write(id, 100));
    let late = source.write(id, 10);
    let mut watch = watch(&feed, &source, 110);
    assert_eq!(read_all(&mut watch).await, []);
    feed.push(late);
    assert_eq!(read_all(&mut watch).await, []);
    feed.push(source.write(id, 2));
    assert_eq!(read_all(&mut watch).await, events(111..=112));
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_reads_on_from_the_store() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut watch = watch(&feed, &source, 0);
    for _ in 0..50 {
        feed.push(source.write(id, 100));
    }
    assert_eq!(read_all(&mut watch).await, events(1..=5000));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_trimmed_is_told_and_nothing_else() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut watch = watch(&feed, &source, 0);
    feed.push(source.write(id, 10));
    assert_eq!(read_one(&mut watch).await, Told::Event(1));
    feed.push(source.write(id, 5000));
    source.trim(4500);
    // What it took along before is delivered.
    let read = read_all(&mut watch).await;
    let mut expected = events(2..=10);
    expected.push(Told::Lagged(11, 4500));
    expected.extend(events(4501..=5010));
    assert_eq!(read, expected);
}

#[tokio::test(start_paused = true)]
async fn events_that_are_handed_on_twice_are_delivered_once() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let mut watch = watch(&feed, &source, 0);
    let first = source.write(id, 10);
    feed.push(first.clone());
    feed.push(first[4..].to_vec());
    let mut overlapping = first[8..].to_vec();
    overlapping.extend(source.write(id, 2));
    feed.push(overlapping);
    feed.push(first);
    assert_eq!(read_all(&mut watch).await, events(1..=12));
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_what_is_handed_on_is_read_from_the_store() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut watch = watch(&feed, &source, 0);
    feed.push(source.write(id, 3));
    source.write(id, 4);
    feed.push(source.write(id, 3));
    assert_eq!(read_all(&mut watch).await, events(1..=10));
    source.write(id, 5);
    feed.reset(WatchCursor::new(15));
    assert_eq!(read_all(&mut watch).await, events(11..=15));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_one_activity_does_not_lag_by_what_happens_to_others() {
    let (feed, source) = (feed(), Source::new());
    let (mine, other) = (AgentId::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut watch = watch_one(&feed, &source, mine, 0);
    assert_eq!(read_ready(&mut watch), []);
    for round in 1..=3_u128 {
        feed.push(source.write(other, 5000));
        let own = source.write(mine, 2);
        feed.push(own);
        source.trim(5002 * round);
        assert_eq!(read_ready(&mut watch), events([5002 * round - 1, 5002 * round]));
    }
    assert_eq!(source.script().reads, 0, "what others did was read from the store");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_one_activity_that_is_slow_itself_reads_on_from_the_store() {
    let (feed, source) = (feed(), Source::new());
    let (mine, other) = (AgentId::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let mut one = watch_one(&feed, &source, mine, 0);
    let mut two = watch_one(&feed, &source, mine, 0);
    feed.push(source.write(mine, 1));
    feed.push(source.write(other, 3000));
    feed.push(source.write(mine, 2));
    assert_eq!(read_all(&mut one).await, events([1, 3002, 3003]));
    // The other reads only after its events were trimmed.
    source.trim(2000);
    assert_eq!(read_all(&mut two).await, [Told::Lagged(1, 2000), Told::Event(3002), Told::Event(3003)]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_one_activity_joins_others_from_any_place() {
    let (feed, source) = (feed(), Source::new());
    let (mine, other) = (AgentId::new(), AgentId::new());
    feed.reset(WatchCursor::new(0));
    let _first = watch_one(&feed, &source, mine, 0);
    for _ in 0..10 {
        feed.push(source.write(mine, 1));
        feed.push(source.write(other, 1));
    }
    for after in 0..=20 {
        let mut watch = watch_one(&feed, &source, mine, after);
        let expected = events((1..=20).filter(|number| number % 2 == 1 && *number > after));
        assert_eq!(read_ready(&mut watch), expected, "after {after}");
    }
    feed.reset(WatchCursor::new(20));
    let mut watch = watch_one(&feed, &source, mine, 15);
    assert_eq!(read_all(&mut watch).await, events([17, 19]));
}

#[tokio::test(start_paused = true)]
async fn a_scope_holds_whether_it_is_read_from_the_feed_or_the_store() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let org = |name: &str| Metadata::new().with("org", name).unwrap();
    let written: Vec<_> = ["acme", "other", "acme", "other"]
        .into_iter()
        .map(|name| source.write_one(id, &org(name), false))
        .collect();
    let scope = Scope::metadata(org("acme")).unwrap();
    let mut from_store = feed.watch(weak(&source), scope.clone(), None, WatchCursor::new(0));
    feed.reset(WatchCursor::new(4));
    assert_eq!(read_all(&mut from_store).await, events([1, 3]));
    let feed = crate::source::feed();
    feed.push(written);
    let mut from_feed = feed.watch(weak(&source), scope, Some(id), WatchCursor::new(0));
    assert_eq!(read_all(&mut from_feed).await, events([1, 3]));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_event_is_told_as_it_is() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let mut watch = watch(&feed, &source, 0);
    let at = |number, change| {
        let cursor = WatchCursor::new(number);
        FeedEvent { cursor, id, metadata: Metadata::new(), change }
    };
    let asked = at(1, FeedChange::CancelRequested("enough".into()));
    let purged = at(2, FeedChange::Purged);
    let expected = [asked.clone(), purged.clone()];
    feed.push(vec![asked, purged]);
    for event in &expected {
        let next = futures_util::StreamExt::next(&mut watch).await.unwrap().unwrap();
        assert_eq!(next, event.into());
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_waits_for_a_store_that_is_away() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let (feed, source, id) = (feed(), Source::new(), AgentId::new());
        source.write(id, 10);
        source.set(mood);
        feed.reset(WatchCursor::new(10));
        let mut watch = watch(&feed, &source, 0);
        assert_eq!(read_all(&mut watch).await, []);
        source.set(Mood::Answers);
        assert_eq!(read_all(&mut watch).await, events(1..=10), "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_finds_what_the_feed_has_heard_of_is_not_waited_for_for_ever() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.set(Mood::KnowsNothing);
    source.write(id, 10);
    feed.reset(WatchCursor::new(10));
    let mut late = watch(&feed, &source, 4);
    feed.push(source.write(id, 1));
    assert_eq!(read_one(&mut late).await, Told::Lagged(5, 10));
    assert_eq!(read_all(&mut late).await, events([11]));
    // One that only lags for a moment is waited for.
    let mut early = watch(&feed, &source, 4);
    assert_eq!(read_ready(&mut early), []);
    source.set(Mood::Answers);
    assert_eq!(read_all(&mut early).await, events(5..=11));
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_events_were_lost_ends_with_that() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let (mut ahead, mut behind) = (watch(&feed, &source, 0), watch(&feed, &source, 0));
    feed.push(source.write(id, 90));
    assert_eq!(read_all(&mut behind).await, events(1..=90));
    feed.push(source.write(id, 20));
    assert_eq!(read_all(&mut ahead).await, events(1..=110));
    // The store comes back without its newest events, and others take their places before anybody looks.
    source.lose_behind(99);
    feed.reset(WatchCursor::new(99));
    feed.push(source.write(id, 20));
    assert_eq!(read_all(&mut ahead).await, [Told::Expired(110)]);
    assert!(is_over(&mut ahead).await);
    assert_eq!(read_all(&mut behind).await, events(91..=119));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_slept_through_several_losses_ends() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let mut watch = watch(&feed, &source, 0);
    feed.push(source.write(id, 100));
    assert_eq!(read_all(&mut watch).await, events(1..=100));
    for head in [50, 120] {
        source.lose_behind(head);
        feed.reset(WatchCursor::new(head));
        feed.push(source.write(id, 100));
    }
    assert_eq!(read_all(&mut watch).await, [Told::Expired(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_the_events_begin_anew() {
    for (first, second) in [(7_u128 << 64, 9_u128 << 64), (9 << 64, 7 << 64), (0, 9 << 64)] {
        let (feed, source, id) = (feed(), Source::new(), AgentId::new());
        source.script().head = first;
        feed.reset(WatchCursor::new(first));
        let mut watches = [watch(&feed, &source, first), watch_one(&feed, &source, id, first)];
        feed.push(source.write(id, 10));
        for watch in &mut watches {
            assert_eq!(read_all(watch).await, events(first + 1..=first + 10));
        }
        source.script().events.clear();
        source.script().head = second;
        // With a word from the tail, or none.
        if first > second {
            feed.reset(WatchCursor::new(second));
        }
        feed.push(source.write(id, 20));
        for watch in &mut watches {
            assert_eq!(read_all(watch).await, [Told::Expired(first + 10)]);
        }
        let mut fresh = watch(&feed, &source, second);
        assert_eq!(read_all(&mut fresh).await, events(second + 1..=second + 20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_in_a_new_life_waits_for_a_tail_that_has_not_noticed() {
    for (first, second) in [(7_u128 << 64, 9_u128 << 64), (9 << 64, 7 << 64)] {
        let (feed, source, id) = (feed(), Source::new(), AgentId::new());
        source.script().head = first;
        feed.push(source.write(id, 10));
        source.script().events.clear();
        source.script().head = second;
        let mut watches = [watch(&feed, &source, second), watch_one(&feed, &source, id, second)];
        for watch in &mut watches {
            assert_eq!(read_all(watch).await, []);
        }
        feed.push(source.write(id, 2));
        for watch in &mut watches {
            assert_eq!(read_all(watch).await, events(second + 1..=second + 2));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn closing_ends_every_watch_at_once_whatever_it_waits_for() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.write(id, 10);
    source.set(Mood::Fails);
    feed.reset(WatchCursor::new(10));
    let watches = [
        watch(&feed, &source, 0),
        watch(&feed, &source, 10),
        watch_one(&feed, &source, id, 10),
        watch_one(&feed, &source, AgentId::new(), 0),
    ];
    let waiting: Vec<_> =
        watches.into_iter().map(|mut watch| tokio::spawn(async move { is_over(&mut watch).await })).collect();
    tokio::task::yield_now().await;
    let closed = Instant::now();
    feed.close();
    for waiting in waiting {
        assert!(waiting.await.unwrap());
    }
    assert_eq!(closed.elapsed(), std::time::Duration::ZERO);
    assert!(is_over(&mut watch(&feed, &source, 10)).await, "a watch that begins later");
}

#[tokio::test(start_paused = true)]
async fn a_watch_does_not_keep_the_store_alive() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.write(id, 10);
    feed.reset(WatchCursor::new(10));
    let mut watch = watch(&feed, &source, 10);
    assert_eq!(read_ready(&mut watch), []);
    let gone = std::sync::Arc::downgrade(&source);
    drop(source);
    assert!(gone.upgrade().is_none());
    feed.push(vec![event(20, id, &Metadata::new(), true)]);
    assert!(is_over(&mut watch).await, "it has to read the store, and there is none");
}
