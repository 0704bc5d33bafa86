//! The transcript: the ordered items of a run, in words that belong to no provider.
//!
//! A model reads the whole transcript before each turn and its answer is appended to it. Every item that came
//! from a provider also carries that provider's own form ([`Raw`]), since signatures, encrypted reasoning and
//! items that nobody here knows must go back exactly as they came. A different provider ignores the raw form
//! and reads the neutral one, so a run can go on with another model.
//!
//! ```
//! use agentexec_agent_core::transcript::{Item, Transcript};
//!
//! let transcript = Transcript::from_user("What is 2 + 2?");
//! let stored = serde_json::to_string(&transcript).unwrap();
//! let again: Transcript = serde_json::from_str(&stored).unwrap();
//! assert!(matches!(again.items(), [Item::User(_)]));
//! ```

mod answer;

use std::collections::VecDeque;
use std::fmt;

pub use agentexec_tools::{Media, MediaData, MediaKind, MediaSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::answer::Standing;
pub(crate) use self::answer::answer;

/// The version of the stored form. It grows when an older reader would misunderstand a newer transcript.
pub const TRANSCRIPT_VERSION: u32 = 1;

/// The ordered items of a run. It serializes, so a run can be stored and resumed.
///
/// Its `Debug` form says how many items there are and not what was said; [`Item`]s show everything.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    #[serde(deserialize_with = "known_version")]
    version: u32,
    items: Vec<Item>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { version: TRANSCRIPT_VERSION, items: Vec::new() }
    }
}

impl Transcript {
    /// A transcript that opens with what the user said: text, or [`Part`]s.
    pub fn from_user(said: impl Into<UserItem>) -> Self {
        Self { version: TRANSCRIPT_VERSION, items: vec![Item::user(said)] }
    }

    /// The items, oldest first.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Appends an item.
    pub fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// The tool calls that no output answers yet, oldest first.
    ///
    /// An output answers the oldest open call of its id that stands before it, and no other: some servers give
    /// one id to several calls of a response, or number the calls of each response anew. Every provider refuses
    /// a transcript with an open call, so a transcript that is handed to a caller has none.
    #[must_use]
    pub fn open_calls(&self) -> Vec<&ToolCall> {
        self.placed_open_calls().map(|(_, call)| call).collect()
    }

    /// The open calls, each with the number of calls that stand before it.
    pub(crate) fn placed_open_calls(&self) -> impl Iterator<Item = (usize, &ToolCall)> {
        // Outputs come in the order of the calls, as a rule, so the one that is looked for is in front.
        let mut open: VecDeque<(usize, &ToolCall)> = VecDeque::new();
        let mut calls = 0;
        for item in &self.items {
            match item {
                Item::ToolCall(call) => {
                    open.push_back((calls, call));
                    calls += 1;
                }
                Item::ToolOutput(output) => {
                    if let Some(answered) = open.iter().position(|(_, call)| call.id == output.call_id) {
                        open.remove(answered);
                    }
                }
                _ => {}
            }
        }
        open.into_iter()
    }

    /// How many items a model cannot be shown since they belong to another provider: reasoning, and items of kinds
    /// that only their provider knows.
    pub(crate) fn foreign_to(&self, protocol: &str) -> u32 {
        let is_foreign = |raw: &Raw| !protocol.is_empty() && raw.protocol != protocol && !raw.is_note();
        let foreign = self.items.iter().filter(|item| match item {
            Item::Reasoning(reasoning) => reasoning.raw.as_ref().is_some_and(is_foreign),
            Item::Opaque(raw) => is_foreign(raw),
            _ => false,
        });
        u32::try_from(foreign.count()).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

impl Extend<Item> for Transcript {
    fn extend<I: IntoIterator<Item = Item>>(&mut self, items: I) {
        self.items.extend(items);
    }
}

impl FromIterator<Item> for Transcript {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        Self { version: TRANSCRIPT_VERSION, items: items.into_iter().collect() }
    }
}

fn known_version<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    if version > TRANSCRIPT_VERSION {
        return Err(serde::de::Error::custom(format_args!(
            "the transcript has version {version}, this program reads up to {TRANSCRIPT_VERSION}; update it"
        )));
    }
    Ok(version)
}

