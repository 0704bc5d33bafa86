//! How an answer ends: the reasons, and which of two counts.

use super::*;

#[test]
fn the_reason_to_stop_is_read() {
    let call = r#""tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x"}}]"#;
    let text = r#""content": "x""#;
    let cases = [
        (text, "\"stop\"", StopReason::EndTurn),
        (text, "null", StopReason::EndTurn),
        (text, "\"tool_calls\"", StopReason::EndTurn),
        (text, "\"length\"", StopReason::MaxTokens),
        (text, "\"max_tokens\"", StopReason::MaxTokens),
        (text, "\"MAX_TOKENS\"", StopReason::MaxTokens),
        (text, "\"model_length\"", StopReason::ContextWindow),
        (text, "\"content_filter\"", StopReason::ContentFilter),
        (text, "\"content_filter: SAFETY\"", StopReason::ContentFilter),
        (text, "\"safety\"", StopReason::ContentFilter),
        (text, "\"SAFETY\"", StopReason::ContentFilter),
        (text, "\"RECITATION\"", StopReason::ContentFilter),
        (text, "\"PROHIBITED_CONTENT\"", StopReason::ContentFilter),
        (text, "\"sensitive\"", StopReason::ContentFilter),
        (text, "\"STOP\"", StopReason::EndTurn),
        (text, "\"moon phase\"", StopReason::Other("moon phase".into())),
        (r#""refusal": "No.""#, "\"stop\"", StopReason::Refusal("No.".into())),
        (call, "\"stop\"", StopReason::ToolCalls),
        (call, "null", StopReason::ToolCalls),
        (call, "\"eos\"", StopReason::ToolCalls),
        // The arguments may be cut off: it must not look like a call to run.
        (call, "\"length\"", StopReason::MaxTokens),
        (call, "\"MAX_TOKENS\"", StopReason::MaxTokens),
        (call, "\"content_filter\"", StopReason::ContentFilter),
    ];
    for (delta, reason, expected) in cases {
        let chunk = format!(r#"{{"choices": [{{"delta": {{{delta}}}, "finish_reason": {reason}}}]}}"#);
        assert_eq!(fold(&[&chunk, DONE]).unwrap().1.stop, expected, "{delta} {reason}");
    }
}

#[test]
fn a_server_that_failed_half_way_is_an_error_that_may_pass() {
    for (reason, kind) in [
        ("error", ModelErrorKind::Server),
        ("insufficient_system_resource", ModelErrorKind::Overloaded),
        ("abort", ModelErrorKind::Server),
        ("cancelled", ModelErrorKind::Server),
        ("network_error", ModelErrorKind::Server),
    ] {
        let chunk =
            format!(r#"{{"choices": [{{"delta": {{"content": "x"}}, "finish_reason": "{reason}"}}]}}"#);
        let error = fold(&[&chunk, DONE]).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{reason}");
    }
}

#[test]
fn of_two_reasons_the_worse_counts() {
    let end = |reason: &str| format!(r#"{{"choices": [{{"delta": {{}}, "finish_reason": "{reason}"}}]}}"#);
    let text = r#"{"choices": [{"delta": {"content": "x"}}]}"#;
    for (one, other, expected) in [
        ("length", "stop", StopReason::MaxTokens),
        ("content_filter", "stop", StopReason::ContentFilter),
        ("content_filter", "length", StopReason::ContentFilter),
        ("model_length", "tool_calls", StopReason::ContextWindow),
        ("eos", "stop", StopReason::EndTurn),
    ] {
        let chunks = [text, &end(one), &end(other), DONE];
        assert_eq!(fold(&chunks).unwrap().1.stop, expected, "{one}, {other}");
    }
    for (one, other) in [("stop", "length"), ("length", "content_filter")] {
        let stop = |chunks: &[&str]| fold(chunks).unwrap().1.stop;
        let (one, other) = (end(one), end(other));
        assert_eq!(stop(&[text, &one, &other, DONE]), stop(&[text, &other, &one, DONE]), "{one} {other}");
    }
    assert!(fold(&[text, &end("error"), &end("stop"), DONE]).is_err());
}
