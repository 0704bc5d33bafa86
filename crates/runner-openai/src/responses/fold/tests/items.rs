//! Items whose events do not agree on what they belong to.

use super::*;

fn added(index: i64, call_id: &str) -> Value {
    let item = json!({"type": "function_call", "id": format!("fc_{call_id}"), "call_id": call_id, "name": "add", "arguments": ""});
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn piece(index: i64, item_id: &str, text: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": item_id, "delta": text})
}

fn done_at(index: i64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn call(ids: &Value, arguments: &str) -> Value {
    let mut call = json!({"type": "function_call", "name": "add", "arguments": arguments});
    call.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
    call
}

#[test]
fn a_call_that_is_done_under_another_id_is_one_call_and_keeps_the_id_that_it_was_told_by() {
    let cases = [
        ("the id of the item", 5, json!({"id": "fc_a", "call_id": "other"})),
        ("the id under another name", 5, json!({"id": null, "item_id": "fc_a", "call_id": "other"})),
        ("its place", 0, json!({"id": "who?", "call_id": "other"})),
        ("what was told of it", 1, json!({"id": "who?", "call_id": "other"})),
    ];
    for (name, index, ids) in cases {
        let done = done_at(index, &call(&ids, "{\"x\":1}"));
        let (events, response) = fold_completed(&[added(0, "a"), piece(0, "fc_a", "{\"x\":1}"), done]);
        assert_eq!(events, [started("a"), delta("a", "{\"x\":1}")], "{name}");
        let calls = calls(&response);
        assert_eq!((calls.len(), calls[0].id.as_str()), (1, "a"), "{name}");
        // What goes back names the id that the output names.
        assert_eq!(calls[0].raw.as_ref().unwrap().value["call_id"], "a", "{name}");
    }
}

#[test]
fn parallel_calls_that_are_done_under_other_ids_stay_apart() {
    let done = |text: &str| done_at(9, &call(&json!({"call_id": format!("other {text}")}), text));
    let (_, response) = fold_completed(&[
        added(0, "a"),
        piece(0, "fc_a", "{\"x\":1}"),
        added(1, "b"),
        // The server lost the first piece.
        piece(1, "fc_b", "\"x\":2}"),
        done("{\"x\":2}"),
        done("{\"x\":1}"),
    ]);
    let mut calls: Vec<_> = calls(&response).iter().map(|call| (&*call.id, &*call.arguments)).collect();
    calls.sort_unstable();
    assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{\"x\":2}")]);
}

#[test]
fn a_call_of_which_only_the_end_is_seen_takes_no_other_call_away() {
    let (events, response) = fold_completed(&[
        added(0, "a"),
        done_at(1, &function_call("b", "{\"x\":2}")),
        done_at(0, &function_call("a", "{\"x\":1}")),
    ]);
    let mut arguments: Vec<&str> = calls(&response).iter().map(|call| call.arguments.as_str()).collect();
    arguments.sort_unstable();
    assert_eq!(arguments, ["{\"x\":1}", "{\"x\":2}"]);
    for call in calls(&response) {
        assert_eq!(events.iter().filter(|event| **event == started(&call.id)).count(), 1);
    }
}

#[test]
fn a_call_whose_id_comes_again_is_another_call_and_no_third() {
    let (_, response) = fold_completed(&[
        added(0, "a"),
        done_at(0, &function_call("a", "1")),
        added(1, "a"),
        done_at(1, &function_call("a", "2")),
    ]);
    assert_eq!(calls(&response).iter().map(|call| &*call.arguments).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_renamed_call_is_not_gone_on_from_by_the_servers_id() {
    let mut fold = ResponsesFold::new(ORIGIN).noting_id(true);
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}});
    for event in [added(0, "a"), done_at(0, &call(&json!({"id": "fc_a", "call_id": "other"}), "{}")), end] {
        fold.push(&event.to_string(), &mut Vec::new()).unwrap();
    }
    let items = fold.finish().unwrap().items;
    assert!(!items.iter().any(|item| matches!(item, Item::Opaque(_))), "{items:?}");
}

