//! What blocks come to, and in the module below what messages do.

use agentexec_agent_core::transcript::{AssistantItem, Raw, ReasoningItem, ToolCall};
use serde_json::json;

use super::*;
use crate::PROTOCOL;

mod messages;

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
    let mut fold = MessagesFold::new(PROTOCOL);
    let mut said = Vec::new();
    for event in events {
        fold.push(&event.to_string(), &mut said)?;
        assert!(!fold.has_ended(), "{event}");
    }
    fold.push(r#"{"type":"message_stop"}"#, &mut said)?;
    Ok((said, fold.finish()?))
}

/// Pushes a whole body.
fn whole(body: &str) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let (mut fold, mut said) = (MessagesFold::new(PROTOCOL), Vec::new());
    fold.push_body(body.as_bytes(), &mut said)?;
    Ok((said, fold.finish()?))
}

struct Case {
    rule: &'static str,
    stream: Vec<Value>,
    events: Vec<ModelEvent>,
    items: Vec<Item>,
}

#[test]
fn content_blocks_become_events_and_items() {
    let cases =
        [text_cases(), gateway_cases(), thinking_cases(), tool_cases(), whole_input_cases(), unknown_cases()];
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

fn gateway_cases() -> Vec<Case> {
    let thinking = || json!({"type": "thinking", "thinking": "Hm", "signature": "s"});
    vec![
        Case {
            rule: "text that comes to a thought is a block of its own",
            stream: vec![start(0, thinking()), text_delta(0, "O"), text_delta(0, "k"), stop(0)],
            events: vec![reasoned("Hm"), said("O"), said("k")],
            items: vec![thought("Hm", thinking()), text("Ok", json!({"type": "text", "text": "Ok"}))],
        },
        Case {
            rule: "a block and a delta without a type are what they hold",
            stream: vec![start(0, json!({"text": "o"})), delta(0, json!({"text": "k"})), stop(0)],
            events: vec![said("o"), said("k")],
            items: vec![text("ok", json!({"type": "text", "text": "ok"}))],
        },
        Case {
            rule: "an index may be text, or missing at the start",
            stream: vec![
                json!({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
                text_delta(0, "a"),
                json!({"type": "content_block_start", "index": "1", "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 1.0, "delta": {"type": "text_delta", "text": "b"}}),
            ],
            events: vec![said("a"), said("b")],
            items: vec![
                text("a", json!({"type": "text", "text": "a"})),
                text("b", json!({"type": "text", "text": "b"})),
            ],
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
            rule: "what unknown deltas bring to an unknown block is put together in its raw form",
            stream: vec![
                start(0, json!({"type": "compaction", "content": null})),
                delta(0, json!({"type": "compaction_delta", "content": "so"})),
                delta(0, json!({"type": "compaction_delta", "content": " far", "parts": [1]})),
                delta(0, json!({"type": "compaction_delta", "parts": [2]})),
                stop(0),
            ],
            events: vec![],
            items: vec![opaque(json!({"type": "compaction", "content": "so far", "parts": [1, 2]}))],
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
