use agentexec_agent_core::model::StopReason;
use agentexec_agent_core::transcript::ToolCall;
use serde_json::Value;

use super::*;

mod beside;
mod calls;
mod ends;
mod odd;
mod repeated;

const ORIGIN: &str = "openai-chat@test";
const DONE: &str = "[DONE]";

fn fold(chunks: &[&str]) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let mut fold = ChatFold::new(ORIGIN);
    let mut events = Vec::new();
    for chunk in chunks {
        fold.push(chunk, &mut events)?;
    }
    let response = fold.finish(&mut events)?;
    assert_events_match(&events, &response);
    Ok((events, response))
}

/// Folds chunks that consist of these deltas, and ends them the usual way.
fn fold_deltas(deltas: &[&str]) -> (Vec<ModelEvent>, ModelResponse) {
    let mut chunks: Vec<String> =
        deltas.iter().map(|delta| format!(r#"{{"choices": [{{"index": 0, "delta": {delta}}}]}}"#)).collect();
    chunks.push(r#"{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#.to_owned());
    chunks.push(DONE.to_owned());
    fold(&chunks.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

/// What holds for every stream: the deltas add up to the items, and a call is told of once, before its arguments.
fn assert_events_match(events: &[ModelEvent], response: &ModelResponse) {
    let mut text = String::new();
    let mut reasoning = String::new();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in events {
        match event {
            ModelEvent::TextDelta(delta) => text.push_str(delta),
            ModelEvent::ReasoningDelta(delta) => reasoning.push_str(delta),
            ModelEvent::ToolCallStarted { call_id, name } => {
                assert!(calls.iter().all(|(id, ..)| id != call_id), "{call_id} began twice");
                calls.push((call_id.clone(), name.clone(), String::new()));
            }
            ModelEvent::ToolCallDelta { call_id, delta } => {
                let call = calls.iter_mut().find(|(id, ..)| id == call_id).expect("the call has begun");
                call.2.push_str(delta);
            }
            other => panic!("{other:?}"),
        }
    }
    let mut items = (String::new(), String::new(), Vec::new());
    for item in &response.items {
        match item {
            Item::Assistant(said) => items.0.push_str(&said.text),
            Item::Reasoning(thought) => items.1.push_str(&thought.text),
            Item::ToolCall(call) => {
                items.2.push((call.id.clone(), call.name.clone(), call.arguments.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
    calls.sort();
    items.2.sort();
    assert_eq!((text, reasoning, calls), items);
}

fn calls(response: &ModelResponse) -> Vec<ToolCall> {
    let calls = response.items.iter().filter_map(|item| match item {
        Item::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

/// A call without a raw form.
fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), raw: None }
}

#[test]
fn text_is_read_through_nulls_and_unknown_fields() {
    let (events, response) = fold(&[
        // Azure's first chunk.
        r#"{"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}"#,
        r#"{"id": "1", "model": "gpt-x", "choices": [{"index": 0, "delta": {"role": null, "content": null, "refusal": null, "audio": {}}, "logprobs": null, "finish_reason": null}], "usage": null, "error": null}"#,
        r#"{"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "native_finish_reason": "x"}], "x_groq": {"id": "r"}}"#,
        r#"{"choices": [{"delta": {"content": "lo \"\u00fc\"\n"}, "finish_reason": ""}]}"#,
        r#"{"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "another choice"}, "finish_reason": "length"}]}"#,
        r#"{"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}"#,
        r#"{"choices": null, "usage": {"prompt_tokens": 9, "completion_tokens": 2}}"#,
        DONE,
        r#"{"choices": [{"index": 0, "delta": {"content": "behind the end"}}]}"#,
    ])
    .unwrap();
    assert_eq!(events, [ModelEvent::TextDelta("Hel".into()), ModelEvent::TextDelta("lo \"ü\"\n".into())]);
    assert_eq!(response.items, [Item::assistant("Hello \"ü\"\n")]);
    assert_eq!(response.stop, StopReason::EndTurn);
    assert_eq!(response.model.as_deref(), Some("gpt-x"));
    assert_eq!(response.usage, Usage::new(9, 2));
}

#[test]
fn an_unstreamed_answer_is_one_chunk() {
    let body = r#"{"id": "c", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": {
        "role": "assistant", "content": [{"type": "text", "text": "Two "}, {"type": "text", "text": "calls."}],
        "tool_calls": [
            {"function": {"name": "add", "arguments": "{\"x\""}},
            {"function": {"name": "add", "arguments": ""}}
        ]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}"#;
    let (events, response) = fold(&[body]).unwrap();
    assert_eq!(events[0], ModelEvent::TextDelta("Two calls.".into()));
    // Each entry of a whole message is a call of its own, even where pieces would be joined.
    let calls = calls(&response);
    assert_eq!(calls.iter().map(|call| call.arguments.as_str()).collect::<Vec<_>>(), ["{\"x\"", ""]);
    assert_eq!(response.stop, StopReason::ToolCalls);
}

#[test]
fn a_message_beside_deltas_only_repeats_them() {
    let chunk = |delta: &str, message: &str| {
        format!(
            r#"{{"choices": [{{"index": 0, "delta": {{"role": "assistant", "content": "{delta}"}}, "message": {{"role": "assistant", "content": "{message}"}}}}]}}"#
        )
    };
    let (first, second, last) = (chunk("Hel", "Hel"), chunk("lo", "Hello"), chunk("", "Hello"));
    let (events, response) = fold(&[&first, &second, &last, DONE]).unwrap();
    assert_eq!((events.len(), response.items), (2, vec![Item::assistant("Hello")]));
    // Unstreamed, the delta beside the message is empty.
    assert_eq!(fold(&[&last, DONE]).unwrap().1.items, [Item::assistant("Hello")]);
}

#[test]
fn an_answer_whose_choice_is_counted_up_from_chunk_to_chunk_is_one() {
    let (_, response) = fold(&[
        r#"{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}"#,
        r#"{"choices": [{"index": 1, "delta": {"content": "lo"}}]}"#,
        r#"{"choices": [{"index": 2, "delta": {}, "finish_reason": "length"}]}"#,
    ])
    .unwrap();
    assert_eq!((response.items, response.stop), (vec![Item::assistant("Hello")], StopReason::MaxTokens));
}

#[test]
fn usage_counts_cached_and_reasoning_tokens_under_every_name() {
    let cases = [
        (
            r#"{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": 30}}"#,
            (100, 50, 60, 7, 30),
        ),
        (
            r#"{"prompt_tokens": 100, "completion_tokens": 50, "prompt_cache_hit_tokens": 60}"#,
            (100, 50, 60, 0, 0),
        ),
        (r#"{"prompt_tokens": 100, "completion_tokens": 50, "cached_tokens": 60}"#, (100, 50, 60, 0, 0)),
        (
            r#"{"prompt_tokens": 100, "completion_tokens": null, "prompt_tokens_details": null}"#,
            (100, 0, 0, 0, 0),
        ),
        (r#""none of your business""#, (0, 0, 0, 0, 0)),
    ];
    for (json, expected) in cases {
        let chunk = format!(r#"{{"choices": [{{"finish_reason": "stop"}}], "usage": {json}}}"#);
        let usage = fold(&[&chunk]).unwrap().1.usage;
        let found = (
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        );
        assert_eq!(found, expected, "{json}");
    }
}

#[test]
fn a_refusal_is_put_together_and_is_no_answer() {
    let (events, response) =
        fold_deltas(&[r#"{"refusal": "I can"}"#, r#"{"refusal": "not."}"#, r#"{"content": ""}"#]);
    assert_eq!(response.stop, StopReason::Refusal("I cannot.".into()));
    assert_eq!(events, []);
    let [Item::Assistant(said)] = response.items.as_slice() else { panic!("{:?}", response.items) };
    assert_eq!(
        (said.text.as_str(), &said.raw),
        ("", &Some(Raw::new(ORIGIN, json!({"refusal": "I cannot."}))))
    );
}

#[test]
fn an_empty_answer_is_an_answer() {
    let (events, response) = fold_deltas(&[r#"{"content": ""}"#]);
    assert_eq!((events, response.items, response.stop), (vec![], vec![], StopReason::EndTurn));
}

#[test]
fn the_end_of_a_stream_is_a_finish_reason_or_done() {
    let piece = r#"{"choices": [{"delta": {"content": "x"}, "finish_reason": null}]}"#;
    let last = r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#;
    assert!(fold(&[piece, DONE]).is_ok());
    assert!(fold(&[piece, last]).is_ok());
    for cut in [&[piece][..], &[]] {
        let error = fold(cut).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::StreamCut);
        assert!(error.is_retryable());
    }
    let empty = fold(&[r#"{"choices": []}"#, DONE]).unwrap_err();
    assert_eq!(empty.kind(), ModelErrorKind::Protocol, "{empty}");
}

#[test]
fn errors_inside_the_stream_are_read_in_every_form() {
    let cases = [
        (
            r#"{"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}"#,
            ModelErrorKind::RateLimited,
        ),
        (
            r#"{"error": {"code": 503, "message": "upstream is down"}, "choices": []}"#,
            ModelErrorKind::Overloaded,
        ),
        (r#"{"error": "the model crashed"}"#, ModelErrorKind::Server),
        (
            r#"{"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}"#,
            ModelErrorKind::InvalidRequest,
        ),
        (r#"{"code": "500", "message": "boom"}"#, ModelErrorKind::Server),
        (r#"{"detail": "boom"}"#, ModelErrorKind::Server),
        (r#"{"message": "boom", "type": "server_error"}"#, ModelErrorKind::Server),
        (r#"{"success": false, "errors": [{"code": 10000, "message": "boom"}]}"#, ModelErrorKind::Server),
        (r#"{"fault": {"faultstring": "boom"}}"#, ModelErrorKind::Server),
        (r#"{"type": "about:blank", "title": "Slow down", "status": 429}"#, ModelErrorKind::RateLimited),
        // Gemini.
        (
            r#"[{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]"#,
            ModelErrorKind::Overloaded,
        ),
        (
            r#"{"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "boom"}}]}"#,
            ModelErrorKind::Server,
        ),
        (
            r#"{"error": {"message": "too long", "code": "context_length_exceeded"}}"#,
            ModelErrorKind::ContextWindow,
        ),
    ];
    for (chunk, kind) in cases {
        let text = r#"{"choices": [{"delta": {"content": "x"}}]}"#;
        assert_eq!(fold(&[text, chunk, DONE]).unwrap_err().kind(), kind, "{chunk}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_that_quotes_nothing() {
    for chunk in
        ["<html>secret</html>", r#"{"choices": "secret"}"#, r#"{"choices": [{"delta": {"content": "secret"#]
    {
        let error = fold(&[chunk]).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol);
        assert!(!format!("{error:#} {error:?}").contains("secret"), "{error}");
    }
}

/// The reasoning that comes of these deltas: the readable text, and the fields that go back.
fn reasoning(deltas: &[&str]) -> (String, Value) {
    let (_, response) = fold_deltas(deltas);
    match response.items.as_slice() {
        [Item::Reasoning(reasoning)] => (reasoning.text.clone(), reasoning.raw.clone().unwrap().value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reasoning_is_read_from_the_field_of_every_server() {
    let cases: [(&[&str], &str, Value); 5] = [
        (
            &[r#"{"reasoning_content": "Let "}"#, r#"{"reasoning_content": "me see", "content": null}"#],
            "Let me see",
            json!({"reasoning_content": "Let me see"}),
        ),
        (&[r#"{"reasoning": "Hm"}"#], "Hm", json!({"reasoning": "Hm"})),
        // The same text in two fields counts once.
        (&[r#"{"reasoning": "Hm", "reasoning_content": "Hm"}"#], "Hm", json!({"reasoning_content": "Hm"})),
        // LiteLLM over Claude.
        (
            &[
                r#"{"reasoning_content": "A", "thinking_blocks": [{"type": "thinking", "thinking": "A", "signature": null}]}"#,
                r#"{"reasoning_content": "B", "thinking_blocks": [{"type": "thinking", "thinking": "B"}]}"#,
                r#"{"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s1"}]}"#,
                r#"{"reasoning_content": "C", "thinking_blocks": [{"type": "thinking", "thinking": "C"}]}"#,
                r#"{"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}, {"type": "redacted_thinking", "data": "y"}]}"#,
            ],
            "ABC",
            json!({
                "reasoning_content": "ABC",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "AB", "signature": "s1"},
                    {"type": "thinking", "thinking": "C"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "redacted_thinking", "data": "y"},
                ],
            }),
        ),
        // OpenRouter.
        (
            &[
                r#"{"reasoning_details": [{"type": "reasoning.summary", "summary": "A", "index": 0}]}"#,
                r#"{"reasoning_details": [{"type": "reasoning.summary", "summary": "B", "index": 0}]}"#,
                r#"{"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "index": 1}]}"#,
            ],
            "AB",
            json!({"reasoning_details": [
                {"type": "reasoning.summary", "summary": "AB", "index": 0},
                {"type": "reasoning.encrypted", "data": "e", "index": 1},
            ]}),
        ),
    ];
    for (deltas, text, raw) in cases {
        assert_eq!(reasoning(deltas), (text.to_owned(), raw));
    }
}

#[test]
fn reasoning_text_and_calls_stand_in_this_order() {
    let (_, response) = fold_deltas(&[
        r#"{"reasoning_content": "Hm"}"#,
        r#"{"content": "I add."}"#,
        r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}"#,
    ]);
    assert!(matches!(response.items.as_slice(), [Item::Reasoning(_), Item::Assistant(_), Item::ToolCall(_)]));
}

#[test]
fn a_response_without_end_is_stopped() {
    let block = json!([{"type": "thinking", "thinking": "xxxxx"}]);
    let deltas = [
        json!({"content": "x".repeat(100)}),
        json!({"refusal": "x".repeat(100)}),
        json!({"reasoning": "x".repeat(100)}),
        json!({ "thinking_blocks": block }),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "x".repeat(100)}}]}),
        json!({"tool_calls": [{"index": 0, "extra_content": "x".repeat(100)}]}),
        json!({"function_call": {"arguments": {"x": "x".repeat(100)}}}),
        json!({"tool_calls": [{"id": "x".repeat(100)}]}),
        json!({"tool_calls": [{"function": {"name": "x".repeat(100)}}]}),
    ];
    for delta in deltas {
        let mut fold = ChatFold { budget: ResponseBudget::of(1000), ..ChatFold::new(ORIGIN) };
        let chunk = json!({"choices": [{ "delta": delta }]}).to_string();
        let error = (0..50).find_map(|_| fold.push(&chunk, &mut Vec::new()).err()).unwrap();
        assert_eq!(error.kind(), ModelErrorKind::LimitExceeded, "{delta}");
    }
}

#[test]
fn debug_shows_nothing_of_the_answer() {
    let mut fold = ChatFold::new(ORIGIN);
    fold.push(r#"{"choices": [{"delta": {"content": "secret"}}]}"#, &mut Vec::new()).unwrap();
    assert!(!format!("{fold:?}").contains("secret"));
}
