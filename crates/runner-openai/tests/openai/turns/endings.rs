//! How a run ends, and what a turn counts and costs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentexec_agent_core::{AgentErrorKind, Finish, ModelErrorKind, OnMaxTurns};
use agentexec_runner_core::Usage;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::{add, agent, counted, play, play_raw, watch};
use crate::support::whole;
use crate::wire::{Say, Wire, say};

super::on_every_wire! {
    text_is_the_final_answer
    text_beside_a_call_is_not_the_final_answer
    a_response_is_a_turn_and_there_are_ten
    at_the_limit_the_last_tools_run_and_the_error_has_everything
    at_the_limit_a_partial_answer_can_be_enough
    a_tracked_run_says_that_its_turns_are_used_up
    at_the_limit_the_agent_can_wrap_up_without_tools
    a_refusal_is_an_error_and_its_calls_are_not_run
    an_answer_that_was_cut_off_is_an_error_unless_the_agent_takes_it
    a_call_that_was_cut_off_is_never_run
    a_filter_is_an_error
    a_full_context_window_is_an_error
    a_reason_that_nobody_knows_is_an_end
    an_empty_response_is_an_empty_answer
    usage_is_kept_by_turn_and_summed
}

fn adding(id: &str) -> Say {
    say("").call(id, "add", r#"{"a": 1, "b": 2}"#)
}

async fn text_is_the_final_answer(wire: Wire) {
    let played = play(wire, agent(), [say("All done.")]).await;
    assert_eq!((played.run().output.as_str(), played.run().finish), ("All done.", Finish::Final));
}

async fn text_beside_a_call_is_not_the_final_answer(wire: Wire) {
    let with_text = say("Let me add.").call("a", "add", r#"{"a": 1, "b": 2}"#);
    let played = play(wire, agent().tool(add()), [with_text, say("3")]).await;
    assert_eq!((played.run().output.as_str(), played.run().turns.len()), ("3", 2));
    assert_eq!(played.answered(), [("a".to_owned(), "3".to_owned())]);
    assert!(played.bodies[1].to_string().contains("Let me add."), "what was said goes back");
}

async fn a_response_is_a_turn_and_there_are_ten(wire: Wire) {
    let answers = (0..10).map(|turn| adding(&format!("c{turn}")));
    let played = play(wire, agent().tool(add()), answers).await;
    assert!(matches!(played.kind(), AgentErrorKind::MaxTurns { max_turns: 10, .. }), "{:?}", played.result);
    assert_eq!((played.bodies.len(), played.error().turns().len()), (10, 10));
}

async fn at_the_limit_the_last_tools_run_and_the_error_has_everything(wire: Wire) {
    let answers = [adding("a").costing([10, 0, 5, 0]), adding("b").costing([20, 0, 6, 0])];
    let played = play(wire, agent().tool(add()).max_turns(2), answers).await;
    let error = played.error();
    assert!(matches!(error.kind(), AgentErrorKind::MaxTurns { max_turns: 2, .. }));
    assert!(error.transcript().open_calls().is_empty());
    assert_eq!((error.transcript().items().len(), error.usage()), (5, Usage::new(30, 11)));
}

async fn at_the_limit_a_partial_answer_can_be_enough(wire: Wire) {
    let agent = agent().tool(add()).max_turns(1).on_max_turns(OnMaxTurns::Partial);
    let played = play(wire, agent, [say("So far: 3.").call("a", "add", r#"{"a": 1, "b": 2}"#)]).await;
    assert_eq!((played.run().output.as_str(), played.run().finish), ("So far: 3.", Finish::MaxTurns));
}

async fn a_tracked_run_says_that_its_turns_are_used_up(wire: Wire) {
    let agent = agent().tool(add()).max_turns(1).on_max_turns(OnMaxTurns::Partial);
    let seen = watch(wire, agent, [adding("a")]).await;
    assert_eq!(seen.run().finish, Finish::MaxTurns);
    assert_eq!(seen.messages.last().map(String::as_str), Some("Max turns reached"));
}

async fn at_the_limit_the_agent_can_wrap_up_without_tools(wire: Wire) {
    let agent = agent().tool(add()).max_turns(1).on_max_turns(OnMaxTurns::recover());
    let played = play(wire, agent, [adding("a"), say("It is 3.")]).await;
    assert_eq!((played.run().output.as_str(), played.run().finish), ("It is 3.", Finish::Recovered));
    assert_eq!((played.bodies[0]["tools"].is_array(), played.bodies[1].get("tools")), (true, None));
}

async fn a_refusal_is_an_error_and_its_calls_are_not_run(wire: Wire) {
    let (count, refusal) =
        (Arc::default(), say("").call("a", "look", "{}").refusing("I cannot help with that."));
    let played = play(wire, agent().tool(counted(&count)), [refusal]).await;
    assert!(matches!(played.kind(), AgentErrorKind::Refused { text } if text == "I cannot help with that."));
    assert_eq!((played.bodies.len(), played.error().transcript().items().len()), (1, 1));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

async fn an_answer_that_was_cut_off_is_an_error_unless_the_agent_takes_it(wire: Wire) {
    let cut = || say("Once upon a").ending("length", "max_output_tokens");
    let played = play(wire, agent(), [cut()]).await;
    assert!(matches!(played.kind(), AgentErrorKind::Truncated { partial } if partial == "Once upon a"));
    let played = play(wire, agent().accept_truncated(true), [cut()]).await;
    assert_eq!((played.run().output.as_str(), played.run().finish), ("Once upon a", Finish::Truncated));
}

async fn a_call_that_was_cut_off_is_never_run(wire: Wire) {
    for arguments in ["{", "{}"] {
        let count = Arc::default();
        let cut = say("").call("a", "look", arguments).ending("length", "max_output_tokens");
        let played = play(wire, agent().tool(counted(&count)).accept_truncated(true), [cut]).await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert!(matches!(played.kind(), AgentErrorKind::Truncated { .. }), "{:?}", played.result);
        assert_eq!(played.bodies.len(), 1);
    }
}

async fn a_filter_is_an_error(wire: Wire) {
    let filtered = say("The way to").ending("content_filter", "content_filter");
    let played = play(wire, agent(), [filtered]).await;
    assert!(matches!(played.kind(), AgentErrorKind::ContentFilter { partial } if partial == "The way to"));

    let body = json!({"error": {"message": "The response was filtered", "code": "content_filter"}});
    let played = play_raw(wire, agent(), vec![ResponseTemplate::new(400).set_body_json(body)]).await;
    assert_eq!(played.error().model_error().unwrap().kind(), ModelErrorKind::ContentFilter);
}

async fn a_full_context_window_is_an_error(wire: Wire) {
    let body = json!({"error": {"message": "Your input exceeds the context window of this model.",
        "type": "invalid_request_error", "code": "context_length_exceeded"}});
    let played = play_raw(wire, agent(), vec![ResponseTemplate::new(400).set_body_json(body)]).await;
    let error = played.error().model_error().unwrap();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::ContextWindow, Some(400)));
    assert_eq!(played.bodies.len(), 1, "it would be as full the next time");
}

/// But a response that says of itself that it is not complete is none, whatever the reason.
async fn a_reason_that_nobody_knows_is_an_end(wire: Wire) {
    let played = play(wire, agent(), [say("Done.").ending("moon_phase", "moon_phase")]).await;
    if matches!(wire, Wire::ResponsesStreamed | Wire::ResponsesWhole) {
        assert!(matches!(played.kind(), AgentErrorKind::Truncated { partial } if partial == "Done."));
    } else {
        assert_eq!((played.run().output.as_str(), played.run().finish), ("Done.", Finish::Final));
    }
}

async fn an_empty_response_is_an_empty_answer(wire: Wire) {
    let played = play(wire, agent(), [say("")]).await;
    assert_eq!((played.run().output.as_str(), played.bodies.len()), ("", 1));
}

async fn usage_is_kept_by_turn_and_summed(wire: Wire) {
    let answers = [adding("a").costing([100, 60, 20, 8]), say("3").costing([130, 100, 5, 0])];
    let played = play(wire, agent().tool(add()), answers).await;
    let usage = |input, cached, output, reasoning| {
        let mut usage = Usage::new(input, output);
        (usage.cached_tokens, usage.reasoning_tokens) = (cached, reasoning);
        usage
    };
    let turns: Vec<Usage> = played.run().turns.iter().map(|turn| turn.usage).collect();
    assert_eq!(turns, [usage(100, 60, 20, 8), usage(130, 100, 5, 0)]);
    assert_eq!(played.run().usage(), usage(230, 160, 25, 8));
    let named = played.run().turns.iter().map(|turn| (turn.model.as_deref(), turn.request_id.as_deref()));
    assert!(named.eq([(Some("gpt-x-1"), Some("req_1")); 2]));
}

/// Of several messages in one response of the Responses API the last is the answer: those before it are said on the way,
/// or the same once more.
#[tokio::test]
async fn the_last_of_several_messages_is_the_answer() {
    let message = |phase: Option<&str>, text: &str| {
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        json!({"type": "message", "id": format!("msg_{text}"), "role": "assistant", "phase": phase, "content": content})
    };
    let same =
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "42."}]});
    for (output, answer) in [
        (vec![message(Some("commentary"), "Hm. "), message(Some("final_answer"), "It is 42.")], "It is 42."),
        (vec![message(None, "42."), message(None, "42. ")], "42. "),
        (vec![same.clone(), same], "42."),
        (vec![message(Some("commentary"), "Hm.")], "Hm."),
    ] {
        let response = json!({"object": "response", "id": "resp_1", "status": "completed", "output": output});
        let played = play_raw(Wire::ResponsesWhole, agent(), vec![whole(&response)]).await;
        assert_eq!(played.run().output, answer, "{output:?}");
    }
}
