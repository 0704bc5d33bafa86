//! Errors inside an answer: what they say, and of which answer.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelRequest};
use agentexec_agent_core::transcript::{Item, Transcript};
use futures_util::StreamExt;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{KEY, ask, server, settings, stream, whole};
use crate::wire::{WIRES, Wire, say};

/// What becomes of this answer.
async fn error_of(wire: Wire, answer: ResponseTemplate) -> ModelError {
    let server = server(wire.path(), [answer.clone(), answer]).await;
    ask(&*wire.model_of(&settings(&server)), &Transcript::from_user("Hi"), &[]).await.unwrap_err()
}

fn raw(body: &str, content_type: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_raw(body, content_type)
}

const EVENTS: &str = "text/event-stream";

#[tokio::test]
async fn a_key_that_an_error_inside_an_answer_repeats_is_blotted_out() {
    let error = json!({"code": 401, "message": format!("Invalid key {KEY}")});
    let choice = |field: &str| {
        let mut choice = json!({"index": 0, "finish_reason": "error", "error": error});
        choice[field] = json!({"content": ""});
        json!({ "choices": [choice] })
    };
    let failed = json!({"object": "response", "status": "failed", "output": [], "error": error});
    let answers = [
        (Wire::ChatStreamed, stream(&[json!({ "error": error })], "")),
        (Wire::ChatStreamed, stream(&[choice("delta")], "")),
        (Wire::ChatWhole, whole(&choice("message"))),
        (Wire::ResponsesStreamed, stream(&[json!({"type": "error", "error": error})], "")),
        (Wire::ResponsesStreamed, stream(&[json!({"type": "response.failed", "response": failed})], "")),
        (Wire::ResponsesWhole, whole(&failed)),
    ];
    for (wire, answer) in answers {
        let error = error_of(wire, answer).await;
        let shown = format!("{error:#} {error:?} {:?}", error.body());
        assert!(!shown.contains(KEY) && shown.contains("Invalid key [redacted]"), "{wire:?} {shown}");
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Authentication, Some(200)), "{wire:?}");
        assert_eq!(error.request_id(), Some("req_1"));
    }
}

