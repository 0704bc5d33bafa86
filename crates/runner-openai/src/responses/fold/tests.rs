use agentexec_agent_core::transcript::{AssistantItem, Raw, ReasoningItem, Standing};
use serde_json::{Value, json};

use super::*;

mod again;
mod endings;
mod fields;
mod items;
mod limits;

const ORIGIN: &str = "openai-responses@test";

fn fold(chunks: &[Value]) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let mut fold = ResponsesFold::new(ORIGIN);
    let mut events = Vec::new();
    for chunk in chunks {
        fold.push(&chunk.to_string(), &mut events)?;
    }
    Ok((events, fold.finish()?))
}

/// Folds these events and the usual end.
fn fold_completed(chunks: &[Value]) -> (Vec<ModelEvent>, ModelResponse) {
    let mut chunks = chunks.to_vec();
    chunks.push(completed());
    fold(&chunks).unwrap()
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": []}})
}

fn done(item: &Value) -> Value {
    json!({"type": "response.output_item.done", "item": item})
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

fn function_call(call_id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{call_id}"), "call_id": call_id, "name": "add",
        "arguments": arguments, "status": "completed"})
}

fn started(call_id: &str) -> ModelEvent {
    ModelEvent::ToolCallStarted { call_id: call_id.into(), name: "add".into() }
}

fn delta(call_id: &str, delta: &str) -> ModelEvent {
    ModelEvent::ToolCallDelta { call_id: call_id.into(), delta: delta.into() }
}

fn calls(response: &ModelResponse) -> Vec<&ToolCall> {
    let calls = response.items.iter().filter_map(|item| match item {
        Item::ToolCall(call) => Some(call),
        _ => None,
    });
    calls.collect()
}

#[test]
fn a_stream_as_the_protocol_describes_it() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "status": null,
        "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Second."}]});
    let (said, called) = (message("I add."), function_call("a", "{\"x\":1}"));
    let begun =
        json!({"type": "function_call", "id": "fc_a", "call_id": "a", "name": "add", "arguments": ""});
    let (events, response) = fold(&[
        json!({"type": "response.created", "response": {"status": "in_progress", "output": []}, "sequence_number": 0}),
        json!({"type": "response.in_progress", "response": {"status": "in_progress"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}}),
        json!({"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": {"text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "First."}),
        json!({"type": "response.reasoning_summary_part.added", "summary_index": 1, "part": {"text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "summary_index": 1, "delta": "Second."}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": thought}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}}),
        json!({"type": "response.content_part.added", "output_index": 1, "part": {"type": "output_text", "text": ""}}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "I ", "logprobs": [], "obfuscation": "x"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "add."}),
        json!({"type": "response.output_text.done", "output_index": 1, "text": "I add."}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": said}),
        json!({"type": "response.output_item.added", "output_index": 2, "item": begun}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc_a", "delta": "{\"x\""}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc_a", "delta": ":1}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{\"x\":1}"}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": called}),
        json!({"type": "response.completed", "response": {"status": "completed", "model": "gpt-x", "output": [],
            "usage": {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 7},
                "output_tokens_details": {"reasoning_tokens": 30}}}}),
        json!({"type": "response.output_text.delta", "delta": "behind the end"}),
    ])
    .unwrap();

    let expected = [
        ModelEvent::ReasoningDelta("First.".into()),
        ModelEvent::ReasoningDelta("\n\n".into()),
        ModelEvent::ReasoningDelta("Second.".into()),
        ModelEvent::TextDelta("I ".into()),
        ModelEvent::TextDelta("add.".into()),
        started("a"),
        delta("a", "{\"x\""),
        delta("a", ":1}"),
    ];
    assert_eq!(events, expected);
    let items = [
        Item::Reasoning(ReasoningItem {
            text: "First.\n\nSecond.".into(),
            raw: Some(Raw::new(ORIGIN, thought)),
        }),
        Item::Assistant(AssistantItem {
            text: "I add.".into(),
            raw: Some(Raw::new(ORIGIN, said).with_standing(Standing::Message)),
        }),
        Item::ToolCall(ToolCall {
            id: "a".into(),
            name: "add".into(),
            arguments: "{\"x\":1}".into(),
            raw: Some(Raw::new(ORIGIN, called)),
        }),
    ];
    assert_eq!(response.items, items);
    assert_eq!(response.stop, StopReason::ToolCalls);
    assert_eq!(response.model.as_deref(), Some("gpt-x"));
    let mut usage = Usage::new(100, 50);
    (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) = (60, 7, 30);
    assert_eq!(response.usage, usage);
}

