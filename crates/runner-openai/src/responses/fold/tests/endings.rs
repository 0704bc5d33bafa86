//! What the terminal event adds to what came before it.

use super::*;

fn end(kind: &str, response: Value) -> Value {
    json!({"type": kind, "response": response})
}

fn completed_with(output: &[Value]) -> Value {
    end("response.completed", json!({"status": "completed", "output": output}))
}

fn thought(id: &str) -> Value {
    json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": "Hm"}]})
}

/// The kinds of the items, in their order.
fn kinds(response: &ModelResponse) -> Vec<&'static str> {
    let kind = |item: &Item| match item {
        Item::Reasoning(_) => "thought",
        Item::Assistant(_) => "text",
        Item::ToolCall(_) => "call",
        _ => "other",
    };
    response.items.iter().map(kind).collect()
}

#[test]
fn a_call_that_only_the_terminal_event_lists_is_asked_for() {
    let (said, called) = (message("I add."), function_call("a", "{}"));
    let list = [thought("rs_1"), called.clone(), said.clone()];
    let (events, response) = fold(&[done(&thought("rs_1")), done(&said), completed_with(&list)]).unwrap();
    assert_eq!(response.stop, StopReason::ToolCalls);
    assert_eq!(events[2..], [started("a"), delta("a", "{}")]);
    assert_eq!(kinds(&response), ["thought", "call", "text"], "each where the list has it");
}