fn text_at(place: &Value, text: &str) -> Value {
    let mut event = json!({"type": "response.output_text.delta", "delta": text});
    event.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    event
}

fn texts(response: &ModelResponse) -> Vec<&str> {
    let said = response.items.iter().filter_map(|item| match item {
        Item::Assistant(said) => Some(said.text.as_str()),
        _ => None,
    });
    said.collect()
}

#[test]
fn messages_that_come_at_once_are_each_told_once() {
    let by_index = [json!({"output_index": 0}), json!({"output_index": 1})];
    let by_id = [json!({"output_index": 0, "item_id": "one"}), json!({"output_index": 1, "item_id": "two"})];
    for [one, two] in [by_index, by_id] {
        let (events, response) = fold_completed(&[
            text_at(&one, "A"),
            text_at(&two, "C"),
            text_at(&one, "B"),
            text_at(&two, "D"),
            done_at(1, &message("CD")),
            done_at(0, &message("AB")),
        ]);
        assert_eq!(events, ["A", "C", "B", "D"].map(|text| ModelEvent::TextDelta(text.into())));
        assert_eq!(texts(&response), ["AB", "CD"]);
    }
}

#[test]
fn a_message_whose_id_changes_from_piece_to_piece_is_one() {
    let place = |id: &str| json!({"output_index": 0, "item_id": id});
    let (events, response) =
        fold_completed(&[text_at(&place("a"), "A"), text_at(&place("b"), "B"), done_at(0, &message("AB"))]);
    assert_eq!((events.len(), texts(&response)), (2, vec!["AB"]));
}

#[test]
fn a_message_that_is_done_without_its_text_has_what_was_told_of_it() {
    let mut empty = message("");
    empty["content"] = json!([]);
    for place in [json!({}), json!({"output_index": 0}), json!({"item_id": "msg_1"})] {
        let (events, response) = fold_completed(&[text_at(&place, "Hello"), done(&empty)]);
        assert_eq!(events, [ModelEvent::TextDelta("Hello".into())]);
        let [Item::Assistant(said)] = &response.items[..] else { panic!("{:?}", response.items) };
        let back = &said.raw.as_ref().unwrap().value;
        assert_eq!((said.text.as_str(), &back["content"][0]["text"]), ("Hello", &json!("Hello")));
        assert_eq!(back["phase"], "final_answer");
    }
}

#[test]
fn a_message_that_is_done_in_other_words_than_it_was_told_in_is_one() {
    for place in [json!({}), json!({"output_index": 0}), json!({"item_id": "msg_1"})] {
        let (events, response) = fold_completed(&[text_at(&place, "Hello\n"), done(&message("Hello"))]);
        assert_eq!((events.len(), texts(&response)), (1, vec!["Hello"]), "{place}");
    }
}

#[test]
fn what_the_pieces_left_out_is_told_with_the_item() {
    let (events, _) = fold_completed(&[
        text_at(&json!({}), "Hel"),
        done(&message("Hello")),
        added(1, "a"),
        piece(1, "fc_a", "{\"x\""),
        done(&function_call("a", "{\"x\":1}")),
    ]);
    let text = |text: &str| ModelEvent::TextDelta(text.into());
    assert_eq!(events, [text("Hel"), text("lo"), started("a"), delta("a", "{\"x\""), delta("a", ":1}")]);
}

#[test]
fn a_call_that_is_done_without_its_arguments_has_what_was_told_of_them() {
    let (_, response) =
        fold_completed(&[added(0, "a"), piece(0, "fc_a", "{\"x\":1}"), done_at(0, &function_call("a", ""))]);
    assert_eq!(calls(&response)[0].arguments, "{\"x\":1}");
}

