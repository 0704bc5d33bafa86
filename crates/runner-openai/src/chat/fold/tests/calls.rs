//! Tool calls, in every form that servers send them.

use std::collections::HashSet;

use super::*;

/// Deltas, and the calls that they must give: id (`*` for one that was made up), name, arguments.
struct Case {
    name: &'static str,
    deltas: &'static [&'static str],
    calls: &'static [(&'static str, &'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        name: "as the protocol says: by index, interleaved",
        deltas: &[
            r#"{"role": "assistant", "content": null, "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\":"}}]}"#,
            r#"{"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "mul", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}, {"index": 0, "function": {"arguments": "1}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("b", "mul", "{}")],
    },
    Case {
        name: "no index, id in the first piece only",
        deltas: &[
            r#"{"tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"function": {"arguments": ":1}"}}]}"#,
            r#"{"tool_calls": [{"id": "b", "function": {"name": "add", "arguments": "{}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("b", "add", "{}")],
    },
    Case {
        name: "no index, id in each piece, interleaved",
        deltas: &[
            r#"{"tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"id": "b", "function": {"name": "add", "arguments": "{\"y\""}}]}"#,
            r#"{"tool_calls": [{"id": "a", "function": {"arguments": ":1}"}}, {"id": "b", "function": {"arguments": ":2}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("b", "add", r#"{"y":2}"#)],
    },
    Case {
        name: "every call has index 0 and its own id",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "b", "function": {"name": "add", "arguments": "{\"y\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"arguments": ":2}"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": " "}}]}"#,
        ],
        calls: &[("a", "add", "{\"x\":1} "), ("b", "add", r#"{"y":2}"#)],
    },
    Case {
        name: "the id is made up anew for each piece",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "b", "function": {"arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "", "arguments": ":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 1, "id": "d", "function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 1, "id": "e", "function": {"arguments": "{}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("d", "add", "{}")],
    },
    Case {
        name: "the id is made up anew for each piece, and every call has index 0",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "b", "function": {"arguments": "{\"x\":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "d", "function": {"arguments": "{}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("c", "add", "{}")],
    },
    Case {
        name: "every call has index 0 and its own id, interleaved",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "b", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": ":1}"}}, {"index": 0, "id": "b", "function": {"arguments": ":2}"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#), ("b", "add", r#"{"x":2}"#)],
    },
    Case {
        name: "the name repeated behind whole arguments, without the id",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": ":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": " "}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": ""}}]}"#,
        ],
        calls: &[("a", "add", "{\"x\":1} ")],
    },
    Case {
        name: "the name repeated behind whole arguments, without id and index, and nothing with it",
        deltas: &[
            r#"{"tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "add", "arguments": ""}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "add"}}]}"#,
        ],
        calls: &[("*", "add", "{}")],
    },
    Case {
        name: "id and name repeated in each piece",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#)],
    },
    Case {
        name: "no id at all, by index",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#,
            r#"{"tool_calls": [{"index": 1, "function": {"name": "add", "arguments": "{\"x\""}}]}"#,
            r#"{"tool_calls": [{"index": 1, "function": {"arguments": ":2}"}}]}"#,
        ],
        calls: &[("*", "add", r#"{"x":1}"#), ("*", "add", r#"{"x":2}"#)],
    },
    Case {
        name: "neither id nor index, whole calls, two of one name",
        deltas: &[
            r#"{"tool_calls": [{"function": {"name": "add", "arguments": "{\"x\":1}"}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "add", "arguments": "{\"x\":2}"}}, {"function": {"name": "mul", "arguments": "{}"}}]}"#,
        ],
        calls: &[("*", "add", r#"{"x":1}"#), ("*", "add", r#"{"x":2}"#), ("*", "mul", "{}")],
    },
    Case {
        name: "neither id nor index, name repeated, braces inside strings",
        deltas: &[
            r#"{"tool_calls": [{"function": {"name": "run", "arguments": "{\"code\":\"fn a() {}"}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "run", "arguments": "{ \\\"}\\\" }"}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "run", "arguments": "\"}"}}]}"#,
            r#"{"tool_calls": [{"function": {"name": "run", "arguments": "{}"}}]}"#,
        ],
        calls: &[("*", "run", r#"{"code":"fn a() {}{ \"}\" }"}"#), ("*", "run", "{}")],
    },
    Case {
        name: "an empty id is none",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "", "function": {"name": "add", "arguments": "{"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "", "function": {"name": "", "arguments": "}"}}]}"#,
        ],
        calls: &[("*", "add", "{}")],
    },
    Case {
        name: "the id comes after the name: the call keeps the id that it was told by",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "late", "function": {"arguments": "{"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "late", "function": {"arguments": "}"}}]}"#,
        ],
        calls: &[("*", "add", "{}")],
    },
    Case {
        name: "the name comes after arguments",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a"}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": "}"}}]}"#,
        ],
        calls: &[("a", "add", "{}")],
    },
    Case {
        name: "two calls with one id: both can be answered",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}"#,
            r#"{"tool_calls": [{"index": 1, "id": "a", "function": {"name": "mul", "arguments": "{}"}}]}"#,
        ],
        calls: &[("a", "add", "{}"), ("*", "mul", "{}")],
    },
    Case {
        name: "ids that are numbers, indexes that have gaps",
        deltas: &[
            r#"{"tool_calls": [{"index": 7, "id": 1, "function": {"name": "add", "arguments": "{}"}}]}"#,
            r#"{"tool_calls": [{"index": 3, "id": 2, "function": {"name": "mul", "arguments": "{}"}}]}"#,
        ],
        calls: &[("1", "add", "{}"), ("2", "mul", "{}")],
    },
    Case {
        name: "arguments as an object, as null and missing",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": {"x": [1, "}"]}}}]}"#,
            r#"{"tool_calls": [{"index": 1, "id": "b", "function": {"name": "now", "arguments": null}}, {"index": 2, "id": "c", "function": {"name": "now"}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":[1,"}"]}"#), ("b", "now", ""), ("c", "now", "")],
    },
    Case {
        name: "arguments as an object, repeated",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": {"x": 1}}}]}"#,
            r#"{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": {"x": 1}}}]}"#,
        ],
        calls: &[("a", "add", r#"{"x":1}"#)],
    },
    Case {
        name: "the legacy function_call alone",
        deltas: &[
            r#"{"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": ""}}"#,
            r#"{"function_call": {"arguments": "{\"x\":1}"}}"#,
        ],
        calls: &[("*", "add", r#"{"x":1}"#)],
    },
    Case {
        name: "the legacy function_call beside tool_calls repeats them",
        deltas: &[
            r#"{"function_call": {"name": "add", "arguments": "{}"}}"#,
            r#"{"function_call": null, "tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}"#,
        ],
        calls: &[("a", "add", "{}")],
    },
    Case {
        name: "a stray empty piece hides no legacy function_call",
        deltas: &[
            r#"{"tool_calls": [{"index": 0}]}"#,
            r#"{"function_call": {"name": "add", "arguments": "{"}}"#,
            r#"{"function_call": {"arguments": "}"}}"#,
        ],
        calls: &[("*", "add", "{}")],
    },
    Case {
        name: "a call of a custom tool, which was not declared",
        deltas: &[
            r#"{"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": "print"}}]}"#,
            r#"{"tool_calls": [{"index": 0, "custom": {"input": "(1)"}}]}"#,
        ],
        calls: &[("a", "run", "print(1)")],
    },
    Case {
        name: "a stray empty piece is no call",
        deltas: &[r#"{"tool_calls": [{"index": 0}]}"#, r#"{"tool_calls": null}"#, r#"{"tool_calls": []}"#],
        calls: &[],
    },
];

#[test]
fn tool_calls_are_put_together_whatever_the_server_leaves_out() {
    for case in CASES {
        let (_, response) = fold_deltas(case.deltas);
        let calls = calls(&response);
        let known: HashSet<&str> = case.calls.iter().map(|(id, ..)| *id).collect();
        let found: Vec<(&str, &str, &str)> = calls
            .iter()
            .map(|call| {
                let made_up = !known.contains(call.id.as_str());
                (if made_up { "*" } else { call.id.as_str() }, call.name.as_str(), call.arguments.as_str())
            })
            .collect();
        assert_eq!(found, case.calls, "{}", case.name);
        let ids: HashSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids.len(), calls.len(), "{}: ids are unique", case.name);
        assert!(ids.iter().all(|id| !id.is_empty() && id.len() <= 40), "{}", case.name);
        let expected = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolCalls };
        assert_eq!(response.stop, expected, "{}: the calls decide, not finish_reason `stop`", case.name);
    }
}

#[test]
fn a_call_is_told_of_as_soon_as_its_name_is_known() {
    let first = r#"{"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]}}]}"#;
    let mut events = Vec::new();
    ChatFold::new(ORIGIN).push(first, &mut events).unwrap();
    assert_eq!(events, [ModelEvent::ToolCallStarted { call_id: "a".into(), name: "add".into() }]);
}

#[test]
fn made_up_ids_differ_from_response_to_response() {
    let delta = r#"{"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": "{}"}}]}"#;
    let [one, other] = [fold_deltas(&[delta]), fold_deltas(&[delta])].map(|(_, response)| calls(&response));
    assert_ne!(one[0].id, other[0].id);
}

#[test]
fn a_thought_signature_is_kept_with_its_call() {
    // Gemini sends it with the call, or behind it in a piece without index and id.
    let signature = r#""extra_content": {"google": {"thought_signature": "sig"}}"#;
    let call = r#""index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}"#;
    let with_it = format!(r#"{{"tool_calls": [{{{call}, {signature}}}]}}"#);
    let before = format!(r#"{{"tool_calls": [{{{call}, "extra_content": null}}]}}"#);
    let behind = format!(r#"{{"tool_calls": [{{{signature}}}]}}"#);
    for deltas in [&[with_it.as_str()][..], &[before.as_str(), behind.as_str()]] {
        let calls = calls(&fold_deltas(deltas).1);
        let raw = json!({"extra_content": {"google": {"thought_signature": "sig"}}});
        assert_eq!(calls[0].raw, Some(Raw::new(ORIGIN, raw)));
    }
}

#[test]
fn a_call_without_extras_keeps_no_raw_form() {
    let delta = r#"{"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": "{}", "unknown": 1}}]}"#;
    assert_eq!(calls(&fold_deltas(&[delta]).1)[0].raw, None);
}

#[test]
fn a_call_of_a_custom_tool_keeps_no_raw_form_since_it_goes_back_as_that_of_a_function() {
    let custom = r#"{"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": "x"}}"#;
    let whole = format!(r#"{{"choices": [{{"message": {{"tool_calls": [{custom}]}}}}]}}"#);
    let streamed = fold_deltas(&[&format!(r#"{{"tool_calls": [{custom}]}}"#)]).1;
    for response in [streamed, fold(&[&whole, DONE]).unwrap().1] {
        assert_eq!(calls(&response), [call("a", "run", "x")]);
        assert_eq!(response.stop, StopReason::ToolCalls);
    }
}

#[test]
fn a_model_that_asks_for_tools_without_end_is_stopped() {
    let calls: Vec<String> = (0..=crate::chat::MAX_TOOL_CALLS)
        .map(|index| format!(r#"{{"index": {index}, "id": "c{index}", "function": {{"name": "add"}}}}"#))
        .collect();
    let chunk = format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{}]}}}}]}}"#, calls.join(","));
    assert_eq!(fold(&[&chunk]).unwrap_err().kind(), ModelErrorKind::LimitExceeded);
}
