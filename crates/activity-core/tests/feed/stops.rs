//! Runs that wait to be asked to stop.

use agentexec_activity_core::feed::{EventSource, FeedChange, FeedEvent};
use agentexec_activity_core::{AgentId, Attempt, Metadata, Status, StopRequest, WatchCursor};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::yield_now;

use crate::source::{Mood, Source, event, feed};

fn enough() -> StopRequest {
    StopRequest::Cancel("enough".into())
}

/// The event of a request to stop.
fn asked(number: u128, id: AgentId) -> FeedEvent {
    let change = FeedChange::CancelRequested("enough".into());
    FeedEvent { cursor: WatchCursor::new(number), id, metadata: Metadata::new(), change }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_is_told_so_at_once() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    let stop = async |attempt| feed.stop_requested(&*source, id, attempt).now_or_never();
    assert_eq!(stop(Attempt::FIRST).await, Some(StopRequest::Superseded));
    source.run(id);
    assert_eq!(stop(Attempt::FIRST).await, None);
    assert_eq!(stop(Attempt::new(2)).await, Some(StopRequest::Superseded));
    source.ask_to_stop(id);
    assert_eq!(stop(Attempt::FIRST).await, Some(enough()));
    source.script().records.get_mut(&id).unwrap().status = Status::Error;
    assert_eq!(stop(Attempt::FIRST).await, Some(StopRequest::Ended(Status::Error)));
}

#[tokio::test(start_paused = true)]
async fn one_of_ten_thousand_that_is_asked_to_stop_is_the_only_one_that_looks() {
    let (feed, source) = (feed(), Source::new());
    feed.reset(WatchCursor::new(0));
    let ids: Vec<_> = (0..10_000).map(|_| AgentId::new()).collect();
    for id in &ids {
        source.run(*id);
    }
    let mut waiting: Vec<_> =
        ids.iter().map(|id| Box::pin(feed.stop_requested(&*source, *id, Attempt::FIRST))).collect();
    for wait in &mut waiting {
        assert_eq!(wait.as_mut().now_or_never(), None);
    }
    assert_eq!(source.script().looks, ids.len());
    source.ask_to_stop(ids[7]);
    feed.push(vec![asked(1, ids[7])]);
    // A report of a run is nothing to stop for, and neither is the silence of a tail that found nothing.
    feed.push(vec![event(2, ids[8], &Metadata::new(), true)]);
    feed.push(Vec::new());
    let told = join_all(waiting.iter_mut().map(|wait| async { wait.as_mut().now_or_never() })).await;
    assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&enough()]);
    assert_eq!(told[7], Some(enough()));
    assert_eq!(source.script().looks, ids.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_between_the_look_and_the_wait_is_not_lost() {
    for pushed_first in [true, false] {
        let (feed, source, id) = (feed(), Source::new(), AgentId::new());
        source.run(id);
        feed.reset(WatchCursor::new(0));
        let looking = feed.stop_requested(&*source, id, Attempt::FIRST);
        let asking = async {
            if pushed_first {
                feed.push(vec![asked(1, id)]);
                source.ask_to_stop(id);
                feed.push(vec![event(2, id, &Metadata::new(), false)]);
            } else {
                source.ask_to_stop(id);
                feed.push(vec![asked(1, id)]);
            }
        };
        let (told, ()) = tokio::join!(looking, asking);
        assert_eq!(told, enough());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_hears_of_what_the_tail_has_missed() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    for missed in [0, 1] {
        source.run(id);
        feed.reset(WatchCursor::new(100));
        let waiting = feed.stop_requested(&*source, id, Attempt::FIRST);
        let missing = async {
            yield_now().await;
            source.ask_to_stop(id);
            // It comes back at a later place, or hands on what is behind it.
            match missed {
                0 => feed.reset(WatchCursor::new(102)),
                _ => feed.push(vec![event(103, AgentId::new(), &Metadata::new(), true)]),
            }
        };
        let (told, ()) = tokio::join!(waiting, missing);
        assert_eq!(told, enough());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_stopped_when_the_store_is_back() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let (feed, source, id) = (feed(), Source::new(), AgentId::new());
        source.run(id);
        feed.reset(WatchCursor::new(0));
        let waiting = feed.stop_requested(&*source, id, Attempt::FIRST);
        let asking = async {
            yield_now().await;
            source.set(mood);
            source.ask_to_stop(id);
            feed.push(vec![asked(1, id)]);
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            source.set(Mood::Answers);
        };
        let (told, ()) = tokio::join!(waiting, asking);
        assert_eq!(told, enough(), "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_reads_nothing_from_a_quiet_store() {
    let (feed, source, id) = (feed(), Source::new(), AgentId::new());
    source.run(id);
    feed.reset(WatchCursor::new(0));
    let waiting = feed.stop_requested(&*source as &dyn EventSource, id, Attempt::FIRST);
    let hours = tokio::time::timeout(std::time::Duration::from_secs(36_000), waiting).await;
    assert!(hours.is_err());
    assert_eq!(source.script().looks, 1);
}