#[test]
fn an_unstreamed_answer_tells_everything_in_one_piece() {
    let body = json!({"id": "resp_1", "object": "response", "status": "completed", "error": null,
        "output": [message("I add."), function_call("a", "{}")]});
    let (events, response) = fold(&[body]).unwrap();
    assert_eq!(events, [ModelEvent::TextDelta("I add.".into()), started("a"), delta("a", "{}")]);
    assert_eq!(response.stop, StopReason::ToolCalls);
}

#[test]
fn the_items_of_the_terminal_event_count_only_when_they_did_not_come_before() {
    let end = json!({"type": "response.completed", "response": {"output": [message("from the end")]}});
    let (_, response) = fold(std::slice::from_ref(&end)).unwrap();
    assert!(matches!(&response.items[..], [Item::Assistant(said)] if said.text == "from the end"));
    let (_, response) = fold(&[done(&message("from the stream")), end]).unwrap();
    assert!(matches!(&response.items[..], [Item::Assistant(said)] if said.text == "from the stream"));
}

#[test]
fn text_whose_item_never_came_is_not_lost() {
    let (_, response) = fold_completed(&[json!({"type": "response.output_text.delta", "delta": "Hello"})]);
    assert_eq!(response.items, [Item::assistant("Hello")]);
}

#[test]
fn arguments_find_their_call_whatever_the_server_leaves_out() {
    let added = |id: &str, index: Option<i64>| {
        let item = json!({"type": "function_call", "id": format!("item_{id}"), "call_id": id, "name": "add"});
        json!({"type": "response.output_item.added", "output_index": index, "item": item})
    };
    let piece = |index: Option<i64>, item_id: Option<&str>, text: &str| json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": item_id, "delta": text});
    let cases: [(&str, Vec<Value>); 5] = [
        (
            "by output_index, whatever the item ids say",
            vec![
                added("a", Some(0)),
                added("b", Some(1)),
                piece(Some(0), Some("item_b"), "1"),
                piece(Some(1), Some("item_a"), "2"),
            ],
        ),
        (
            "no output_index, by item_id",
            vec![
                added("a", None),
                added("b", None),
                piece(None, Some("item_a"), "1"),
                piece(None, Some("item_b"), "2"),
            ],
        ),
        (
            "the same output_index for all, by item_id",
            vec![
                added("a", Some(0)),
                added("b", Some(0)),
                piece(Some(0), Some("item_a"), "1"),
                piece(Some(0), Some("item_b"), "2"),
            ],
        ),
        (
            "neither: one call after the other",
            vec![added("a", None), piece(None, None, "1"), added("b", None), piece(None, Some("who?"), "2")],
        ),
        ("no deltas at all: the whole with the item", vec![added("a", Some(0)), added("b", Some(1))]),
    ];
    for (name, mut chunks) in cases {
        chunks.extend([done(&function_call("a", "1")), done(&function_call("b", "2"))]);
        let (mut events, response) = fold_completed(&chunks);
        events.sort_by_key(|event| format!("{event:?}"));
        assert_eq!(events, [delta("a", "1"), delta("b", "2"), started("a"), started("b")], "{name}");
        assert_eq!(calls(&response).len(), 2, "{name}");
    }
}

#[test]
fn a_call_whose_item_is_never_finished_is_asked_for_all_the_same() {
    let begun = |id: &str| {
        let item = json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "add"});
        json!({"type": "response.output_item.added", "item": item})
    };
    let piece = |text: &str| json!({"type": "response.function_call_arguments.delta", "delta": text});
    let whole = |text: &str| json!({"type": "response.function_call_arguments.done", "arguments": text});
    let chunks = [begun("a"), piece("{\"x\""), piece(":1}"), whole("{\"x\":1}"), begun("b"), whole("{}")];
    let (events, response) = fold_completed(&chunks);
    assert_eq!(
        events,
        [started("a"), delta("a", "{\"x\""), delta("a", ":1}"), started("b"), delta("b", "{}")]
    );
    let calls: Vec<_> = calls(&response).iter().map(|call| (&*call.id, &*call.arguments)).collect();
    assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{}")]);
    assert_eq!(response.stop, StopReason::ToolCalls);
}

