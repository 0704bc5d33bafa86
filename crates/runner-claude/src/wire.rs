//! The events of a stream and the whole message, as they stand on the wire.
//!
//! One flat struct holds every event: a tagged enum would buffer each event before it knows its kind, and the
//! deltas are nine tenths of a stream. The strings of a delta are borrowed from the event where JSON lets them, and
//! what is rare is boxed, since serde moves the struct about.

use std::borrow::Cow;
use std::fmt;

use agentexec_runner_http::{count, reports_error};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::fold::MAX_CONTENT_BLOCKS;

/// The kinds of event that [`Event`] describes. Others are skipped, whatever their fields hold.
const EVENTS: [&str; 8] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    ERROR,
];

/// The kinds of delta that [`Delta`] describes.
const DELTAS: [&str; 5] =
    ["text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"];

/// The kind of event by which a provider reports an error.
const ERROR: &str = "error";

/// Any event of a stream: the fields of all kinds side by side.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(default, deserialize_with = "lenient_count")]
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    pub(crate) content_block: Option<Map<String, Value>>,
    pub(crate) message: Option<Box<Message>>,
    #[serde(default, deserialize_with = "counts")]
    pub(crate) usage: Option<Box<Counts>>,
}

/// What a `content_block_delta` or a `message_delta` adds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) text: Text<'a>,
    #[serde(borrow)]
    pub(crate) partial_json: Text<'a>,
    #[serde(borrow)]
    pub(crate) thinking: Text<'a>,
    #[serde(borrow)]
    pub(crate) signature: Text<'a>,
    pub(crate) citation: Option<Box<Value>>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) stop_details: Option<StopDetails>,
}

impl Delta<'_> {
    /// Its kind: its type, or what it holds where a server leaves that out.
    pub(crate) fn kind(&self) -> &str {
        let holds = [
            (&self.kind, self.kind.as_str()),
            (&self.text, "text_delta"),
            (&self.partial_json, "input_json_delta"),
            (&self.thinking, "thinking_delta"),
            (&self.signature, "signature_delta"),
        ];
        holds.into_iter().find(|(text, _)| !text.as_str().is_empty()).map_or("", |(_, kind)| kind)
    }

    /// Whether nobody here knows its kind.
    pub(crate) fn is_unknown(&self) -> bool {
        !DELTAS.contains(&self.kind())
    }

    /// How many bytes of the event `data`, whose delta this is, a block keeps.
    pub(crate) fn weight(&self, data: &str) -> usize {
        if self.citation.is_some() || self.is_unknown() {
            return data.len();
        }
        [&self.text, &self.partial_json, &self.thinking, &self.signature]
            .map(|text| text.as_str().len())
            .into_iter()
            .sum()
    }
}

/// A whole message: the body of an answer that was not streamed, and what `message_start` opens with.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    #[serde(default, deserialize_with = "content")]
    pub(crate) content: Option<Vec<Map<String, Value>>>,
    pub(crate) model: Option<String>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) stop_details: Option<StopDetails>,
    #[serde(default, deserialize_with = "counts")]
    pub(crate) usage: Option<Box<Counts>>,
    /// What went wrong, where a server says so in a message.
    pub(crate) error: Option<Value>,
}

/// A text in the form of a block.
pub(crate) fn text_block(text: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), "text".into()), ("text".to_owned(), text.into())])
}

/// The blocks of a message. A text in place of them is one block, and a place for one that is empty is none.
fn content<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Map<String, Value>>>, D::Error> {
    struct Content;

    impl<'de> Visitor<'de> for Content {
        type Value = Option<Vec<Map<String, Value>>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("content blocks")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(if text.is_empty() { vec![] } else { vec![text_block(text)] }))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(Some(Vec::new()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut blocks = Vec::new();
            // One too many is enough to be refused.
            while blocks.len() <= MAX_CONTENT_BLOCKS
                && let Some(block) = list.next_element::<Option<Map<String, Value>>>()?
            {
                blocks.extend(block.filter(|block| !block.is_empty()));
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Some(blocks))
        }
    }

    from.deserialize_any(Content)
}

/// More about why the model stopped; sent with a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StopDetails {
    pub(crate) explanation: Option<String>,
}

/// Token counts. What is absent was not said, which differs from zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) cache_creation_input_tokens: Option<u64>,
    /// Of the output tokens.
    pub(crate) thinking_tokens: Option<u64>,
}

