//! A tool that says that its error is fatal ends the run, and nothing of it is left behind.

use agentexec_activity_core::Status;
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner};
use agentexec_runner_core::Usage;
use agentexec_tools::{DynTool, ToolContext, ToolError, tool};

use crate::support::{Count, CountDrop, Nothing, Scene, add, counted, play, play_with, play_with_fallback};

fn closed() -> DynTool {
    tool("book", "", |_: Nothing, _cx: ToolContext| async {
        tokio::task::yield_now().await;
        Err::<(), _>(ToolError::fatal("the ledger is closed"))
    })
}

/// A tool that never answers and counts when it is dropped.
fn endless(dropped: &Count) -> DynTool {
    let dropped = dropped.clone();
    tool("wait", "", move |_: Nothing, _cx: ToolContext| {
        let guard = CountDrop(dropped.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    })
    .no_timeout()
}

#[tokio::test]
async fn the_run_fails_with_every_call_answered_and_nothing_running() {
    let dropped = Count::default();
    let agent = Agent::new("Clerk").tools([add(), closed(), endless(&dropped)]);
    let turn = || {
        Turn::call("add", r#"{"a": 1, "b": 2}"#).and_call("wait", "{}").and_call("book", "{}").costing(3, 4)
    };
    let seen = play(|| Scene::new(agent.clone(), [turn(), Turn::text("unreachable")])).await;
    let AgentErrorKind::FatalTool(error) = seen.kind() else { panic!("{:?}", seen.kind()) };
    assert_eq!((error.name.as_str(), error.message.as_str()), ("book", "the ledger is closed"));
    assert_eq!(
        seen.said()[4..],
        [
            "output call_1: 3",
            "output call_2!: Tool 'wait' was stopped before it finished: the tool 'book' ended the run.",
            "output call_3!: the ledger is closed",
        ]
    );
    assert_eq!(dropped.get(), 2, "once in each of the two plays");
    assert_eq!(seen.error().usage(), Usage::new(3, 4));
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
    assert_eq!(
        seen.messages.last().unwrap(),
        "Task failed with error: the tool \"book\" ended the run: the ledger is closed"
    );
}

#[tokio::test]
async fn the_stream_tells_the_end_of_every_call_and_the_cost_of_the_turn() {
    let agent = Agent::new("Clerk").tools([closed(), endless(&Count::default())]);
    let turn = || Turn::call("wait", "{}").and_call("book", "{}").costing(3, 4);
    let seen = play(|| Scene::new(agent.clone(), [turn()])).await;
    let told = seen.told();
    let (_, after) = told.split_at(told.iter().position(|event| event.starts_with("answer")).unwrap());
    assert_eq!(
        after,
        [
            "answer call_2!: the ledger is closed",
            "answer call_1!: Tool 'wait' was stopped before it finished: the tool 'book' ended the run.",
            "turn 1 finished: 3+4",
            "finished: error",
        ]
    );
}

#[tokio::test]
async fn calls_that_had_not_begun_do_not_begin() {
    let count = Count::default();
    let agent = Agent::new("Clerk").tools([closed(), counted("look", &count, "seen")]);
    let turn = || Turn::call("book", "{}").and_call("look", "{}");
    let seen =
        play_with(|| Scene::new(agent.clone(), [turn()]), |model| AgentRunner::new(model).parallel_tools(1))
            .await;
    assert_eq!(count.get(), 0);
    assert_eq!(
        seen.said()[4],
        "output call_2!: Tool 'look' was stopped before it finished: the tool 'book' ended the run."
    );
}

#[tokio::test]
async fn no_other_model_takes_over() {
    let agent = Agent::new("Clerk").tool(closed());
    let scene = || Scene::new(agent.clone(), [Turn::call("book", "{}")]);
    let (seen, asked) = play_with_fallback(scene, || vec![Turn::text("unreachable")]).await;
    assert!(matches!(seen.kind(), AgentErrorKind::FatalTool(_)), "{:?}", seen.kind());
    assert_eq!(asked.len(), 0);
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
}
