//! The work panics.

use agentexec_activity_core::{Activities, AgentId, MemoryStore, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Lifecycle, OnPanic, RunContext, RunError, Track, TrackedError};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

use crate::support::tracked_store;

async fn panic_in_the_future(_cx: RunContext) -> Result<(), &'static str> {
    panic!("index 7 is out of reach")
}

fn panic_before_the_future(_cx: RunContext) -> std::future::Ready<Result<(), &'static str>> {
    std::panic::panic_any("index 7 is out of reach".to_owned())
}

fn assert_recorded(store: &impl Recorded, id: AgentId) {
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
    assert_eq!(
        store.messages(id).last().unwrap(),
        "Task failed with error: panicked: index 7 is out of reach"
    );
}

fn assert_panicked(failed: TrackedError<(), &'static str>) {
    let TrackedError::Run(RunError::Panicked { message }) = failed else { panic!("{failed}") };
    assert_eq!(message, "index 7 is out of reach");
}

#[tokio::test]
async fn a_panic_in_the_future_is_an_error() {
    let (store, activities) = tracked_store();
    let id = activities.create("index").await.unwrap();
    assert_panicked(activities.track(id, panic_in_the_future).await.unwrap_err());
    assert_recorded(&store, id);
}

#[tokio::test]
async fn a_panic_before_there_is_a_future_is_an_error() {
    let (store, activities) = tracked_store();
    let id = activities.create("index").await.unwrap();
    assert_panicked(activities.track(id, panic_before_the_future).await.unwrap_err());
    assert_recorded(&store, id);
}

#[tokio::test]
async fn a_panic_goes_on_by_choice_once_it_is_recorded() {
    let (store, activities) = tracked_store();
    let lifecycle = Lifecycle::new(&activities).on_panic(OnPanic::Resume);
    let id = activities.create("index").await.unwrap();
    let panic = AssertUnwindSafe(lifecycle.run(id, panic_in_the_future)).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"index 7 is out of reach"));
    assert_recorded(&store, id);

    let id = activities.create("index").await.unwrap();
    let panic = AssertUnwindSafe(lifecycle.run(id, panic_before_the_future)).catch_unwind().await;
    assert_eq!(panic.unwrap_err().downcast_ref::<String>().unwrap(), "index 7 is out of reach");
    assert_recorded(&store, id);
}

#[tokio::test]
async fn a_panic_without_words_is_an_error_too() {
    let (store, activities) = tracked_store();
    let id = activities.create("index").await.unwrap();
    let work = |_cx| async {
        if true {
            std::panic::panic_any(7);
        }
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap_err();
    assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: panicked: no message");
}

#[tokio::test]
async fn what_a_panic_says_is_redacted() {
    let store = MemoryStore::new();
    let activities = Activities::builder(store.clone()).redact(|text| text.replace('7', "[number]")).build();
    let id = activities.create("index").await.unwrap();
    activities.track(id, panic_in_the_future).await.unwrap_err();
    assert_eq!(
        store.messages(id).last().unwrap(),
        "Task failed with error: panicked: index [number] is out of reach"
    );
}
