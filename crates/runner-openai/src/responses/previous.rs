//! Going on from a response that the server has stored.
//!
//! The id of the response is in the transcript, as a note behind the items of that response, and not in the model: a
//! run that is stored and goes on elsewhere, or on another model and back, finds it there. What stands behind the
//! newest note is new to the server.

use agentexec_agent_core::transcript::{Item, Raw};
use serde_json::{Value, json};

use super::encode::Options;
use crate::features::Feature;

/// What the server has, and what it has not.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// The response that it has stored, with everything before it.
    pub(super) id: Option<&'a str>,
    /// The place where what came since begins.
    pub(super) news: usize,
}

/// The note that a response leaves in the transcript.
pub(super) fn note(origin: &str, id: &str) -> Item {
    Item::Opaque(Raw::note(origin, json!({ "response_id": id })))
}

/// What the server has of the transcript: nothing unless the request is to go on from a stored response and there is
/// one, with something new behind it.
pub(super) fn known<'a>(items: &'a [Item], options: Options<'a>) -> Known<'a> {
    let whole = Known { id: None, news: 0 };
    if !options.previous_response || options.without.has(Feature::PreviousResponse) {
        return whole;
    }
    let mut newest_first = items.iter().enumerate().rev();
    match newest_first.find_map(|(place, item)| Some((noted(item, options.origin)?, place + 1))) {
        Some((id, news)) if news < items.len() => Known { id: Some(id), news },
        _ => whole,
    }
}

fn noted<'a>(item: &'a Item, origin: &str) -> Option<&'a str> {
    match item {
        Item::Opaque(raw) => raw.note_of(origin)?.get("response_id").and_then(Value::as_str),
        _ => None,
    }
}