#[tokio::test]
async fn an_event_that_is_called_an_error_is_one_whatever_it_says() {
    let cases = [
        (r#"{"message": "quota", "code": "insufficient_quota"}"#, ModelErrorKind::QuotaExceeded, "quota"),
        (r#"{"code": "rate_limit_exceeded"}"#, ModelErrorKind::RateLimited, "too many requests"),
        ("upstream timed out", ModelErrorKind::Server, "upstream timed out"),
    ];
    for wire in [Wire::ChatStreamed, Wire::ResponsesStreamed] {
        for (data, kind, says) in cases {
            let begun: String =
                wire.beginning(&say("It")).iter().map(|event| format!("data: {event}\n\n")).collect();
            let error = error_of(wire, raw(&format!("{begun}event: error\ndata: {data}\n\n"), EVENTS)).await;
            assert_eq!((error.kind(), error.status()), (kind, Some(200)), "{wire:?} {data}");
            assert!(error.message().contains(says), "{error}");
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_early_may_come_whole_the_next_time() {
    for wire in [Wire::ChatWhole, Wire::ResponsesWhole] {
        let error = error_of(wire, raw(r#"{"id": "1", "choices": [{"mess"#, "application/json")).await;
        assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::StreamCut, true), "{wire:?}");
        let error = error_of(wire, raw(r#"{"id": "1", "choices": }"#, "application/json")).await;
        assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::Protocol, false), "{wire:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_says_of_which_answer_it_is_and_how_that_begins() {
    let wrong: [(Wire, Value); 4] = [
        (Wire::ChatStreamed, json!({"choices": "private"})),
        (Wire::ChatWhole, json!({"choices": "private"})),
        (Wire::ResponsesStreamed, json!({"type": "response.completed", "response": "private"})),
        (Wire::ResponsesWhole, json!({"object": "response", "output": "private"})),
    ];
    for (wire, body) in wrong {
        let answer = if wire.is_streamed() { stream(&[body], "") } else { whole(&body) };
        let error = error_of(wire, answer).await;
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Protocol, Some(200)), "{wire:?} {error}");
        assert_eq!(error.request_id(), Some("req_1"));
        assert!(!error.to_string().contains("private") && error.body().unwrap().contains("private"));
    }
}

#[tokio::test]
async fn a_server_that_says_in_the_end_that_it_failed_says_so_with_its_status() {
    let failed = |field: &str| json!({"choices": [{field: {"content": ""}, "finish_reason": "error"}]});
    let answers = [
        (Wire::ChatStreamed, stream(&[failed("delta")], "data: [DONE]\n\n")),
        (Wire::ChatWhole, whole(&failed("message"))),
    ];
    for (wire, answer) in answers {
        let error = error_of(wire, answer).await;
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Server, Some(200)), "{wire:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_behind_the_end_of_a_response_takes_nothing_from_it() {
    let wire = Wire::ChatStreamed;
    let whole = [
        json!({"choices": [{"delta": {"content": "Hi"}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    ];
    for rest in
        ["data: {\"choices\": [], \"usa", "data: {\"choices\": [], \"usa\n\n", "event: error\ndata: late\n\n"]
    {
        let server = server(wire.path(), [stream(&whole, rest)]).await;
        let (_, response) = ask(&*wire.model(&server), &Transcript::from_user("Hi"), &[]).await.unwrap();
        assert_eq!(response.items, [Item::assistant("Hi")], "{rest}");
    }
}

#[tokio::test]
async fn what_came_before_an_event_that_cannot_be_read_is_told_first() {
    for wire in WIRES.into_iter().filter(|wire| wire.is_streamed()) {
        let events = wire.beginning(&say("It"));
        let server = server(wire.path(), [stream(&events, "data: {broken}\n\n")]).await;
        let question = Transcript::from_user("Hi");
        let model = wire.model(&server);
        let mut told = model.respond(ModelRequest::new(question.items())).collect::<Vec<_>>().await;
        let error = told.pop().unwrap().unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol, "{wire:?}");
        let text = ModelEvent::TextDelta("It".into());
        assert!(told.iter().any(|event| event.as_ref().is_ok_and(|event| *event == text)), "{told:?}");
    }
}

/// JavaScript servers cut a text by UTF-16 units, also inside of a character.
#[tokio::test]
async fn halves_of_a_character_are_put_together_and_one_alone_takes_no_answer() {
    let in_units = |json: String| json.replace('▲', r"\ud83d").replace('▼', r"\ude42");
    let chat = json!({"choices": [{"message": {"content": "ab▲cd"}, "finish_reason": "stop"}]});
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "ab▲cd"}]});
    let response = json!({"object": "response", "status": "completed", "output": [message]});
    let streamed = |wire: Wire| wire.bytes(&say("ab▲▼cd"));
    for (wire, body, expected) in [
        (Wire::ChatStreamed, streamed(Wire::ChatStreamed), "ab🙂cd"),
        (Wire::ResponsesStreamed, streamed(Wire::ResponsesStreamed), "ab🙂cd"),
        (Wire::ChatWhole, chat.to_string(), "ab\u{fffd}cd"),
        (Wire::ResponsesWhole, response.to_string(), "ab\u{fffd}cd"),
    ] {
        let kind = if wire.is_streamed() { "text/event-stream" } else { "application/json" };
        let answer = ResponseTemplate::new(200).set_body_raw(in_units(body), kind);
        let server = server(wire.path(), [answer]).await;
        let (events, response) = ask(&*wire.model(&server), &Transcript::from_user("Hi"), &[]).await.unwrap();
        let shown = events.iter().filter_map(|event| match event {
            ModelEvent::TextDelta(text) => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(shown.collect::<String>(), expected, "{wire:?}");
        let [Item::Assistant(said)] = &response.items[..] else { panic!("{wire:?}: {response:?}") };
        assert_eq!(said.text, expected, "{wire:?}");
    }
}
