//! Errors that come inside an answer, with status 200: in whatever shape, they are told in the provider's words.

use agentexec_agent_core::Agent;
use agentexec_agent_core::model::{ModelErrorKind, ModelEvent, ModelRequest};
use agentexec_agent_core::transcript::Item;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{Answer, Reply, Server, ask_for_events, both, claude, play, sse, stream_of};
use crate::tools::add;

fn events_in(text: String) -> ResponseTemplate {
    let template = ResponseTemplate::new(200).insert_header("request-id", "req_test");
    template.set_body_raw(text, "text/event-stream")
}

/// The beginning of an answer that says "It ", and then this.
fn begun_and_then(more: &str) -> String {
    sse(&Answer::text("It is.").events()[..3]) + more
}

/// Each shape in which an error comes, and what it comes to.
const SHAPES: [(&str, ModelErrorKind, &str); 8] = [
    (
        "event: error\ndata: {\"error\":{\"type\":\"authentication_error\",\"message\":\"bad key\"}}\n\n",
        ModelErrorKind::Authentication,
        "Anthropic: bad key",
    ),
    (
        "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        ModelErrorKind::Overloaded,
        "Anthropic: Overloaded",
    ),
    (
        "data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Sorry\"}}\n\n",
        ModelErrorKind::Server,
        "Anthropic: Sorry",
    ),
    ("data: {\"type\":\"error\",\"message\":\"boom\"}\n\n", ModelErrorKind::Server, "Anthropic: boom"),
    ("data: {\"error\":\"boom\"}\n\n", ModelErrorKind::Server, "Anthropic: boom"),
    ("data: {\"detail\":\"boom\"}\n\n", ModelErrorKind::Server, "Anthropic: boom"),
    ("event: error\ndata: upstream gone\n\n", ModelErrorKind::Server, "Anthropic: upstream gone"),
    (
        "event: error\ndata: {\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}\n\n",
        ModelErrorKind::Overloaded,
        "Anthropic: Overloaded",
    ),
];

#[tokio::test]
async fn an_error_in_a_stream_is_told_in_the_providers_words_whatever_its_shape() {
    for (event, kind, message) in SHAPES {
        for (stream, told) in
            [(event.to_owned(), vec![]), (begun_and_then(event), vec![ModelEvent::TextDelta("It ".into())])]
        {
            let server = Server::answering([events_in(stream)]).await;
            let model = claude(&server).build().unwrap();
            let (said, error) = ask_for_events(&model, ModelRequest::new(&[Item::user("Hi")])).await;
            assert_eq!(said, told, "{event}");
            assert_eq!((error.kind(), error.message()), (kind, message), "{event}");
            assert_eq!((error.status(), error.request_id()), (Some(200), Some("req_test")), "{event}");
        }
    }
}

#[tokio::test]
async fn an_error_that_stays_is_not_asked_for_again_and_one_that_may_go_away_is() {
    let agent = Agent::new("Greeter");
    for (event, kind, message) in SHAPES {
        let asked = if kind == ModelErrorKind::Authentication { 1 } else { 3 };
        let broken = || Reply::from(events_in(begun_and_then(event)));
        let seen = play(true, &agent, [broken(), broken(), broken(), Answer::text("Hi.").into()]).await;
        assert_eq!(seen.model_error(), (kind, Some(200)), "{event}");
        assert_eq!((seen.bodies.len(), seen.error().tries()), (asked, asked as u32), "{event}");
        assert!(seen.messages.last().unwrap().contains(message), "{:?}", seen.messages);
        assert_eq!(seen.shown(), "");
    }
}

#[tokio::test]
async fn events_that_only_their_names_tell_apart_are_read() {
    let mut stream = String::new();
    for mut event in Answer::text("It is.").events() {
        let Some(Value::String(name)) = event.as_object_mut().unwrap().remove("type") else { panic!() };
        stream.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    let seen = play(true, &Agent::new("Greeter"), [events_in(stream)]).await;
    assert_eq!((&*seen.run().output, &*seen.shown()), ("It is.", "It is."));
}

#[tokio::test]
async fn an_error_in_place_of_an_answer_is_told() {
    let body = json!({
        "type": "message", "content": [], "error": {"type": "overloaded_error", "message": "boom"},
    });
    both(async |streaming| {
        let broken =
            || ResponseTemplate::new(200).insert_header("request-id", "req_test").set_body_json(&body);
        let seen = play(streaming, &Agent::new("Greeter"), [broken(), broken(), broken()]).await;
        assert_eq!(seen.model_error(), (ModelErrorKind::Overloaded, Some(200)));
        let error = seen.error().model_error().unwrap();
        assert_eq!((error.message(), error.request_id()), ("Anthropic: boom", Some("req_test")));
    })
    .await;
}

#[tokio::test]
async fn a_stream_with_an_end_and_no_answer_is_asked_for_again() {
    let nothing = || Reply::from(stream_of(&[json!({"type": "message_stop"})]));
    let seen = play(true, &Agent::new("Greeter"), [nothing(), Answer::text("Hi.").into()]).await;
    assert_eq!((&*seen.run().output, seen.bodies.len()), ("Hi.", 2));
    let seen = play(true, &Agent::new("Greeter"), [nothing(), nothing(), nothing()]).await;
    assert_eq!(seen.model_error(), (ModelErrorKind::StreamCut, Some(200)));
}

#[tokio::test]
async fn an_answer_that_comes_with_the_start_of_its_stream_is_shown_and_carried_out() {
    let whole = |answer: &Answer| {
        let mut events = answer.events();
        events.retain(|event| !event["type"].as_str().unwrap().starts_with("content_block"));
        events[0]["message"]["content"] = json!(answer.content);
        Reply::from(stream_of(&events))
    };
    let adding = Answer::calls([("toolu_1", "add", r#"{"a": 1, "b": 2}"#)]);
    let replies = [whole(&adding), whole(&Answer::text("It is 3."))];
    let seen = play(true, &Agent::new("Adder").tool(add()), replies).await;
    assert_eq!((&*seen.run().output, &*seen.shown()), ("It is 3.", "It is 3."));
    assert_eq!(seen.newest()["content"][0]["content"], "3");
}

/// JavaScript gateways cut a text by UTF-16 units, also inside of a character.
#[tokio::test]
async fn halves_of_a_character_are_put_together_and_one_alone_takes_no_answer() {
    let in_units = |json: String| json.replace('▲', r"\ud83d").replace('▼', r"\ude42");
    let body = json!({"content": [{"type": "text", "text": "ab▲cd"}], "stop_reason": "end_turn"});
    let whole = ResponseTemplate::new(200).set_body_raw(in_units(body.to_string()), "application/json");
    let streamed = events_in(in_units(sse(&Answer::text("ab▲▼cd").events())));
    for (answer, expected) in [(streamed, "ab🙂cd"), (whole, "ab\u{fffd}cd")] {
        let seen = play(true, &Agent::new("Speaker"), [answer]).await;
        assert_eq!((&*seen.run().output, &*seen.shown()), (expected, expected));
    }
}