/// One item of a transcript. Its `Debug` form shows everything, prompts and arguments included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Item {
    /// What the user said, or what the program says in the user's place (a wrap-up prompt).
    User(UserItem),
    /// Text that the model answered.
    Assistant(AssistantItem),
    /// What the model thought, as far as the provider shows it.
    Reasoning(ReasoningItem),
    /// A tool that the model asks for.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolOutput(ToolOutputItem),
    /// An item of a kind that only its provider knows. It goes back to that provider as it came.
    Opaque(Raw),
}

impl Item {
    /// What the user said: text, or [`Part`]s.
    pub fn user(said: impl Into<UserItem>) -> Self {
        Self::User(said.into())
    }

    /// Text that the model answered, without a provider's own form.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant(AssistantItem { text: text.into(), raw: None })
    }

    /// Whether the model wrote this item (text, reasoning, a tool call or an opaque item).
    #[must_use]
    pub fn is_from_model(&self) -> bool {
        !matches!(self, Self::User(_) | Self::ToolOutput(_))
    }

    pub(crate) fn assistant_text(&self) -> Option<&str> {
        match self {
            Self::Assistant(item) => Some(&item.text),
            _ => None,
        }
    }
}

/// What the user said: one or more parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserItem {
    /// The parts in order; never empty.
    pub content: Vec<Part>,
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// An image or a file.
    Media {
        /// It.
        media: Media,
    },
}

impl Part {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

impl From<Media> for Part {
    fn from(media: Media) -> Self {
        Self::Media { media }
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// What is said in one part.
impl<P: Into<Part>> From<P> for UserItem {
    fn from(part: P) -> Self {
        Self { content: vec![part.into()] }
    }
}

/// What is said in several parts; none is taken as an empty text.
impl From<Vec<Part>> for UserItem {
    fn from(mut content: Vec<Part>) -> Self {
        if content.is_empty() {
            content.push(Part::text(""));
        }
        Self { content }
    }
}

impl<const N: usize> From<[Part; N]> for UserItem {
    fn from(content: [Part; N]) -> Self {
        Vec::from(content).into()
    }
}

/// Text that the model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssistantItem {
    /// The text; may be empty.
    pub text: String,
    /// The provider's own form of this item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// What the model thought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReasoningItem {
    /// The readable part: a summary or the whole; empty when the provider keeps it to itself.
    pub text: String,
    /// The provider's own form, with the signature or the encrypted content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// A tool that the model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id that its output must name.
    pub id: String,
    /// The name of the tool, as the model wrote it.
    pub name: String,
    /// The arguments as the model wrote them: meant to be a JSON object, not checked. Empty means `{}`.
    pub arguments: String,
    /// The provider's own form of this item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolOutputItem {
    /// The id of the call that this answers.
    pub call_id: String,
    /// The name of the tool that was called.
    pub name: String,
    /// The text that the model reads; may be empty.
    pub output: String,
    /// Whether the text says that something went wrong. Sent to providers that have a flag for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// Images and files beside the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
}

impl ToolOutputItem {
    /// An output of text.
    pub fn new(call_id: impl Into<String>, name: impl Into<String>, output: impl Into<String>) -> Self {
        let (call_id, name, output) = (call_id.into(), name.into(), output.into());
        Self { call_id, name, output, is_error: false, media: Vec::new() }
    }

    /// The same, saying that something went wrong.
    #[must_use]
    pub fn failed(self) -> Self {
        Self { is_error: true, ..self }
    }

    /// The same with an image or a file beside the text.
    #[must_use]
    pub fn with(mut self, media: Media) -> Self {
        self.media.push(media);
        self
    }
}

/// What the protocol of a note ends with.
const NOTE: &str = "#note";

/// An item in the form of the provider that made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raw {
    /// Which protocol it belongs to, for example `anthropic`; a model reads only its own.
    pub protocol: String,
    /// The item as it came.
    pub value: Value,
    /// How its text stands to the texts beside it, where it is an [`AssistantItem`].
    #[serde(default, skip_serializing_if = "Standing::is_piece")]
    pub standing: Standing,
}

impl Raw {
    /// An item in the form of `protocol`.
    pub fn new(protocol: impl Into<String>, value: Value) -> Self {
        Self { protocol: protocol.into(), value, standing: Standing::default() }
    }

