//! Responses that do not simply end: refused, cut off, filtered, of an unknown kind, empty, or not in the form that was
//! asked for.

use agentexec_agent_core::model::{ModelErrorKind, ModelSettings};
use agentexec_agent_core::{Agent, AgentErrorKind, Finish, OutputFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Answer, Reply, both, error, play};
use crate::tools::{Count, counted};

/// An answer that says something and calls a tool, and stops for this reason.
fn saying_and_calling(stop_reason: &'static str) -> Answer {
    let mut answer = Answer::calls([("toolu_1", "add", r#"{"a": 1, "b": 2}"#)]).stopping(stop_reason);
    answer.content.insert(0, json!({"type": "text", "text": "Let me"}));
    answer
}

/// The error of a run whose model stops for this reason, having called a tool; the tool has not run.
async fn error_at(streaming: bool, answer: Answer) -> String {
    let ran = Count::default();
    let agent = Agent::new("Adder").tool(counted("add", &ran, "3"));
    let seen = play(streaming, &agent, [answer]).await;
    assert_eq!((ran.get(), seen.bodies.len()), (0, 1));
    assert_eq!(seen.shown(), "", "what was shown is retracted");
    assert_eq!(seen.transcript().items().len(), 1, "nothing of it is in the transcript");
    assert_eq!(seen.error().usage().output_tokens, 20, "it is paid for all the same");
    format!("{:?}", seen.kind())
}

#[tokio::test]
async fn a_refusal_is_a_typed_error_and_its_calls_are_not_run() {
    both(async |streaming| {
        let why =
            json!({"stop_details": {"type": "refusal", "category": "bio", "explanation": "It is unsafe."}});
        let error = error_at(streaming, saying_and_calling("refusal").with(why)).await;
        assert_eq!(error, r#"Refused { text: "It is unsafe." }"#);
        let error = error_at(streaming, saying_and_calling("refusal")).await;
        assert_eq!(error, r#"Refused { text: "Let me" }"#);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_a_typed_error_and_its_call_is_not_run() {
    both(async |streaming| {
        let error = error_at(streaming, saying_and_calling("max_tokens")).await;
        assert_eq!(error, r#"Truncated { partial: "Let me" }"#);
    })
    .await;
}

#[tokio::test]
async fn a_policy_may_take_a_text_that_was_cut_off() {
    both(async |streaming| {
        let mut settings = ModelSettings::default();
        settings.max_output_tokens = Some(4);
        let agent = Agent::new("Teller").accept_truncated(true).settings(settings);
        let seen = play(streaming, &agent, [Answer::text("Once upon a").stopping("max_tokens")]).await;
        assert_eq!((&*seen.run().output, seen.run().finish), ("Once upon a", Finish::Truncated));
        assert_eq!(seen.bodies[0]["max_tokens"], 4);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_not_run_whatever_the_policy_says_of_texts() {
    both(async |streaming| {
        for arguments in [r#"{"a": 1, "b""#, r#"{"a": 1, "b": 2}"#] {
            let ran = Count::default();
            let agent = Agent::new("Adder").tool(counted("add", &ran, "3")).accept_truncated(true);
            let mut cut = Answer::calls([("toolu_1", "add", arguments)]).stopping("max_tokens");
            cut.content.insert(0, json!({"type": "text", "text": "Let me"}));
            let seen = play(streaming, &agent, [cut]).await;
            assert_eq!(format!("{:?}", seen.kind()), r#"Truncated { partial: "Let me" }"#);
            assert_eq!((ran.get(), seen.bodies.len(), seen.transcript().items().len()), (0, 1, 1));
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_context_window_is_a_typed_error() {
    both(async |streaming| {
        let error = error_at(streaming, saying_and_calling("model_context_window_exceeded")).await;
        assert_eq!(error, r#"ContextWindow { partial: "Let me" }"#);

        let too_long =
            error_of(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum");
        let seen = play(streaming, &Agent::new("Reader"), [too_long]).await;
        assert_eq!(seen.model_error(), (ModelErrorKind::ContextWindow, Some(400)));
    })
    .await;
}

fn error_of(status: u16, kind: &str, message: &str) -> Reply {
    error(status, kind, message).into()
}

#[tokio::test]
async fn a_content_filter_is_a_typed_error() {
    both(async |streaming| {
        let filtered = error_of(400, "invalid_request_error", "Output blocked by content filtering policy");
        let seen = play(streaming, &Agent::new("Writer"), [filtered]).await;
        assert_eq!(seen.model_error(), (ModelErrorKind::ContentFilter, Some(400)));
        assert_eq!(seen.bodies.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_stop_reason_and_an_unknown_block_are_tolerated_and_the_block_goes_back() {
    both(async |streaming| {
        let block = json!({"type": "new_block", "data": [1, {"x": null}]});
        let mut first = saying_and_calling("new_reason");
        first.content.insert(1, block);
        let ran = Count::default();
        let agent = Agent::new("Adder").tool(counted("add", &ran, "3"));
        let seen =
            play(streaming, &agent, [first.clone(), Answer::text("3.").stopping("other_reason")]).await;
        assert_eq!((&*seen.run().output, seen.run().finish, ran.get()), ("3.", Finish::Final, 1));
        assert_eq!(seen.bodies[1]["messages"][1]["content"], json!(first.content));
    })
    .await;
}

#[tokio::test]
async fn an_empty_response_is_an_empty_output() {
    both(async |streaming| {
        for nothing in [Answer::new(vec![], "end_turn"), Answer::text("")] {
            let seen = play(streaming, &Agent::new("Quiet"), [nothing]).await;
            assert_eq!((&*seen.run().output, seen.run().finish), ("", Finish::Final));
        }
    })
    .await;
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Weather {
    /// In degrees Celsius.
    temperature: i32,
}

fn forecaster() -> Agent {
    Agent::new("Forecaster").output::<Weather>()
}

#[tokio::test]
async fn an_answer_in_the_form_that_was_asked_for_is_read() {
    both(async |streaming| {
        let seen = play(streaming, &forecaster(), [Answer::text(r#"{"temperature": 21}"#)]).await;
        assert_eq!(seen.run().parse::<Weather>().unwrap(), Weather { temperature: 21 });
        let format = &seen.bodies[0]["output_config"]["format"];
        assert_eq!(format["type"], "json_schema");
        assert_eq!(format["schema"]["required"], json!(["temperature"]));
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_another_form_or_none_is_asked_for_once_more_and_then_an_error() {
    both(async |streaming| {
        for wrong in [Answer::text("It is mild."), Answer::text(""), Answer::new(vec![], "end_turn")] {
            let right = Answer::text(r#"{"temperature": 21}"#);
            let seen = play(streaming, &forecaster(), [wrong.clone(), right]).await;
            assert_eq!(seen.run().parse::<Weather>().unwrap(), Weather { temperature: 21 });
            let said = seen.newest()["content"].to_string();
            assert!(said.contains("Your answer does not have the required form"), "{said}");

            let seen = play(streaming, &forecaster(), [wrong.clone(), wrong]).await;
            assert!(matches!(seen.kind(), AgentErrorKind::Output { .. }), "{:?}", seen.kind());
            assert_eq!(seen.bodies.len(), 2);
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_that_the_server_cannot_enforce_is_told_and_checked() {
    both(async |streaming| {
        let list = OutputFormat::from_unchecked_schema(
            "list",
            json!({"type": "array", "items": {"type": "integer"}}),
        );
        let agent = Agent::new("Counter").output_format(list);
        let seen = play(streaming, &agent, [Answer::text("[1, 2]")]).await;
        assert_eq!(seen.run().output, "[1, 2]");
        assert_eq!(seen.bodies[0].get("output_config"), None);
        assert!(seen.bodies[0]["system"][0]["text"].as_str().unwrap().contains("JSON Schema"));
    })
    .await;
}
