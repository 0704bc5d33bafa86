//! Agents that cannot be run, and agents that are shown in a log.

use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, Model};
use agentexec_runner_core::{Retry, Run, RunContext, RunExt};
use agentexec_tools::ToolSetError;
use std::sync::Arc;

use crate::support::{Count, QUESTION, Scene, add, counted, play_with};

#[tokio::test(start_paused = true)]
async fn two_tools_of_one_name_are_reported_before_anybody_is_asked() {
    let agent = Agent::new("Adder").tool(add()).tool(add());
    let runner = |model| {
        let other = AgentRunner::new(ScriptedModel::new([Turn::text("unreachable")]));
        AgentRunner::new(model).retry(Retry::default()).fallback(other)
    };
    let seen = play_with(|| Scene::new(agent.clone(), [Turn::text("unreachable")]), runner).await;
    let AgentErrorKind::Tools(error) = seen.kind() else { panic!("{:?}", seen.kind()) };
    assert_eq!(*error, ToolSetError::Duplicate { name: "add".into() });
    assert!(seen.requests.is_empty());
    assert!(!seen.error().is_resumable());
    assert_eq!(
        seen.messages.last().unwrap(),
        "Task failed with error: two tools are named \"add\"; give each a name of its own"
    );
}

#[tokio::test]
async fn the_first_thing_wrong_with_the_tools_is_reported() {
    let count = Count::default();
    let agent = Agent::new("Adder")
        .tool(counted("a b", &count, ""))
        .tools([add(), add()])
        .tool(counted("look", &count, ""));
    let run = AgentRunner::new(ScriptedModel::new([]));
    let error = run.execute(&RunContext::untracked(), agent.input(QUESTION)).await.unwrap_err();
    let error = error.into_error().unwrap();
    assert!(
        matches!(error.kind(), AgentErrorKind::Tools(ToolSetError::BadName { name }) if name == "a b"),
        "{error:?}"
    );
}

/// A prompt or an argument does not get into a log because somebody shows what surrounds it.
#[tokio::test]
async fn debug_forms_do_not_show_prompts_or_arguments() {
    let agent = Agent::new("Adder").instructions("the-instructions").tool(add());
    let input = agent.input("the-question");
    let model = ScriptedModel::new([Turn::call("add", r#"{"a": "the-argument"}"#), Turn::text("the end")]);
    let run = AgentRunner::new(model).execute(&RunContext::untracked(), input.clone()).await.unwrap();
    let shown = format!("{agent:?} {input:?} {:?} {:?}", run.transcript, run);
    for secret in ["the-instructions", "the-question", "the-argument"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("Adder") && shown.contains("\"add\""), "{shown}");
}

#[tokio::test]
async fn a_model_that_is_shared_is_a_model() {
    let model: Arc<dyn Model> = Arc::new(ScriptedModel::new([Turn::text("7"), Turn::text("8")]));
    let runners = [AgentRunner::new(Arc::clone(&model)), AgentRunner::new(Arc::clone(&model))];
    let cx = RunContext::untracked();
    let agent = Agent::new("Counter");
    assert_eq!(runners[0].execute(&cx, agent.input(QUESTION)).await.unwrap().output, "7");
    assert_eq!(runners[1].execute(&cx, agent.input(QUESTION)).await.unwrap().output, "8");
    assert_eq!(model.id(), "scripted:model");
}
