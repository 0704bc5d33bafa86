//! Runs that end with what a tool answered.

use agentexec_activity_core::Status;
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, Finish, OnToolUse};
use agentexec_runner_core::{Run, RunContext};
use agentexec_tools::{ToolContext, ToolError, report_status, tool};

use crate::support::{Count, Nothing, Scene, add, adding, counted, play};

fn agent(policy: OnToolUse) -> Agent {
    Agent::new("Adder").tool(add()).tool(report_status()).on_tool_use(policy)
}

#[tokio::test]
async fn the_first_answer_of_the_turn_is_the_output() {
    let count = Count::default();
    let turns = || [Turn::call("count", "{}").and_call("add", r#"{"a": 1, "b": 2}"#)];
    let agent = || agent(OnToolUse::Stop).tool(counted("count", &count, "one"));
    let seen = play(|| Scene::new(agent(), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("one", Finish::Tool));
    assert_eq!(
        seen.said()[1..],
        [
            "call call_1: count {}",
            r#"call call_2: add {"a": 1, "b": 2}"#,
            "output call_1: one",
            "output call_2: 3"
        ]
    );
    assert_eq!(seen.requests.len(), 1, "the model is not asked again");
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));
}

#[tokio::test]
async fn only_the_tools_that_were_named_end_the_run() {
    let count = Count::default();
    let agent = || agent(OnToolUse::StopAt(vec!["count".into()])).tool(counted("count", &count, "one"));
    let seen = play(|| Scene::new(agent(), [adding(), Turn::call("count", "{}")])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("one", Finish::Tool));
    assert_eq!(seen.requests.len(), 2);

    let seen = play(|| Scene::new(agent(), [adding(), Turn::text("3")])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("3", Finish::Final));
}

#[tokio::test]
async fn a_fatal_error_beside_it_ends_the_run_for_good() {
    let closed = tool("book", "", |_: Nothing, _cx: ToolContext| async {
        Err::<(), _>(ToolError::fatal("the ledger is closed"))
    });
    let agent = || agent(OnToolUse::Stop).tool(closed.clone());
    let turn = || Turn::call("add", r#"{"a": 1, "b": 2}"#).and_call("book", "{}");
    let seen = play(|| Scene::new(agent(), [turn()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::FatalTool(_)), "{:?}", seen.kind());

    let model = ScriptedModel::new([Turn::text("The ledger is closed.")]);
    let input = agent().resume_state(seen.error().state().clone());
    let run = AgentRunner::new(model).execute(&RunContext::untracked(), input).await.unwrap();
    assert_eq!((run.output.as_str(), run.finish), ("The ledger is closed.", Finish::Final));
}

#[tokio::test]
async fn an_error_and_a_report_do_not_end_the_run() {
    let turns = || {
        [
            Turn::call("report_activity", r#"{"message": "Counting", "percentage": 10}"#),
            Turn::call("add", r#"{"a": "one"}"#),
            adding(),
        ]
    };
    let seen = play(|| Scene::new(agent(OnToolUse::Stop), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("3", Finish::Tool));
    assert_eq!(seen.requests.len(), 3);
}
