//! What a run has cost: per turn, and summed.

use agentexec_agent_core::model::{ModelResponse, StopReason};
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{Agent, AgentRunner, ModelEvent};
use agentexec_runner_core::{Run, RunContext, Usage};

use crate::support::{QUESTION, Scene, Streaming, add, play};

fn usage(input: u64, output: u64, cached: u64, written: u64, reasoning: u64) -> Usage {
    let mut usage = Usage::new(input, output);
    (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) = (cached, written, reasoning);
    usage
}

#[tokio::test]
async fn usage_is_kept_per_turn_and_summed() {
    let (first, second) = (usage(100, 20, 0, 90, 15), usage(150, 30, 90, 40, 0));
    let turns = || [Turn::call("add", r#"{"a": 1, "b": 2}"#).using(first), Turn::text("3").using(second)];
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    let per_turn: Vec<_> = seen.run().turns.iter().map(|turn| turn.usage).collect();
    assert_eq!(per_turn, [first, second]);
    assert_eq!(seen.run().usage(), usage(250, 50, 90, 130, 15));
    assert_eq!(seen.run().usage().total_tokens(), 300);
    let calls: Vec<_> = seen.run().turns.iter().map(|turn| turn.tool_calls).collect();
    assert_eq!(calls, [1, 0]);
}

#[tokio::test]
async fn a_turn_names_the_model_and_the_request() {
    let mut response = ModelResponse::new(vec![Item::assistant("7")], StopReason::EndTurn);
    response.model = Some("large-2026".into());
    response.request_id = Some("req_1".into());
    let model = Streaming::new([vec![ModelEvent::Completed(Box::new(response))]]);
    let run = AgentRunner::new(model)
        .execute(&RunContext::untracked(), Agent::new("Counter").input(QUESTION))
        .await
        .unwrap();
    assert_eq!(run.turns[0].model.as_deref(), Some("large-2026"));
    assert_eq!(run.turns[0].request_id.as_deref(), Some("req_1"));
}
