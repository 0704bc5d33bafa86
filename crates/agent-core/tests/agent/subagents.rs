//! An agent that runs within a tool of another.

use agentexec_activity_core::Status;
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, OnMaxTurns};
use agentexec_runner_core::Run;
use agentexec_tools::{DynTool, ToolContext, tool};

use crate::support::{Nothing, QUESTION, Scene, add, adding, play, play_beside, play_with};

/// A tool that hands the question to this agent, whose model answers with these turns.
fn delegate(agent: Agent, turns: fn() -> Vec<Turn>) -> DynTool {
    tool("delegate", "", move |_: Nothing, cx: ToolContext| {
        let runner = AgentRunner::new(ScriptedModel::new(turns())).automatic_progress(false);
        let input = agent.input(QUESTION);
        async move { runner.execute(&cx, input).await.map(|run| run.output).map_err(|error| error.to_string()) }
    })
}

/// What the inner agent comes to is the answer of a tool, not the end of the run.
#[tokio::test]
async fn its_limit_of_turns_is_not_that_of_the_whole() {
    let turns = || vec![Turn::text("So far 3.").and_call("add", r#"{"a": 1, "b": 2}"#)];
    let inner = || Agent::new("Inner").tool(add()).max_turns(1);
    let outer = |inner| Agent::new("Outer").tool(delegate(inner, turns));
    let script = || [Turn::call("delegate", "{}"), Turn::text("About 3.")];

    let seen = play(|| Scene::new(outer(inner().on_max_turns(OnMaxTurns::Partial)), script())).await;
    assert_eq!(seen.said()[2], "output call_1: So far 3.");
    assert_eq!(seen.run().output, "About 3.");
    assert_eq!(seen.messages.last().unwrap(), "Task completed successfully.");
    assert_eq!(seen.percentages, [0, 0, 10, 100]);

    let seen = play(|| Scene::new(outer(inner()), script())).await;
    assert!(
        seen.said()[2].starts_with("output call_1!: the agent reached its limit of turns (1)"),
        "{:?}",
        seen.said()
    );
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));
}

#[tokio::test]
async fn its_turns_are_not_those_after_which_the_whole_is_to_stop() {
    let turns = || vec![adding(), Turn::text("3 in all.")];
    let stop = tool("stop", "", |_: Nothing, cx: ToolContext| async move { cx.cancel_after_turn() });
    let agent =
        || Agent::new("Outer").tool(delegate(Agent::new("Inner").tool(add()), turns)).tool(stop.clone());
    let script = || [Turn::call("stop", "{}").and_call("delegate", "{}"), Turn::text("unreachable")];
    let one_by_one = |model| AgentRunner::new(model).parallel_tools(1);
    let seen = play_with(|| Scene::new(agent(), script()), one_by_one).await;
    assert_eq!(seen.said().last().unwrap(), "output call_2: 3 in all.");
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert_eq!(seen.requests.len(), 1);
}

#[tokio::test]
async fn it_stops_with_the_whole() {
    let turns = || vec![adding(), Turn::never()];
    let agent = || Agent::new("Outer").tool(delegate(Agent::new("Inner").tool(add()), turns).no_timeout());
    let script = || [Turn::call("delegate", "{}"), Turn::text("unreachable")];
    let seen = play_beside(
        || Scene::new(agent(), script()),
        AgentRunner::new,
        async |activities, id| {
            let all = agentexec_activity_core::Scope::all();
            activities.request_cancel(&all, id, "no longer needed").await.unwrap();
        },
    )
    .await;
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert_eq!(seen.said()[2], "output call_1!: the agent was stopped before it finished");
    assert_eq!(seen.statuses.last(), Some(&Status::Canceled));
}

/// What is streamed of the inner agent's turns is not the run's; its reports are.
#[tokio::test]
async fn its_turns_and_its_text_are_not_streamed_as_those_of_the_whole() {
    let report = || {
        let said = r#"{"message": "Inside", "percentage": 30}"#;
        vec![Turn::call("report_activity", said), Turn::text("inner words")]
    };
    let inner = Agent::new("Inner").tool(agentexec_tools::report_status());
    let outer = Agent::new("Outer").tool(delegate(inner, report));
    let script = || [Turn::call("delegate", "{}"), Turn::text("outer words")];
    let told = play(|| Scene::new(outer.clone(), script())).await.told();
    assert!(told.iter().any(|event| event == "progress 30: Inside"), "{told:?}");
    assert!(!told.iter().any(|event| event.starts_with("text: inner")), "{told:?}");
    assert_eq!(told.iter().filter(|event| *event == "turn 1").count(), 1, "{told:?}");
}
