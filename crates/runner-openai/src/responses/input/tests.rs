//! Transcripts as input items, and back.

use agentexec_agent_core::model::{ModelErrorKind, ModelRequest};
use proptest::prelude::*;
use serde_json::json;

use super::super::encode::Body;
use super::super::encode::tests::{OPTIONS, ORIGIN, body};
use super::*;
use crate::fixtures::{
    as_written, call, conversation, file, image, neutral, output, reasoning, transcripts, with_raw,
};
use crate::responses::ResponsesFold;

fn input_of(items: &[Item], options: Options<'_>) -> Value {
    body(&ModelRequest::new(items), options)["input"].take()
}

#[test]
fn a_transcript_of_another_protocol_is_sent_in_its_neutral_form() {
    let expected = json!([
        {"type": "message", "role": "user", "content": "What is 1 + 2, and 3 * 4?"},
        {"type": "message", "role": "assistant", "content": "I compute "},
        {"type": "message", "role": "assistant", "content": "both."},
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{\"x\":1}"},
        {"type": "function_call", "call_id": "b", "name": "mul", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "12"},
        {"type": "function_call_output", "call_id": "a", "output": ""},
        {"type": "message", "role": "assistant", "content": "3 and 12."},
        {"type": "message", "role": "user", "content": "Thanks."},
    ]);
    assert_eq!(input_of(conversation().items(), OPTIONS), expected);
}

#[test]
fn items_of_this_server_go_back_unchanged_and_in_order() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"});
    let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "phase": "commentary",
        "content": [{"type": "output_text", "text": "I add.", "annotations": []}]});
    let called = json!({"type": "function_call", "id": "fc_1", "call_id": "a", "name": "add",
        "arguments": "{}", "namespace": "math", "status": "completed"});
    let unknown = json!({"type": "telepathy_call", "id": "tp_1"});
    let items = [
        with_raw(reasoning(""), ORIGIN, thought.clone()),
        with_raw(Item::assistant("I add."), ORIGIN, said.clone()),
        with_raw(call("a", "add", "{}"), ORIGIN, called.clone()),
        Item::Opaque(Raw::new(ORIGIN, unknown.clone())),
        output("a", "1"),
    ];
    let answer = json!({"type": "function_call_output", "call_id": "a", "output": "1"});
    assert_eq!(input_of(&items, OPTIONS), json!([thought, said, called, unknown, answer]));
}

#[test]
fn reasoning_goes_back_only_where_the_server_can_read_it() {
    let reference =
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]});
    let open =
        json!({"type": "reasoning", "id": "rs_2", "content": [{"type": "reasoning_text", "text": "Hm"}]});
    let items = [
        with_raw(reasoning("Hm"), ORIGIN, reference.clone()),
        with_raw(reasoning("Hm"), ORIGIN, open.clone()),
        Item::assistant("Hi."),
    ];
    let said = json!({"type": "message", "role": "assistant", "content": "Hi."});
    assert_eq!(input_of(&items, OPTIONS), json!([open, said]));
    assert_eq!(input_of(&items, Options { store: true, ..OPTIONS }), json!([reference, open, said]));
}

#[test]
fn a_server_that_may_have_lost_its_items_gets_only_those_that_say_all() {
    let reference = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let items = [with_raw(reasoning("Hm"), ORIGIN, reference), Item::assistant("Hi.")];
    let options = Options { store: true, previous_response: true, ..OPTIONS };
    assert_eq!(input_of(&items, options).as_array().unwrap().len(), 1);
}

#[test]
fn users_and_tools_show_images_and_files() {
    let media = [
        Media::image_url("https://example.com/a.png"),
        Media::image("image/png", b"png"),
        Media::file_url("https://example.com/a.pdf"),
        Media::file("a.pdf", "application/pdf", b"%PDF"),
    ];
    let shown = json!([
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,cG5n"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
    ]);
    let plotted = |id: &str, text: &str| {
        let output = ToolOutputItem::new(id, "plot", text);
        Item::ToolOutput(ToolOutputItem { media: media.to_vec(), ..output })
    };
    let user: Vec<Part> = media.iter().cloned().map(Part::from).collect();
    let input = input_of(
        &[
            Item::user(user),
            call("a", "plot", "{}"),
            call("b", "plot", "{}"),
            plotted("a", ""),
            plotted("b", "Four."),
        ],
        OPTIONS,
    );
    assert_eq!(input[0], json!({"type": "message", "role": "user", "content": shown}));
    assert_eq!(input[3], json!({"type": "function_call_output", "call_id": "a", "output": shown}));
    assert_eq!(input[4]["output"][0], json!({"type": "input_text", "text": "Four."}));
    assert_eq!(input[4]["output"].as_array().unwrap().len(), 5);
}

