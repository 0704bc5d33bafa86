//! The parts of an event, and of a response object, that this crate reads. Everything else is skipped.

use std::fmt;

use agentexec_runner_core::Usage;
use agentexec_runner_http::count;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::MAX_OUTPUT_ITEMS;
use crate::wire::{Text, lenient, place};

/// The types of event that are read. Others are skipped, whatever their fields hold.
const KNOWN: [&str; 16] = [
    "error",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
];

/// One event of the stream, or the response object of an unstreamed answer.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    /// `response` when this is no event but the response itself.
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<Text<'a>>,
    /// Of `response.function_call_arguments.done`.
    #[serde(borrow)]
    pub(super) arguments: Option<Text<'a>>,
    /// Of `response.output_text.done`.
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    /// Of `response.refusal.done`.
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
    #[serde(default, deserialize_with = "place")]
    pub(super) output_index: Option<i64>,
    #[serde(borrow)]
    pub(super) item_id: Option<Text<'a>>,
    #[serde(default, deserialize_with = "place")]
    pub(super) summary_index: Option<i64>,
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    /// Of a response object.
    output: Option<IgnoredAny>,
}

/// What says only of which type an event is.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
}

impl<'a> Event<'a> {
    /// Reads an event. `None` is one of an unknown type whose fields are unlike those of the known ones.
    pub(super) fn read(data: &'a str) -> Result<Option<Self>, serde_json::Error> {
        serde_json::from_str(data).map(Some).or_else(|error| match serde_json::from_str(data) {
            Ok(Named { kind: Some(kind) }) if !KNOWN.contains(&&*kind.0) => Ok(None),
            _ => Err(error),
        })
    }
}

impl Event<'_> {
    /// Whether this is no event but the response itself. Some servers do not call it one.
    pub(super) fn is_response(&self) -> bool {
        self.object.as_ref().map_or(self.output.is_some(), |object| object.0 == "response")
    }
}

/// An item that has begun. It is read only to tell of it early; the item counts when it is done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Added<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
}

impl Added<'_> {
    pub(super) fn id(&self) -> Option<&str> {
        Text::non_empty(self.id.as_ref())
    }

    /// How many bytes of it are going to be kept.
    pub(super) fn weight(&self) -> usize {
        [&self.id, &self.call_id, &self.name, &self.arguments]
            .into_iter()
            .flatten()
            .map(|text| text.0.len())
            .sum()
    }

    /// Its arguments, where they came with it. Most servers send them behind.
    pub(super) fn arguments(&self) -> &str {
        Text::non_empty(self.arguments.as_ref()).unwrap_or_default()
    }

    pub(super) fn is_message(&self) -> bool {
        self.is("message")
    }

    /// The id and the name of the call, when it is one and both are known.
    pub(super) fn call(&self) -> Option<(&str, &str)> {
        let call = Text::non_empty(self.call_id.as_ref()).zip(Text::non_empty(self.name.as_ref()));
        call.filter(|_| self.is("function_call"))
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.as_ref().is_some_and(|own| own.0 == kind)
    }
}

/// The response object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) output: Option<List<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) incomplete_details: Option<&'a RawValue>,
}

/// The items of a response object, of which no more are held than one may have.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) items: Vec<&'a RawValue>,
    /// Whether there are more.
    pub(super) is_too_long: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bounded;

        impl<'de> Visitor<'de> for Bounded {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_OUTPUT_ITEMS
                    && let Some(item) = seq.next_element()?
                {
                    items.push(item);
                }
                let mut is_too_long = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    is_too_long = true;
                }
                Ok(List { items, is_too_long })
            }
        }

        from.deserialize_seq(Bounded)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
}

/// Reads the token counts. One that cannot be read is no reason to lose the others.
pub(super) fn usage(said: &RawValue) -> Usage {
    let said: Value = lenient(said);
    let counted = |of: &Value, field| of.get(field).and_then(count).unwrap_or_default();
    let of = |details| said.get(details).unwrap_or(&Value::Null);
    let (input, output) = (of("input_tokens_details"), of("output_tokens_details"));
    let mut usage = Usage::new(counted(&said, "input_tokens"), counted(&said, "output_tokens"));
    usage.cached_tokens = counted(input, "cached_tokens");
    usage.cache_write_tokens = counted(input, "cache_write_tokens");
    usage.reasoning_tokens = counted(output, "reasoning_tokens");
    usage
}
