//! What a message comes to as a whole: how it ends, what it counts, and in which forms it may come.

use serde_json::json;

use super::*;

#[test]
fn each_stop_reason_has_its_word() {
    let cases = [
        (json!("end_turn"), StopReason::EndTurn),
        (json!("stop_sequence"), StopReason::EndTurn),
        (json!("tool_use"), StopReason::ToolCalls),
        (json!("max_tokens"), StopReason::MaxTokens),
        (json!("pause_turn"), StopReason::Pause),
        (json!("model_context_window_exceeded"), StopReason::ContextWindow),
        (json!("refusal"), StopReason::Refusal(String::new())),
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
fn a_call_is_answered_whatever_is_missing_of_it() {
    let call = json!({"type": "tool_use", "name": "add", "input": {}});
    let (events, response) = fold(&[start(0, call.clone()), start(1, call)]).unwrap();
    let [Item::ToolCall(one), Item::ToolCall(two)] = &response.items[..] else { panic!("{response:?}") };
    assert_eq!(events, [called(&one.id), called(&two.id)]);
    assert_ne!(one.id, two.id);
    assert_eq!(one.raw.as_ref().unwrap().value["id"], one.id);
    let (_, response) =
        fold(&[start(0, json!({"type": "tool_use", "id": "t", "name": "", "input": {}}))]).unwrap();
    let raw = json!({"type": "tool_use", "id": "t", "name": "_", "input": {}});
    let [Item::ToolCall(call)] = &response.items[..] else { panic!("{response:?}") };
    assert_eq!((&*call.name, &call.raw), ("_", &Some(Raw::new(PROTOCOL, raw))));
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
        let error = push(name, data).unwrap_err();
        assert_ne!(error.kind(), ModelErrorKind::Protocol, "{name:?}: {data}");
    }
}

#[test]
fn what_is_no_error_ends_nothing() {
    for (name, data) in [
        (None, r#"{"error":null}"#),
        (None, r#"{"type":"message_delta","delta":{},"error":null}"#),
        (Some("ping"), "pong"),
        (Some("progress"), r#"{"message":"half done"}"#),
        (Some("progress"), "half done"),
    ] {
        assert_eq!(push(name, data).unwrap(), [], "{name:?}: {data}");
    }
}

/// What a first event of a message tells.
fn push(name: Option<&str>, data: &str) -> Result<Vec<ModelEvent>, ModelError> {
    let mut said = Vec::new();
    MessagesFold::new(PROTOCOL).push_named(name, data, &mut said)?;
    Ok(said)
}

fn opened(message: Value) -> Value {
    json!({"type": "message_start", "message": message})
}

fn ended() -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
}

#[test]
fn content_that_comes_with_the_start_of_the_message_counts_unless_it_comes_again() {
    let (one, two) = (json!({"type": "text", "text": "Hi"}), tool_use("t", json!({"a": 1})));
    let given = opened(json!({"content": [one, null, two]}));
    let items = [text("Hi", one.clone()), call("t", r#"{"a":1}"#, two.clone())];

    let (events, response) = fold(&[given.clone(), ended()]).unwrap();
    assert_eq!(events, [said("Hi"), called("t"), argued("t", r#"{"a":1}"#)]);
    assert_eq!(response.items, items);

    let again = [
        given,
        start(0, json!({"type": "text", "text": ""})),
        text_delta(0, "Hi"),
        stop(0),
        start(1, two),
        stop(1),
        ended(),
    ];
    let (events, response) = fold(&again).unwrap();
    assert_eq!(events, [said("Hi"), called("t"), argued("t", r#"{"a":1}"#)]);
    assert_eq!(response.items, items);
}

#[test]
fn an_end_without_a_message_is_no_answer() {
    for before in [vec![], vec![json!({"type": "ping"})], vec![json!({"type": "message_delta", "delta": {}})]]
    {
        let error = fold(&before).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::StreamCut, "{before:?}");
    }
    for before in [opened(json!({"content": []})), ended(), json!({"type": "message_start"})] {
        assert_eq!(fold(&[before]).unwrap().1.items, []);
    }
}

#[test]
fn a_place_for_a_block_that_is_empty_is_none() {
    for nothing in [json!(null), json!({})] {
        let (events, response) = fold(&[
            start(0, nothing.clone()),
            stop(0),
            start(1, json!({"type": "text", "text": "Hi"})),
            stop(1),
        ])
        .unwrap();
        let (whole_events, whole) = read(json!({"content": [nothing, {"type": "text", "text": "Hi"}]}));
        assert_eq!((&events, &response.items), (&vec![said("Hi")], &whole.items));
        assert_eq!((events, response.items.len()), (whole_events, 1));
    }
}

#[test]
fn words_for_a_block_that_was_never_opened_are_not_lost_in_silence() {
    let (events, response) = fold(&[start(0, json!(null)), text_delta(0, "Hi"), text_delta(0, "!")]).unwrap();
    assert_eq!(events, [said("Hi"), said("!")]);
    assert_eq!(response.items, [text("Hi!", json!({"type": "text", "text": "Hi!"}))]);
    let error = fold(&[start(0, json!(null)), json_delta(0, "{}")]).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Protocol);
}

#[test]
fn a_message_that_begins_anew_in_its_middle_is_cut() {
    let opened = opened(json!({"content": []}));
    let begun = start(0, json!({"type": "text", "text": "Hel"}));
    let error = fold(&[opened.clone(), begun, opened.clone()]).unwrap_err();
    assert!(error.kind() == ModelErrorKind::StreamCut && error.is_retryable(), "{error}");
    assert_eq!(fold(&[opened.clone(), opened]).unwrap().1.items, []);
}

fn read(body: Value) -> (Vec<ModelEvent>, ModelResponse) {
    whole(&body.to_string()).unwrap()
}

#[test]
fn a_text_in_place_of_blocks_is_one() {
    let item = text("Hi", json!({"type": "text", "text": "Hi"}));
    let (events, response) = read(json!({"content": "Hi", "stop_reason": "end_turn"}));
    assert_eq!((events, &response.items[..]), (vec![said("Hi")], &[item.clone()][..]));
    assert_eq!(fold(&[opened(json!({"content": ""})), ended()]).unwrap().1.items, []);
    assert_eq!(read(json!({"content": ""})).1.items, []);
    assert_eq!(read(json!({"content": null})).1.items, []);
}

#[test]
fn counts_of_any_form_are_read_and_none_loses_the_answer() {
    let body = |usage: Value| json!({"content": [{"type": "text", "text": "Hi"}], "usage": usage});
    let usage = |said: Value| read(body(said)).1.usage;
    assert_eq!(usage(json!({"input_tokens": 3.0, "output_tokens": "4"})), Usage::new(3, 4));
    let odd = json!({"input_tokens": {}, "output_tokens": -1, "output_tokens_details": "none"});
    for odd in [odd, json!("none"), json!([3]), json!(null)] {
        assert_eq!(usage(odd), Usage::default());
    }
    let (_, response) = fold(&[
        opened(json!({"usage": {"input_tokens": 3.0}})),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4.0}}),
    ])
    .unwrap();
    assert_eq!(response.usage, Usage::new(3, 4));
}

#[test]
fn a_body_that_reports_an_error_is_that_error() {
    for content in [json!([]), json!([{"type": "text", "text": "Hi"}]), json!(null)] {
        let body = json!({
            "type": "message", "content": content, "error": {"type": "overloaded_error", "message": "boom"},
        });
        let error = whole(&body.to_string()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ModelErrorKind::Overloaded, "boom"));
    }
}

#[test]
fn events_without_a_type_go_by_their_names() {
    let (mut fold, mut events) = (MessagesFold::new(PROTOCOL), Vec::new());
    let mut push =
        |name: &str, data: Value| fold.push_named(Some(name), &data.to_string(), &mut events).unwrap();
    push("message_start", json!({"message": {"model": "claude-x"}}));
    push("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}}));
    let delta = json!({"index": 0, "delta": {"type": "text_delta", "text": "Hi"}});
    push("content_block_delta", delta);
    push("content_block_stop", json!({"index": 0}));
    push("message_delta", json!({"delta": {"stop_reason": "end_turn"}}));
    push("message_stop", json!({}));
    assert_eq!(events, [said("Hi")]);
    assert_eq!(fold.finish().unwrap().items, [text("Hi", json!({"type": "text", "text": "Hi"}))]);
}

#[test]
fn what_cannot_be_read_is_a_protocol_error_that_quotes_nothing() {
    let cases = [
        ("not JSON", "<html>secret".to_owned()),
        ("a wrong type", r#"{"type": "content_block_start", "content_block": "secret"}"#.to_owned()),
        ("a block that was never opened", json_delta(3, "secret").to_string()),
    ];
    for (what, event) in cases {
        let error = push(None, &event).unwrap_err();
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
    assert_eq!(read(body.clone()), (streamed_events.clone(), streamed.clone()));

    // The same, as the only event of a stream.
    let (mut fold, mut events) = (MessagesFold::new(PROTOCOL), Vec::new());
    fold.push(&body.to_string(), &mut events).unwrap();
    assert_eq!((events, fold.finish().unwrap()), (streamed_events, streamed));
}

#[test]
fn a_message_that_ends_early_is_no_response() {
    let (mut fold, mut events) = (MessagesFold::new(PROTOCOL), Vec::new());
    for event in [start(0, json!({"type": "text", "text": "Hi"})), stop(0), ended()] {
        fold.push(&event.to_string(), &mut events).unwrap();
    }
    let error = fold.finish().unwrap_err();
    assert!(error.kind() == ModelErrorKind::StreamCut && error.is_retryable());
}

#[test]
fn debug_shows_nothing_that_was_said() {
    let (mut fold, mut events) = (MessagesFold::new(PROTOCOL), Vec::new());
    let said = [start(0, json!({"type": "text", "text": "secret"})), start(1, tool_use("secret", json!({})))];
    said.iter().for_each(|event| fold.push(&event.to_string(), &mut events).unwrap());
    let shown = format!("{fold:?}");
    assert!(shown.contains("blocks: 2") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_model_out_of_control_is_stopped() {
    let mut events: Vec<Value> =
        (0..MAX_CONTENT_BLOCKS as u64).map(|index| start(index, tool_use("t", json!({})))).collect();
    assert_eq!(fold(&events).unwrap().1.items.len(), MAX_CONTENT_BLOCKS);
    events.push(start(MAX_CONTENT_BLOCKS as u64, tool_use("t", json!({}))));
    assert_eq!(fold(&events).unwrap_err().kind(), ModelErrorKind::LimitExceeded);

    let content = vec![json!({"type": "text", "text": "x"}); MAX_CONTENT_BLOCKS + 1];
    let error = whole(&json!({"content": content}).to_string()).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::LimitExceeded);
}

#[test]
fn a_body_that_is_no_message_is_a_protocol_error() {
    for body in ["[]", "{}", r#"{"status": "ok"}"#, "null", "<html>"] {
        let error = whole(body).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol, "{body}");
    }
}

#[test]
fn a_message_without_end_is_refused_once_it_is_too_large() {
    let (mut fold, mut events) = (MessagesFold::new(PROTOCOL), Vec::new());
    fold.budget = ResponseBudget::of(1000);
    fold.push(&start(0, json!({"type": "text", "text": ""})).to_string(), &mut events).unwrap();
    let delta = json!({
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "x".repeat(100)},
    });
    let pushed: Vec<_> = (0..20).map(|_| fold.push(&delta.to_string(), &mut events)).collect();
    assert!(pushed[0].is_ok());
    let error = pushed.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ModelErrorKind::LimitExceeded);
}
