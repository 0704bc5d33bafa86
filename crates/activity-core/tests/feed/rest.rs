//! A tail that rests while nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use agentexec_activity_core::feed::Feed;
use agentexec_activity_core::{AgentId, Attempt, WatchCursor};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::source::{Source, Told, feed, read_one, read_ready, watch, watch_one};

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_wanted_for_as_long_as_he_waits() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.run(id);
    assert!(!feed.is_wanted());
    let (all, one) = (watch(&feed, &source, 0), watch_one(&feed, &source, id, 0));
    drop(all);
    assert!(feed.is_wanted());
    drop(one);
    assert!(!feed.is_wanted());
    let mut run = Box::pin(feed.stop_requested(&*source, id, Attempt::FIRST));
    assert!(run.as_mut().now_or_never().is_none());
    let second = watch_one(&feed, &source, id, 0);
    assert!(feed.is_wanted());
    drop(run);
    assert!(feed.is_wanted(), "the watcher of the same activity is left");
    drop(second);
    assert!(!feed.is_wanted());
}

#[tokio::test(start_paused = true)]
async fn the_first_who_waits_calls_for_the_tail_and_may_be_asked_about() {
    let calls = Arc::new(AtomicUsize::new(0));
    let itself: Arc<OnceLock<Feed>> = Arc::default();
    let (count, asked) = (calls.clone(), itself.clone());
    let feed = Feed::new(move || {
        // Under no lock: the feed can be used here, and knows already that it is wanted.
        assert!(asked.get().unwrap().is_wanted());
        count.fetch_add(1, Ordering::SeqCst);
    });
    itself.set(feed.clone()).unwrap();
    let source = Source::new();
    for round in 1..=3 {
        let first = watch(&feed, &source, 0);
        let second = watch_one(&feed, &source, AgentId::new(), 0);
        assert_eq!(calls.load(Ordering::SeqCst), round);
        drop((first, second));
    }
}

/// A tail as a store has it: it reads on while somebody waits, and rests otherwise.
async fn tail(feed: Feed, source: Arc<Source>, bell: Arc<Notify>, rested: Arc<Notify>) {
    loop {
        while !feed.is_wanted() {
            rested.notify_one();
            // Somebody may begin to wait right here.
            yield_now().await;
            bell.notified().await;
        }
        let head = source.script().head;
        feed.reset(WatchCursor::new(head));
        while feed.is_wanted() {
            let new: Vec<_> = source.script().events.range(head + 1..).map(|(_, new)| new.clone()).collect();
            feed.push(new);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_rests_misses_nobody_who_begins_to_wait() {
    let (bell, rested) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ring = bell.clone();
    let feed = Feed::new(move || ring.notify_one());
    let (source, id) = (Source::new(), AgentId::new());
    let tail = tokio::spawn(tail(feed.clone(), source.clone(), bell, rested.clone()));
    for round in 0..20_u128 {
        rested.notified().await;
        // Others write while it rests.
        source.write(AgentId::new(), 1);
        let after = source.script().head;
        let mut watch =
            if round % 2 == 0 { watch(&feed, &source, after) } else { watch_one(&feed, &source, id, after) };
        for _ in 0..round % 3 {
            yield_now().await;
        }
        source.write(id, 1);
        source.write(id, 2);
        for number in after + 1..=after + 3 {
            assert_eq!(read_one(&mut watch).await, Told::Event(number), "round {round}");
        }
        assert_eq!(read_ready(&mut watch), []);
    }
    tail.abort();
}
