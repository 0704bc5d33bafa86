//! All that a refusal says, as sentences, and the names in them.

use agentexec_agent_core::model::ModelError;
use serde_json::Value;

/// The message, and what the body complains of beside it, in lower case.
pub(super) fn text(error: &ModelError, body: Option<&Value>) -> String {
    let beside = body.into_iter().flat_map(complaints);
    let said: Vec<String> = [error.message().to_owned()].into_iter().chain(beside).collect();
    with_paths(&said.join(". ").to_lowercase())
}

/// A refusal may be quoted in another, so only what a sentence says belongs together.
pub(super) fn sentences(said: &str) -> impl Iterator<Item = &str> {
    said.split(". ")
}

/// Where frameworks list what they complain of; only the first is in the message.
const LISTS: [&str; 8] = [
    "/detail",
    "/details",
    "/errors",
    "/message",
    "/message/detail",
    "/error/detail",
    "/error/details",
    "/error/message",
];

fn complaints(body: &Value) -> impl Iterator<Item = String> {
    LISTS.iter().filter_map(|list| body.pointer(list)?.as_array()).flatten().filter_map(complaint)
}

/// A complaint is a text, or an object with the place that it is about. The words may be missing; the kind says as
/// much.
fn complaint(said: &Value) -> Option<String> {
    if let Some(text) = said.as_str() {
        return Some(text.to_owned());
    }
    let place = said.get("loc")?.as_array()?.iter();
    let place: Vec<String> =
        place.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
    let words = ["msg", "message", "type"].iter().find_map(|key| said.get(key)?.as_str())?;
    Some(format!("'{}': {words}", place.join(".")))
}

/// The text with its places as paths: Python prints them as tuples, JSON in a text has them as lists, and NestJS puts
/// a word before the last part.
fn with_paths(said: &str) -> String {
    let said = said.replace(".property ", ".");
    [("'loc': (", ')'), ("\"loc\":[", ']'), ("\"loc\": [", ']')].into_iter().fold(
        said,
        |said, (open, close)| {
            let mut pieces = said.split(open);
            let mut written = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let (place, rest) = piece.split_once(close).unwrap_or((piece, ""));
                let parts = place.split(',').map(|part| part.trim_matches([' ', '\'', '"']));
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
                written.push_str(&format!("'{}'{rest}", parts.join(".")));
            }
            written
        },
    )
}

/// A word of a text that may be a name or a path, and what stands around it.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) before: &'a str,
    pub(super) word: &'a str,
    pub(super) after: &'a str,
}

pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let starts = text.char_indices().scan(false, move |inside, (at, c)| {
        let begins = is_part(c) && c != '[' && !*inside;
        *inside = is_part(c) && (*inside || begins);
        Some(begins.then_some(at))
    });
    starts.flatten().map(move |at| {
        let (before, rest) = text.split_at(at);
        let word = rest.split(|c| !is_part(c)).next().unwrap_or_default();
        let word = word.trim_end_matches('.');
        let word = if word.contains('[') { word } else { word.trim_end_matches(']') };
        Word { before, word, after: rest.get(word.len()..).unwrap_or_default() }
    })
}

const QUOTES: [char; 5] = ['\'', '"', '`', '[', ']'];

impl Word<'_> {
    /// Whether it stands in quotes.
    pub(super) fn is_quoted(self) -> bool {
        self.before.ends_with(['\'', '"', '`', '['])
    }

    /// Whether the sentence says of it that it is not allowed, and no more: not when, and not which values are.
    pub(super) fn is_not_allowed(self) -> bool {
        let is_end = |rest: &str| rest.is_empty() || rest.starts_with(['.', ';']);
        let after = self.after.trim_start_matches(QUOTES);
        let before = self.before.trim_end_matches(QUOTES);
        let refusals = [" is not allowed", " is not permitted"];
        let is_refused = refusals.iter().filter_map(|words| after.strip_prefix(words)).any(is_end);
        is_refused || (before.ends_with("invalid parameter: ") && is_end(after))
    }
}