/// Reads counts of whatever form: a count that cannot be read is no reason to lose an answer.
fn counts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<Counts>>, D::Error> {
    let said = Value::deserialize(from)?;
    let count = |of: &Value, field: &str| of.get(field).and_then(count);
    let details = said.get("output_tokens_details").unwrap_or(&Value::Null);
    Ok(said.is_object().then(|| {
        Box::new(Counts {
            input_tokens: count(&said, "input_tokens"),
            output_tokens: count(&said, "output_tokens"),
            cache_read_input_tokens: count(&said, "cache_read_input_tokens"),
            cache_creation_input_tokens: count(&said, "cache_creation_input_tokens"),
            thinking_tokens: count(details, "thinking_tokens"),
        })
    }))
}

fn lenient_count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(count(&Value::deserialize(from)?))
}

impl<'a> Event<'a> {
    /// Reads one event, which may have a `name` beside its JSON: of one without a `type` it is the kind. `None` is an
    /// event of a kind that nobody here knows and whose fields are unlike those of the known ones.
    pub(crate) fn read(name: Option<&'a str>, data: &'a str) -> Result<Option<Self>, serde_json::Error> {
        match serde_json::from_str::<Self>(data) {
            Ok(event) if !event.kind.as_str().is_empty() => Ok(Some(event)),
            read => Self::look_closer(name, data, read),
        }
    }

    /// What an event is that does not say so itself, or is unlike those of its kind.
    fn look_closer(
        name: Option<&'a str>,
        data: &str,
        read: Result<Self, serde_json::Error>,
    ) -> Result<Option<Self>, serde_json::Error> {
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            let is_known = name.is_none_or(|name| EVENTS.contains(&name));
            return if is_known { read.map(Some) } else { Ok(None) };
        };
        let said = value.get("type").and_then(Value::as_str);
        if said == Some(ERROR) || (said.is_none() && is_complaint(name, &value, data)) {
            return Ok(Some(Self { kind: Text::from(ERROR), ..Self::default() }));
        }
        match read {
            Ok(event) => Ok(Some(Self { kind: name.map_or(event.kind, Text::from), ..event })),
            Err(_) if said.or(name).is_some_and(|kind| is_foreign(kind, &value)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether an event without a `type` reports an error. What has a name may have words of its own.
fn is_complaint(name: Option<&str>, event: &Value, data: &str) -> bool {
    event.get("error").is_some_and(|error| !error.is_null()) || (name.is_none() && reports_error(data))
}

/// Whether the event, or the delta in it, is of a kind that the structs above do not describe.
fn is_foreign(kind: &str, event: &Value) -> bool {
    if kind == "content_block_delta" {
        let delta = event.get("delta").and_then(|delta| delta.get("type")).and_then(Value::as_str);
        return delta.is_some_and(|delta| !DELTAS.contains(&delta));
    }
    !EVENTS.contains(&kind)
}

/// A string, borrowed where it has no escapes. Absent and `null` are the empty string.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }

        from.deserialize_any(Borrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_string_is_borrowed_and_an_escaped_one_is_not() {
        let plain: Text<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("plain")));
        let escaped: Text<'_> = serde_json::from_str(r#""a\nb""#).unwrap();
        assert!(matches!(escaped.0, Cow::Owned(_)));
        assert_eq!(escaped.as_str(), "a\nb");
    }

    #[test]
    fn only_a_kind_that_is_known_must_have_the_known_fields() {
        let unknown_event = r#"{"type": "progress", "delta": 3, "index": "x"}"#;
        assert!(Event::read(None, unknown_event).unwrap().is_none());
        assert!(Event::read(Some("progress"), r#"{"delta": 3}"#).unwrap().is_none());
        let unknown_delta = r#"{"type": "content_block_delta", "delta": {"type": "new_delta", "text": 3}}"#;
        assert!(Event::read(None, unknown_delta).unwrap().is_none());
        let known = r#"{"type": "content_block_delta", "delta": {"type": "text_delta", "text": 3}}"#;
        assert!(Event::read(None, known).is_err());
        assert!(
            Event::read(Some("content_block_delta"), r#"{"delta": {"type": "text_delta", "text": 3}}"#)
                .is_err()
        );
        assert!(Event::read(Some("progress"), "{").unwrap().is_none());
        assert!(Event::read(Some("message_stop"), "{").is_err() && Event::read(None, "{").is_err());
    }

    #[test]
    fn a_name_says_what_an_event_is_that_does_not_say_so_itself() {
        let kind = |name, data| Event::read(name, data).unwrap().unwrap().kind.into_string();
        assert_eq!(kind(Some("message_stop"), "{}"), "message_stop");
        assert_eq!(kind(Some("message_stop"), r#"{"type": null}"#), "message_stop");
        assert_eq!(kind(Some("message_stop"), r#"{"type": "ping"}"#), "ping");
        assert_eq!(kind(None, "{}"), "");
    }
}
