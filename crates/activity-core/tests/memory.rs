#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The store in memory follows the rules, also behind latency and a lease that the test's clock lets expire.

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::conformance::{self, Harness};
use agentexec_activity_core::{
    Activities, ActivityStore, AgentId, Error, MemoryStore, Scope, WatchCursor, WatchFrom,
};
use futures_util::StreamExt;

/// The store as it is; leases expire by the test's clock.
struct Memory;

#[async_trait::async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        Arc::new(MemoryStore::new())
    }

    async fn pass_time(&self, time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    fn random_sequences(&self) -> u32 {
        256
    }
}

conformance::suite!(Memory);

async fn some_events(activities: &Activities) -> Vec<WatchCursor> {
    let watch = activities.watch(&Scope::all()).await.unwrap();
    for _ in 0..5 {
        activities.create("task").id(AgentId::new()).await.unwrap();
    }
    watch.take(5).map(|event| event.unwrap().cursor()).collect().await
}

#[tokio::test]
async fn a_cursor_from_before_a_restart_has_expired() {
    let before = some_events(&Activities::new(MemoryStore::new())).await;
    let restarted = Activities::new(MemoryStore::new());
    some_events(&restarted).await;
    for cursor in before {
        let resumed = restarted.watch_from(&Scope::all(), None, WatchFrom::After(cursor)).await;
        assert!(matches!(resumed.map(drop), Err(Error::CursorExpired { cursor: named }) if named == cursor));
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_store() {
    let activities = Activities::new(MemoryStore::new());
    let mut watch = activities.watch(&Scope::all()).await.unwrap();
    activities.create("task").await.unwrap();
    assert!(watch.next().await.is_some());
    let (ended, ()) = tokio::join!(watch.next(), async move { drop(activities) });
    assert!(ended.is_none());
}
