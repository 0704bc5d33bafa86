//! A call is a part of its run: what it may do to the whole, and what it hears of it.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{RunContext, Track};
use agentexec_tools::{DynTool, ToolContext, tool};
use tokio::time::Instant;

use crate::support::{Nothing, call_in};

/// Where a tool leaves its context for whatever it has set going.
type Left = Arc<Mutex<Option<ToolContext>>>;

/// A tool that leaves its context and then does this.
fn leaving<Fut: Future<Output = &'static str> + Send + 'static>(
    left: &Left,
    then: impl Fn() -> Fut + Send + Sync + 'static,
) -> DynTool {
    let left = Arc::clone(left);
    tool("start", "", move |_: Nothing, cx: ToolContext| {
        *left.lock().unwrap() = Some(cx);
        then()
    })
}

fn heard(left: &Left) -> bool {
    left.lock().unwrap().as_ref().unwrap().is_canceled()
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_has_set_going_hears_when_the_call_is_given_up() {
    let (cx, left) = (RunContext::untracked(), Left::default());
    let slow = leaving(&left, pending).timeout(Duration::from_secs(1));
    assert!(call_in(&cx, slow, "{}").await.unwrap().is_error);
    assert!(heard(&left));

    let panicking = leaving(&left, || async { panic!("amid its work") });
    assert!(call_in(&cx, panicking, "{}").await.unwrap().is_error);
    assert!(heard(&left));

    let dropped = leaving(&left, pending);
    tokio::select! {
        biased;
        _ = call_in(&cx, dropped, "{}") => panic!("it never ends"),
        () = std::future::ready(()) => {}
    }
    assert!(heard(&left));
    assert!(!cx.is_canceled(), "the run itself goes on");
}

#[tokio::test]
async fn what_a_tool_has_set_going_goes_on_after_an_answer_until_the_run_stops() {
    let (cx, left) = (RunContext::untracked(), Left::default());
    let answer = call_in(&cx, leaving(&left, || async { "started" }), "{}").await.unwrap();
    assert_eq!(answer.text, "started");
    assert!(!heard(&left));
    cx.cancel("enough");
    assert!(heard(&left));
}

#[tokio::test(start_paused = true)]
async fn a_tool_sees_the_nearer_of_the_deadlines() {
    let (cx, left) = (RunContext::untracked(), Left::default());
    let cx = cx.child(Some(Instant::now() + Duration::from_secs(60)));
    let deadline = |left: &Left| left.lock().unwrap().as_ref().unwrap().deadline().unwrap() - Instant::now();
    for (timeout, seen) in [(30, 30), (90, 60)] {
        let tool = leaving(&left, || async { "" }).timeout(Duration::from_secs(timeout));
        call_in(&cx, tool, "{}").await.unwrap();
        assert_eq!(deadline(&left), Duration::from_secs(seen));
    }
    call_in(&cx, leaving(&left, || async { "" }).timeout(Duration::MAX), "{}").await.unwrap();
    assert_eq!(deadline(&left), Duration::from_secs(60));
}

/// A sub-agent that ends at its limit of turns must not say so for the whole.
#[tokio::test]
async fn a_tool_has_no_say_in_how_the_run_completes() {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("research").await.unwrap();
    let boasting =
        tool("finish", "", |_: Nothing, cx: ToolContext| async move { cx.complete_with("All mine") });
    activities.track(id, |cx| async move { call_in(&cx, boasting, "{}").await }).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), "Task completed successfully.");
}

#[tokio::test]
async fn a_tool_can_ask_the_whole_run_to_stop() {
    let cx = RunContext::untracked();
    let stop = tool("stop", "", |_: Nothing, cx: ToolContext| async move { cx.cancel("the user said no") });
    call_in(&cx, stop, "{}").await.unwrap();
    assert_eq!(cx.cancel_reason().as_deref(), Some("the user said no"));
    assert!(cx.is_canceled());
}
