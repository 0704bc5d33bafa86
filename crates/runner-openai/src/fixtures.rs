//! A conversation for the tests of both encoders.

use agentexec_agent_core::model::ToolSpec;
use agentexec_agent_core::transcript::{
    AssistantItem, Item, Media, Part, Raw, ReasoningItem, ToolCall, ToolOutputItem, Transcript, UserItem,
};
use agentexec_tools::schema::Schema;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Item {
    Item::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), raw: None })
}

pub(crate) fn output(id: &str, text: &str) -> Item {
    Item::ToolOutput(ToolOutputItem::new(id, "add", text))
}

/// Puts a raw form of `protocol` on an item.
pub(crate) fn with_raw(item: Item, protocol: &str, value: Value) -> Item {
    let raw = Some(Raw::new(protocol, value));
    match item {
        Item::Assistant(item) => Item::Assistant(AssistantItem { raw, ..item }),
        Item::ToolCall(item) => Item::ToolCall(ToolCall { raw, ..item }),
        Item::Reasoning(item) => Item::Reasoning(ReasoningItem { raw, ..item }),
        other => other,
    }
}

pub(crate) fn reasoning(text: &str) -> Item {
    Item::Reasoning(ReasoningItem { text: text.into(), raw: None })
}

/// Two turns with tools, all in the neutral form, and an item that only Anthropic knows.
pub(crate) fn conversation() -> Transcript {
    [
        Item::user("What is 1 + 2, and 3 * 4?"),
        with_raw(reasoning("Tools."), "anthropic@api.anthropic.com", json!({"signature": "s"})),
        Item::assistant("I compute "),
        Item::assistant("both."),
        with_raw(call("a", "add", r#"{"x":1}"#), "anthropic@api.anthropic.com", json!({"caller": "direct"})),
        Item::Opaque(Raw::new("anthropic@api.anthropic.com", json!({"type": "server_tool_use"}))),
        call("b", "mul", ""),
        output("b", "12"),
        output("a", ""),
        Item::assistant("3 and 12."),
        Item::user("Thanks."),
    ]
    .into_iter()
    .collect()
}

/// Two tools: one whose schema has a strict form, one whose has none.
pub(crate) fn tools() -> Vec<ToolSpec> {
    let closed = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]});
    let open = json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}});
    vec![
        ToolSpec::new("add", "Adds.", Schema::from_value(closed).unwrap()),
        ToolSpec::new("mul", "", Schema::from_value(open).unwrap()),
    ]
}

/// Transcripts of one to three turns without raw forms: the user's words, images and files, the model's words, and calls
/// with their outputs, arguments that are no JSON among them.
pub(crate) fn transcripts(with_file_urls: bool) -> impl Strategy<Value = Vec<Item>> {
    let name = "[a-zA-Z0-9_-]{1,64}";
    let written = any::<String>().prop_filter("blank arguments mean {}", |text| !text.trim().is_empty());
    let object = "\\PC{0,9}".prop_map(|value| json!({ "value": value }).to_string());
    let answered = (any::<String>(), vec(media(with_file_urls), 0..2));
    let calls = vec((name, prop_oneof![written, object], answered), 0..4);
    let turns = vec((said(with_file_urls), any::<String>(), calls), 1..4);
    turns.prop_map(|turns| {
        let mut items = Vec::new();
        for (number, (question, answer, calls)) in turns.into_iter().enumerate() {
            items.push(Item::User(question));
            items.extend((!answer.is_empty()).then(|| Item::assistant(answer)));
            let ids = (0..calls.len()).map(|place| format!("call_{number}_{place}"));
            let calls: Vec<_> = ids.zip(calls).collect();
            items.extend(calls.iter().map(|(id, (name, arguments, _))| call(id, name, arguments)));
            items.extend(calls.into_iter().map(|(id, (_, _, (text, media)))| {
                Item::ToolOutput(ToolOutputItem { media, ..ToolOutputItem::new(id, "add", text) })
            }));
        }
        items
    })
}

fn said(with_file_urls: bool) -> impl Strategy<Value = UserItem> {
    let part = prop_oneof![any::<String>().prop_map(Part::from), media(with_file_urls).prop_map(Part::from)];
    prop_oneof![any::<String>().prop_map(UserItem::from), vec(part, 2..4).prop_map(UserItem::from)]
}

fn media(with_file_urls: bool) -> impl Strategy<Value = Media> {
    let bytes = || vec(any::<u8>(), 0..9);
    let file_url = with_file_urls.then(|| "[a-z]{1,9}".prop_map(|path| Media::file_url(url(&path))));
    let others = prop_oneof![
        "[a-z]{1,9}".prop_map(|path| Media::image_url(url(&path))),
        bytes().prop_map(|bytes| Media::image("image/png", &bytes)),
        ("[a-z]{1,9}", bytes()).prop_map(|(name, bytes)| Media::file(name, "application/pdf", &bytes)),
    ];
    match file_url {
        Some(file_url) => prop_oneof![others, file_url].boxed(),
        None => others.boxed(),
    }
}

fn url(path: &str) -> String {
    format!("https://example.com/{path}")
}

/// An image by its URL, which may carry it.
pub(crate) fn image(url: &str) -> Media {
    match url.strip_prefix("data:image/png;base64,") {
        Some(data) => Media::image("image/png", &STANDARD.decode(data).unwrap()),
        None => Media::image_url(url),
    }
}

/// A file by the URL that carries it.
pub(crate) fn file(name: &str, url: &str) -> Media {
    let data = url.strip_prefix("data:application/pdf;base64,").unwrap();
    Media::file(name, "application/pdf", &STANDARD.decode(data).unwrap())
}

/// A call with its arguments as the model wrote them, be they JSON or not.
pub(crate) fn as_written(item: Item) -> Item {
    let Item::ToolCall(mut call) = item else { return item };
    let wrapped = serde_json::from_str::<Value>(&call.arguments).ok();
    if let Some(written) = wrapped.as_ref().and_then(|wrapped| wrapped.get("INVALID_JSON")?.as_str()) {
        written.clone_into(&mut call.arguments);
    }
    Item::ToolCall(call)
}

/// The items without their raw forms.
pub(crate) fn neutral(items: Vec<Item>) -> Vec<Item> {
    let strip = |item| match item {
        Item::Assistant(item) => Item::Assistant(AssistantItem { raw: None, ..item }),
        Item::ToolCall(item) => Item::ToolCall(ToolCall { raw: None, ..item }),
        Item::Reasoning(item) => Item::Reasoning(ReasoningItem { raw: None, ..item }),
        other => other,
    };
    items.into_iter().map(strip).collect()
}
