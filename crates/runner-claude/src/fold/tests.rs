use agentexec_agent_core::transcript::{AssistantItem, Raw, ReasoningItem, ToolCall};
use serde_json::json;

use super::*;
use crate::PROTOCOL;

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn tool_use(id: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": "add", "input": input})
}

fn text_delta(index: u64, text: &str) -> Value {
    delta(index, json!({"type": "text_delta", "text": text}))
}

fn json_delta(index: u64, piece: &str) -> Value {
    delta(index, json!({"type": "input_json_delta", "partial_json": piece}))
}

fn text(text: &str, raw: Value) -> Item {
    Item::Assistant(AssistantItem { text: text.into(), raw: Some(Raw::new(PROTOCOL, raw)) })
}

fn thought(text: &str, raw: Value) -> Item {
    Item::Reasoning(ReasoningItem { text: text.into(), raw: Some(Raw::new(PROTOCOL, raw)) })
}

fn call(id: &str, arguments: &str, raw: Value) -> Item {
    let raw = Some(Raw::new(PROTOCOL, raw));
    Item::ToolCall(ToolCall { id: id.into(), name: "add".into(), arguments: arguments.into(), raw })
}

fn opaque(raw: Value) -> Item {
    Item::Opaque(Raw::new(PROTOCOL, raw))
}

fn said(text: &str) -> ModelEvent {
    ModelEvent::TextDelta(text.into())
}

fn reasoned(text: &str) -> ModelEvent {
    ModelEvent::ReasoningDelta(text.into())
}

fn called(id: &str) -> ModelEvent {
    ModelEvent::ToolCallStarted { call_id: id.into(), name: "add".into() }
}

fn argued(id: &str, delta: &str) -> ModelEvent {
    ModelEvent::ToolCallDelta { call_id: id.into(), delta: delta.into() }
}

