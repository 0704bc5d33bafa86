//! What holds for every transcript: nothing of it is lost on the way to the wire and back.

use agentexec_agent_core::transcript::{Item, Media, Part, Raw, ReasoningItem, ToolCall, ToolOutputItem};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::MessagesFold;
use crate::conversation::tests::{ORIGIN, messages};
use crate::fold::properties::contents;

/// The name that all tools have: it does not stand in a result.
const NAME: &str = "t";

fn text() -> impl Strategy<Value = String> {
    "[a-zäö\"\\\\\n ]{0,12}[a-z]"
}

fn media() -> impl Strategy<Value = Media> {
    let bytes = || vec(any::<u8>(), 0..9);
    prop_oneof![
        bytes().prop_map(|bytes| Media::image("image/png", &bytes)),
        bytes().prop_map(|bytes| Media::image("image/webp", &bytes)),
        "https://[a-z]{1,5}/[a-z?&=%]{0,9}".prop_map(Media::image_url),
        (text(), bytes()).prop_map(|(name, bytes)| Media::file(name, "application/pdf", &bytes)),
        (text(), text()).prop_map(|(name, text)| Media::file(name, "text/plain", text.as_bytes())),
        "https://[a-z]{1,5}/[a-z]{0,9}".prop_map(Media::file_url),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![text().prop_map(Part::text), media().prop_map(Part::from)]
}

/// What a tool is asked, and what it answers: a text that may be empty, and what it shows. An error has words and
/// shows nothing; without words it would be given some.
fn call() -> impl Strategy<Value = (String, ToolOutputItem)> {
    let input = btree_map("[a-z]{1,3}", (0..9i64).prop_map(Value::from), 0..3);
    let answer = prop_oneof![
        (option::of(text()), vec(media(), 0..3)).prop_map(|(text, media)| {
            let output = ToolOutputItem::new("", NAME, text.unwrap_or_default());
            media.into_iter().fold(output, ToolOutputItem::with)
        }),
        text().prop_map(|text| ToolOutputItem::new("", NAME, text).failed()),
    ];
    (input.prop_map(|input| json!(input).to_string()), answer)
}

/// What only the server can read that it came from: a thought, shown or not, or a block of one of its own tools.
fn own() -> impl Strategy<Value = Item> {
    let reasoning =
        |text: String, raw| Item::Reasoning(ReasoningItem { text, raw: Some(Raw::new(ORIGIN, raw)) });
    prop_oneof![
        (option::of(text()), text()).prop_map(move |(thought, signature)| {
            let thought = thought.unwrap_or_default();
            let raw = json!({"type": "thinking", "thinking": thought, "signature": signature});
            reasoning(thought, raw)
        }),
        text().prop_map(move |data| {
            reasoning(String::new(), json!({"type": "redacted_thinking", "data": data}))
        }),
        text().prop_map(|query| {
            let block =
                json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": query}});
            Item::Opaque(Raw::new(ORIGIN, block))
        }),
    ]
}

/// Transcripts with the user's word at the beginning and at the end, each turn with thoughts before its text and blocks
/// of the server's tools behind it.
fn transcripts() -> impl Strategy<Value = Vec<Item>> {
    let turn = (vec(part(), 1..4), vec(own(), 0..3), option::of(text()), vec(own(), 0..2), vec(call(), 0..4));
    vec(turn, 1..4).prop_map(|turns| {
        let mut items = Vec::new();
        for (turn, (parts, before, answer, behind, calls)) in turns.into_iter().enumerate() {
            items.push(Item::user(parts));
            items.extend(before);
            items.extend(answer.map(Item::assistant));
            items.extend(behind);
            let id = |call: usize| format!("call-{turn}-{call}");
            for (place, (arguments, _)) in calls.iter().enumerate() {
                let (name, arguments) = (NAME.to_owned(), arguments.clone());
                items.push(Item::ToolCall(ToolCall { id: id(place), name, arguments, raw: None }));
            }
            for (place, (_, output)) in calls.into_iter().enumerate() {
                items.push(Item::ToolOutput(ToolOutputItem { call_id: id(place), ..output }));
            }
        }
        items.push(Item::user("And now?"));
        items
    })
}

fn string(block: &Value, field: &str) -> String {
    block[field].as_str().unwrap_or_default().to_owned()
}

/// Reads an image or a document as a server would.
fn shown(block: &Value) -> Media {
    let source = &block["source"];
    let bytes = || {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(string(source, "data")).unwrap()
    };
    let media_type = string(source, "media_type");
    match (block["type"].as_str().unwrap(), source["type"].as_str().unwrap()) {
        ("image", "base64") => Media::image(&media_type, &bytes()),
        ("image", "url") => Media::image_url(string(source, "url")),
        ("document", "base64") => Media::file(string(block, "title"), &media_type, &bytes()),
        ("document", "text") => {
            Media::file(string(block, "title"), &media_type, string(source, "data").as_bytes())
        }
        ("document", "url") => Media::file_url(string(source, "url")),
        other => panic!("{other:?}"),
    }
}

fn result(block: &Value) -> ToolOutputItem {
    let mut output = ToolOutputItem::new(string(block, "tool_use_id"), NAME, string(block, "content"));
    output.is_error = block["is_error"] == true;
    for part in block["content"].as_array().into_iter().flatten() {
        match part["type"].as_str() {
            Some("text") => output.output = string(part, "text"),
            _ => output.media.push(shown(part)),
        }
    }
    output
}

/// Reads messages as a server would: an assistant's content through the fold, a user's block by block.
fn read_back(messages: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    for message in messages.as_array().unwrap() {
        if message["role"] == "assistant" {
            items.extend(folded(message).into_iter().map(neutral));
            continue;
        }
        items.extend(message["content"].as_array().unwrap().iter().map(|block| {
            match block["type"].as_str().unwrap() {
                "text" => Item::user(string(block, "text")),
                "tool_result" => Item::ToolOutput(result(block)),
                _ => Item::user(shown(block)),
            }
        }));
    }
    items
}

/// What a message of the model comes to.
fn folded(message: &Value) -> Vec<Item> {
    let mut fold = MessagesFold::new(ORIGIN);
    fold.push_body(message.to_string().as_bytes(), &mut Vec::new()).unwrap();
    fold.finish().unwrap().items
}

/// The item without its own form where there is a neutral one, and its arguments as the JSON library writes them.
fn neutral(item: Item) -> Item {
    match item {
        Item::Assistant(item) => Item::assistant(item.text),
        Item::ToolCall(call) => {
            let arguments = serde_json::from_str::<Value>(&call.arguments).unwrap().to_string();
            Item::ToolCall(ToolCall { arguments, raw: None, ..call })
        }
        other => other,
    }
}

/// The items with each part of the user's in one of its own: where an item ends does not stand on the wire.
fn part_by_part(items: Vec<Item>) -> Vec<Item> {
    let parts = |item| match item {
        Item::User(item) => item.content.into_iter().map(Item::user).collect(),
        other => vec![other],
    };
    items.into_iter().flat_map(parts).collect()
}

/// Blocks as the model sends them, without a blank text, which does not go back, and each call with an id of its own.
fn sent() -> impl Strategy<Value = Vec<Value>> {
    contents().prop_map(|blocks| {
        let blocks = blocks.into_iter().enumerate().map(|(place, made)| {
            let mut block = made.whole;
            if block["type"] == "tool_use" {
                block["id"] = format!("toolu.{place}").into();
            }
            block
        });
        blocks.filter(|block| block["type"] != "text" || !string(block, "text").trim().is_empty()).collect()
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_between_a_transcript_and_the_wire(items in transcripts()) {
        prop_assert_eq!(read_back(&messages(&items)), part_by_part(items));
    }

    #[test]
    fn what_the_model_sent_goes_back_as_it_came(content in sent(), is_paused in any::<bool>()) {
        let stop_reason = if is_paused { "pause_turn" } else { "end_turn" };
        let items = folded(&json!({"content": content, "stop_reason": stop_reason}));
        let items: Vec<Item> = [Item::user("Go")].into_iter().chain(items).collect();
        let said = |text: &str| json!({"role": "user", "content": [{"type": "text", "text": text}]});
        let mut expected = vec![said("Go")];
        if !content.is_empty() {
            expected.push(json!({"role": "assistant", "content": content}));
            expected.extend((!is_paused).then(|| said("Continue.")));
        }
        prop_assert_eq!(messages(&items), json!(expected));
    }
}
