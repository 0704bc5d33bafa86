//! A dropped run keeps its lease until its end is written.

use std::future::pending;
use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, Status};
use agentexec_runner_core::Track;
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::durable::{Durable, Mood};

const LEASE: Duration = Duration::from_secs(5);

/// A store with short leases and somebody who reaps, and a run in it that is dropped while writes are so.
async fn dropped_while(at_start: Mood, at_end: Mood) -> (Durable, Activities, AgentId) {
    let store = Durable::new();
    let other = store.elsewhere().process("web-2");
    tokio::spawn(async move { other.keep_reaping().await });
    let activities = store.process_with("web-1", LEASE);
    let id = activities.create("research").await.unwrap();
    store.script().writes = at_start;
    let mut run = Box::pin(activities.track(id, |_cx| pending::<Result<(), &str>>()));
    assert!(run.as_mut().now_or_never().is_none());
    store.script().writes = at_end;
    drop(run);
    (store, activities.clone(), id)
}

#[tokio::test(start_paused = true)]
async fn until_its_end_is_written_it_is_not_lost() {
    let slow = Mood::Slow(Duration::from_secs(4));
    for (at_start, at_end) in [(Mood::Answers, Mood::Fails), (Mood::Answers, slow), (Mood::Hangs, slow)] {
        let (store, activities, id) = dropped_while(at_start, at_end).await;
        sleep(Duration::from_secs(7)).await;
        store.script().writes = Mood::Answers;
        assert_eq!(activities.shutdown().await, 0);
        assert_eq!(store.status(id).await, Status::Canceled, "{at_start:?}, {at_end:?}");
        sleep(LEASE).await;
        let before = store.script().renewed.len();
        sleep(10 * LEASE).await;
        assert_eq!(store.script().renewed.len(), before, "its lease is held no more");
    }
}

#[tokio::test(start_paused = true)]
async fn when_its_end_cannot_be_written_it_is_lost() {
    let (store, activities, id) = dropped_while(Mood::Answers, Mood::Fails).await;
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(store.status(id).await, Status::Running);
    store.script().writes = Mood::Answers;
    sleep(2 * LEASE).await;
    assert_eq!(store.status(id).await, Status::Error);
    assert!(store.last_message(id).await.starts_with("Task lost: "));
}