#[test]
fn a_call_that_could_not_come_back_as_it_came_is_mended_and_keeps_the_rest() {
    let id = "call_".repeat(20);
    let raw = |id: &str, arguments: Value| {
        json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "add",
        "arguments": arguments, "namespace": "math"})
    };
    let answered = |id: &str, arguments: &str, raw: Value| {
        let items = [with_raw(call(id, "add", arguments), ORIGIN, raw), output(id, "1")];
        let input = input_of(&items, OPTIONS);
        assert_eq!(input[0]["call_id"], input[1]["call_id"]);
        assert_eq!((&input[0]["namespace"], &input[0]["id"]), (&json!("math"), &json!("fc_1")));
        input[0].clone()
    };
    assert_eq!(answered("a", "{\"x", raw("a", json!("{\"x")))["arguments"], r#"{"INVALID_JSON":"{\"x"}"#);
    assert_eq!(answered("a", "", raw("a", Value::Null))["arguments"], "{}");
    assert_eq!(answered("a", r#"{"x":1}"#, raw("a", json!({"x": 1})))["arguments"], r#"{"x":1}"#);
    assert_eq!(answered(&id, "{}", raw(&id, json!("{}")))["call_id"].as_str().unwrap().len(), 37);
    for (name, mended) in [("functions.add", "functions_add"), ("", "unknown")] {
        let called = json!({"type": "function_call", "call_id": "a", "name": name, "arguments": "{}"});
        let items = [with_raw(call("a", name, "{}"), ORIGIN, called), output("a", "There is no such tool.")];
        assert_eq!(input_of(&items, OPTIONS)[0]["name"], mended);
    }
    // The neutral form is held to the same.
    let foreign = input_of(&[call(&id, "add", "[1]"), output(&id, "1")], OPTIONS);
    assert_eq!(foreign[0]["arguments"], r#"{"INVALID_JSON":"[1]"}"#);
    assert_eq!(
        (foreign[0]["call_id"].as_str().unwrap().len(), &foreign[0]["call_id"]),
        (37, &foreign[1]["call_id"])
    );
}

#[test]
fn each_call_goes_with_exactly_one_output() {
    let items = [
        output("a", "too early"),
        call("a", "add", "{}"),
        output("a", "1"),
        output("a", "answered twice"),
        output("z", "answers nothing"),
        call("a", "add", "{}"),
        output("a", "of the later call"),
    ];
    let input = input_of(&items, OPTIONS);
    let outputs: Vec<&str> =
        input.as_array().unwrap().iter().filter_map(|item| item["output"].as_str()).collect();
    assert_eq!(outputs, ["1", "of the later call"]);

    let items = [call("a", "add", "{}"), call("b", "add", "{}"), output("a", "1")];
    let error = Body::new(&ModelRequest::new(&items), OPTIONS).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    assert!(error.message().contains("call b has no output"), "{error}");
}

#[test]
fn a_call_of_a_custom_tool_goes_back_as_it_came_with_an_output_of_its_own_kind() {
    let raw =
        json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "a", "name": "run", "input": "print(1)"});
    let called = |origin| with_raw(call("a", "run", r#"{"input":"print(1)"}"#), origin, raw.clone());
    let own = input_of(&[called(ORIGIN), output("a", "1")], OPTIONS);
    assert_eq!(own, json!([raw, {"type": "custom_tool_call_output", "call_id": "a", "output": "1"}]));
    let foreign = input_of(&[called("openai-responses@elsewhere"), output("a", "1")], OPTIONS);
    let kinds: Vec<&Value> = foreign.as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["function_call", "function_call_output"]);
}

#[test]
fn thoughts_that_nothing_came_of_stay_behind() {
    let thought = |id: &str| json!({"type": "reasoning", "id": id, "encrypted_content": "gAAA"});
    let items = [
        with_raw(reasoning(""), ORIGIN, thought("rs_1")),
        Item::assistant("Hi."),
        with_raw(reasoning(""), ORIGIN, thought("rs_2")),
        Item::Opaque(Raw::note(ORIGIN, json!({"response_id": "resp_1"}))),
        Item::user("Go on."),
    ];
    let input = input_of(&items, OPTIONS);
    assert_eq!((input.as_array().unwrap().len(), &input[0]), (3, &thought("rs_1")));
}

/// Reads input items as a server would: what the model produced through the fold.
fn decode(input: &[Value]) -> Vec<Item> {
    let read = |item: &Value| match (item["type"].as_str().unwrap(), item["role"].as_str()) {
        ("message", Some("user")) => vec![Item::User(user(&item["content"]))],
        ("function_call_output", _) => vec![answered(item)],
        _ => {
            let mut fold = ResponsesFold::new(ORIGIN);
            let body = json!({"object": "response", "status": "completed", "output": [item]});
            fold.push(&body.to_string(), &mut Vec::new()).unwrap();
            fold.finish().unwrap().items
        }
    };
    neutral(input.iter().flat_map(read).collect()).into_iter().map(as_written).collect()
}

fn user(content: &Value) -> UserItem {
    match content {
        Value::String(text) => text.as_str().into(),
        parts => parts.as_array().unwrap().iter().map(part).collect::<Vec<_>>().into(),
    }
}

fn answered(item: &Value) -> Item {
    let mut output = ToolOutputItem::new(item["call_id"].as_str().unwrap(), "add", "");
    match &item["output"] {
        Value::String(text) => text.clone_into(&mut output.output),
        parts => {
            for shown in parts.as_array().unwrap() {
                match part(shown) {
                    Part::Text { text } => output.output = text,
                    Part::Media { media } => output.media.push(media),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    Item::ToolOutput(output)
}

fn part(part: &Value) -> Part {
    let text = |key: &str| part[key].as_str();
    match part["type"].as_str().unwrap() {
        "input_text" => Part::text(text("text").unwrap()),
        "input_image" => image(text("image_url").unwrap()).into(),
        "input_file" => match text("file_url") {
            Some(url) => Media::file_url(url).into(),
            None => file(text("filename").unwrap(), text("file_data").unwrap()).into(),
        },
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way_to_the_wire_and_back(items in transcripts(true)) {
        let input = input_of(&items, OPTIONS);
        prop_assert_eq!(decode(input.as_array().unwrap()), items);
    }

    /// Reasoning, messages with their phase, calls, items of the server's own tools and of kinds that nobody here knows.
    #[test]
    fn what_the_server_said_goes_back_to_it_unchanged_and_in_order(
        kinds in prop::collection::vec((0..5_u8, "\\PC{0,12}"), 0..12),
    ) {
        let output: Vec<Value> = kinds.iter().enumerate().map(|(place, (kind, text))| match kind {
            0 => json!({"type": "reasoning", "id": format!("rs_{place}"), "encrypted_content": "gAAA",
                "summary": [{"type": "summary_text", "text": text}]}),
            1 => json!({"type": "message", "id": format!("msg_{place}"), "role": "assistant", "phase": "commentary",
                "content": [{"type": "output_text", "text": text, "annotations": []}]}),
            2 => json!({"type": "function_call", "id": format!("fc_{place}"), "call_id": format!("c{place}"),
                "name": "add", "arguments": json!({ "x": text }).to_string(), "status": "completed"}),
            3 => json!({"type": "web_search_call", "id": format!("ws_{place}"), "action": {"query": text}}),
            _ => json!({"type": "not_invented_yet", "payload": [text, null, {"deep": {}}]}),
        }).collect();
        // A turn ends in words or calls, and its calls are answered.
        let said = json!({"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "So."}]});
        let turn: Vec<Value> = output.into_iter().chain([said]).collect();
        let mut fold = ResponsesFold::new(ORIGIN);
        let body = json!({"object": "response", "status": "completed", "output": turn});
        fold.push(&body.to_string(), &mut Vec::new()).unwrap();
        let mut items = fold.finish().unwrap().items;
        let called: Vec<Item> = items.iter().filter_map(|item| match item {
            Item::ToolCall(call) => Some(super::tests::output(&call.id, "ok")),
            _ => None,
        }).collect();
        items.extend(called);
        let input = input_of(&items, OPTIONS);
        prop_assert_eq!(&input.as_array().unwrap()[..turn.len()], &turn[..]);
    }
}