#[test]
fn a_refusal_whose_item_never_came_is_one() {
    let piece = |text: &str| json!({"type": "response.refusal.delta", "delta": text});
    let (events, response) = fold_completed(&[piece("I can"), piece("not.")]);
    assert_eq!((events, response.stop), (vec![], StopReason::Refusal("I cannot.".into())));
}

#[test]
fn a_response_leaves_a_note_of_its_id_where_the_next_request_may_go_on_from_it() {
    let fold = |notes: bool, body: &Value| {
        let mut fold = ResponsesFold::new(ORIGIN).noting_id(notes);
        fold.push(&body.to_string(), &mut Vec::new()).unwrap();
        fold.finish().unwrap().items
    };
    let body = |output: Value| json!({"id": "resp_1", "object": "response", "status": "completed", "output": output});
    let said = body(json!([message("Hi"), function_call("a", "{}")]));
    let note = Item::Opaque(Raw::note(ORIGIN, json!({"response_id": "resp_1"})));
    assert_eq!(fold(true, &said).last(), Some(&note));
    assert_eq!(fold(false, &said).len(), 2);

    let mut incomplete = said.clone();
    incomplete["status"] = json!("incomplete");
    // The server knows these calls under other ids than the outputs will name.
    let nameless = body(json!([{"type": "function_call", "name": "add", "arguments": "{}"}]));
    let long = body(json!([function_call(&"a".repeat(65), "{}")]));
    let same = body(json!([function_call("a", "1"), function_call("a", "2")]));
    let mut without_id = said;
    without_id.as_object_mut().unwrap().remove("id");
    for body in [incomplete, nameless, long, same, without_id] {
        assert!(!fold(true, &body).contains(&note), "{body}");
    }
}

#[test]
fn a_call_is_told_of_even_if_only_its_end_is_seen() {
    let (events, _) = fold_completed(&[done(&function_call("a", "{}"))]);
    assert_eq!(events, [started("a"), delta("a", "{}")]);
}

