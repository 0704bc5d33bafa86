//! What a server says twice.

use super::*;

/// The calls of an answer in one piece with this list of calls.
fn whole(list: &str) -> Vec<ToolCall> {
    let body =
        format!(r#"{{"choices": [{{"message": {{"tool_calls": {list}}}, "finish_reason": "stop"}}]}}"#);
    calls(&fold(&[&body]).unwrap().1)
}

fn streamed(deltas: &[&str]) -> Vec<ToolCall> {
    calls(&fold_deltas(deltas).1)
}

#[test]
fn a_call_that_is_reported_twice_is_one() {
    let first =
        r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\":"}}]}"#;
    let rest = r#"{"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}"#;
    for again in [
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#,
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": "{ \"x\": 1 }"}}]}"#,
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": {"x": 1}}}]}"#,
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": ""}}]}"#,
        r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#,
        r#"{"tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#,
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"arguments": "{\"x\":1}"}}]}"#,
    ] {
        assert_eq!(streamed(&[first, rest, again]), [call("a", "add", r#"{"x":1}"#)], "{again}");
    }
    // The repetition may come in pieces too, and more than once.
    let pieces = [1, 2].map(|index| {
        [
            format!(r#"{{"tool_calls": [{{"index": {index}, "id": "a", "function": {{"name": "add", "arguments": "{{\"x\""}}}}]}}"#),
            format!(r#"{{"tool_calls": [{{"index": {index}, "function": {{"arguments": ":1}}"}}}}]}}"#),
        ]
    });
    let again = pieces.iter().flatten().map(String::as_str);
    let deltas: Vec<&str> = [first, rest].into_iter().chain(again).collect();
    assert_eq!(streamed(&deltas), [call("a", "add", r#"{"x":1}"#)]);
}

#[test]
fn a_call_that_is_reported_again_with_more_of_its_arguments_gets_them() {
    for told in ["", r#"{\"x\":"#] {
        let first = format!(
            r#"{{"tool_calls": [{{"index": 0, "id": "a", "function": {{"name": "add", "arguments": "{told}"}}}}]}}"#
        );
        let again = r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#;
        assert_eq!(streamed(&[&first, again]), [call("a", "add", r#"{"x":1}"#)], "{told}");
    }
}

#[test]
fn a_call_that_stands_twice_in_a_body_is_one() {
    let one = r#"{"id": "a", "function": {"name": "add", "arguments": "{\"x\": 1}"}}"#;
    let same = r#"{"id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}"#;
    assert_eq!(whole(&format!("[{one}, {same}]")), [call("a", "add", r#"{"x": 1}"#)]);
}

#[test]
fn calls_that_share_an_id_alone_stay_two() {
    let add = r#"{"id": "a", "function": {"name": "add", "arguments": "{\"x\":1}"}}"#;
    for other in [
        r#"{"id": "a", "function": {"name": "mul", "arguments": "{\"x\":1}"}}"#,
        r#"{"id": "a", "function": {"name": "add", "arguments": "{\"x\":2}"}}"#,
    ] {
        let both = [
            whole(&format!("[{add}, {other}]")),
            streamed(&[&format!(r#"{{"tool_calls": [{add}, {other}]}}"#)]),
            streamed(&[&format!(r#"{{"tool_calls": [{add}]}}"#), &format!(r#"{{"tool_calls": [{other}]}}"#)]),
        ];
        for calls in both {
            let [first, second] = calls.as_slice() else { panic!("{calls:?}") };
            assert_eq!(first, &call("a", "add", r#"{"x":1}"#));
            assert!(second.id != "a" && !second.arguments.is_empty() && second != first, "{second:?}");
        }
    }
}

#[test]
fn a_thought_signature_that_comes_with_the_repetition_alone_is_kept() {
    let calls = streamed(&[
        r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}"#,
        r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "add", "arguments": "{}"}, "extra_content": 1}]}"#,
    ]);
    assert_eq!(calls[0].raw, Some(Raw::new(ORIGIN, json!({"extra_content": 1}))));
}

#[test]
fn whitespace_is_no_call() {
    for index in [r#""index": 0, "#, ""] {
        let piece = |arguments: &str| {
            format!(
                r#"{{"tool_calls": [{{{index}"function": {{"name": "get_time", "arguments": "{arguments}"}}}}]}}"#
            )
        };
        let (first, second) = (piece("{}"), piece(r"\n"));
        let calls = streamed(&[&first, &second]);
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!((calls[0].name.as_str(), calls[0].arguments.trim()), ("get_time", "{}"));
    }
    let nameless = r#"{"content": "Hi", "tool_calls": [{"index": 0, "function": {"arguments": " \n"}}]}"#;
    assert_eq!(streamed(&[nameless]), []);
}
