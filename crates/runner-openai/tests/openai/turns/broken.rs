//! Servers and streams that fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_agent_core::{Item, ModelErrorKind};
use agentexec_runner_core::{RunEvent, RunExt};
use agentexec_runner_openai::OpenAiRunner;
use futures_util::StreamExt;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::{agent, counted, go_on, play_raw};
use crate::support::stream;
use crate::wire::{Wire, say};

super::on_every_wire! {
    a_server_that_fails_after_tools_ran_is_asked_again_and_they_are_not
    a_server_that_keeps_failing_is_an_error_that_keeps_the_work
    a_run_goes_on_from_the_transcript_of_its_error
    an_error_with_status_200_is_not_asked_about_again_by_two
}

super::on!(ChatWhole as chat_body, ResponsesWhole as responses_body: { a_body_that_ends_early_is_asked_for_again });

super::on_every_stream! {
    a_stream_that_ends_before_the_response_is_asked_for_again
    a_stream_that_keeps_ending_early_is_an_error_that_a_retry_may_mend
    an_error_in_the_middle_of_a_stream_is_asked_about_again_when_it_may_pass
}

fn broken() -> ResponseTemplate {
    ResponseTemplate::new(500).set_body_json(json!({"error": {"message": "Internal"}}))
}

async fn a_server_that_fails_after_tools_ran_is_asked_again_and_they_are_not(wire: Wire) {
    let count = Arc::default();
    let answers = vec![wire.answer(&say("").call("a", "look", "{}")), broken(), wire.answer(&say("Seen."))];
    let played = play_raw(wire, agent().tool(counted(&count)), answers).await;
    assert_eq!((played.run().output.as_str(), count.load(Ordering::SeqCst)), ("Seen.", 1));
    assert_eq!(played.bodies[1], played.bodies[2], "the same request");
}

async fn a_server_that_keeps_failing_is_an_error_that_keeps_the_work(wire: Wire) {
    let count = Arc::default();
    let answers = vec![wire.answer(&say("").call("a", "look", "{}")), broken(), broken()];
    let played = play_raw(wire, agent().tool(counted(&count)), answers).await;
    let error = played.error();
    let model_error = error.model_error().unwrap();
    assert_eq!((model_error.kind(), model_error.status()), (ModelErrorKind::Server, Some(500)));
    assert_eq!((error.turns().len(), error.transcript().items().len(), error.tries()), (1, 3, 2));
    assert!(error.is_resumable());
}

async fn a_run_goes_on_from_the_transcript_of_its_error(wire: Wire) {
    let count = Arc::default();
    let calling = say("").call("a", "look", "{}");
    let answers = [wire.answer(&calling), broken(), broken(), wire.answer(&say("Seen."))];
    let server = crate::support::server(wire.path(), answers).await;
    let agent = agent().tool(counted(&count));
    let failed = go_on(wire, &server, agent.input("Go.")).await;
    let played = go_on(wire, &server, agent.resume(failed.error().transcript().clone())).await;
    assert_eq!((played.run().output.as_str(), count.load(Ordering::SeqCst)), ("Seen.", 1));
    assert_eq!(played.answer(), "seen");
    assert_eq!(played.bodies[3], played.bodies[2], "the same request");
}

/// The transport has sent it again, and the turn does not begin that anew.
async fn an_error_with_status_200_is_not_asked_about_again_by_two(wire: Wire) {
    let busy =
        || ResponseTemplate::new(200).set_body_json(json!({"error": {"message": "Busy", "code": 503}}));
    let played = play_raw(wire, agent(), vec![busy(), busy(), busy(), busy(), busy(), busy()]).await;
    let error = played.error().model_error().unwrap();
    assert_eq!((error.status(), error.is_retryable(), error.tries()), (Some(200), true, Some(2)));
    assert_eq!(played.bodies.len(), 2);
}

/// An answer whose stream ends before the response does.
fn cut(wire: Wire) -> ResponseTemplate {
    stream(&wire.beginning(&say("It is seen.")), "")
}

async fn a_stream_that_ends_before_the_response_is_asked_for_again(wire: Wire) {
    let answers = vec![cut(wire), wire.answer(&say("Seen."))];
    let server = crate::support::server(wire.path(), answers).await;
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("look").await.unwrap();
    let runner =
        OpenAiRunner::new(wire.model(&server)).turn_retry(super::Retry::times(1).base(super::Duration::ZERO));
    let mut events = runner.tracked(&activities).run_streamed(id, agent().input("Go."));
    let (mut shown, mut retracted) = (String::new(), 0);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            RunEvent::TextDelta { text } => shown.push_str(&text),
            RunEvent::Retracted { .. } => {
                assert_eq!(shown, "It is seen.");
                shown.clear();
                retracted += 1;
            }
            _ => {}
        }
    }
    let run = events.output().await.unwrap();
    assert_eq!((run.output.as_str(), shown.as_str(), retracted), ("Seen.", "Seen.", 1));
    assert_eq!(run.transcript.items().len(), 2, "what was retracted is not in it");
}

async fn a_body_that_ends_early_is_asked_for_again(wire: Wire) {
    let cut = ResponseTemplate::new(200).set_body_raw(r#"{"id": "1", "#, "application/json");
    let played = play_raw(wire, agent(), vec![cut, wire.answer(&say("Seen."))]).await;
    assert_eq!((played.run().output.as_str(), played.bodies.len()), ("Seen.", 2));
}

async fn a_stream_that_keeps_ending_early_is_an_error_that_a_retry_may_mend(wire: Wire) {
    let played = play_raw(wire, agent(), vec![cut(wire), cut(wire), cut(wire), cut(wire)]).await;
    let error = played.error().model_error().unwrap();
    assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::StreamCut, true));
    assert_eq!(played.bodies.len(), 3, "two retries");
    assert_eq!(played.error().transcript().items(), [Item::user("Go.")]);
}

async fn an_error_in_the_middle_of_a_stream_is_asked_about_again_when_it_may_pass(wire: Wire) {
    let failing = |code: &str| {
        let error = json!({"type": "error", "error": {"message": "No", "code": code}});
        let events: Vec<_> = wire.beginning(&say("It")).into_iter().chain([error]).collect();
        stream(&events, "")
    };
    let answers = vec![failing("server_error"), wire.answer(&say("Seen."))];
    let played = play_raw(wire, agent(), answers).await;
    assert_eq!(played.run().output, "Seen.");

    let played = play_raw(wire, agent(), vec![failing("context_length_exceeded")]).await;
    assert_eq!(played.error().model_error().unwrap().kind(), ModelErrorKind::ContextWindow);
}
