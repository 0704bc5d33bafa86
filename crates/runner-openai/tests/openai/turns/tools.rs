//! Tools: each call is answered, whatever becomes of it.

use std::sync::Arc;
use std::time::Duration;

use agentexec_agent_core::model::ToolChoice;
use agentexec_agent_core::{AgentErrorKind, OnToolUse};
use agentexec_tools::{ToolContext, ToolError, tool};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::{Nothing, add, agent, play, says};
use crate::wire::{Wire, say};

super::on_every_wire! {
    calls_of_a_turn_run_together_and_are_answered_in_their_order
    a_tool_that_fails_or_panics_is_answered_with_what_went_wrong
    a_tool_that_takes_too_long_is_answered
    a_fatal_error_ends_the_run_with_every_call_answered
    arguments_that_are_no_json_are_answered_and_do_not_spoil_the_conversation
    arguments_of_the_wrong_form_are_answered_with_place_and_expectation
    no_arguments_are_an_empty_object
    an_unknown_tool_is_answered_and_its_siblings_run
    an_empty_answer_is_an_answer
    a_demand_for_a_tool_ends_when_tools_have_been_called
    a_demand_for_a_certain_tool_ends_too
    a_tools_answer_can_be_the_last_word
    only_the_answer_of_a_certain_tool_can_be_the_last_word
}

async fn calls_of_a_turn_run_together_and_are_answered_in_their_order(wire: Wire) {
    let both = Arc::new(Barrier::new(2));
    // Each waits for the other: one after the other they would never answer.
    let meet = |name: &'static str| {
        let both = Arc::clone(&both);
        tool(name, "", move |_: Nothing, _cx: ToolContext| {
            let both = Arc::clone(&both);
            async move {
                both.wait().await;
                name
            }
        })
    };
    let agent = agent().tool(meet("first")).tool(meet("second"));
    let asking = say("").call("b", "second", "{}").call("a", "first", "{}");
    let played = play(wire, agent, [asking, say("Met.")]).await;
    assert_eq!(played.run().output, "Met.");
    let answers = [("b", "second"), ("a", "first")].map(|(id, text)| (id.to_owned(), text.to_owned()));
    assert_eq!(played.answered(), answers);
}

async fn a_tool_that_fails_or_panics_is_answered_with_what_went_wrong(wire: Wire) {
    let failing =
        tool("fail", "", |_: Nothing, _cx: ToolContext| async { Err::<String, _>(ToolError::new("no ink")) });
    let panicking = tool("panic", "", |_: Nothing, _cx: ToolContext| async {
        if true {
            panic!("out of paper");
        }
        "never"
    });
    let asking = say("").call("a", "fail", "{}").call("b", "panic", "{}");
    let played = play(wire, agent().tool(failing).tool(panicking), [asking, say("A pity.")]).await;
    assert_eq!(played.run().output, "A pity.");
    let answers = played.answered();
    assert!(answers[0].1.contains("no ink"), "{answers:?}");
    assert!(answers[1].1.contains("panic"), "{answers:?}");
}

async fn a_tool_that_takes_too_long_is_answered(wire: Wire) {
    let slow = tool("slow", "", |_: Nothing, _cx: ToolContext| std::future::pending::<String>());
    let slow = slow.timeout(Duration::from_millis(100));
    let played = play(wire, agent().tool(slow), [say("").call("a", "slow", "{}"), say("Too slow.")]).await;
    assert_eq!(played.run().output, "Too slow.");
    assert_eq!(played.answer(), "Tool 'slow' timed out after 0.1 seconds.");
}

async fn a_fatal_error_ends_the_run_with_every_call_answered(wire: Wire) {
    let fatal = tool("pay", "", |_: Nothing, _cx: ToolContext| async {
        Err::<String, _>(ToolError::fatal("no money"))
    });
    let sibling = tool("wait", "", |_: Nothing, _cx: ToolContext| std::future::pending::<String>());
    let asking = say("").call("a", "wait", "{}").call("b", "pay", "{}");
    let played = play(wire, agent().tool(fatal).tool(sibling), [asking]).await;
    assert!(matches!(played.kind(), AgentErrorKind::FatalTool(_)), "{:?}", played.result);
    assert!(played.error().transcript().open_calls().is_empty());
}

