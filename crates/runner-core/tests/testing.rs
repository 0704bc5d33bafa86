//! How users test their own runners: assert what was recorded, and let the store fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use agentexec_activity_core::{Activities, AgentId, MemoryStore, Status};
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{RunContext, RunExt, Runner, Track};

/// A framework's agent, as a test replaces it.
struct MockAgent {
    answer: Result<&'static str, &'static str>,
}

struct MyRunner {
    agent: MockAgent,
}

impl Runner for MyRunner {
    type Input = String;
    type Output = String;
    type Error = anyhow::Error;

    async fn run(&self, cx: &RunContext, input: String) -> anyhow::Result<String> {
        cx.progress("Asking the framework", 10).await;
        match self.agent.answer {
            Ok(answer) => Ok(format!("{input}: {answer}")),
            Err(error) => Err(anyhow::anyhow!(error)),
        }
    }
}

#[tokio::test]
async fn a_custom_runner_goes_through_its_lifecycle() {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let runner = MyRunner { agent: MockAgent { answer: Ok("test") } }.tracked(&activities);

    let id = activities.create("test").await.unwrap();
    let output = runner.run(id, "test".into()).await.unwrap();

    assert_eq!(output, "test: test");
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
    assert!(store.messages(id).contains(&"Asking the framework".to_owned()));
    assert_eq!(store.percentages(id), [0, 0, 10, 100]);
}

#[tokio::test]
async fn a_custom_runner_that_fails_is_recorded_as_an_error() {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let runner = MyRunner { agent: MockAgent { answer: Err("Test error") } }.tracked(&activities);

    let id = activities.create("test").await.unwrap();
    let failed = runner.run(id, "test".into()).await.unwrap_err();

    assert_eq!(failed.to_string(), "Test error");
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
    assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: Test error");
}

#[tokio::test]
async fn a_runner_can_be_tested_without_an_activity() {
    let runner = MyRunner { agent: MockAgent { answer: Ok("test") } };
    assert_eq!(runner.run(&RunContext::untracked(), "test".into()).await.unwrap(), "test: test");
}

#[tokio::test]
async fn an_unknown_activity_has_recorded_nothing() {
    let store = MemoryStore::new();
    let id = AgentId::new();
    assert!(store.recorded(id).is_none());
    assert!(
        store.statuses(id).is_empty() && store.messages(id).is_empty() && store.percentages(id).is_empty()
    );
}

#[tokio::test]
async fn the_failing_store_fails_so_many_operations_and_no_more() {
    let store = FailingStore::new(MemoryStore::new());
    let activities = Activities::new(store.clone());
    let id = activities.create("test").await.unwrap();

    store.fail_next(2);
    assert!(activities.update(id, "First").await.unwrap_err().is_retryable());
    assert!(activities.update(id, "Second").await.is_err());
    activities.update(id, "Third").await.unwrap();

    store.lose_next_answers(1);
    assert!(activities.update(id, "Fourth").await.is_err());
    assert_eq!(store.messages(id), ["Waiting to start.", "Third", "Fourth"]);

    store.fail_next(u32::MAX);
    assert!(activities.update(id, "Fifth").await.is_err());
    assert!(activities.update(id, "Sixth").await.is_err());
    store.fail_next(0);
    activities.complete(id).await.unwrap();
    assert_eq!(store.inner().statuses(id), store.statuses(id));
}

#[tokio::test(start_paused = true)]
async fn the_failing_store_can_leave_out_its_answer() {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    let id = activities.create("test").await.unwrap();
    activities.start(id).await.unwrap();
    store.stall_next_answers(1);
    let update = activities.update(id, "Working").into_future();
    tokio::time::timeout(std::time::Duration::from_hours(1), update).await.unwrap_err();
    assert_eq!(store.messages(id), ["Waiting to start.", "Task started.", "Working"]);
}

#[tokio::test]
async fn a_failing_store_shows_how_a_runner_copes() {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    let id = activities.create("test").await.unwrap();
    let failing = store.clone();
    let work = |cx: RunContext| async move {
        failing.fail_next(1);
        cx.progress("Half", 50).await;
        Ok::<_, anyhow::Error>(())
    };
    activities.track(id, work).await.unwrap();
    assert_eq!(store.percentages(id), [0, 0, 100]);
}