    /// What a model of `protocol` notes for itself in an [`Item::Opaque`], beside what was said: the id that the
    /// provider gave a response, for example. It never goes back as an item, and nothing is lost where it cannot be
    /// read.
    pub fn note(protocol: impl Into<String>, value: Value) -> Self {
        Self::new(protocol.into() + NOTE, value)
    }

    /// The same for a text that stands so to those beside it. Default: it is a piece of one text with them.
    #[must_use]
    pub fn with_standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// The value when it belongs to `protocol`.
    #[must_use]
    pub fn of(&self, protocol: &str) -> Option<&Value> {
        (self.protocol == protocol).then_some(&self.value)
    }

    /// The value when it is a [note](Self::note) of `protocol`.
    #[must_use]
    pub fn note_of(&self, protocol: &str) -> Option<&Value> {
        (self.protocol.strip_suffix(NOTE) == Some(protocol)).then_some(&self.value)
    }

    /// Whether it is a [note](Self::note), of whatever protocol.
    #[must_use]
    pub fn is_note(&self) -> bool {
        self.protocol.ends_with(NOTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn call(id: &str) -> Item {
        Item::ToolCall(ToolCall { id: id.into(), name: "add".into(), arguments: "{}".into(), raw: None })
    }

    pub(super) fn output(id: &str) -> Item {
        Item::ToolOutput(ToolOutputItem::new(id, "add", "3"))
    }

    #[test]
    fn a_call_is_open_until_its_output_stands_behind_it() {
        let transcript: Transcript =
            [Item::user("go"), call("a"), call("b"), output("a")].into_iter().collect();
        let open: Vec<_> = transcript.open_calls().iter().map(|call| call.id.clone()).collect();
        assert_eq!(open, ["b"]);
    }

    #[test]
    fn an_output_answers_one_call_of_its_id() {
        let transcript: Transcript =
            [call("a"), output("a"), call("b"), call("a"), call("a"), output("a")].into_iter().collect();
        let open: Vec<_> = transcript.placed_open_calls().map(|(place, call)| (place, &*call.id)).collect();
        assert_eq!(open, [(1, "b"), (3, "a")]);
    }

    #[test]
    fn what_only_another_provider_can_read_is_counted() {
        let thought = |raw| {
            Item::Reasoning(ReasoningItem { text: String::new(), raw: Some(Raw::new(raw, Value::Null)) })
        };
        let transcript: Transcript = [
            Item::user("go"),
            thought("one"),
            thought("two"),
            Item::Reasoning(ReasoningItem { text: "Hm".into(), raw: None }),
            Item::Opaque(Raw::new("one", Value::Null)),
            Item::Opaque(Raw::note("one", Value::Null)),
            Item::Assistant(AssistantItem { text: "Hi".into(), raw: Some(Raw::new("one", Value::Null)) }),
        ]
        .into_iter()
        .collect();
        let counts = ["one", "two", "three", ""].map(|protocol| transcript.foreign_to(protocol));
        assert_eq!(counts, [1, 2, 3, 0]);
    }

    #[test]
    fn a_note_is_read_by_its_own_protocol_and_is_no_item_of_it() {
        let note = Raw::note("one", Value::from("resp_1"));
        assert_eq!((note.note_of("one"), note.of("one")), (Some(&Value::from("resp_1")), None));
        assert_eq!((note.note_of("two"), Raw::new("one", Value::Null).note_of("one")), (None, None));
    }

    #[test]
    fn a_transcript_of_a_newer_program_is_refused_with_the_way_out() {
        let error = serde_json::from_str::<Transcript>(r#"{"version": 99, "items": []}"#).unwrap_err();
        assert!(error.to_string().contains("version 99"), "{error}");
    }
}
