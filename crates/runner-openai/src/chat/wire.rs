//! The parts of a chunk, and of an unstreamed answer, that this crate reads. Everything else is skipped.

use std::borrow::Cow;
use std::fmt;

use agentexec_runner_core::Usage;
use agentexec_runner_http::count;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::shapes::{Few, object};
use crate::wire::{Text, lenient, place};

/// One event of the stream (`chat.completion.chunk`) or the whole answer (`chat.completion`).
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) choices: Option<Few<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// The error that it reports. One that says nothing, beside a part of an answer, is none.
    pub(super) fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| self.is_foreign() || says_something(error))
    }

    /// Whether this holds no part of an answer.
    pub(super) fn is_foreign(&self) -> bool {
        self.choices.is_none() && self.usage.is_none()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default, deserialize_with = "place")]
    pub(super) index: Option<i64>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) delta: Option<Message<'a>>,
    /// The [`Message`] in place of `delta` when the answer comes in one piece. Some servers send it beside: what came
    /// so far.
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Choice<'a> {
    /// The error that it reports. One that says nothing is none.
    pub(super) fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| says_something(error))
    }
}

/// Whether there is anything in it: servers write an error that did not happen as an empty one, or as one whose fields
/// are empty.
fn says_something(error: &RawValue) -> bool {
    fn is_blank(value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(false) => true,
            Value::Bool(true) => false,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(entries) => entries.iter().all(is_blank),
            Value::Object(fields) => fields.values().all(is_blank),
        }
    }

    !serde_json::from_str(error.get()).is_ok_and(|error| is_blank(&error))
}

/// A piece of the assistant's message, or the whole. The role is not read: it is always the assistant.
#[derive(Debug, Default, Deserialize)]
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
    pub(super) tool_calls: Option<Few<CallPiece<'a>>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) function_call: Option<FunctionPiece<'a>>,
}

impl Message<'_> {
    /// How many bytes of it are going to be kept, or a few more.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.content, &self.refusal, &self.reasoning_content, &self.reasoning];
        let blocks = [self.thinking_blocks, self.reasoning_details];
        let calls = self.tool_calls.iter().flat_map(Few::iter);
        texts.into_iter().flatten().map(|text| text.0.len()).sum::<usize>()
            + blocks.into_iter().flatten().map(|raw| raw.get().len()).sum::<usize>()
            + calls.map(CallPiece::weight).sum::<usize>()
            + self.function_call.as_ref().map_or(0, FunctionPiece::weight)
    }
}

/// A piece of a tool call, or the whole.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CallPiece<'a> {
    #[serde(default, deserialize_with = "place")]
    pub(super) index: Option<i64>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    _kind: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) function: Option<FunctionPiece<'a>>,
    /// In place of `function` when the model calls a tool that takes text.
    #[serde(borrow)]
    custom: Option<CustomPiece<'a>>,
    /// What the protocol does not define, for example Gemini's `extra_content`.
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

impl CallPiece<'_> {
    /// The same as a call of a function, the only tools that are declared: its input are the arguments.
    pub(super) fn into_function(mut self) -> Self {
        let custom = self.custom.take();
        let custom = custom.map(|custom| FunctionPiece { name: custom.name, arguments: custom.input });
        self.function = self.function.or(custom);
        self
    }

    fn weight(&self) -> usize {
        let extra = if self.extra.is_empty() { 0 } else { json_len(&self.extra) };
        let custom = self.custom.as_ref().map_or(0, |custom| weight(&custom.name, &custom.input));
        let function = self.function.as_ref().map_or(0, FunctionPiece::weight);
        self.id.as_ref().map_or(0, |id| id.0.len()) + extra + custom + function
    }
}

impl FunctionPiece<'_> {
    /// Whether it adds to the arguments. Whitespace adds nothing.
    pub(super) fn has_arguments(&self) -> bool {
        match &self.arguments {
            Some(Arguments::Piece(text)) => !text.trim().is_empty(),
            Some(Arguments::Whole(_)) => true,
            None => false,
        }
    }

    /// Whether its arguments can be the beginning of all.
    pub(super) fn begins_arguments(&self) -> bool {
        let begins = |text: &str| text.trim_start().starts_with(['{', '[']);
        matches!(&self.arguments, Some(Arguments::Piece(text)) if begins(text))
    }

    fn weight(&self) -> usize {
        weight(&self.name, &self.arguments)
    }
}

/// How many bytes a name and arguments have.
fn weight(name: &Option<Text<'_>>, arguments: &Option<Arguments<'_>>) -> usize {
    let arguments = match arguments {
        Some(Arguments::Piece(text)) => text.len(),
        Some(Arguments::Whole(json)) => json_len(json),
        None => 0,
    };
    arguments + name.as_ref().map_or(0, |name| name.0.len())
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

#[derive(Debug, Deserialize)]
struct CustomPiece<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<Arguments<'a>>,
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
        f.write_str("a piece of JSON text, or JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Arguments::Piece(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Arguments::Piece(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Arguments::Whole(value.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Arguments::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Arguments::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Arguments::Whole(number.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(object)).map(Arguments::Whole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(list)).map(Arguments::Whole)
    }
}

/// Reads token counts, each by itself, under the names that DeepSeek and Moonshot use for the cached part too.
pub(super) fn usage(said: &RawValue) -> Usage {
    let said: Value = lenient(said);
    let read = |path: &str| said.pointer(path).and_then(count);
    let or_none = Option::unwrap_or_default;
    let cached = ["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"];
    let mut usage = Usage::new(or_none(read("/prompt_tokens")), or_none(read("/completion_tokens")));
    usage.cached_tokens = or_none(cached.into_iter().find_map(read));
    usage.cache_write_tokens = or_none(read("/prompt_tokens_details/cache_write_tokens"));
    usage.reasoning_tokens = or_none(read("/completion_tokens_details/reasoning_tokens"));
    usage
}
