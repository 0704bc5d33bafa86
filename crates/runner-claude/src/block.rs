//! One content block while it grows, and the item it becomes.
//!
//! The block keeps the form in which it came, every field of it, since it goes back to the provider with the
//! next request. Only the fields that grow are taken out meanwhile.

use std::mem;

use agentexec_agent_core::model::ModelEvent;
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, ReasoningItem, ToolCall};
use agentexec_runner_http::new_call_id;
use serde_json::{Map, Value};

use crate::names::wire_name;

use crate::wire::Delta;

/// The key under which arguments that are no JSON object go back to the model. The documentation of streamed
/// tool input asks for this word.
const INVALID_JSON: &str = "INVALID_JSON";

/// A content block.
pub(crate) struct Block {
    raw: Map<String, Value>,
    kind: Kind,
    has_ended: bool,
}

enum Kind {
    Text(String),
    Thinking(String),
    RedactedThinking,
    ToolUse {
        id: String,
        name: String,
        json: String,
    },
    /// A server tool, its result, or a kind that nobody here knows; tool input may be streamed into it.
    Other {
        json: String,
    },
}

impl Block {
    /// Opens a block in the form it came in, with what there is to show of it already.
    pub(crate) fn start(mut raw: Map<String, Value>) -> (Self, Option<ModelEvent>) {
        if !raw.contains_key("type")
            && let Some(kind) = likely_kind(&raw)
        {
            raw.insert("type".into(), kind.into());
        }
        let kind = match raw.get("type").and_then(Value::as_str) {
            Some("text") => Kind::Text(take_string(&mut raw, "text")),
            Some("thinking") => Kind::Thinking(take_string(&mut raw, "thinking")),
            Some("redacted_thinking") => Kind::RedactedThinking,
            // The call is to be answered whatever is missing of it.
            Some("tool_use") => Kind::ToolUse {
                id: text_in(&mut raw, "id", new_call_id),
                name: text_in(&mut raw, "name", || wire_name("").into_owned()),
                json: String::new(),
            },
            _ => Kind::Other { json: String::new() },
        };
        let event = match &kind {
            Kind::Text(text) => shown(text).map(ModelEvent::TextDelta),
            Kind::Thinking(text) => shown(text).map(ModelEvent::ReasoningDelta),
            Kind::ToolUse { id, name, .. } => {
                Some(ModelEvent::ToolCallStarted { call_id: id.clone(), name: name.clone() })
            }
            Kind::RedactedThinking | Kind::Other { .. } => None,
        };
        (Self { raw, kind, has_ended: false }, event)
    }

    /// Whether text belongs into it, or may.
    pub(crate) fn takes_text(&self) -> bool {
        matches!(self.kind, Kind::Text(_) | Kind::Other { .. })
    }

    /// Adds what a delta of an unknown kind holds to the fields of the same names, where nobody here knows the block
    /// either: it goes back as a whole.
    pub(crate) fn grow(&mut self, event: &str) {
        let Kind::Other { .. } = self.kind else { return };
        let Ok(Value::Object(mut event)) = serde_json::from_str(event) else { return };
        let Some(Value::Object(delta)) = event.remove("delta") else { return };
        for (field, piece) in delta.into_iter().filter(|(field, _)| field != "type") {
            match (self.raw.entry(field).or_insert(Value::Null), piece) {
                (Value::String(text), Value::String(piece)) => text.push_str(&piece),
                (Value::Array(list), Value::Array(more)) => list.extend(more),
                (whole, piece) => *whole = piece,
            }
        }
    }

    /// Adds a delta. One that does not belong to this kind of block, or of a kind that nobody here knows, changes
    /// nothing.
    pub(crate) fn extend(&mut self, delta: Delta<'_>) -> Option<ModelEvent> {
        match (&mut self.kind, delta.kind()) {
            (Kind::Text(text), "text_delta") => {
                text.push_str(delta.text.as_str());
                shown(delta.text.as_str()).map(ModelEvent::TextDelta)
            }
            (Kind::Text(_), "citations_delta") => {
                self.cite(*delta.citation?);
                None
            }
            (Kind::Thinking(text), "thinking_delta") => {
                text.push_str(delta.thinking.as_str());
                shown(delta.thinking.as_str()).map(ModelEvent::ReasoningDelta)
            }
            (Kind::Thinking(_), "signature_delta") => {
                // The signature comes whole; a second one replaces the first.
                self.raw.insert("signature".into(), delta.signature.into_string().into());
                None
            }
            (Kind::ToolUse { id, json, .. }, "input_json_delta") => {
                json.push_str(delta.partial_json.as_str());
                let call_id = id.clone();
                shown(delta.partial_json.as_str()).map(|delta| ModelEvent::ToolCallDelta { call_id, delta })
            }
            (Kind::Other { json }, "input_json_delta") => {
                json.push_str(delta.partial_json.as_str());
                None
            }
            _ => None,
        }
    }

