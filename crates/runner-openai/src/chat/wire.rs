//! The parts of a chunk, and of an unstreamed answer, that this crate reads. Everything else is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::wire::Text;

/// One event of the stream (`chat.completion.chunk`) or the whole answer (`chat.completion`).
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) object: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) detail: Option<&'a RawValue>,
}

impl Chunk<'_> {
    /// Whether this is an error that stands in the stream bare, without an `error` around it.
    pub(super) fn is_flat_error(&self) -> bool {
        self.choices.is_none()
            && (self.message.is_some()
                || self.detail.is_some()
                || self.object.as_ref().is_some_and(|object| object.0 == "error"))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    pub(super) index: Option<i64>,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    /// In place of `delta` when the answer comes in one piece. Some servers send it beside: what came so far.
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// A piece of the assistant's message, or the whole. The role is not read: it is always the assistant.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<CallPiece<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionPiece<'a>>,
}

impl Message<'_> {
    /// How many bytes of it are going to be kept, or a few more.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.content, &self.refusal, &self.reasoning_content, &self.reasoning];
        let blocks = [self.thinking_blocks, self.reasoning_details];
        let calls = self.tool_calls.iter().flatten();
        texts.into_iter().flatten().map(|text| text.0.len()).sum::<usize>()
            + blocks.into_iter().flatten().map(|raw| raw.get().len()).sum::<usize>()
            + calls.map(CallPiece::weight).sum::<usize>()
            + self.function_call.as_ref().map_or(0, FunctionPiece::weight)
    }
}

/// A piece of a tool call, or the whole.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CallPiece<'a> {
    pub(super) index: Option<i64>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    _kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<FunctionPiece<'a>>,
    /// What the protocol does not define, for example Gemini's `extra_content`.
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

impl CallPiece<'_> {
    fn weight(&self) -> usize {
        let extra = if self.extra.is_empty() { 0 } else { json_len(&self.extra) };
        let id = self.id.as_ref().map_or(0, |id| id.0.len());
        id + extra + self.function.as_ref().map_or(0, FunctionPiece::weight)
    }
}

impl FunctionPiece<'_> {
    pub(super) fn has_arguments(&self) -> bool {
        match &self.arguments {
            Some(Arguments::Piece(text)) => !text.is_empty(),
            Some(Arguments::Whole(_)) => true,
            None => false,
        }
    }

    fn weight(&self) -> usize {
        let name = self.name.as_ref().map_or(0, |name| name.0.len());
        name + match &self.arguments {
            Some(Arguments::Piece(text)) => text.len(),
            Some(Arguments::Whole(json)) => json_len(json),
            None => 0,
        }
    }
}

fn json_len(json: &impl Serialize) -> usize {
    serde_json::to_vec(json).map_or(0, |json| json.len())
}

impl<'a> From<FunctionPiece<'a>> for CallPiece<'a> {
    fn from(function: FunctionPiece<'a>) -> Self {
        Self { function: Some(function), ..Self::default() }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionPiece<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Arguments<'a>>,
}

/// Arguments as servers send them: text that is to be read as JSON, or the JSON itself.
#[derive(Debug)]
pub(super) enum Arguments<'a> {
    /// A piece of JSON text.
    Piece(Cow<'a, str>),
    /// The whole.
    Whole(Value),
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentsVisitor)
    }
}

struct ArgumentsVisitor;

impl<'de> Visitor<'de> for ArgumentsVisitor {
    type Value = Arguments<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a piece of JSON text, or an object")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Arguments::Piece(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Arguments::Piece(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(object)).map(Arguments::Whole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(list)).map(Arguments::Whole)
    }
}

/// Token counts, with the names that DeepSeek and Moonshot use for the cached part.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    prompt_cache_hit_tokens: Option<u64>,
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl From<Usage> for agentexec_runner_core::Usage {
    fn from(wire: Usage) -> Self {
        let prompt = wire.prompt_tokens_details.unwrap_or_default();
        let completion = wire.completion_tokens_details.unwrap_or_default();
        let cached = prompt.cached_tokens.or(wire.prompt_cache_hit_tokens).or(wire.cached_tokens);
        let mut usage =
            Self::new(wire.prompt_tokens.unwrap_or_default(), wire.completion_tokens.unwrap_or_default());
        usage.cached_tokens = cached.unwrap_or_default();
        usage.cache_write_tokens = prompt.cache_write_tokens.unwrap_or_default();
        usage.reasoning_tokens = completion.reasoning_tokens.unwrap_or_default();
        usage
    }
}
