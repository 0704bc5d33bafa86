//! Reading one output item: its neutral form beside the item as it came.

use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, ReasoningItem, Standing, ToolCall};
use serde_json::{Value, json};

use super::MAX_CALL_ID;
use crate::ids::{fitting, new_call_id};

/// An output item, and the words of a refusal if it holds one.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) item: Item,
    pub(super) refusal: String,
    /// Whether it is a call that the server knows under another id, or under one that it would refuse.
    pub(super) is_renamed: bool,
}

/// Reads an item. Kinds that nobody here knows are kept as they are.
pub(super) fn read(mut value: Value, origin: &str) -> Output {
    let mut refusal = String::new();
    let mut is_renamed = false;
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let item = match kind {
        "message" => {
            refusal = joined(&value, "content", "refusal", "");
            let text = joined(&value, "content", "text", "");
            let standing = standing(&value);
            Item::Assistant(AssistantItem {
                text,
                raw: Some(Raw::new(origin, value).with_standing(standing)),
            })
        }
        "reasoning" => {
            // What is readable is the summary; models with open weights show the reasoning itself.
            let mut text = joined(&value, "summary", "text", PARAGRAPH);
            if text.is_empty() {
                text = joined(&value, "content", "text", PARAGRAPH);
            }
            Item::Reasoning(ReasoningItem { text, raw: Some(Raw::new(origin, value)) })
        }
        "function_call" | CUSTOM => {
            let said = string(&value, "call_id");
            let id = call_id(&mut value);
            is_renamed = id != said || fitting(&id, MAX_CALL_ID) != id;
            let name = string(&value, "name");
            let arguments = arguments(&value);
            Item::ToolCall(ToolCall { id, name, arguments, raw: Some(Raw::new(origin, value)) })
        }
        _ => Item::Opaque(Raw::new(origin, value)),
    };
    Output { item, refusal, is_renamed }
}

/// A message stands on its own, and one of the phase `commentary` is said on the way to the answer.
fn standing(message: &Value) -> Standing {
    match message.get("phase").and_then(Value::as_str) {
        Some("commentary") => Standing::Remark,
        _ => Standing::Message,
    }
}

/// A call of a tool whose input is any text. We declare none, but a call must be answered whoever declared its tool.
pub(super) const CUSTOM: &str = "custom_tool_call";

/// The arguments of a call as text. Those of a custom tool are the one that it has.
fn arguments(call: &Value) -> String {
    if is_custom(call) {
        return json!({ "input": call.get("input") }).to_string();
    }
    match call.get("arguments") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(json) => json.to_string(),
    }
}

/// Whether it is the call of a custom tool.
pub(super) fn is_custom(call: &Value) -> bool {
    call.get("type").and_then(Value::as_str) == Some(CUSTOM)
}

/// What stands between two parts of a summary.
pub(super) const PARAGRAPH: &str = "\n\n";

/// An item as it came.
pub(super) fn raw(item: &Item) -> Option<&Value> {
    let raw = match item {
        Item::Assistant(item) => item.raw.as_ref(),
        Item::Reasoning(item) => item.raw.as_ref(),
        Item::ToolCall(call) => call.raw.as_ref(),
        Item::Opaque(raw) => Some(raw),
        _ => None,
    };
    raw.map(|raw| &raw.value)
}

/// Whether an item that is no call came before: both are of one id and say the same.
pub(super) fn is_again(known: &Item, item: &Item) -> bool {
    let (Some(known), Some(item)) = (raw(known), raw(item)) else { return false };
    let says = ["type", "content", "summary", "encrypted_content"];
    ids(item).any(|id| ids(known).any(|other| other == id))
        && says.iter().all(|key| known.get(key) == item.get(key))
}

/// The ids of an item: its own, and the one that some servers say in place of it.
pub(super) fn ids(value: &Value) -> impl Iterator<Item = &str> {
    let ids = ["id", "item_id"].into_iter().filter_map(|key| value.get(key)?.as_str());
    ids.filter(|id| !id.is_empty())
}

/// Gives a message the text that was told of it, in both of its forms.
pub(super) fn say(said: &mut AssistantItem, text: String) {
    if let Some(fields) = said.raw.as_mut().and_then(|raw| raw.value.as_object_mut()) {
        let part = json!({"type": "output_text", "text": text, "annotations": []});
        fields.insert("content".to_owned(), json!([part]));
    }
    said.text = text;
}

/// Gives a call another id, in both of its forms: it is answered by the one and sent back in the other.
pub(super) fn rename_call(call: &mut ToolCall, id: &str) {
    id.clone_into(&mut call.id);
    if let Some(raw) = &mut call.raw {
        set_call_id(&mut raw.value, &call.id);
    }
}

/// The id that the output must name. A server without one is given one.
fn call_id(call: &mut Value) -> String {
    let id = ["call_id", "id"].into_iter().map(|key| string(call, key)).find(|id| !id.is_empty());
    let id = id.unwrap_or_else(new_call_id);
    set_call_id(call, &id);
    id
}

fn set_call_id(call: &mut Value, id: &str) {
    if let Some(call) = call.as_object_mut() {
        call.insert("call_id".to_owned(), Value::String(id.to_owned()));
    }
}

fn string(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The texts under `key` in the parts of the list `list`.
fn joined(value: &Value, list: &str, key: &str, separator: &str) -> String {
    match value.get(list) {
        Some(Value::String(text)) if key == "text" => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get(key)?.as_str()).collect();
            texts.join(separator)
        }
        _ => String::new(),
    }
}