#[test]
fn what_the_terminal_event_lists_under_other_ids_does_not_come_twice() {
    let renamed = |item: &Value, id: &str| {
        let mut item = item.clone();
        item["id"] = json!(id);
        if item["type"] == "function_call" {
            item["call_id"] = json!(id);
        }
        item
    };
    let streamed = [thought("rs_1"), message("I add."), function_call("a", "1"), function_call("b", "2")];
    let mut list: Vec<Value> =
        streamed.iter().zip(["v", "w", "x", "y"]).map(|(item, id)| renamed(item, id)).collect();
    // And one that says what it says in another way.
    list[1]["content"][0]["annotations"] = json!([{"type": "url_citation"}]);
    let mut chunks: Vec<Value> = streamed.iter().map(done).collect();
    chunks.push(completed_with(&list));
    let (_, response) = fold(&chunks).unwrap();
    assert_eq!(calls(&response).iter().map(|call| &*call.id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(response.items.len(), 4);
}

#[test]
fn a_call_that_began_and_is_only_listed_is_one() {
    let item = json!({"type": "function_call", "id": "fc_a", "call_id": "a", "name": "add"});
    let begun = json!({"type": "response.output_item.added", "output_index": 0, "item": item});
    let (events, response) = fold(&[begun, completed_with(&[function_call("other", "{}")])]).unwrap();
    assert_eq!(events, [started("a"), delta("a", "{}")]);
    assert_eq!(calls(&response).len(), 1);
}

#[test]
fn where_event_and_status_contradict_each_other_the_worse_is_believed() {
    let call = done(&function_call("a", "{\"x"));
    let said = |kind: &str, status: &str| fold(&[call.clone(), end(kind, json!({ "status": status }))]);
    for (kind, status) in [("response.incomplete", "completed"), ("response.completed", "incomplete")] {
        assert_eq!(said(kind, status).unwrap().1.stop, StopReason::MaxTokens, "{kind} {status}");
    }
    for (kind, status) in [
        ("response.failed", "completed"),
        ("response.completed", "failed"),
        ("response.incomplete", "failed"),
    ] {
        assert_eq!(said(kind, status).unwrap_err().kind(), ModelErrorKind::Server, "{kind} {status}");
    }
    assert_eq!(said("response.cancelled", "completed").unwrap_err().code(), Some("cancelled"));
}

#[test]
fn a_body_that_does_not_say_what_it_is_is_a_response_by_its_output() {
    let body = json!({"id": "r", "status": "completed", "output": [message("Hi")]});
    assert_eq!(fold(&[body]).unwrap().1.items.len(), 1);
    let failed =
        json!({"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "No"}});
    assert_eq!(fold(&[failed]).unwrap_err().kind(), ModelErrorKind::RateLimited);
}

#[test]
fn errors_that_stand_in_the_stream_bare_are_errors() {
    let cases = [
        (json!({"object": "error", "message": "bad", "code": 400}), ModelErrorKind::InvalidRequest),
        (json!({"message": "quota", "code": "insufficient_quota"}), ModelErrorKind::QuotaExceeded),
        (json!({"detail": "boom"}), ModelErrorKind::Server),
    ];
    for (error, kind) in cases {
        let text = json!({"type": "response.output_text.delta", "delta": "x"});
        assert_eq!(fold(&[text, error.clone()]).unwrap_err().kind(), kind, "{error}");
    }
}

fn text(event: &str, place: &Value) -> Value {
    let mut event = json!({"type": "response.output_text.delta", "delta": event});
    event.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    event
}

fn message_by(id: &str, text: &str) -> Value {
    let mut message = message(text);
    message["id"] = json!(id);
    message
}

fn said(response: &ModelResponse) -> String {
    let texts = response.items.iter().filter_map(|item| match item {
        Item::Assistant(said) => Some(said.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("|")
}

fn told(events: &[ModelEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        ModelEvent::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("|")
}

#[test]
fn a_message_that_was_told_and_is_only_listed_is_one_wherever_the_list_has_it() {
    for place in
        [json!({"output_index": 0, "item_id": "A"}), json!({"output_index": 0}), json!({"item_id": "A"})]
    {
        for (streamed, listed) in [("Hello", "Hello"), ("Hello\n", "Hello"), ("Hello【1】", "Hello")] {
            let list = [thought("rs_1"), message_by("B", listed)];
            let (events, response) = fold(&[text(streamed, &place), completed_with(&list)]).unwrap();
            assert_eq!(told(&events), streamed, "{place}");
            assert_eq!(
                (said(&response).as_str(), kinds(&response)),
                (listed, vec!["thought", "text"]),
                "{place}"
            );
        }
    }
}

#[test]
fn messages_that_were_told_and_are_only_listed_are_each_told_once() {
    let cases = [
        (["One", "Two"], vec!["One", "Two"], "One|Two", "One|Two"),
        (["One", "Two"], vec!["Two", "One"], "One|Two", "Two|One"),
        // The one is how the other begins.
        (["One", "One, two"], vec!["One, two", "One"], "One|One, two", "One, two|One"),
        // The list has one that was not told.
        (["One", "Two"], vec!["Three", "Two", "One"], "One|Two|Three", "Three|Two|One"),
        (["One", ""], vec!["Three", "One"], "One|Three", "Three|One"),
        (["One", ""], vec!["", "One"], "One", "|One"),
        // The list lacks one.
        (["One", "Two"], vec!["Two"], "One|Two", "Two|One"),
    ];
    for (streamed, list, expected_told, expected) in cases {
        let streamed = (0..).zip(streamed).filter(|(_, text)| !text.is_empty());
        let mut chunks: Vec<Value> = streamed
            .map(|(place, said)| text(said, &json!({"output_index": place, "item_id": place})))
            .collect();
        let list: Vec<Value> = list.iter().map(|text| message_by(&format!("new {text}"), text)).collect();
        chunks.push(completed_with(&list));
        let (events, response) = fold(&chunks).unwrap();
        assert_eq!((told(&events).as_str(), said(&response).as_str()), (expected_told, expected));
    }
}

#[test]
fn calls_that_began_and_are_only_listed_keep_their_ids_whatever_the_list_makes_of_them() {
    let begun = |id: &str, index: i64| {
        let item = json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "add"});
        json!({"type": "response.output_item.added", "output_index": index, "item": item})
    };
    let piece = |index: i64, text: &str| json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": text});
    let chunks = [begun("a", 0), begun("b", 1), piece(0, "{\"x\": 1, \"y\": 2}"), piece(1, "{\"x\": 2}")];
    let listed = |arguments: &str| function_call(&format!("new {arguments}"), arguments);
    let cases = [
        (
            vec![listed("{\"x\":2}"), listed("{\"y\":2,\"x\":1}")],
            vec![("a", "{\"y\":2,\"x\":1}"), ("b", "{\"x\":2}")],
        ),
        // What the list lacks is asked for all the same.
        (vec![listed("{\"x\":2}")], vec![("a", "{\"x\": 1, \"y\": 2}"), ("b", "{\"x\":2}")]),
        // The server fills in what the model left out.
        (
            vec![listed("{\"x\":2,\"y\":0}"), listed("{\"x\":1,\"y\":2}")],
            vec![("a", "{\"x\":1,\"y\":2}"), ("b", "{\"x\":2,\"y\":0}")],
        ),
    ];
    for (list, expected) in cases {
        let end = completed_with(&[&[thought("rs_1")], &list[..]].concat());
        let (events, response) = fold(&[&chunks[..], &[end]].concat()).unwrap();
        assert_eq!(
            events.iter().filter(|event| matches!(event, ModelEvent::ToolCallStarted { .. })).count(),
            2
        );
        let mut calls: Vec<_> = calls(&response).iter().map(|call| (&*call.id, &*call.arguments)).collect();
        calls.sort_unstable();
        assert_eq!(calls, expected);
    }
}

#[test]
fn what_is_listed_in_other_words_is_held_against_what_it_means() {
    let list = [
        message_by("new 1", "World"),
        message_by("new 2", "Hello\n"),
        function_call("new 3", "{\"x\": 2}"),
        function_call("new 4", "{\"x\": 1, \"y\": 1}"),
    ];
    let came = [message("Hello"), function_call("a", "{\"y\":1,\"x\":1}")];
    let (_, response) = fold(&[done(&came[0]), done(&came[1]), completed_with(&list)]).unwrap();
    assert_eq!(said(&response), "World|Hello");
    let mut arguments: Vec<&str> = calls(&response).iter().map(|call| &*call.arguments).collect();
    arguments.sort_unstable();
    assert_eq!(arguments, ["{\"x\": 2}", "{\"y\":1,\"x\":1}"]);
}
