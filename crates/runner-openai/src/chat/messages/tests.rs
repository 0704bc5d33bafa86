//! Transcripts as messages, and back.

use agentexec_agent_core::model::{ModelErrorKind, ModelRequest};
use agentexec_agent_core::transcript::{Media, Part, UserItem};
use proptest::prelude::*;
use serde_json::json;

use super::super::encode::Body;
use super::super::encode::tests::{OPTIONS, ORIGIN, body};
use super::*;
use crate::chat::ChatFold;
use crate::features::Features;
use crate::fixtures::{
    as_written, call, conversation, file, image, output, reasoning, transcripts, with_raw,
};

fn messages_of(items: &[Item]) -> Value {
    body(&ModelRequest::new(items), OPTIONS)["messages"].take()
}

fn refused(items: &[Item]) -> ModelError {
    Body::new(&ModelRequest::new(items), OPTIONS).unwrap_err()
}

#[test]
fn one_message_per_turn_and_its_outputs_right_behind_in_the_order_of_the_calls() {
    // A transcript of another provider: its reasoning, raw forms and unknown items stay behind.
    let expected = json!([
        {"role": "user", "content": "What is 1 + 2, and 3 * 4?"},
        {"role": "assistant", "content": "I compute both.", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "mul", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "tool", "tool_call_id": "b", "content": "12"},
        {"role": "assistant", "content": "3 and 12."},
        {"role": "user", "content": "Thanks."},
    ]);
    assert_eq!(messages_of(conversation().items()), expected);
}

#[test]
fn calls_without_text_have_null_content() {
    let messages = messages_of(&[Item::user("Hi"), call("a", "add", "{}"), output("a", "1")]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}});
    assert_eq!(messages[1], json!({"role": "assistant", "content": null, "tool_calls": [call]}));
}

#[test]
fn an_output_follows_its_call_even_where_somebody_spoke_between_them() {
    let messages = messages_of(&[
        call("a", "add", "{}"),
        Item::user("Hurry."),
        output("a", "1"),
        output("a", "answered twice"),
        output("z", "answers nothing"),
    ]);
    let roles: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "user"]);
}

#[test]
fn ids_that_come_again_in_a_later_turn_keep_their_own_outputs() {
    let items = [call("0", "add", "{}"), output("0", "first"), call("0", "add", "{}"), output("0", "second")];
    let messages = messages_of(&items);
    assert_eq!((&messages[1]["content"], &messages[3]["content"]), (&json!("first"), &json!("second")));
}

#[test]
fn an_open_call_is_refused_before_the_server_does_it() {
    let items = [call("a", "add", "{}"), call("b", "add", "{}"), output("a", "1")];
    let error = refused(&items);
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    assert!(error.message().contains("call b has no output"), "{error}");
}

