//! The model's reasoning, for which Chat Completions has no field and every compatible server its own.
//!
//! | field | who sends it |
//! |---|---|
//! | `reasoning_content` | DeepSeek, vLLM, LiteLLM, Moonshot, Z.ai |
//! | `reasoning` | OpenRouter, Groq, Ollama, newer vLLM |
//! | `reasoning_details` | OpenRouter, beside `reasoning`: blocks with signatures or encrypted |
//! | `thinking_blocks` | LiteLLM, beside `reasoning_content`: Anthropic's blocks with signatures |
//!
//! The fields go back as they came, to the same server only, since several refuse a tool turn without them.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_agent_core::transcript::{Raw, ReasoningItem};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::shapes::Few;
use super::wire::Message;
use crate::wire::{Text, lenient};

#[derive(Debug, Default)]
pub(super) struct Reasoning {
    text: String,
    /// The field that the text came in.
    field: Option<&'static str>,
    thinking_blocks: Blocks,
    reasoning_details: Blocks,
}

impl Reasoning {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.thinking_blocks.0.is_empty() && self.reasoning_details.0.is_empty()
    }

    /// Takes the reasoning of one message or piece in. Returns what the readable text grew by.
    ///
    /// # Errors
    /// [`LimitExceeded`](ModelErrorKind::LimitExceeded) when there are too many blocks.
    pub(super) fn push(&mut self, message: &Message<'_>) -> Result<Option<String>, ModelError> {
        let in_blocks = [
            self.thinking_blocks.push(message.thinking_blocks)?,
            self.reasoning_details.push(message.reasoning_details)?,
        ];
        // A server that sends the text in several fields sends the same in each: only one counts.
        let content =
            Text::non_empty(message.reasoning_content.as_ref()).map(|text| ("reasoning_content", text));
        let plain = Text::non_empty(message.reasoning.as_ref()).map(|text| ("reasoning", text));
        let delta = match content.or(plain) {
            Some((field, text)) => {
                self.field.get_or_insert(field);
                text.to_owned()
            }
            None => match in_blocks.into_iter().find(|text| !text.is_empty()) {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        self.text.push_str(&delta);
        Ok(Some(delta))
    }

    /// The item, when there was any reasoning. Its raw form holds the fields that go back.
    pub(super) fn into_item(self, origin: &str) -> Option<ReasoningItem> {
        let mut fields = Map::new();
        if let Some(field) = self.field {
            fields.insert(field.to_owned(), Value::String(self.text.clone()));
        }
        for (name, blocks) in
            [("reasoning_details", self.reasoning_details), ("thinking_blocks", self.thinking_blocks)]
        {
            if !blocks.0.is_empty() {
                fields.insert(name.to_owned(), blocks.0.into_iter().map(Value::Object).collect());
            }
        }
        let raw = (!fields.is_empty()).then(|| Raw::new(origin, Value::Object(fields)));
        raw.map(|raw| ReasoningItem { text: self.text, raw: Some(raw) })
    }
}

/// The most blocks of one kind in a response, many times what a model thinks in one.
const MAX_BLOCKS: usize = 10_000;

/// Blocks of reasoning, put together from pieces.
#[derive(Debug, Default)]
struct Blocks(Vec<Map<String, Value>>);

impl Blocks {
    /// Takes the pieces in and returns their readable text.
    fn push(&mut self, pieces: Option<&RawValue>) -> Result<String, ModelError> {
        let mut text = String::new();
        let pieces: Few<Map<String, Value>> = pieces.map(lenient).unwrap_or_default();
        for piece in pieces.all()? {
            for key in TEXT_KEYS {
                text.push_str(piece.get(key).and_then(Value::as_str).unwrap_or_default());
            }
            let is_full = self.0.len() >= MAX_BLOCKS;
            match self.0.last_mut().filter(|last| continues(last, &piece)) {
                Some(last) => merge(last, piece),
                None if !is_full => self.0.push(piece),
                None => {
                    let message = format!("the response holds more than {MAX_BLOCKS} blocks of reasoning");
                    return Err(ModelError::new(ModelErrorKind::LimitExceeded, message));
                }
            }
        }
        Ok(text)
    }
}

/// The keys whose text is streamed in pieces.
const TEXT_KEYS: [&str; 3] = ["thinking", "text", "summary"];

/// Whether the piece goes on with the block: same kind, same index, and the block not closed by a signature.
/// Encrypted blocks come whole.
fn continues(block: &Map<String, Value>, piece: &Map<String, Value>) -> bool {
    let same = |key: &str| block.get(key) == piece.get(key);
    let open = block.get("signature").is_none_or(Value::is_null);
    same("type") && same("index") && open && !piece.contains_key("data")
}

fn merge(block: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (key, value) in piece {
        match (block.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more)) if TEXT_KEYS.contains(&key.as_str()) => {
                text.push_str(&more);
            }
            (_, value) => {
                block.insert(key, value);
            }
        }
    }
}
