//! What is traced when the status of a dropped run cannot be written.
//!
//! A program of its own: tracing remembers for the whole process whether anybody listens at a place, and other
//! tests pass the same places with nobody listening.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io;
use std::sync::{Arc, Mutex};

use agentexec_activity_core::{Activities, Status};
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{RunContext, Track};
use futures_util::FutureExt;
use tokio::runtime::Builder;
use tracing_subscriber::fmt::MakeWriter;

fn tracked_store() -> (FailingStore, Activities) {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    (store, activities)
}

async fn never(_cx: RunContext) -> Result<(), &'static str> {
    std::future::pending().await
}

/// What was traced.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl Trace {
    /// Runs `work` with everything that it traces on this thread kept here.
    fn of(&self, work: impl FnOnce()) -> String {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Trace {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Trace {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn when_the_store_stays_down_that_is_traced_within_the_time_that_shutdown_waits() {
    let (store, activities) = tracked_store();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let traced = Trace::default().of(|| {
        runtime.block_on(async {
            let id = activities.create("research").await.unwrap();
            assert!(activities.track(id, never).now_or_never().is_none());
            store.fail_next(u32::MAX);
            assert_eq!(activities.shutdown().await, 0);
        });
    });
    let given_up = traced.lines().last().unwrap();
    assert!(given_up.contains("ERROR") && given_up.contains("told to fail"), "{traced}");
}

#[test]
fn dropped_when_its_runtime_is_gone_it_is_traced() {
    let (store, activities) = tracked_store();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let id = runtime.block_on(async { activities.create("research").await.unwrap() });
    let mut run = Box::pin(activities.track(id, never));
    runtime.block_on(async { assert!((&mut run).now_or_never().is_none()) });
    drop(runtime);
    let traced = Trace::default().of(|| drop(run));
    assert!(traced.contains("ERROR") && traced.contains(&id.to_string()), "{traced:?}");
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running]);
}

#[test]
fn a_runtime_that_goes_down_while_the_status_is_written_is_traced() {
    let (store, activities) = tracked_store();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let id = runtime.block_on(async {
        let id = activities.create("research").await.unwrap();
        assert!(activities.track(id, never).now_or_never().is_none());
        store.stall_next_answers(1);
        tokio::task::yield_now().await;
        id
    });
    let traced = Trace::default().of(|| drop(runtime));
    assert!(traced.contains("ERROR") && traced.contains(&id.to_string()), "{traced:?}");
}

#[test]
fn dropped_outside_a_runtime_it_is_traced() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").into_future().now_or_never().unwrap().unwrap();
    let traced = Trace::default().of(|| {
        assert!(activities.track(id, never).now_or_never().is_none());
    });
    assert!(traced.contains("ERROR") && traced.contains(&id.to_string()), "{traced:?}");
}
