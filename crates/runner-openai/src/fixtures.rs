//! A conversation for the tests of both encoders.

use agentexec_agent_core::model::ToolSpec;
use agentexec_agent_core::transcript::{
    AssistantItem, Item, Raw, ReasoningItem, ToolCall, ToolOutputItem, Transcript,
};
use agentexec_tools::schema::Schema;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Item {
    Item::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), raw: None })
}

pub(crate) fn output(id: &str, text: &str) -> Item {
    Item::ToolOutput(ToolOutputItem {
        call_id: id.into(),
        name: "add".into(),
        output: text.into(),
        is_error: false,
    })
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

/// Transcripts of one to three turns without raw forms: the user's words, the model's, and calls with their outputs.
pub(crate) fn transcripts() -> impl Strategy<Value = Vec<Item>> {
    let name = "[a-zA-Z0-9_-]{1,64}";
    let arguments = any::<String>().prop_filter("blank arguments mean {}", |text| !text.trim().is_empty());
    let calls = vec((name, arguments, any::<String>()), 0..4);
    let turns = vec((any::<String>(), any::<String>(), calls), 1..4);
    turns.prop_map(|turns| {
        let mut items = Vec::new();
        for (number, (question, answer, calls)) in turns.into_iter().enumerate() {
            items.push(Item::user(question));
            items.extend((!answer.is_empty()).then(|| Item::assistant(answer)));
            let ids = (0..calls.len()).map(|place| format!("call_{number}_{place}"));
            let calls: Vec<_> = ids.zip(calls).collect();
            items.extend(calls.iter().map(|(id, (name, arguments, _))| call(id, name, arguments)));
            items.extend(calls.iter().map(|(id, (_, _, text))| output(id, text)));
        }
        items
    })
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
