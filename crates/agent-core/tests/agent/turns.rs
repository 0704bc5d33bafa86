//! One response of the model after the other: when a run is over, and what the model reads.

use agentexec_activity_core::Status;
use agentexec_agent_core::model::{StopReason, ToolChoice};
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, ReasoningItem};
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, Finish, ModelSettings, Transcript};
use agentexec_runner_core::{Run, RunContext};
use serde_json::json;

use crate::support::{Count, QUESTION, Scene, add, adding, counted, overloaded, play, said};

#[tokio::test]
async fn text_is_the_final_answer() {
    let seen = play(|| Scene::new(Agent::new("Counter"), [Turn::text("There are 7.")])).await;
    assert_eq!(seen.run().output, "There are 7.");
    assert_eq!(seen.run().finish, Finish::Final);
    assert_eq!(seen.said(), ["user: How many?", "assistant: There are 7."]);
    assert_eq!(seen.statuses, [Status::Queued, Status::Running, Status::Complete]);
    assert_eq!(seen.messages.last().unwrap(), "Task completed successfully.");
    assert_eq!(seen.shown(), "There are 7.");
}

#[tokio::test]
async fn text_beside_a_tool_call_is_not_final() {
    let turns =
        || [Turn::text("Let me add. ").and_call("add", r#"{"a": 2, "b": 3}"#), Turn::text("It is 5.")];
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(seen.run().output, "It is 5.");
    assert_eq!(
        seen.said(),
        [
            "user: How many?",
            "assistant: Let me add. ",
            r#"call call_1: add {"a": 2, "b": 3}"#,
            "output call_1: 5",
            "assistant: It is 5.",
        ]
    );
    assert_eq!(
        said(&seen.requests[1].transcript),
        seen.said()[..4],
        "what the model read in its second turn"
    );
}

#[tokio::test]
async fn a_response_is_a_turn_and_there_are_ten() {
    let nine = || (0..9).map(|_| adding()).chain([Turn::text("Enough.")]);
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), nine())).await;
    assert_eq!(seen.run().turns.len(), 10);

    let ten = || (0..11).map(|_| adding());
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), ten())).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 10, .. }), "{:?}", seen.kind());
    assert_eq!(seen.requests.len(), 10);
}

#[tokio::test]
async fn what_the_agent_is_made_of_goes_into_each_request() {
    let mut settings = ModelSettings::default();
    settings.temperature = Some(0.5);
    let agent =
        Agent::new("Adder").instructions("Add.").model("small").settings(settings.clone()).tool(add());
    let seen = play(|| Scene::new(agent.clone(), [adding(), Turn::text("3")])).await;
    for asked in &seen.requests {
        assert_eq!(asked.instructions.as_deref(), Some("Add."));
        assert_eq!(asked.model.as_deref(), Some("small"));
        assert_eq!(asked.tools, ["add"]);
        assert_eq!(asked.settings, settings);
    }
}

/// Signatures, encrypted thoughts and items that nobody here knows.
#[tokio::test]
async fn items_of_the_provider_go_back_as_they_came() {
    let thought = Item::Reasoning(ReasoningItem {
        text: "Add them.".into(),
        raw: Some(Raw::new("test", json!({"signature": "abc"}))),
    });
    let opaque = Item::Opaque(Raw::new("test", json!({"type": "server_tool_use", "id": 1})));
    let text = Item::Assistant(AssistantItem { text: "Hm.".into(), raw: Some(Raw::new("test", json!([1]))) });
    let turns = || {
        [
            Turn::default()
                .and_item(thought.clone())
                .and_item(opaque.clone())
                .and_item(text.clone())
                .and_call("add", r#"{"a": 1, "b": 2}"#),
            Turn::text("3"),
        ]
    };
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(seen.requests[1].transcript.items()[1..4], [thought.clone(), opaque.clone(), text.clone()]);
}

#[tokio::test]
async fn an_empty_response_is_an_empty_answer() {
    let seen = play(|| Scene::new(Agent::new("Silent"), [Turn::default()])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("", Finish::Final));
    assert_eq!(seen.said(), ["user: How many?"]);

    let turns = || [Turn::text("Wait. ").and_call("add", r#"{"a": 1, "b": 2}"#), Turn::default()];
    let seen = play(|| Scene::new(Agent::new("Silent").tool(add()), turns())).await;
    assert_eq!(seen.run().output, "");
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));
}

#[tokio::test]
async fn a_paused_turn_is_resent_as_it_is_and_counts() {
    let turns = || [Turn::text("One, ").stopping(StopReason::Pause), Turn::text("two.")];
    let seen = play(|| Scene::new(Agent::new("Counter"), turns())).await;
    assert_eq!(said(&seen.requests[1].transcript), ["user: How many?", "assistant: One, "]);
    assert_eq!(seen.run().output, "One, two.");
    assert_eq!(seen.run().turns.len(), 2);
    assert_eq!(seen.shown(), "One, two.");
}

#[tokio::test]
async fn a_model_that_pauses_for_ever_ends_at_the_limit() {
    let turns = || (0..5).map(|_| Turn::text("…").stopping(StopReason::Pause));
    let seen = play(|| Scene::new(Agent::new("Counter").max_turns(3), turns())).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 3, .. }), "{:?}", seen.kind());
    assert_eq!(seen.requests.len(), 3);
}

