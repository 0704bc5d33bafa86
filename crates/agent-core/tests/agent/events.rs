//! What a reader of the stream is told, and in which order.

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_agent_core::model::{ModelResponse, StopReason};
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{Agent, AgentRunner, ModelEvent, OnMaxTurns};
use agentexec_runner_core::{Retry, RunEvent, RunExt};
use futures_util::{StreamExt, TryStreamExt};

use crate::support::{QUESTION, Scene, Streaming, add, adding, play};

#[tokio::test]
async fn a_whole_run_in_order() {
    let turns = || {
        [
            Turn::text("Let me add. ").and_call("add", r#"{"a": 2, "b": 3}"#).costing(10, 5),
            Turn::text("It is 5.").costing(20, 6),
        ]
    };
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(
        seen.told(),
        [
            "started",
            "turn 1",
            "text: Let ",
            "text: me ",
            "text: add. ",
            "call call_1: add",
            r#"arguments call_1: {"a": 2, "b": 3}"#,
            "progress 10: Turn 1: Processing tool calls",
            "answer call_1: 5",
            "turn 1 finished: 10+5",
            "turn 2",
            "text: It ",
            "text: is ",
            "text: 5.",
            "turn 2 finished: 20+6",
            "finished: complete",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_is_told_from_a_dead_one_once_a_second_at_most() {
    let beats = |count: usize| vec![ModelEvent::Heartbeat; count];
    let text = |text: &str| vec![ModelEvent::TextDelta(text.into())];
    let response = ModelResponse::new(vec![Item::assistant("ab")], StopReason::EndTurn);
    let end = vec![ModelEvent::Completed(Box::new(response))];
    // Each comes 300 ms after the last: the 4th, the 8th; behind the text, none of three.
    let response = [beats(9), text("a"), beats(3), text("b"), end].concat();
    let activities = Activities::new(MemoryStore::new());
    let runner = AgentRunner::new(Streaming::new([response])).tracked(&activities);
    let id = activities.create("silent").await.unwrap();
    let events: Vec<RunEvent> =
        runner.run_streamed(id, Agent::new("Thinker").input(QUESTION)).try_collect().await.unwrap();
    let told: Vec<&RunEvent> = events
        .iter()
        .filter(|event| matches!(event, RunEvent::Heartbeat | RunEvent::TextDelta { .. }))
        .collect();
    let text = |text: &str| RunEvent::TextDelta { text: text.into() };
    assert_eq!(told, [&RunEvent::Heartbeat, &RunEvent::Heartbeat, &text("a"), &text("b")]);
}

#[tokio::test(start_paused = true)]
async fn a_response_of_heartbeats_alone_has_nothing_to_retract() {
    let activities = Activities::new(MemoryStore::new());
    let model = Streaming::new([vec![ModelEvent::Heartbeat; 9]]);
    let runner = AgentRunner::new(model).turn_retry(Retry::times(0)).tracked(&activities);
    let id = activities.create("cut").await.unwrap();
    let mut events = runner.run_streamed(id, Agent::new("Thinker").input(QUESTION));
    let mut told = Vec::new();
    while let Some(Ok(event)) = events.next().await {
        told.push(event);
    }
    assert!(told.contains(&RunEvent::Heartbeat), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, RunEvent::Retracted { .. })), "{told:?}");
}

#[tokio::test]
async fn recovering_is_told_once_before_its_first_turn() {
    let policy = OnMaxTurns::Recover { turns: 2, prompt: None };
    let agent = Agent::new("Adder").tool(add()).max_turns(1).on_max_turns(policy);
    let seen = play(|| Scene::new(agent.clone(), [adding(), adding(), Turn::text("3")])).await;
    let told: Vec<_> = seen.told();
    let recovering: Vec<_> =
        told.iter().enumerate().filter(|(_, event)| event.starts_with("recovering")).collect();
    let [(place, event)] = recovering[..] else { panic!("{told:?}") };
    assert_eq!(event, "recovering 2");
    assert_eq!(told[place + 1], "turn 2");
}

#[tokio::test]
async fn reasoning_is_told_as_it_comes() {
    let response = ModelResponse::new(vec![Item::assistant("7")], StopReason::EndTurn);
    let model = Streaming::new([vec![
        ModelEvent::ReasoningDelta("One, ".into()),
        ModelEvent::ReasoningDelta("two".into()),
        ModelEvent::TextDelta("7".into()),
        ModelEvent::Completed(Box::new(response)),
        ModelEvent::TextDelta("behind the end".into()),
    ]]);
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("count").await.unwrap();
    let runner = AgentRunner::new(model).tracked(&activities);
    let events: Vec<_> =
        runner.run_streamed(id, Agent::new("Counter").input(QUESTION)).try_collect().await.unwrap();
    let deltas: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::ReasoningDelta { text } | RunEvent::TextDelta { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, ["One, ", "two", "7"]);
}

/// More events than the stream holds: the run waits for its reader, and nothing is lost.
#[tokio::test]
async fn a_flood_of_deltas_arrives_whole() {
    let long = "word ".repeat(10_000);
    let seen = play(|| Scene::new(Agent::new("Talker"), [Turn::text(&long)])).await;
    assert_eq!(seen.shown(), long);
    assert_eq!(seen.run().output, long);
}
