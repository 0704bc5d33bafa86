//! The key by which a service recognizes a call that is carried out again.

use std::collections::HashSet;

use agentexec_runner_core::RunContext;
use agentexec_tools::{CallRequest, ToolContext, ToolSet, tool};

use crate::support::Nothing;

/// The key that a tool sees.
async fn key(cx: &RunContext, call: CallRequest) -> String {
    let keyed = |_: Nothing, cx: ToolContext| async move { cx.effect_key() };
    let tools = ToolSet::new([tool("pay", "", keyed), tool("refund", "", keyed)]).unwrap();
    tools.dispatch(cx, call).await.unwrap().text
}

fn call() -> CallRequest {
    CallRequest::new("call_0", "pay", r#"{"amount": 5}"#)
}

#[tokio::test]
async fn the_key_is_the_same_when_a_call_is_carried_out_again() {
    let cx = RunContext::untracked();
    let first = key(&cx, call()).await;
    assert_eq!(first, key(&cx, call()).await);
    assert_eq!(first, key(&cx.child(None), call()).await);
    assert_eq!(first.len(), 36);
}

/// Servers that number the calls of each response from zero use an id more than once in a run, and those of an
/// agent within an agent begin anew as well.
#[tokio::test]
async fn the_key_is_another_for_each_other_call() {
    let (cx, other) = (RunContext::untracked(), RunContext::untracked());
    let keys = [
        key(&cx, call()).await,
        key(&other, call()).await,
        key(&cx, call().at(1)).await,
        key(&cx, CallRequest::new("call_1", "pay", r#"{"amount": 5}"#)).await,
        key(&cx, CallRequest::new("call_0", "refund", r#"{"amount": 5}"#)).await,
        key(&cx, CallRequest::new("call_0", "pay", r#"{"amount": 6}"#)).await,
    ];
    assert_eq!(HashSet::from(keys).len(), 6);
}

#[test]
fn the_arguments_of_a_call_are_no_part_of_its_debug_form() {
    let shown = format!("{:?} {:?}", call(), ToolContext::new(RunContext::untracked(), "call_0"));
    assert!(shown.contains("call_0") && !shown.contains("amount"), "{shown}");
}

/// An agent within a tool counts its calls anew, and is told apart by the call that it works in.
#[tokio::test]
async fn the_key_is_another_in_each_call_of_a_tool_that_calls_tools() {
    let inner = |_: Nothing, cx: ToolContext| async move { key(&cx, call()).await };
    let tools = ToolSet::new([tool("delegate", "", inner)]).unwrap();
    let cx = RunContext::untracked();
    let delegate = |id: &str| tools.dispatch(&cx, CallRequest::new(id, "delegate", "{}"));
    let (first, again) = (delegate("call_0").await.unwrap(), delegate("call_0").await.unwrap());
    assert_eq!(first.text, again.text);
    assert_ne!(first.text, delegate("call_1").await.unwrap().text);
    assert_ne!(first.text, key(&cx, call()).await);
}