/// Otherwise a run whose model must call a tool would never end.
#[tokio::test]
async fn a_demand_for_tools_holds_until_tools_were_called() {
    for demand in [ToolChoice::Required, ToolChoice::Tool("add".into())] {
        let agent = Agent::new("Adder").tool(add()).tool_choice(demand.clone());
        let turns = || [Turn::default().stopping(StopReason::Pause), adding(), adding(), Turn::text("3")];
        let seen = play(|| Scene::new(agent.clone(), turns())).await;
        let choices: Vec<_> = seen.requests.iter().map(|asked| asked.tool_choice.clone()).collect();
        assert_eq!(choices, [demand.clone(), demand, ToolChoice::Auto, ToolChoice::Auto]);
    }
}

#[tokio::test]
async fn a_demand_for_tools_does_not_come_back_to_who_goes_on_from_their_answers() {
    let agent = Agent::new("Adder").tool(add()).tool_choice(ToolChoice::Required);
    let turns = || [adding(), Turn::fail(overloaded())];
    let failed = play(|| Scene::new(agent.clone(), turns())).await;
    let transcript = failed.error().transcript().clone();

    let asked = async |transcript: Transcript| {
        let model = ScriptedModel::new([Turn::text("3")]);
        let runner = AgentRunner::new(model.clone());
        runner.execute(&RunContext::untracked(), agent.resume(transcript)).await.unwrap();
        model.requests()[0].tool_choice.clone()
    };
    assert_eq!(asked(transcript.clone()).await, ToolChoice::Auto);
    let mut next_question = transcript;
    next_question.push(Item::assistant("3"));
    next_question.push(Item::user("And 2 and 3?"));
    assert_eq!(asked(next_question).await, ToolChoice::Required, "a new question is a new demand");
}

#[tokio::test]
async fn a_ban_on_tools_stays() {
    let agent = Agent::new("Adder").tool(add()).tool_choice(ToolChoice::None);
    let seen = play(|| Scene::new(agent.clone(), [adding(), Turn::text("3")])).await;
    assert!(seen.requests.iter().all(|asked| asked.tool_choice == ToolChoice::None));
}

#[tokio::test]
async fn an_unknown_stop_reason_ends_the_turn_and_no_more() {
    let unknown = || StopReason::Other("moon_phase".into());
    let seen = play(|| Scene::new(Agent::new("Counter"), [Turn::text("7").stopping(unknown())])).await;
    assert_eq!(seen.run().output, "7");

    let turns = || [adding().stopping(unknown()), Turn::text("3")];
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(seen.said()[2], "output call_1: 3");
}

/// Servers that speak a protocol almost say `stop` beside tool calls, and the other way round.
#[tokio::test]
async fn tool_calls_count_whatever_the_stop_reason_says() {
    let count = Count::default();
    let agent = Agent::new("Adder").tool(counted("look", &count, "seen"));
    let turns = || [Turn::call("look", "{}").stopping(StopReason::EndTurn), Turn::text("Done.")];
    let seen = play(|| Scene::new(agent.clone(), turns())).await;
    assert_eq!((seen.run().output.as_str(), count.get()), ("Done.", 2), "once in each of the two plays");

    let turns = || [Turn::text("Done.").stopping(StopReason::ToolCalls)];
    let seen = play(|| Scene::new(agent.clone(), turns())).await;
    assert_eq!(seen.run().output, "Done.");
}

#[tokio::test]
async fn a_conversation_goes_on_from_its_transcript() {
    let model = ScriptedModel::new([Turn::text("7."), Turn::text("14.")]);
    let runner = AgentRunner::new(model.clone());
    let agent = Agent::new("Counter");
    let cx = RunContext::untracked();
    let mut transcript = runner.execute(&cx, agent.input(QUESTION)).await.unwrap().transcript;
    transcript.push(Item::user("And twice that?"));
    let run = runner.execute(&cx, agent.resume(transcript)).await.unwrap();
    assert_eq!(run.output, "14.");
    assert_eq!(run.turns.len(), 1, "turns of a new run count anew");
    assert_eq!(
        said(&model.requests()[1].transcript),
        ["user: How many?", "assistant: 7.", "user: And twice that?"]
    );
}