    /// The block is complete. A tool call whose input came with its start, in one piece, shows it now.
    pub(crate) fn stop(&mut self) -> Option<ModelEvent> {
        if mem::replace(&mut self.has_ended, true) {
            return None;
        }
        let Kind::ToolUse { id, json, .. } = &mut self.kind else { return None };
        if !json.trim().is_empty() {
            return None;
        }
        *json = whole_input(self.raw.get("input")?)?;
        Some(ModelEvent::ToolCallDelta { call_id: id.clone(), delta: json.clone() })
    }

    /// The item that the block is in a transcript, beside the neutral form its own, which is that of `origin`.
    pub(crate) fn into_item(mut self, origin: &str) -> Item {
        // Its end may not have come.
        self.stop();
        let Self { mut raw, kind, .. } = self;
        let own = |raw| Raw::new(origin, Value::Object(raw));
        match kind {
            Kind::Text(text) => {
                raw.insert("text".into(), text.clone().into());
                Item::Assistant(AssistantItem { text, raw: Some(own(raw)) })
            }
            Kind::Thinking(text) => {
                raw.insert("thinking".into(), text.clone().into());
                Item::Reasoning(ReasoningItem { text, raw: Some(own(raw)) })
            }
            Kind::RedactedThinking => {
                Item::Reasoning(ReasoningItem { text: String::new(), raw: Some(own(raw)) })
            }
            Kind::ToolUse { id, name, json } => {
                let arguments = if json.trim().is_empty() { "{}".to_owned() } else { json };
                raw.insert("input".into(), Value::Object(input_object(&arguments)));
                Item::ToolCall(ToolCall { id, name, arguments, raw: Some(own(raw)) })
            }
            Kind::Other { json } => {
                if !json.trim().is_empty() {
                    raw.insert("input".into(), Value::Object(input_object(&json)));
                }
                Item::Opaque(own(raw))
            }
        }
    }

    fn cite(&mut self, citation: Value) {
        match self.raw.get_mut("citations") {
            Some(Value::Array(citations)) => citations.push(citation),
            _ => {
                self.raw.insert("citations".into(), Value::Array(vec![citation]));
            }
        }
    }
}

/// Arguments as the object that `input` must be. Nothing is `{}`; what is no object is wrapped, so that the model
/// reads what it wrote beside the error that answers it.
pub(crate) fn input_object(arguments: &str) -> Map<String, Value> {
    if arguments.trim().is_empty() {
        return Map::new();
    }
    serde_json::from_str(arguments)
        .unwrap_or_else(|_| Map::from_iter([(INVALID_JSON.to_owned(), arguments.into())]))
}

/// Input that did not come in pieces, as the text that it is in a stream. What is no object is kept: whoever called for
/// the tool is told so, and calls again.
fn whole_input(input: &Value) -> Option<String> {
    match input {
        Value::Null => None,
        Value::Object(members) if members.is_empty() => None,
        // Gateways put the text of the arguments here.
        Value::String(text) => shown(text),
        other => Some(other.to_string()),
    }
}

fn shown(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn take_string(raw: &mut Map<String, Value>, field: &str) -> String {
    match raw.remove(field) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// What a block is that does not say so.
fn likely_kind(raw: &Map<String, Value>) -> Option<&'static str> {
    let has = |fields: &[&str]| fields.iter().all(|field| raw.contains_key(*field));
    let kinds: [(&[&str], _); 3] =
        [(&["text"], "text"), (&["thinking"], "thinking"), (&["id", "name", "input"], "tool_use")];
    kinds.into_iter().find_map(|(fields, kind)| has(fields).then_some(kind))
}

/// The text of a field, or else this, which is put there.
fn text_in(raw: &mut Map<String, Value>, field: &str, or: impl FnOnce() -> String) -> String {
    let known = raw.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = known.map_or_else(or, str::to_owned);
    raw.insert(field.into(), text.clone().into());
    text
}
