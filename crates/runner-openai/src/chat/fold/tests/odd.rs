//! Fields of a type that the protocol does not give them.

use super::*;

#[test]
fn a_chunk_is_not_lost_for_a_field_of_an_odd_type() {
    for chunk in [
        r#"{"choices": [{"index": "0", "delta": {"content": "Hi"}}]}"#,
        r#"{"choices": [{"index": 0.0, "delta": {"content": "Hi"}}]}"#,
        r#"{"choices": [{"index": [0], "delta": {"content": "Hi"}}]}"#,
        r#"{"choices": [{"index": "first", "delta": {"content": "Hi"}}]}"#,
        r#"{"choices": {"index": 0, "delta": {"content": "Hi"}}}"#,
        r#"{"choices": [null, {"delta": {"content": "Hi"}}]}"#,
        r#"{"id": {}, "object": 1, "created": "now", "model": ["m"], "usage": "none", "system_fingerprint": 1,
            "choices": [{"delta": {"role": 1, "content": "Hi", "refusal": false, "reasoning": {}, "thinking_blocks": "",
            "reasoning_details": 7}, "finish_reason": false, "logprobs": "none"}]}"#,
        r#"{"choices": [{"delta": {"content": "Hi", "tool_calls": ""}}]}"#,
        r#"{"choices": [{"delta": {"content": "Hi", "function_call": ""}}]}"#,
        r#"{"choices": [{"delta": {"content": "Hi", "function_call": [], "tool_calls": {}}}]}"#,
        r#"{"choices": [{"delta": {"content": "Hi", "tool_calls": [{"index": 0, "function": []}]}}]}"#,
        r#"{"choices": [{"delta": [], "message": {"content": "Hi"}}]}"#,
        r#"{"choices": [{"delta": "", "message": {"content": "Hi"}}]}"#,
    ] {
        let (_, response) = fold(&[chunk, DONE]).unwrap();
        assert_eq!(response.items, [Item::assistant("Hi")], "{chunk}");
    }
}

#[test]
fn a_call_is_not_lost_for_a_field_of_an_odd_type() {
    for piece in [
        r#"[{"index": "0", "id": "a", "function": {"name": "add", "arguments": "{}"}}]"#,
        r#"[{"index": 0.0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]"#,
        r#"[{"index": {}, "id": "a", "type": 1, "function": {"name": "add", "arguments": "{}"}}]"#,
        r#"[null, {"id": "a", "function": {"name": "add", "arguments": "{}"}}]"#,
        r#"{"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}"#,
    ] {
        let (_, response) = fold_deltas(&[&format!(r#"{{"tool_calls": {piece}}}"#)]);
        assert_eq!(calls(&response), [call("a", "add", "{}")], "{piece}");
        let whole = format!(r#"{{"choices": [{{"message": {{"tool_calls": {piece}}}}}]}}"#);
        assert_eq!(calls(&fold(&[&whole, DONE]).unwrap().1), [call("a", "add", "{}")], "{piece}");
    }
}

#[test]
fn an_index_as_text_is_that_index() {
    let (_, response) = fold_deltas(&[
        r#"{"tool_calls": [{"index": "0", "id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
        r#"{"tool_calls": [{"index": "1", "id": "b", "function": {"name": "mul", "arguments": "{\"y\""}}]}"#,
        r#"{"tool_calls": [{"index": 0.0, "function": {"arguments": ":1}"}}, {"index": "1", "function": {"arguments": ":2}"}}]}"#,
    ]);
    assert_eq!(calls(&response), [call("a", "add", r#"{"x":1}"#), call("b", "mul", r#"{"y":2}"#)]);
}

#[test]
fn arguments_that_are_neither_text_nor_an_object_are_told_to_the_model_as_they_are() {
    for (arguments, expected) in [("7", "7"), ("true", "true"), ("-1.5", "-1.5")] {
        let piece = format!(r#"[{{"id": "a", "function": {{"name": "add", "arguments": {arguments}}}}}]"#);
        let (_, response) = fold_deltas(&[&format!(r#"{{"tool_calls": {piece}}}"#)]);
        assert_eq!(calls(&response), [call("a", "add", expected)]);
    }
}

#[test]
fn an_error_that_says_nothing_beside_an_answer_is_none() {
    for blank in
        ["null", r#""""#, "{}", "[]", "false", r#"{"message": "", "type": "", "param": null, "code": 0}"#]
    {
        let text = format!(r#"{{"error": {blank}, "choices": [{{"delta": {{"content": "Hi"}}}}]}}"#);
        let beside = format!(
            r#"{{"choices": [{{"delta": {{"content": "!"}}, "error": {blank}, "finish_reason": "stop"}}]}}"#
        );
        let usage =
            format!(r#"{{"error": {blank}, "usage": {{"prompt_tokens": 3, "completion_tokens": 2}}}}"#);
        let (_, response) = fold(&[&text, &beside, &usage, DONE]).unwrap();
        assert_eq!((response.items, response.usage), (vec![Item::assistant("Hi!")], Usage::new(3, 2)));
    }
    assert_eq!(fold(&[r#"{"error": {}}"#]).unwrap_err().kind(), ModelErrorKind::Server);
}

#[test]
fn each_count_of_the_usage_is_read_by_itself() {
    let cases = [
        (r#"{"prompt_tokens": 10.0, "completion_tokens": 5}"#, (10, 5, 0, 0)),
        (r#"{"prompt_tokens": "10", "completion_tokens": {}}"#, (10, 0, 0, 0)),
        (r#"{"prompt_tokens": "many", "completion_tokens": 5, "total_tokens": []}"#, (0, 5, 0, 0)),
        (
            r#"{"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": 3,
                "completion_tokens_details": {"reasoning_tokens": "4", "image_tokens": {}}}"#,
            (10, 5, 0, 4),
        ),
        (
            r#"{"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": [], "cached_tokens": 2.0,
                "completion_tokens_details": ""}"#,
            (10, 5, 2, 0),
        ),
    ];
    for (json, expected) in cases {
        let chunk = format!(r#"{{"choices": [{{"finish_reason": "stop"}}], "usage": {json}}}"#);
        let usage = fold(&[&chunk]).unwrap().1.usage;
        let found = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens);
        assert_eq!(found, expected, "{json}");
    }
}

#[test]
fn lists_without_end_are_stopped() {
    let many = |entry: &str| vec![entry; 5000].join(",");
    for chunk in [
        format!(r#"{{"choices": [{}]}}"#, many("{}")),
        format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{}]}}}}]}}"#, many("{}")),
        format!(r#"{{"choices": [{{"message": {{"tool_calls": [{}]}}}}]}}"#, many("{}")),
        format!(r#"{{"choices": [{{"delta": {{"thinking_blocks": [{}]}}}}]}}"#, many(r#"{"data":1}"#)),
        format!("[{}]", many("{}")),
    ] {
        let error = fold(&[&chunk, DONE]).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::LimitExceeded, "{error}");
    }
    // The blocks of a response are counted, not those of a chunk.
    let block = r#"{"choices": [{"delta": {"thinking_blocks": [{"data":1}]}}]}"#;
    assert_eq!(fold(&vec![block; 20_000]).unwrap_err().kind(), ModelErrorKind::LimitExceeded);
}