async fn arguments_that_are_no_json_are_answered_and_do_not_spoil_the_conversation(wire: Wire) {
    let asking = say("").call("a", "add", r#"{"a": 1, "b": "#);
    let played = play(wire, agent().tool(add()), [asking, say("Sorry.")]).await;
    assert_eq!(played.run().output, "Sorry.");
    assert!(played.answer().contains("not valid JSON"), "{}", played.answer());
    // What goes back is JSON, with what the model wrote in it; the transcript keeps what it wrote.
    let sent = wire.items(&played.bodies[1]);
    let sent: Vec<&str> = sent
        .iter()
        .filter_map(|item| match wire.is_chat() {
            true => item.pointer("/tool_calls/0/function/arguments")?.as_str(),
            false => item["arguments"].as_str(),
        })
        .collect();
    let sent: Value = serde_json::from_str(sent[0]).unwrap();
    assert_eq!(sent["INVALID_JSON"], r#"{"a": 1, "b": "#);
    let kept = played.run().transcript.items().iter().find_map(|item| match item {
        agentexec_agent_core::Item::ToolCall(call) => Some(call.arguments.as_str()),
        _ => None,
    });
    assert_eq!(kept, Some(r#"{"a": 1, "b": "#));
}

async fn arguments_of_the_wrong_form_are_answered_with_place_and_expectation(wire: Wire) {
    for (arguments, says) in [
        (r#"{"a": 1, "b": "two"}"#, r#"at `b`: invalid type: string "two", expected i64"#),
        ("[1, 2]", "expected a JSON object, got an array"),
    ] {
        let played =
            play(wire, agent().tool(add()), [say("").call("a", "add", arguments), say("Sorry.")]).await;
        let answer = played.answer();
        assert!(answer.contains(says), "{arguments}: {answer}");
    }
}

async fn no_arguments_are_an_empty_object(wire: Wire) {
    let played =
        play(wire, agent().tool(says("now", "12:00")), [say("").call("a", "now", ""), say("Noon.")]).await;
    assert_eq!(played.answer(), "12:00");
    assert!(played.bodies[1].to_string().contains(r#""arguments":"{}""#), "{}", played.bodies[1]);
}

async fn an_unknown_tool_is_answered_and_its_siblings_run(wire: Wire) {
    let asking = say("").call("a", "subtract", "{}").call("b", "add", r#"{"a": 1, "b": 2}"#);
    let played = play(wire, agent().tool(add()), [asking, say("3")]).await;
    let answers = played.answered();
    assert!(answers[0].1.contains("subtract") && answers[0].1.contains("add"), "{answers:?}");
    assert_eq!(answers[1], ("b".to_owned(), "3".to_owned()));
}

async fn an_empty_answer_is_an_answer(wire: Wire) {
    let played =
        play(wire, agent().tool(says("log", "")), [say("").call("a", "log", "{}"), say("Logged.")]).await;
    assert_eq!(played.answered(), [("a".to_owned(), String::new())]);
}

async fn a_demand_for_a_tool_ends_when_tools_have_been_called(wire: Wire) {
    let agent = agent().tool(add()).tool_choice(ToolChoice::Required);
    let asking = say("").call("a", "add", r#"{"a": 1, "b": 2}"#);
    let played = play(wire, agent, [asking, say("3")]).await;
    let choices: Vec<&Value> = played.bodies.iter().map(|body| &body["tool_choice"]).collect();
    assert_eq!(choices, [&Value::from("required"), &Value::Null]);
}

async fn a_tools_answer_can_be_the_last_word(wire: Wire) {
    let agent = agent().tool(add()).on_tool_use(OnToolUse::Stop);
    let played = play(wire, agent, [say("").call("a", "add", r#"{"a": 1, "b": 2}"#)]).await;
    assert_eq!((played.run().output.as_str(), played.bodies.len()), ("3", 1));
}

async fn a_demand_for_a_certain_tool_ends_too(wire: Wire) {
    let agent = agent().tool(add()).tool(says("now", "12:00")).tool_choice(ToolChoice::Tool("add".into()));
    let asking = say("").call("a", "add", r#"{"a": 1, "b": 2}"#);
    let played = play(wire, agent, [asking, say("3")]).await;
    let choices: Vec<&Value> = played.bodies.iter().map(|body| &body["tool_choice"]).collect();
    let demand = match wire.is_chat() {
        true => json!({"type": "function", "function": {"name": "add"}}),
        false => json!({"type": "function", "name": "add"}),
    };
    assert_eq!(choices, [&demand, &Value::Null]);
}

async fn only_the_answer_of_a_certain_tool_can_be_the_last_word(wire: Wire) {
    let agent = agent().tool(add()).tool(says("now", "12:00"));
    let agent = agent.on_tool_use(OnToolUse::StopAt(vec!["now".into()]));
    let adding = say("").call("a", "add", r#"{"a": 1, "b": 2}"#);
    let played = play(wire, agent, [adding, say("").call("b", "now", "{}")]).await;
    assert_eq!((played.run().output.as_str(), played.bodies.len()), ("12:00", 2));
}
