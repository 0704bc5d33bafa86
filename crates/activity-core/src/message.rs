//! A message for people, made safe to show once and for all.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The most bytes of a message. What is longer is cut on a character boundary and ends in `…`.
pub const MESSAGE_LIMIT: usize = 4096;

/// A message for people: one line of text, at most [`MESSAGE_LIMIT`] bytes.
///
/// Line breaks and tabs become spaces; other control characters and bidirectional overrides are removed, so a
/// message can be shown in a terminal or a page without further care. (A page still has to escape HTML.)
///
/// ```
/// use agentexec_activity_core::Message;
///
/// let message = Message::new("Reading\n\u{1b}[31mnotes.md");
/// assert_eq!(message.as_str(), "Reading [31mnotes.md");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Message(Arc<str>);

impl Message {
    /// The message that says `text`.
    pub fn new<'a>(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        Self(Arc::from(cleaned(text, MESSAGE_LIMIT)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn must_change(c: char) -> bool {
    c.is_control() || is_bidi_override(c) || is_space(c)
}

/// Tabs and the line breaks of Unicode.
fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_bidi_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as one line that can be shown, cut at `limit` bytes.
pub(crate) fn cleaned(text: Cow<'_, str>, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.chars().any(must_change) {
        return text;
    }
    let mut clean = String::with_capacity(text.len().min(limit));
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let kept = match c {
            // The two characters of one line break.
            '\r' if chars.peek() == Some(&'\n') => continue,
            c if is_space(c) => ' ',
            c if must_change(c) => continue,
            c => c,
        };
        if clean.len() + kept.len_utf8() > limit {
            while clean.len() + '…'.len_utf8() > limit {
                clean.pop();
            }
            clean.push('…');
            break;
        }
        clean.push(kept);
    }
    clean.into()
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::new(String::deserialize(from)?))
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_is_cut_on_a_character_and_says_so() {
        let message = Message::new("ä".repeat(500_000));
        assert!(message.as_str().len() <= MESSAGE_LIMIT);
        assert!(message.as_str().ends_with("ä…"));
    }

    #[test]
    fn a_message_of_exactly_the_limit_is_kept_whole() {
        let text = "x".repeat(MESSAGE_LIMIT);
        assert_eq!(Message::new(text.as_str()).as_str(), text);
    }

    #[test]
    fn every_kind_of_line_break_leaves_the_words_apart() {
        assert_eq!(Message::new("a\rb\r\nc\u{85}d\u{b}e\u{c}f\u{2029}g").as_str(), "a b c d e f g");
    }

    #[test]
    fn overrides_that_would_reverse_the_line_are_removed() {
        assert_eq!(Message::new("a\u{202e}b\u{2066}c\r\nd\u{9b}e").as_str(), "abc de");
    }
}