/// Pushes the events and the terminal one.
fn fold(events: &[Value]) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let mut fold = Fold::new();
    let mut said = Vec::new();
    for event in events {
        match fold.push(&event.to_string())? {
            Folded::Event(event) => said.push(event),
            folded => assert_eq!(folded, Folded::Quiet, "{event}"),
        }
    }
    assert_eq!(fold.push(r#"{"type":"message_stop"}"#)?, Folded::Done);
    Ok((said, fold.finish()))
}

struct Case {
    rule: &'static str,
    stream: Vec<Value>,
    events: Vec<ModelEvent>,
    items: Vec<Item>,
}

#[test]
fn content_blocks_become_events_and_items() {
    let cases = [text_cases(), thinking_cases(), tool_cases(), whole_input_cases(), unknown_cases()];
    for case in cases.into_iter().flatten() {
        let (events, response) = fold(&case.stream).unwrap();
        assert_eq!(events, case.events, "events: {}", case.rule);
        assert_eq!(response.items, case.items, "items: {}", case.rule);
    }
}

fn text_cases() -> Vec<Case> {
    let empty = || start(0, json!({"type": "text", "text": ""}));
    vec![
        Case {
            rule: "text is put together, and an empty delta says nothing",
            stream: vec![empty(), text_delta(0, "Hel"), text_delta(0, ""), text_delta(0, "lo\n"), stop(0)],
            events: vec![said("Hel"), said("lo\n")],
            items: vec![text("Hello\n", json!({"type": "text", "text": "Hello\n"}))],
        },
        Case {
            rule: "text that comes with the start counts",
            stream: vec![start(0, json!({"type": "text", "text": "A"})), text_delta(0, "b"), stop(0)],
            events: vec![said("A"), said("b")],
            items: vec![text("Ab", json!({"type": "text", "text": "Ab"}))],
        },
        Case {
            rule: "citations are kept in the raw form, whether the start has a list of them or null",
            stream: vec![
                start(0, json!({"type": "text", "text": "", "citations": null})),
                delta(0, json!({"type": "citations_delta", "citation": {"cited_text": "a"}})),
                text_delta(0, "x"),
                delta(0, json!({"type": "citations_delta", "citation": {"cited_text": "b"}})),
            ],
            events: vec![said("x")],
            items: vec![text(
                "x",
                json!({
                    "type": "text", "text": "x",
                    "citations": [{"cited_text": "a"}, {"cited_text": "b"}],
                }),
            )],
        },
        Case {
            rule: "deltas go to the block of their index, and blocks stand in the order in which they began",
            stream: vec![
                empty(),
                start(1, json!({"type": "text", "text": ""})),
                text_delta(0, "first"),
                text_delta(1, "second"),
                stop(1),
                stop(0),
            ],
            events: vec![said("first"), said("second")],
            items: vec![
                text("first", json!({"type": "text", "text": "first"})),
                text("second", json!({"type": "text", "text": "second"})),
            ],
        },
        Case {
            rule: "an event without an index is for the newest block",
            stream: vec![
                json!({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}),
                json!({"type": "content_block_stop"}),
            ],
            events: vec![said("x")],
            items: vec![text("x", json!({"type": "text", "text": "x"}))],
        },
    ]
}

fn thinking_cases() -> Vec<Case> {
    let empty = || start(0, json!({"type": "thinking", "thinking": "", "signature": ""}));
    let signed = |signature: &str| delta(0, json!({"type": "signature_delta", "signature": signature}));
    vec![
        Case {
            rule: "a signature replaces the one before it",
            stream: vec![
                empty(),
                delta(0, json!({"type": "thinking_delta", "thinking": "Let "})),
                delta(0, json!({"type": "thinking_delta", "thinking": "me see"})),
                signed("part"),
                signed("whole"),
                stop(0),
            ],
            events: vec![reasoned("Let "), reasoned("me see")],
            items: vec![thought(
                "Let me see",
                json!({"type": "thinking", "thinking": "Let me see", "signature": "whole"}),
            )],
        },
        Case {
            rule: "a thought without words keeps its signature",
            stream: vec![empty(), signed("s"), stop(0)],
            events: vec![],
            items: vec![thought("", json!({"type": "thinking", "thinking": "", "signature": "s"}))],
        },
        Case {
            rule: "a redacted thought is reasoning without words",
            stream: vec![start(0, json!({"type": "redacted_thinking", "data": "x=="})), stop(0)],
            events: vec![],
            items: vec![thought("", json!({"type": "redacted_thinking", "data": "x=="}))],
        },
    ]
}

fn tool_cases() -> Vec<Case> {
    let (none, one) = (json!({}), json!({"a": 1}));
    vec![
        Case {
            rule: "the input is the concatenated pieces, and a call starts once",
            stream: vec![
                start(0, tool_use("t", none.clone())),
                json_delta(0, ""),
                json_delta(0, r#"{"a":"#),
                json_delta(0, " 1}"),
                stop(0),
            ],
            events: vec![called("t"), argued("t", r#"{"a":"#), argued("t", " 1}")],
            items: vec![call("t", r#"{"a": 1}"#, tool_use("t", one.clone()))],
        },
        Case {
            rule: "no piece at all is an empty object",
            stream: vec![start(0, tool_use("t", none.clone())), stop(0)],
            events: vec![called("t")],
            items: vec![call("t", "{}", tool_use("t", none.clone()))],
        },
        Case {
            rule: "an empty piece is an empty object",
            stream: vec![start(0, tool_use("t", none.clone())), json_delta(0, ""), stop(0)],
            events: vec![called("t")],
            items: vec![call("t", "{}", tool_use("t", none.clone()))],
        },
        Case {
            rule: "input that is cut off is kept as text, since the raw form must be an object",
            stream: vec![start(0, tool_use("t", none.clone())), json_delta(0, r#"{"a":"#)],
            events: vec![called("t"), argued("t", r#"{"a":"#)],
            items: vec![call("t", r#"{"a":"#, tool_use("t", json!({"INVALID_JSON": r#"{"a":"#})))],
        },
        Case {
            rule: "parallel calls are told apart by their index",
            stream: vec![
                start(0, tool_use("t", none.clone())),
                start(1, tool_use("u", none)),
                json_delta(1, r#"{"a":1}"#),
                json_delta(0, "{}"),
            ],
            events: vec![called("t"), called("u"), argued("u", r#"{"a":1}"#), argued("t", "{}")],
            items: vec![
                call("t", "{}", tool_use("t", json!({}))),
                call("u", r#"{"a":1}"#, tool_use("u", one)),
            ],
        },
    ]
}

/// Input that comes with the start of its block, as gateways send it.
fn whole_input_cases() -> Vec<Case> {
    let one = json!({"a": 1});
    vec![
        Case {
            rule: "an input that comes whole with the start is shown once",
            stream: vec![start(0, tool_use("t", one.clone())), stop(0)],
            events: vec![called("t"), argued("t", r#"{"a":1}"#)],
            items: vec![call("t", r#"{"a":1}"#, tool_use("t", one.clone()))],
        },
        Case {
            rule: "an input that is no object is kept as text, as it would be in a stream",
            stream: vec![start(0, tool_use("t", json!([1]))), stop(0)],
            events: vec![called("t"), argued("t", "[1]")],
            items: vec![call("t", "[1]", tool_use("t", json!({"INVALID_JSON": "[1]"})))],
        },
        Case {
            rule: "a gateway's text of an object is that object",
            stream: vec![start(0, tool_use("t", json!(r#"{"a": 1}"#))), stop(0)],
            events: vec![called("t"), argued("t", r#"{"a": 1}"#)],
            items: vec![call("t", r#"{"a": 1}"#, tool_use("t", one.clone()))],
        },
        Case {
            rule: "pieces go before an input that came with the start",
            stream: vec![start(0, tool_use("t", json!({"b": 2}))), json_delta(0, r#"{"a":1}"#), stop(0)],
            events: vec![called("t"), argued("t", r#"{"a":1}"#)],
            items: vec![call("t", r#"{"a":1}"#, tool_use("t", one.clone()))],
        },
    ]
}

fn unknown_cases() -> Vec<Case> {
    let search = |input: Value| json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": input, "caller": {"type": "direct"}});
    vec![
        Case {
            rule: "a server tool's input is put together in its raw form and no call of ours",
            stream: vec![
                start(0, search(json!({}))),
                json_delta(0, r#"{"q": "#),
                json_delta(0, "1}"),
                stop(0),
            ],
            events: vec![],
            items: vec![opaque(search(json!({"q": 1})))],
        },
        Case {
            rule: "a block of an unknown kind is kept with every field",
            stream: vec![start(0, json!({"type": "new_block", "x": [1, {"y": null}]})), stop(0)],
            events: vec![],
            items: vec![opaque(json!({"type": "new_block", "x": [1, {"y": null}]}))],
        },
        Case {
            rule: "pings, unknown events and unknown deltas change nothing, wherever they stand",
            stream: vec![
                json!({"type": "ping"}),
                json!({"type": "message_start", "message": {"content": [], "model": "m"}}),
                json!({"type": "new_event", "delta": "not an object", "index": {}}),
                start(0, json!({"type": "text", "text": ""})),
                json!({"type": "ping"}),
                delta(0, json!({"type": "new_delta", "text": {"not": "a string"}})),
                delta(0, json!({"type": "thinking_delta", "thinking": "not for a text"})),
                text_delta(0, "x"),
                json!({"type": "ping"}),
            ],
            events: vec![said("x")],
            items: vec![text("x", json!({"type": "text", "text": "x"}))],
        },
    ]
}

#[test]
fn each_stop_reason_has_its_word() {
    let cases = [
        (json!("end_turn"), StopReason::EndTurn),
        (json!("stop_sequence"), StopReason::EndTurn),
        (json!("tool_use"), StopReason::ToolCalls),
        (json!("max_tokens"), StopReason::MaxTokens),
        (json!("pause_turn"), StopReason::Pause),
        (json!("model_context_window_exceeded"), StopReason::ContextWindow),
        (json!("refusal"), StopReason::Refusal("No.".into())),
        (json!("new_reason"), StopReason::Other("new_reason".into())),
        (json!(null), StopReason::EndTurn),
    ];
    for (reason, expected) in cases {
        let stream = [
            start(0, json!({"type": "text", "text": "No."})),
            json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}}),
        ];
        assert_eq!(fold(&stream).unwrap().1.stop, expected, "{reason}");
    }
}

#[test]
fn a_refusal_says_why_where_the_provider_does() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "Because."});
    let stream = [
        start(0, json!({"type": "text", "text": "I was about to"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}}),
    ];
    assert_eq!(fold(&stream).unwrap().1.stop, StopReason::Refusal("Because.".into()));
}

#[test]
fn calls_without_a_stop_reason_are_tool_calls() {
    let (_, response) = fold(&[start(0, tool_use("t", json!({})))]).unwrap();
    assert_eq!(response.stop, StopReason::ToolCalls);
}

#[test]
fn usage_counts_everything_read_and_a_later_count_replaces_what_it_names() {
    let opened = json!({
        "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
        "output_tokens": 1, "service_tier": "standard",
    });
    let (_, response) = fold(&[
        json!({"type": "message_start", "message": {"model": "claude-x", "content": [], "usage": opened}}),
        json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5, "input_tokens": null}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {
            "output_tokens": 9, "cache_read_input_tokens": 200,
            "output_tokens_details": {"thinking_tokens": 4},
        }}),
    ])
    .unwrap();
    let mut expected = Usage::new(10 + 200 + 20, 9);
    expected.cached_tokens = 200;
    expected.cache_write_tokens = 20;
    expected.reasoning_tokens = 4;
    assert_eq!(response.usage, expected);
    assert_eq!(response.model.as_deref(), Some("claude-x"));
}

#[test]
fn an_error_event_ends_the_message_in_whatever_shape_it_comes() {
    let described = r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    for (name, data) in [
        (None, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        (None, r#"{"type":"error","message":"Overloaded"}"#),
        (None, described),
        (None, r#"{"error":"Overloaded","message":"try later"}"#),
        (None, r#"{"message":"Overloaded"}"#),
        (None, r#"{"detail":"Overloaded"}"#),
        (Some("message_delta"), described),
        (Some("error"), described),
        (Some("error"), r#"{"type":"overloaded_error","message":"Overloaded"}"#),
        (Some("error"), "upstream gone"),
    ] {
        assert_eq!(Fold::new().push_named(name, data).unwrap(), Folded::Failed, "{name:?}: {data}");
    }
}

#[test]
fn what_is_no_error_ends_nothing() {
    for (name, data) in [
        (None, r#"{"error":null}"#),
        (None, r#"{"type":"message_delta","delta":{},"error":null}"#),
        (Some("ping"), "pong"),
        (Some("progress"), r#"{"message":"half done"}"#),
    ] {
        assert_eq!(Fold::new().push_named(name, data).unwrap(), Folded::Quiet, "{name:?}: {data}");
    }
}

#[test]
fn events_without_a_type_go_by_their_names() {
    let mut fold = Fold::new();
    let mut push = |name: &str, data: Value| fold.push_named(Some(name), &data.to_string()).unwrap();
    push("message_start", json!({"message": {"model": "claude-x"}}));
    push("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}}));
    let delta = json!({"index": 0, "delta": {"type": "text_delta", "text": "Hi"}});
    assert_eq!(push("content_block_delta", delta), Folded::Event(said("Hi")));
    push("content_block_stop", json!({"index": 0}));
    push("message_delta", json!({"delta": {"stop_reason": "end_turn"}}));
    assert_eq!(push("message_stop", json!({})), Folded::Done);
    assert_eq!(fold.finish().items, [text("Hi", json!({"type": "text", "text": "Hi"}))]);
}

#[test]
fn what_cannot_be_read_is_a_protocol_error_that_quotes_nothing() {
    let cases = [
        ("not JSON", "<html>secret".to_owned()),
        ("a wrong type", r#"{"type": "content_block_start", "index": "secret"}"#.to_owned()),
        ("a block that was never opened", text_delta(3, "secret").to_string()),
        ("a call without an id", start(0, json!({"type": "tool_use", "name": "secret"})).to_string()),
    ];
    for (what, event) in cases {
        let error = Fold::new().push(&event).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol, "{what}");
        assert!(!format!("{error:?}").contains("secret"), "{what}: {error:?}");
    }
}

#[test]
fn a_whole_body_comes_to_the_same_as_a_stream_of_it() {
    let usage = json!({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5});
    let citation = json!({"cited_text": "c"});
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}});
    let body = json!({
        "type": "message", "role": "assistant", "id": "msg_1", "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Let me add.", "citations": [citation]},
            search,
            tool_use("t", json!({"a": 1})),
            tool_use("u", json!({})),
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": usage,
    });
    let (streamed_events, streamed) = fold(&[
        json!({"type": "message_start", "message": {
            "content": [], "model": "claude-x", "stop_reason": null, "usage": {"input_tokens": 3},
        }}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "citations_delta", "citation": citation})),
        text_delta(1, "Let me add."),
        stop(1),
        start(2, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        json_delta(2, r#"{"q":1}"#),
        stop(2),
        start(3, tool_use("t", json!({}))),
        json_delta(3, r#"{"a":1}"#),
        stop(3),
        start(4, tool_use("u", json!({}))),
        stop(4),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}),
    ])
    .unwrap();
    let (events, message) = Fold::whole(body.to_string().as_bytes()).unwrap();
    assert_eq!(events, streamed_events);
    assert_eq!(message.finish(), streamed);
}

#[test]
fn a_body_that_is_no_message_is_a_protocol_error() {
    for body in ["[]", "{}", r#"{"status": "ok"}"#, "null", "<html>"] {
        let error = Fold::whole(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol, "{body}");
    }
}

#[test]
fn a_body_that_ends_too_early_is_cut() {
    let error = Fold::whole(br#"{"content": [{"type": "text", "te"#).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::StreamCut);
    assert!(error.is_retryable());
}

#[test]
fn a_message_without_end_is_refused_once_it_is_too_large() {
    let mut fold = Fold { budget: ResponseBudget::of(1000), ..Fold::new() };
    fold.push(r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#)
        .unwrap();
    let delta = json!({
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "x".repeat(100)},
    });
    let pushed: Vec<_> = (0..20).map(|_| fold.push(&delta.to_string())).collect();
    assert!(pushed[0].is_ok());
    let error = pushed.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ModelErrorKind::LimitExceeded);
}
