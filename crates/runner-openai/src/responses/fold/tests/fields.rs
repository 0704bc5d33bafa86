//! Fields of another type than the protocol says.

use super::*;

/// What a field may hold beside what it should. No type of ours reads all of them.
const ODD: [&str; 11] = [
    "null",
    "true",
    "7",
    "-7",
    "0.5",
    "1e999",
    r#""x""#,
    r#""\ud800""#,
    "{}",
    r#"{"text": {}, "id": [7], "type": 7, "reason": {}}"#,
    r#"[{"text": "a"}, 7]"#,
];

const FIELDS: [&str; 13] = [
    "object",
    "delta",
    "arguments",
    "output_index",
    "item_id",
    "summary_index",
    "item",
    "response",
    "error",
    "output",
    "message",
    "detail",
    "sequence_number",
];

#[test]
fn an_event_of_an_unknown_type_is_skipped_whatever_its_fields_hold() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for field in FIELDS {
        for odd in ODD.into_iter().chain([deep.as_str()]) {
            let event = format!(r#"{{"type": "response.new_thing", "{field}": {odd}}}"#);
            let (mut fold, mut events) = (ResponsesFold::new(ORIGIN), Vec::new());
            fold.push(&event, &mut events).unwrap_or_else(|error| panic!("{event}: {error}"));
            assert_eq!((events.len(), fold.has_ended()), (0, false), "{event}");
        }
    }
    let cut = r#"{"type": "response.new_thing", "output_index": "0""#;
    assert!(ResponsesFold::new(ORIGIN).push(cut, &mut Vec::new()).is_err());
}

#[test]
fn what_an_event_does_not_need_may_be_of_any_type() {
    let unneeded = ["object", "output_index", "summary_index", "sequence_number", "response", "logprobs"];
    for field in unneeded {
        for odd in ODD.into_iter().filter(|odd| !odd.contains("\\u") && *odd != "1e999") {
            let event =
                format!(r#"{{"type": "response.output_text.delta", "delta": "Hello", "{field}": {odd}}}"#);
            let mut events = Vec::new();
            let pushed = ResponsesFold::new(ORIGIN).push(&event, &mut events);
            pushed.unwrap_or_else(|error| panic!("{event}: {error}"));
            assert_eq!(events, [ModelEvent::TextDelta("Hello".into())], "{event}");
        }
    }
}

#[test]
fn a_place_may_be_a_number_or_text_that_is_one() {
    let place = |index: Value, text: &str| json!({"type": "response.output_item.done", "output_index": index, "item": message(text)});
    for [zero, one] in
        [["0", "1"].map(Value::from), [0.0, 1.0].map(Value::from), ["0.0", " 1 "].map(Value::from)]
    {
        let (_, response) = fold_completed(&[place(one, "b"), place(zero, "a")]);
        let texts = response.items.iter().map(|item| match item {
            Item::Assistant(said) => said.text.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<String>(), "ab");
    }
    let part = json!({"type": "response.reasoning_summary_part.added", "summary_index": "1"});
    assert_eq!(fold_completed(&[part]).0, [ModelEvent::ReasoningDelta("\n\n".into())]);
}

#[test]
fn an_end_is_one_whatever_it_says_of_its_details() {
    for field in ["id", "status", "model", "usage", "error", "incomplete_details"] {
        for odd in ODD.into_iter().filter(|odd| !odd.contains("\\u") && *odd != "1e999") {
            let end = format!(r#"{{"type": "response.incomplete", "response": {{"{field}": {odd}}}}}"#);
            let mut fold = ResponsesFold::new(ORIGIN);
            fold.push(&end, &mut Vec::new()).unwrap_or_else(|error| panic!("{end}: {error}"));
            assert_eq!(fold.finish().unwrap().stop, StopReason::MaxTokens, "{end}");
        }
    }
}

#[test]
fn each_count_is_read_by_itself() {
    let used = |usage: Value| {
        let end = json!({"type": "response.completed", "response": {"usage": usage}});
        let used = fold(&[end]).unwrap().1.usage;
        [
            used.input_tokens,
            used.output_tokens,
            used.cached_tokens,
            used.cache_write_tokens,
            used.reasoning_tokens,
        ]
    };
    let usage = |odd: Value| {
        json!({"input_tokens": odd, "output_tokens": 5,
            "input_tokens_details": {"cached_tokens": odd, "cache_write_tokens": 3},
            "output_tokens_details": {"reasoning_tokens": odd}})
    };
    for odd in [json!(10), json!(10.0), json!(10.9), json!("10"), json!(" 10.0 ")] {
        assert_eq!(used(usage(odd.clone())), [10, 5, 10, 3, 10], "{odd}");
    }
    for odd in [
        json!(null),
        json!(-1),
        json!(-0.5),
        json!("NaN"),
        json!("inf"),
        json!("many"),
        json!([10]),
        json!(true),
    ] {
        assert_eq!(used(usage(odd.clone())), [0, 5, 0, 3, 0], "{odd}");
    }
    let without_details = json!({"input_tokens": 10, "output_tokens": 5, "input_tokens_details": 7, "output_tokens_details": null});
    assert_eq!(used(without_details), [10, 5, 0, 0, 0]);
    assert_eq!(used(json!("none")), [0; 5]);
}