#[test]
fn what_the_server_sent_beside_goes_back_to_it_and_to_no_other() {
    let signature = json!({"extra_content": {"google": {"thought_signature": "sig"}}});
    let thoughts =
        json!({"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "signature": "s"}]});
    let turn = |origin: &str| {
        [
            with_raw(reasoning("Hm"), origin, thoughts.clone()),
            with_raw(call("a", "add", "{}"), origin, signature.clone()),
            output("a", "1"),
        ]
    };
    let own = messages_of(&turn(ORIGIN));
    assert_eq!(own[0]["tool_calls"][0]["extra_content"], signature["extra_content"]);
    assert_eq!(
        (&own[0]["reasoning_content"], &own[0]["thinking_blocks"]),
        (&thoughts["reasoning_content"], &thoughts["thinking_blocks"])
    );

    let foreign = messages_of(&turn("openai-chat@elsewhere"));
    let call = json!({"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}});
    assert_eq!(foreign[0], json!({"role": "assistant", "content": null, "tool_calls": [call]}));

    let items = turn(ORIGIN);
    let without = Features::NONE.with(Feature::EchoedReasoning);
    let mute = body(&ModelRequest::new(&items), Options { without, ..OPTIONS });
    assert_eq!(mute["messages"][0].get("reasoning_content"), None);
}

#[test]
fn a_refusal_goes_back_as_one() {
    let items = [with_raw(Item::assistant(""), ORIGIN, json!({"refusal": "No."})), Item::user("Please.")];
    let content = json!([{"type": "refusal", "refusal": "No."}]);
    assert_eq!(messages_of(&items)[0], json!({"role": "assistant", "content": content}));
}

#[test]
fn nothing_said_is_no_message() {
    let items = [Item::user("Hi"), reasoning("only thoughts"), Item::assistant(""), Item::user("Hello?")];
    assert_eq!(messages_of(&items).as_array().unwrap().len(), 2);
}

#[test]
fn a_message_of_several_parts_keeps_them() {
    let items = [Item::User(UserItem { content: vec![Part::text("a"), Part::text("b")] })];
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(messages_of(&items), json!([{"role": "user", "content": parts}]));
}

#[test]
fn a_name_that_no_server_takes_does_not_spoil_the_conversation() {
    let messages = messages_of(&[call("a", "files.read", "{}"), output("a", "no such tool")]);
    assert_eq!(messages[0]["tool_calls"][0]["function"]["name"], "files_read");
}

#[test]
fn a_user_shows_images_and_files() {
    let shown = [
        Part::text("Look."),
        Media::image_url("https://example.com/a.png").into(),
        Media::image("image/png", b"png").into(),
        Media::file("a.pdf", "application/pdf", b"%PDF").into(),
    ];
    let content = json!([
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]);
    assert_eq!(messages_of(&[Item::user(shown)]), json!([{"role": "user", "content": content}]));
    // A single image is a part too.
    assert_eq!(
        messages_of(&[Item::user(Media::image("image/png", b"png"))])[0]["content"],
        json!([content[2]])
    );
}

#[test]
fn a_file_by_its_address_is_refused_with_the_way_out() {
    let error = refused(&[Item::user(Media::file_url("https://example.com/a.pdf"))]);
    assert_eq!(error.kind(), ModelErrorKind::Unsupported);
    assert!(error.message().contains("give its bytes"), "{error}");
    assert!(!error.to_string().contains("example.com"), "an address may carry a signature: {error}");
}

#[test]
fn what_tools_show_follows_the_answers_of_their_turn() {
    let with = |id: &str, text: &str, media: &[Media]| {
        let item = ToolOutputItem::new(id, "plot", text);
        Item::ToolOutput(media.iter().cloned().fold(item, ToolOutputItem::with))
    };
    let (png, pdf) = (Media::image("image/png", b"png"), Media::file("a.pdf", "application/pdf", b"%PDF"));
    let messages = messages_of(&[
        call("a", "plot", "{}"),
        call("b", "plot", "{}"),
        with("a", "", &[png]),
        with("b", "Two pages.", &[pdf.clone(), pdf]),
        Item::user("Thanks."),
    ]);
    let roles: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user", "user"]);
    assert_eq!(messages[1]["content"], "The answer is attached below.");
    assert_eq!(messages[2]["content"], "Two pages.");
    let pdf = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}});
    let content = json!([
        {"type": "text", "text": "Attached to the answer of plot (a):"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "text", "text": "Attached to the answer of plot (b):"},
        pdf,
        pdf,
    ]);
    assert_eq!(messages[3]["content"], content);
}

#[test]
fn arguments_that_are_no_object_come_back_as_one() {
    let messages = messages_of(&[call("a", "add", "{\"x\": "), output("a", "not JSON")]);
    let arguments = messages[0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({"INVALID_JSON": "{\"x\": "}));
}

#[test]
fn a_long_id_is_shortened_at_openai_and_kept_elsewhere() {
    let id = "toolu_vrtx_01".repeat(6);
    let items = [call(&id, "add", "{}"), output(&id, "1")];
    let ids = |options| {
        let messages = body(&ModelRequest::new(&items), options)["messages"].take();
        [&messages[0]["tool_calls"][0]["id"], &messages[1]["tool_call_id"]]
            .map(|id| id.as_str().unwrap().to_owned())
    };
    let [called, answered] = ids(OPTIONS);
    assert_eq!(called, answered);
    assert_eq!(called.len(), 37);
    assert_eq!(ids(Options { max_call_id: usize::MAX, ..OPTIONS }), [id.clone(), id]);
}

/// Reads messages as a server would: what the model said through the fold.
fn decode(messages: &[Value]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for message in messages {
        match message["role"].as_str().unwrap() {
            "user" if is_attachment(message) => attach(&mut items, message["content"].as_array().unwrap()),
            "user" => items.push(Item::User(user(&message["content"]))),
            "tool" => {
                let text = message["content"].as_str().unwrap();
                let text = if text == "The answer is attached below." { "" } else { text };
                items.push(output(message["tool_call_id"].as_str().unwrap(), text));
            }
            "assistant" => items.extend(heard(message)),
            other => panic!("{other}"),
        }
    }
    items
}

fn heard(message: &Value) -> Vec<Item> {
    let mut fold = ChatFold::new(ORIGIN);
    let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
    fold.push(&body.to_string(), &mut Vec::new()).unwrap();
    let items = fold.finish(&mut Vec::new()).unwrap().items;
    items.into_iter().map(as_written).collect()
}

fn user(content: &Value) -> UserItem {
    match content {
        Value::String(text) => text.as_str().into(),
        parts => parts.as_array().unwrap().iter().map(part).collect::<Vec<_>>().into(),
    }
}

fn part(part: &Value) -> Part {
    match part["type"].as_str().unwrap() {
        "text" => Part::text(part["text"].as_str().unwrap()),
        "image_url" => image(part["image_url"]["url"].as_str().unwrap()).into(),
        "file" => {
            file(part["file"]["filename"].as_str().unwrap(), part["file"]["file_data"].as_str().unwrap())
                .into()
        }
        other => panic!("{other}"),
    }
}

fn is_attachment(message: &Value) -> bool {
    message["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("Attached to the answer of "))
}

/// Gives images and files back to the outputs that they came with.
fn attach(items: &mut [Item], parts: &[Value]) {
    let mut to = None;
    for shown in parts {
        match part(shown) {
            Part::Text { text } => {
                let id = text.rsplit_once('(').unwrap().1.trim_end_matches("):").to_owned();
                to = items
                    .iter()
                    .position(|item| matches!(item, Item::ToolOutput(item) if item.call_id == id));
            }
            Part::Media { media } => match &mut items[to.unwrap()] {
                Item::ToolOutput(output) => output.media.push(media),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way_to_the_wire_and_back(items in transcripts(false)) {
        let messages = messages_of(&items);
        prop_assert_eq!(decode(messages.as_array().unwrap()), items);
    }

    /// A message of the server with its thoughts, signatures and calls goes back as it came.
    #[test]
    fn what_the_server_said_goes_back_to_it_unchanged(
        text in "\\PC{1,20}",
        thought in "\\PC{1,20}",
        calls in prop::collection::vec(("[a-z]{1,9}", "\\PC{0,9}", prop::option::of("[a-z]{1,9}")), 0..4),
    ) {
        let calls: Vec<Value> = calls.iter().enumerate().map(|(place, (name, value, signature))| {
            let arguments = json!({ "value": value }).to_string();
            let mut call = json!({"id": format!("c{place}"), "type": "function",
                "function": {"name": name, "arguments": arguments}});
            if let Some(signature) = signature {
                call["extra_content"] = json!({"google": {"thought_signature": signature}});
            }
            call
        }).collect();
        let block = json!({"type": "thinking", "thinking": thought, "signature": "s"});
        let mut said = json!({"role": "assistant", "content": text, "reasoning_content": thought,
            "thinking_blocks": [block]});
        let mut outputs = Vec::new();
        if !calls.is_empty() {
            outputs.extend((0..calls.len()).map(|place| output(&format!("c{place}"), "ok")));
            said["tool_calls"] = Value::Array(calls);
        }
        let items: Vec<Item> = heard(&said).into_iter().chain(outputs).collect();
        prop_assert_eq!(&messages_of(&items)[0], &said);
    }
}