#[test]
fn a_message_that_is_done_under_another_id_in_other_words_is_one() {
    let cases = [
        ("without the space around it", json!({"item_id": "a"}), "\nHello\n"),
        ("at another place", json!({"item_id": "a", "output_index": 7}), "Hello\n"),
        ("the same", json!({"item_id": "a", "output_index": 7}), "Hello"),
        ("in other words", json!({"item_id": "a"}), "Hello【1】"),
    ];
    for (name, place, told) in cases {
        let (events, response) = fold_completed(&[text_at(&place, told), done_at(1, &message("Hello"))]);
        assert_eq!(events, [ModelEvent::TextDelta(told.into())], "{name}");
        assert_eq!(texts(&response), ["Hello"], "{name}");
    }
}

#[test]
fn messages_with_ids_and_places_of_their_own_stay_apart() {
    let at = |place: i64| json!({"output_index": place, "item_id": format!("msg_{place}")});
    let done = |place: i64, text: &str| {
        let mut item = message(text);
        item["id"] = json!(format!("msg_{place}"));
        done_at(place, &item)
    };
    // The one is how the other begins, and how it ends.
    for (one, two) in [("Hello", "Hello, Hello"), ("Hello", "World")] {
        let (events, response) = fold_completed(&[text_at(&at(0), one), done(1, two), done(0, one)]);
        assert_eq!(events, [one, two].map(|text| ModelEvent::TextDelta(text.into())));
        assert_eq!(texts(&response), [one, two]);
    }
}

#[test]
fn a_call_that_is_done_under_another_id_with_its_arguments_written_anew_is_one() {
    let whole = |text: &str| json!({"type": "response.output_item.done", "item": call(&json!({"id": "who?", "call_id": format!("other {text}")}), text)});
    let (one, two) = (r#"{"x": {"a": 1, "b": [2]}}"#, r#"{"x": 2}"#);
    let (events, response) = fold_completed(&[
        added(0, "a"),
        piece(0, "fc_a", one),
        added(1, "b"),
        piece(1, "fc_b", two),
        whole(r#"{"x":2}"#),
        whole(r#"{"x":{"b":[2],"a":1}}"#),
    ]);
    assert_eq!(events, [started("a"), delta("a", one), started("b"), delta("b", two)]);
    let mut calls: Vec<_> = calls(&response).iter().map(|call| (&*call.id, &*call.arguments)).collect();
    calls.sort_unstable();
    assert_eq!(calls, [("a", r#"{"x":{"b":[2],"a":1}}"#), ("b", r#"{"x":2}"#)]);
}

#[test]
fn a_call_is_not_taken_for_another_of_the_same_tool() {
    let other = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    // Neither has a place, and the other is never said to begin.
    let (events, response) = fold_completed(&[
        added(0, "a"),
        piece(0, "fc_a", "{\"x\":1}"),
        other(&function_call("b", "{\"x\":2}")),
    ]);
    assert_eq!(events, [started("a"), delta("a", "{\"x\":1}"), started("b"), delta("b", "{\"x\":2}")]);
    assert_eq!(calls(&response).len(), 2);
}

#[test]
fn a_call_that_says_nothing_is_done_when_one_is_at_another_place_unless_it_goes_on() {
    let begun = [added(0, "a"), done_at(1, &call(&json!({"id": "who?", "call_id": "b"}), "{\"x\":2}"))];
    let (_, response) = fold_completed(&begun);
    assert_eq!(calls(&response).iter().map(|call| &*call.id).collect::<Vec<_>>(), ["b"]);

    let goes_on = [piece(0, "fc_a", "{\"x\":1}"), done_at(0, &function_call("a", "{\"x\":1}"))];
    for more in goes_on {
        let (_, response) = fold_completed(&[&begun[..], &[more]].concat());
        let mut calls: Vec<_> = calls(&response).iter().map(|call| (&*call.id, &*call.arguments)).collect();
        calls.sort_unstable();
        assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{\"x\":2}")]);
    }
}
