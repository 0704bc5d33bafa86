//! Items that come twice, and what comes in one place only where another is meant for it.

use super::*;

fn with(mut item: Value, fields: &Value) -> Value {
    item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    item
}

fn listing(items: &[Value]) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": items}})
}

#[test]
fn a_call_that_comes_again_is_one_call_however_it_is_written() {
    let whole = function_call("a", r#"{"x":1}"#);
    for again in [
        with(whole.clone(), &json!({"status": "completed"})),
        with(whole.clone(), &json!({"id": "fc_new", "more": 1})),
        with(whole.clone(), &json!({"arguments": r#"{ "x": 1 }"#})),
        with(whole.clone(), &json!({"arguments": ""})),
    ] {
        for events in [vec![done(&whole), done(&again)], vec![done(&whole), listing(&[whole.clone(), again])]]
        {
            let (events, response) = fold_completed(&events);
            assert_eq!(events, [started("a"), delta("a", r#"{"x":1}"#)]);
            assert_eq!(calls(&response).len(), 1);
        }
    }
}

#[test]
fn a_call_that_came_without_its_arguments_gets_them() {
    let (empty, whole) = (function_call("a", ""), function_call("a", r#"{"x":1}"#));
    let (events, response) = fold_completed(&[done(&empty), done(&whole)]);
    assert_eq!(events, [started("a"), delta("a", r#"{"x":1}"#)]);
    let [call] = calls(&response)[..] else { panic!("{response:?}") };
    assert_eq!(call.arguments, r#"{"x":1}"#);
    assert_eq!(call.raw.as_ref().unwrap().value, whole);
}

#[test]
fn a_call_of_the_same_id_that_asks_for_something_else_is_another() {
    let other = with(function_call("a", r#"{"x":1}"#), &json!({"name": "get_time"}));
    for other in [function_call("a", r#"{"x":2}"#), other] {
        let (_, response) = fold_completed(&[done(&function_call("a", r#"{"x":1}"#)), done(&other)]);
        let calls = calls(&response);
        assert_eq!(calls.len(), 2);
        assert_ne!(calls[0].id, calls[1].id);
    }
}

#[test]
fn a_message_or_a_thought_of_one_id_counts_once() {
    let said = with(message("Hello"), &json!({"id": "msg_1"}));
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"});
    let again = |item: &Value| with(item.clone(), &json!({"status": "completed"}));
    let (events, response) =
        fold_completed(&[done(&thought), done(&again(&thought)), done(&said), done(&again(&said))]);
    assert_eq!(events, [ModelEvent::ReasoningDelta("Hm.".into()), ModelEvent::TextDelta("Hello".into())]);
    assert_eq!(response.items.len(), 2);
    // Some servers give all messages one id.
    let other = with(message("World"), &json!({"id": "msg_1"}));
    assert_eq!(fold_completed(&[done(&said), done(&other)]).1.items.len(), 2);
}

#[test]
fn a_text_that_comes_only_as_a_whole_counts() {
    let text =
        |event: &str, field: &str| json!({"type": event, field: "Hello", "output_index": 0, "item_id": "m"});
    let (whole, piece) =
        (text("response.output_text.done", "text"), text("response.output_text.delta", "delta"));
    let said = ModelEvent::TextDelta("Hello".into());
    for events in [
        vec![whole.clone()],
        vec![piece.clone(), whole.clone()],
        vec![done(&message("Hello")), whole.clone()],
        vec![whole.clone(), done(&message("Hello"))],
    ] {
        let (events, response) = fold_completed(&events);
        assert_eq!((events, response.items.len()), (vec![said.clone()], 1));
    }
    let refused = json!({"type": "response.refusal.done", "refusal": "No."});
    assert_eq!(fold_completed(&[refused]).1.stop, StopReason::Refusal("No.".into()));
}

#[test]
fn arguments_that_come_only_with_the_beginning_of_a_call_count() {
    let begun = json!({"type": "response.output_item.added", "output_index": 0, "item": function_call("a", r#"{"x":1}"#)});
    let empty = done(&function_call("a", ""));
    for events in [vec![begun.clone()], vec![begun, empty]] {
        let (_, response) = fold_completed(&events);
        assert_eq!(calls(&response)[0].arguments, r#"{"x":1}"#);
    }
}
