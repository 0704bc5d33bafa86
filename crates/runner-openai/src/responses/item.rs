//! Reading one output item: its neutral form beside the item as it came.

use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, ReasoningItem, ToolCall};
use serde_json::Value;

use crate::ids::new_call_id;

/// An output item, and the words of a refusal if it holds one.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) item: Item,
    pub(super) refusal: String,
}

/// Reads an item. Kinds that nobody here knows are kept as they are.
pub(super) fn read(mut value: Value, origin: &str) -> Output {
    let mut refusal = String::new();
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let item = match kind {
        "message" => {
            refusal = joined(&value, "content", "refusal", "");
            let text = joined(&value, "content", "text", "");
            Item::Assistant(AssistantItem { text, raw: Some(Raw::new(origin, value)) })
        }
        "reasoning" => {
            // What is readable is the summary; models with open weights show the reasoning itself.
            let mut text = joined(&value, "summary", "text", PARAGRAPH);
            if text.is_empty() {
                text = joined(&value, "content", "text", PARAGRAPH);
            }
            Item::Reasoning(ReasoningItem { text, raw: Some(Raw::new(origin, value)) })
        }
        "function_call" => {
            let id = call_id(&mut value);
            let name = string(&value, "name");
            let arguments = match value.get("arguments") {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(json) => json.to_string(),
            };
            Item::ToolCall(ToolCall { id, name, arguments, raw: Some(Raw::new(origin, value)) })
        }
        _ => Item::Opaque(Raw::new(origin, value)),
    };
    Output { item, refusal }
}

/// What stands between two parts of a summary.
pub(super) const PARAGRAPH: &str = "\n\n";

/// Gives a call another id, in both of its forms: it is answered by the one and sent back in the other.
pub(super) fn rename_call(call: &mut ToolCall) {
    call.id = new_call_id();
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
