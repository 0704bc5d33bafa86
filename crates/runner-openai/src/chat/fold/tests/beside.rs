//! A message beside the deltas.

use super::*;

/// Chunks with this delta and this message beside it, and what comes of them.
fn beside(chunks: &[(&str, &str)]) -> ModelResponse {
    let chunks: Vec<String> = chunks
        .iter()
        .map(|(delta, message)| {
            format!(r#"{{"choices": [{{"index": 0, "delta": {delta}, "message": {message}}}]}}"#)
        })
        .collect();
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).chain([DONE]).collect();
    fold(&chunks).unwrap().1
}

#[test]
fn what_only_the_message_beside_the_deltas_says_is_taken() {
    let call_a = r#"{"id": "a", "function": {"name": "add", "arguments": "{}"}}"#;
    let text = (r#"{"content": "Hi"}"#, "null");
    let message = format!(r#"{{"content": "Hi", "tool_calls": [{call_a}]}}"#);
    let response = beside(&[text, ("{}", &message)]);
    assert_eq!(response.items[0], Item::assistant("Hi"));
    assert_eq!((calls(&response), response.stop), (vec![call("a", "add", "{}")], StopReason::ToolCalls));

    let legacy = r#"{"content": "Hi", "function_call": {"name": "add", "arguments": "{}"}}"#;
    assert_eq!(calls(&beside(&[text, ("{}", legacy)])).len(), 1);

    let called = format!(r#"{{"tool_calls": [{call_a}]}}"#);
    let response = beside(&[(&called, "null"), ("{}", &message)]);
    assert_eq!(response.items[0], Item::assistant("Hi"));
    assert_eq!(calls(&response), [call("a", "add", "{}")]);

    // The last piece of the text, and reasoning.
    let response = beside(&[text, ("{}", r#"{"content": "Hi there", "reasoning_content": "Hm"}"#)]);
    assert!(matches!(&response.items[0], Item::Reasoning(thought) if thought.text == "Hm"));
    assert_eq!(response.items[1], Item::assistant("Hi there"));

    let response = beside(&[(r#"{"reasoning_content": "Hm"}"#, "null"), ("{}", r#"{"refusal": "No."}"#)]);
    assert_eq!(response.stop, StopReason::Refusal("No.".into()));
}

#[test]
fn a_message_beside_the_deltas_that_says_something_else_adds_nothing() {
    let text = (r#"{"content": " Hi there"}"#, r#"{"content": "H"}"#);
    for message in [r#"{"content": "Hi"}"#, r#"{"content": null}"#, r#"{"content": "Bye"}"#, "{}", r#""odd""#]
    {
        assert_eq!(beside(&[text, ("{}", message)]).items, [Item::assistant(" Hi there")], "{message}");
    }
    let called =
        r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}"#;
    let again = r#"{"tool_calls": [{"id": "b", "function": {"name": "add", "arguments": "{}"}}]}"#;
    assert_eq!(calls(&beside(&[(called, "null"), ("{}", again)])), [call("a", "add", "{}")]);
}
