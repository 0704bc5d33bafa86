//! How two bodies differ, and which differences are intended.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A place where two bodies differ. Nothing is a field that is not there.
#[derive(Debug)]
pub(crate) struct Difference {
    /// As a JSON pointer.
    place: String,
    ours: Option<Value>,
    theirs: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        write!(f, "{}: we send {}, they {}", self.place, show(&self.ours), show(&self.theirs))
    }
}

/// A difference that is meant to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intended {
    /// What the names of the conversations begin with.
    conversation: &'static str,
    /// A JSON pointer, in which `*` is any name or number, and `**` at its beginning any number of them.
    place: &'static str,
    /// Why. For the reader.
    #[expect(dead_code, reason = "the list is written for people")]
    why: &'static str,
}

impl Intended {
    pub(crate) fn covers(&self, conversation: &str, difference: &Difference) -> bool {
        conversation.starts_with(self.conversation) && is_at(self.place, &difference.place)
    }
}

fn is_at(pattern: &str, place: &str) -> bool {
    let segments: Vec<&str> = place.split('/').skip(1).collect();
    let (pattern, segments) = match pattern.strip_prefix("/**") {
        Some(rest) => {
            let wanted = rest.split('/').skip(1).count();
            let Some(from) = segments.len().checked_sub(wanted) else { return false };
            (rest, &segments[from..])
        }
        None => (pattern, &segments[..]),
    };
    let pattern: Vec<&str> = pattern.split('/').skip(1).collect();
    pattern.len() == segments.len() && pattern.iter().zip(segments).all(|(p, s)| *p == "*" || p == s)
}

/// Every place where they differ, the outermost that tells them apart.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(ours), Some(theirs), &mut found);
    found
}

fn compare(place: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<Difference>) {
    match (ours, theirs) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                compare(&format!("{place}/{name}"), one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                compare(&format!("{place}/{index}"), one.get(index), other.get(index), found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => {
            found.push(Difference { place: place.to_owned(), ours: one.cloned(), theirs: other.cloned() });
        }
    }
}

const fn intended(conversation: &'static str, place: &'static str, why: &'static str) -> Intended {
    Intended { conversation, place, why }
}

/// Every intended difference.
pub(crate) const INTENDED: &[Intended] = &[
    intended("", "/**/title", "pydantic repeats each name as a title, which tells the model nothing"),
    intended("chat", "/stream", "false, which is the default"),
    intended("chat", "/messages/*/parsed", "what the client keeps for itself; servers may refuse it"),
    intended("chat", "/messages/*/tool_calls/*/function/parsed_arguments", "the same"),
    intended("chat", "/messages/*/refusal", "null, so nothing was refused"),
    intended("responses", "/input/0/type", "the type of an item is always said"),
    intended("messages", "/messages/0/content", "a block, since a breakpoint of the prompt cache needs one"),
    intended("messages", "/messages/2/content/1/cache_control", "prompt caching is on by default"),
    intended("messages", "/tools/1/cache_control", "the same"),
    intended("messages", "/system", "the same, and a block for it"),
    intended("messages", "/tools/*/strict", "the model is held to the schemas of tools by default"),
];