#[test]
fn a_call_without_call_id_is_answered_by_its_id_or_by_a_made_up_one() {
    let by_id = json!({"type": "function_call", "id": "fc_1", "name": "add", "arguments": {"x": 1}});
    let nameless = json!({"type": "function_call", "name": "add", "arguments": ""});
    let (_, response) = fold_completed(&[done(&by_id), done(&nameless)]);
    let calls = calls(&response);
    assert_eq!((calls[0].id.as_str(), calls[0].arguments.as_str()), ("fc_1", r#"{"x":1}"#));
    assert!(calls[1].id.starts_with("call_"));
    // What goes back names the id that the output names.
    for call in calls {
        assert_eq!(call.raw.as_ref().unwrap().value["call_id"], call.id.as_str());
    }
}

#[test]
fn a_call_that_comes_twice_counts_once_and_two_with_one_id_can_both_be_answered() {
    let (_, response) = fold_completed(&[done(&function_call("a", "1")), done(&function_call("a", "1"))]);
    assert_eq!(calls(&response).len(), 1);

    let (events, response) =
        fold_completed(&[done(&function_call("a", "1")), done(&function_call("a", "2"))]);
    let calls = calls(&response);
    assert_eq!(calls[0].id, "a");
    assert_ne!(calls[1].id, "a");
    assert_eq!(events[2], started(&calls[1].id));
    assert_eq!(calls[1].raw.as_ref().unwrap().value["call_id"], calls[1].id.as_str());
}

#[test]
fn items_stand_where_the_server_puts_them() {
    let place = |index: i64, text: &str| json!({"type": "response.output_item.done", "output_index": index, "item": message(text)});
    let text = |chunks: &[Value]| {
        fold_completed(chunks).1.items.iter().fold(String::new(), |all, item| match item {
            Item::Assistant(said) => all + &said.text,
            _ => all,
        })
    };
    assert_eq!(text(&[place(1, "b"), place(0, "a")]), "ab");
    // Where every item has the same place or one has none, the order of arrival counts.
    assert_eq!(text(&[place(0, "b"), place(0, "a")]), "ba");
    assert_eq!(text(&[place(1, "b"), done(&message("a"))]), "ba");
}

#[test]
fn unknown_items_are_kept_and_unknown_events_skipped() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let (events, response) = fold_completed(&[
        json!({"type": "response.web_search_call.searching", "item_id": "ws_1"}),
        json!({"type": "response.future.delta", "delta": {"not": "text"}, "item": 3}),
        json!({"type": "response.output_item.done"}),
        json!({"type": "keepalive"}),
        json!({}),
        done(&search),
    ]);
    assert_eq!(events, []);
    assert_eq!(response.items, [Item::Opaque(Raw::new(ORIGIN, search))]);
    assert_eq!(response.stop, StopReason::EndTurn);
}

#[test]
fn a_call_of_a_custom_tool_is_a_call() {
    let call =
        json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "a", "name": "run", "input": "print(1)"});
    let (events, response) = fold_completed(&[done(&call)]);
    let calls = calls(&response);
    assert_eq!((calls[0].name.as_str(), calls[0].arguments.as_str()), ("run", r#"{"input":"print(1)"}"#));
    assert_eq!((events.len(), calls[0].raw.as_ref().map(|raw| &raw.value)), (2, Some(&call)));
}

#[test]
fn open_models_show_their_reasoning_itself() {
    let thought = json!({"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]});
    let streamed = json!({"type": "response.reasoning_text.delta", "delta": "Hm"});
    for chunks in [&[done(&thought)][..], &[streamed, done(&thought)]] {
        let (events, response) = fold_completed(chunks);
        assert_eq!(events, [ModelEvent::ReasoningDelta("Hm".into())]);
        assert!(matches!(&response.items[..], [Item::Reasoning(reasoning)] if reasoning.text == "Hm"));
    }
}

#[test]
fn a_refusal_stops_the_turn_even_beside_a_call() {
    let refusal =
        json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
    let (events, response) = fold_completed(&[
        json!({"type": "response.refusal.delta", "delta": "No."}),
        done(&refusal),
        done(&function_call("a", "{}")),
    ]);
    assert_eq!(response.stop, StopReason::Refusal("No.".into()));
    assert_eq!(events, [started("a"), delta("a", "{}")]);
    let [Item::Assistant(said), _] = &response.items[..] else { panic!("{:?}", response.items) };
    assert_eq!((said.text.as_str(), said.raw.as_ref().map(|raw| &raw.value)), ("", Some(&refusal)));
}

#[test]
fn the_status_says_how_it_ended() {
    let incomplete = |reason: Value| json!({"status": "incomplete", "incomplete_details": reason});
    let cases = [
        ("response.completed", json!({"status": "completed"}), StopReason::EndTurn),
        ("response.completed", json!({}), StopReason::EndTurn),
        ("response.completed", json!({"status": "in_progress"}), StopReason::EndTurn),
        ("response.incomplete", incomplete(json!({"reason": "max_output_tokens"})), StopReason::MaxTokens),
        ("response.incomplete", incomplete(json!({"reason": "content_filter"})), StopReason::ContentFilter),
        ("response.incomplete", incomplete(json!({"reason": "a new one"})), StopReason::MaxTokens),
        ("response.incomplete", json!({}), StopReason::MaxTokens),
        ("response.completed", json!({"status": "incomplete"}), StopReason::MaxTokens),
        // A server that has only one terminal event.
        ("response.completed", incomplete(json!({"reason": "max_output_tokens"})), StopReason::MaxTokens),
    ];
    for (kind, response, expected) in cases {
        let end = json!({"type": kind, "response": response});
        let said = end.to_string();
        assert_eq!(fold(&[end]).unwrap().1.stop, expected, "{said}");
    }
}

#[test]
fn a_call_that_was_cut_off_does_not_look_like_one_to_run() {
    let end = json!({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}});
    let (_, response) = fold(&[done(&function_call("a", "{\"x")), end]).unwrap();
    assert_eq!(response.stop, StopReason::MaxTokens);
}

#[test]
fn a_response_that_failed_is_an_error_of_its_kind() {
    let cases = [
        (json!({"code": "server_error", "message": "boom"}), ModelErrorKind::Server, true),
        (json!({"code": "rate_limit_exceeded", "message": "slow down"}), ModelErrorKind::RateLimited, true),
        (json!({"code": "context_length_exceeded", "message": "x"}), ModelErrorKind::ContextWindow, false),
        // Codes of this one request: the next try would fail alike.
        (json!({"code": "image_too_large", "message": "x"}), ModelErrorKind::Server, false),
        (json!(null), ModelErrorKind::Server, true),
    ];
    for (error, kind, retryable) in cases {
        let end = json!({"type": "response.failed", "response": {"status": "failed", "error": error}});
        let body = json!({"object": "response", "status": "failed", "error": error, "output": []});
        for chunk in [end, body] {
            let said = chunk.to_string();
            let failed = fold(&[chunk]).unwrap_err();
            assert_eq!((failed.kind(), failed.is_retryable()), (kind, retryable), "{said}");
        }
    }
}

#[test]
fn a_cancelled_response_is_an_error_that_no_retry_helps() {
    let error = fold(&[json!({"object": "response", "status": "cancelled", "output": []})]).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Some("cancelled"), false));
}

