//! The program against servers that behave well and badly, in each protocol, streamed and not.

use futures_util::future::join_all;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;

const PROTOCOLS: [(&str, &str); 3] = [("chat", "/v1"), ("responses", "/v1"), ("messages", "")];

fn arguments(proto: &str, base_url: &str, more: &[&str]) -> Vec<String> {
    let named = ["--proto", proto, "--base-url", base_url, "--model", "m"];
    named.iter().chain(more).map(|&arg| arg.to_owned()).collect()
}

/// What the program prints, which is one line.
async fn printed(proto: &str, base_url: &str, more: &[&str]) -> Value {
    let line = run(&arguments(proto, base_url, more)).await.unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    serde_json::from_str(&line).unwrap()
}

/// Answers the n-th request with the n-th of these, and those after the last with the last.
struct InTurn(Vec<ResponseTemplate>, std::sync::atomic::AtomicUsize);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let number = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0[number.min(self.0.len() - 1)].clone()
    }
}

async fn serve(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(InTurn(answers, 0.into())).mount(&server).await;
    server
}

fn whole(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn stream(events: &[Value]) -> ResponseTemplate {
    let text: String = events
        .iter()
        .map(|event| match event["type"].as_str() {
            Some(name) => format!("event: {name}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        })
        .collect();
    ResponseTemplate::new(200).set_body_raw(text, "text/event-stream")
}

/// A response that says `text`, or refuses with it.
fn said(proto: &str, text: &str, refuses: bool) -> Value {
    match proto {
        "chat" => {
            let message = if refuses {
                json!({"role": "assistant", "content": null, "refusal": text})
            } else {
                json!({"role": "assistant", "content": text})
            };
            json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
        }
        "responses" => {
            let part = if refuses {
                json!({"type": "refusal", "refusal": text})
            } else {
                json!({"type": "output_text", "text": text, "annotations": []})
            };
            json!({"id": "r1", "object": "response", "status": "completed",
                "output": [{"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}],
                "usage": {"input_tokens": 3, "output_tokens": 4}})
        }
        _ => json!({"id": "m1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": if refuses { "refusal" } else { "end_turn" },
            "usage": {"input_tokens": 3, "output_tokens": 4}}),
    }
}

/// The same response as events.
fn events(proto: &str, text: &str, refuses: bool) -> Vec<Value> {
    let whole = said(proto, text, refuses);
    match proto {
        "chat" => {
            let choice = &whole["choices"][0];
            vec![
                json!({"choices": [{"index": 0, "delta": choice["message"]}]}),
                json!({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}),
                json!({"choices": [], "usage": whole["usage"]}),
            ]
        }
        "responses" => vec![
            json!({"type": "response.created", "response": {"id": "r1", "object": "response", "output": []}}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]}),
            json!({"type": "response.completed", "response": whole}),
        ],
        _ => vec![
            json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"]}, "usage": {"output_tokens": 4}}),
            json!({"type": "message_stop"}),
        ],
    }
}

/// The program's flags, and what the server answers to them.
fn both_ways(proto: &str, text: &str, refuses: bool) -> [(Vec<&'static str>, ResponseTemplate); 2] {
    let (events, whole) = (stream(&events(proto, text, refuses)), whole(said(proto, text, refuses)));
    [(vec![], whole), (vec!["--stream"], events)]
}

#[tokio::test]
async fn an_answer_is_told_with_what_it_cost() {
    for (proto, path) in PROTOCOLS {
        for (flags, answer) in both_ways(proto, "hello", false) {
            let server = serve(vec![answer]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &flags).await;
            let expected = json!({"final_text": "hello", "stop": "final", "error": null, "tools_run": [], "usage": [3, 4], "refusal": null});
            assert_eq!(line, expected, "{proto} {flags:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_text() {
    for (proto, path) in PROTOCOLS {
        for (flags, answer) in both_ways(proto, "I will not.", true) {
            let server = serve(vec![answer]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &flags).await;
            assert_eq!(line["refusal"], "I will not.", "{proto} {flags:?}: {line}");
            assert_eq!(line["error"]["kind"], "refused", "{line}");
            assert_eq!((&line["stop"], &line["usage"]), (&Value::Null, &json!([3, 4])), "{line}");
        }
    }
}

#[tokio::test]
async fn a_schema_is_asked_for_in_the_words_of_the_protocol() {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}"#;
    for (proto, path) in PROTOCOLS {
        for (mut flags, answer) in both_ways(proto, r#"{"n":1}"#, false) {
            flags.extend(["--schema", schema]);
            let server = serve(vec![answer]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &flags).await;
            assert_eq!((&line["final_text"], &line["error"]), (&json!(r#"{"n":1}"#), &Value::Null), "{line}");
            let body: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
            let format = match proto {
                "chat" => &body["response_format"]["json_schema"]["schema"],
                "responses" => &body["text"]["format"]["schema"],
                _ => &body["output_config"]["format"]["schema"],
            };
            assert_eq!(format["properties"]["n"]["type"], "integer", "{proto}: {body}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_schema_is_asked_for_once_more() {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
    for (proto, path) in PROTOCOLS {
        for (wrong, right) in
            both_ways(proto, r#"{"m":1}"#, false).into_iter().zip(both_ways(proto, r#"{"n":1}"#, false))
        {
            let mut flags = wrong.0;
            flags.extend(["--schema", schema]);
            let server = serve(vec![wrong.1.clone(), right.1]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &flags).await;
            assert_eq!(
                (&line["final_text"], &line["stop"]),
                (&json!(r#"{"n":1}"#), &json!("final")),
                "{line}"
            );

            let server = serve(vec![wrong.1]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &flags).await;
            assert_eq!((&line["error"]["kind"], &line["stop"]), (&json!("output"), &Value::Null), "{line}");
            assert_eq!(server.received_requests().await.unwrap().len(), 2);
        }
    }
}

#[tokio::test]
async fn an_error_has_kind_status_and_message() {
    for (proto, path) in PROTOCOLS {
        for flags in [&[][..], &["--stream"]] {
            let body = json!({"error": {"message": "wrong key", "type": "authentication_error"}});
            let server = serve(vec![ResponseTemplate::new(401).set_body_json(body)]).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), flags).await;
            let error = &line["error"];
            assert_eq!((&error["kind"], &error["status"]), (&json!("authentication"), &json!(401)), "{line}");
            assert!(error["message"].as_str().unwrap().contains("wrong key"), "{line}");
            assert_eq!(server.received_requests().await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_request_and_a_response_have_two_retries_each() {
    let busy = || ResponseTemplate::new(500);
    let cut = |proto| stream(&events(proto, "hello", false)[..1]);
    let conversations = PROTOCOLS.into_iter().flat_map(|(proto, path)| {
        let whole = || stream(&events(proto, "hello", false));
        [
            (vec![busy()], 3, json!("server"), json!(500)),
            (vec![cut(proto)], 3, json!("stream_cut"), json!(200)),
            (vec![busy(), busy(), cut(proto), whole()], 4, Value::Null, Value::Null),
        ]
        .map(|(answers, requests, kind, status)| async move {
            let server = serve(answers).await;
            let line = printed(proto, &format!("{}{path}", server.uri()), &["--stream"]).await;
            assert_eq!(
                (&line["error"]["kind"], &line["error"]["status"]),
                (&kind, &status),
                "{proto} {line}"
            );
            assert_eq!(server.received_requests().await.unwrap().len(), requests, "{proto} {line}");
        })
    });
    // Together, since each waits before its retries.
    join_all(conversations).await;
}

#[tokio::test]
async fn what_cannot_be_set_up_is_told_as_an_error() {
    for (proto, _) in PROTOCOLS {
        let line = printed(proto, "localhost:8000/v1", &[]).await;
        assert_eq!(line["error"]["kind"], "configuration", "{line}");
        assert_eq!(line["tools_run"], json!([]));

        let line = printed(proto, "http://localhost:1", &["--schema", r#"{"type":"moon"}"#]).await;
        assert_eq!(line["error"]["kind"], "configuration", "{line}");

        let mut options = Options::parse(&arguments(proto, "http://localhost:1", &[])).unwrap();
        options.key = "a\nb".into();
        let line: Value = serde_json::from_str(&converse(&options).await.line().unwrap()).unwrap();
        assert_eq!(line["error"]["kind"], "configuration", "{line}");
    }
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_refused() {
    let with = |more: &[&str]| arguments("chat", "http://localhost:1", more);
    for (args, expected) in [
        (vec!["--stream".to_owned()], "--proto chat|responses|messages is missing"),
        (with(&[])[2..].to_vec(), "--proto chat|responses|messages is missing"),
        (with(&[])[..4].to_vec(), "--model is missing"),
        (with(&[])[..5].to_vec(), "--model needs a value"),
        (arguments("smoke", "http://localhost:1", &[]), "--proto is chat, responses or messages, not smoke"),
        (with(&["--schema", "{"]), "--schema is not JSON"),
        (with(&["--loud"]), "--loud is not known"),
    ] {
        let error = run(&args).await.unwrap_err();
        assert!(format!("{error:#}").starts_with(expected), "{args:?}: {error:#}");
    }
}

/// One call of a tool and what the model then reads, in each protocol, streamed and not.
async fn tool_says(tool: &'static str, arguments: Value) -> String {
    let asks = arguments.clone();
    let brain = move |conversation: &Conversation| match conversation.tool_outputs().next() {
        None => Reply::call(tool, asks.clone()),
        Some(output) => Reply::text(output),
    };
    let server = DemoServer::builder().delay(Duration::ZERO).brain(brain).start().unwrap();
    let mut said = Vec::new();
    for (proto, path) in PROTOCOLS {
        for flags in [&[][..], &["--stream"]] {
            let line = printed(proto, &format!("{}{path}", server.base_url()), flags).await;
            assert_eq!((&line["tools_run"], &line["stop"]), (&json!([tool]), &json!("final")), "{line}");
            said.push(line["final_text"].as_str().unwrap().to_owned());
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{tool} {arguments}");
    said.remove(0)
}

#[tokio::test]
async fn the_tools_say_what_they_are_known_for() {
    for (tool, arguments, expected) in [
        ("get_weather", json!({"city": "Köln"}), "Sunny, 21C in Köln"),
        ("get_time", json!({}), "12:00"),
        ("sleepy", json!({"ms": 1.0, "tag": "t"}), "t"),
        ("length", json!({"s": "äöü 🦀"}), "5"),
        ("add", json!({"a": 2, "b": 3}), "5"),
        ("add", json!({"a": 2.5, "b": 1}), "3.5"),
        ("add", json!({"a": 9_007_199_254_740_993_u64, "b": 1}), "9007199254740994"),
        ("add", json!({"a": u64::MAX, "b": -1}), "18446744073709551614"),
        ("blob", json!({"n": 3.0}), "bbb"),
    ] {
        assert_eq!(tool_says(tool, arguments).await, expected);
    }
    assert!(tool_says("fail", json!({"why": "the moon"})).await.contains("the moon"));
}

/// What a tool answers goes to the server whole, and what no machine could hold is refused in words.
#[tokio::test]
async fn a_blob_is_as_long_as_was_asked_and_not_longer_than_can_be() {
    let asks = |n: u64| move |_: &Conversation| Reply::call("blob", json!({"n": n}));
    let reads = |n: u64, check: fn(&str) -> bool| {
        move |conversation: &Conversation| match conversation.tool_outputs().next() {
            None => asks(n)(conversation),
            Some(output) => Reply::text(check(output).to_string()),
        }
    };
    for (n, check) in [
        (150_000, (|output| output == "b".repeat(150_000)) as fn(&str) -> bool),
        (10_000_000_000_000, |output| output.contains("n is 10000000000000, and may be 67108864 at most")),
    ] {
        let server = DemoServer::builder().brain(reads(n, check)).start().unwrap();
        let line = printed("messages", server.base_url(), &[]).await;
        assert_eq!(line["final_text"], "true", "{n}: {line}");
    }
}
