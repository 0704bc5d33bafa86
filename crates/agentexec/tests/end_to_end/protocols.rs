//! One conversation of several turns and several tools, over each protocol, streamed and not.

use agentexec::agent::Item;
use agentexec::prelude::*;
use agentexec::runner::testing::Recorded;
use agentexec_demo::{Conversation, Reply};
use futures_util::TryStreamExt;
use serde_json::json;

use crate::world::{ALL, World, engine, server};

/// Reports, adds and asks for the weather at once; asks for one thing that fails; answers with what it read.
fn brain(conversation: &Conversation) -> Reply {
    match conversation.turns() {
        0 => Reply::call("report_activity", json!({"message": "Looking", "percentage": 40}))
            .and_call("add", json!({"a": 2, "b": 3}))
            .and_call("get_weather", json!({"city": "Oslo"})),
        1 => Reply::call("get_weather", json!({"city": "Atlantis"})).and_call("divide", json!({})),
        _ => Reply::text(conversation.tool_outputs().collect::<Vec<_>>().join(" | ")),
    }
}

const ANSWER: &str = "Status updated | 5 | 21 C in Oslo | no such city | There is no tool named 'divide'. \
                      The tools are: add, get_weather, report_activity.";

#[tokio::test]
async fn a_conversation_of_several_turns_and_tools_works_on_each_protocol_streamed_and_not() {
    let server = server(brain);
    for way in ALL {
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = engine(&server, way).tracked(&world.activities);
        let run = runner.run(id, world.agent().input("Go")).await.unwrap();

        assert_eq!(run.output, ANSWER, "{way:?}");
        assert_eq!((run.turns.len(), world.calls()), (3, 3), "{way:?}");
        assert!(run.usage().input_tokens > 0 && run.usage().output_tokens > 0, "{way:?}: {:?}", run.usage());
        assert!(run.turns.iter().all(|turn| turn.request_id.is_some()), "{way:?}");
        assert!(run.transcript.open_calls().is_empty(), "{way:?}");
        assert_eq!(world.store.statuses(id), [Status::Queued, Status::Running, Status::Complete], "{way:?}");
        assert_eq!(
            world.store.messages(id),
            [
                "Waiting to start.",
                "Task started.",
                "Turn 1: Processing tool calls",
                "Looking",
                "Turn 2: Processing tool calls",
                "Task completed successfully.",
            ],
            "{way:?}"
        );
        assert_eq!(world.store.percentages(id), [0, 0, 10, 40, 40, 100], "{way:?}");
    }
}

#[tokio::test]
async fn the_stream_of_a_run_tells_the_same_story_on_each_protocol() {
    let server = server(brain);
    for way in ALL {
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = engine(&server, way).tracked(&world.activities);
        let mut events = runner.run_streamed(id, world.agent().input("Go"));
        let (mut text, mut tools, mut turns) = (String::new(), Vec::new(), 0);
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                RunEvent::TextDelta { text: piece } => text.push_str(&piece),
                RunEvent::ToolCallFinished { name, is_error, .. } => tools.push((name, is_error)),
                RunEvent::TurnFinished { turn, .. } => turns = turn,
                _ => {}
            }
        }
        tools.sort();
        assert_eq!((text.as_str(), turns), (ANSWER, 3), "{way:?}");
        let expected = [
            ("add", false),
            ("divide", true),
            ("get_weather", false),
            ("get_weather", true),
            ("report_activity", false),
        ];
        assert_eq!(tools, expected.map(|(name, failed)| (name.to_owned(), failed)), "{way:?}");
        assert_eq!(events.output().await.unwrap().output, ANSWER, "{way:?}");
    }
}

#[tokio::test]
async fn a_second_question_goes_on_from_the_transcript_of_the_first() {
    let server = server(|conversation: &Conversation| Reply::text(format!("{} turns", conversation.turns())));
    for way in ALL {
        let world = World::new();
        let agent = world.agent();
        let engine = engine(&server, way);
        let first = engine.execute(&RunContext::untracked(), agent.input("One")).await.unwrap();
        let mut transcript = first.transcript;
        transcript.push(Item::user("Two"));
        let second = engine.execute(&RunContext::untracked(), agent.resume(transcript)).await.unwrap();
        assert_eq!((first.output.as_str(), second.output.as_str()), ("0 turns", "1 turns"), "{way:?}");
    }
}