#[test]
fn a_response_that_is_not_finished_is_no_answer() {
    for status in ["queued", "in_progress"] {
        let error = fold(&[json!({"object": "response", "status": status, "output": []})]).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol);
        assert!(error.message().contains(status), "{error}");
    }
}

#[test]
fn error_events_are_read_in_every_form() {
    let cases = [
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}),
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}),
        json!({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
    ];
    for chunk in cases {
        assert_eq!(
            fold(&[chunk.clone(), completed()]).unwrap_err().kind(),
            ModelErrorKind::RateLimited,
            "{chunk}"
        );
    }
}

#[test]
fn a_stream_without_its_terminal_event_is_cut() {
    let text = json!({"type": "response.output_text.delta", "delta": "x"});
    for chunks in [&[][..], &[text, done(&message("x"))]] {
        let error = fold(chunks).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::StreamCut, true));
    }
    // `[DONE]` is no terminal event of this protocol.
    let mut fold = ResponsesFold::new(ORIGIN);
    fold.push("[DONE]", &mut Vec::new()).unwrap();
    assert!(!fold.has_ended());
}

#[test]
fn what_cannot_be_read_is_an_error_that_quotes_nothing() {
    for data in ["<html>secret</html>", r#"{"type": "response.completed", "response": "secret"}"#] {
        let error = ResponsesFold::new(ORIGIN).push(data, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol);
        assert!(!format!("{error:#} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn a_response_without_end_is_stopped() {
    let delta = json!({"type": "response.output_text.delta", "delta": "x".repeat(100)});
    let begun = |number: usize| {
        let item = json!({"type": "function_call", "call_id": format!("{number:0>50}"), "name": "add"});
        json!({"type": "response.output_item.added", "item": item})
    };
    let chunks: [&dyn Fn(usize) -> Value; 3] = [&|_| delta.clone(), &|_| done(&message("x")), &begun];
    for chunk in chunks {
        let mut fold = ResponsesFold { budget: ResponseBudget::of(1000), ..ResponsesFold::new(ORIGIN) };
        let push = |number| fold.push(&chunk(number).to_string(), &mut Vec::new()).err();
        let error = (0..50).find_map(push).unwrap();
        assert_eq!(error.kind(), ModelErrorKind::LimitExceeded, "{}", chunk(0));
    }
}

#[test]
fn debug_shows_nothing_of_the_answer() {
    let mut fold = ResponsesFold::new(ORIGIN);
    fold.push(&done(&message("secret")).to_string(), &mut Vec::new()).unwrap();
    assert!(!format!("{fold:?}").contains("secret"));
}
