//! The items of a transcript as the messages of a request: users and the assistant in turns.
//!
//! Every item becomes blocks, and blocks of one side that stand together become one message. What came from this
//! server goes back as it came; what came from another provider goes in its neutral form, without the thoughts
//! and the items that only that provider can read. Nothing depends on the turn, so that the messages of a turn
//! begin with those of the turn before: the prompt cache and the signatures of thoughts rest on that.

use std::borrow::Cow;
use std::collections::HashSet;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_agent_core::transcript::{
    AssistantItem, Item, Part, Raw, ReasoningItem, ToolCall, ToolOutputItem, UserItem,
};
use agentexec_runner_http::leaves_thoughts_behind;
use serde::Serialize;
use serde_json::Value;

use crate::block::input_object;
use crate::content::{Answer, Block, CacheControl, Own};
use crate::media;
use crate::names::{wire_id, wire_name};

/// What the user says in place of nothing: the first message must be the user's, and so must the last, since
/// current models do not go on with words that are put into their mouth.
const CONTINUE: &str = "Continue.";

/// How many of the newest user messages end in a cache breakpoint: the newest, which the next turn will read, and
/// the one before, which this turn reads. The server looks back 20 blocks from a breakpoint for what it has
/// stored, and a turn with many parallel calls is longer than that.
const MARKED_MESSAGES: usize = 2;

/// The note that stands in a transcript where the server paused a turn.
const PAUSED: &str = "paused";

/// What a tool said that failed without a word: the API refuses an error without content.
const FAILED: &str = "The tool failed without a message.";

/// One message of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    role: Role,
    content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// The messages of a request.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    pub(crate) messages: Vec<Message<'a>>,
    /// Whether there are thoughts of the model among them.
    pub(crate) thoughts: bool,
}

/// The messages for these items, with the raw forms of those that came from the server `origin`. Its thoughts go
/// back to the model `with_thoughts`.
///
/// # Errors
/// `InvalidRequest` when there is nothing to say; `Unsupported` for a kind of item, part or media that this protocol
/// cannot carry.
pub(crate) fn conversation<'a>(
    items: &'a [Item],
    origin: &'a str,
    with_thoughts: bool,
) -> Result<Conversation<'a>, ModelError> {
    let known = items.iter().rposition(|item| leaves_thoughts_behind(item, origin)).unwrap_or(0);
    let mut writer = Writer::new(origin);
    for (place, item) in items.iter().enumerate() {
        writer.with_thoughts = with_thoughts && place >= known;
        writer.item(item)?;
    }
    let Writer { mut messages, paused, thoughts, .. } = writer;
    match messages.first().map(|first| first.role) {
        None => {
            let message = "there is nothing to ask: the transcript has no text; push a user item first";
            return Err(ModelError::new(ModelErrorKind::InvalidRequest, message));
        }
        Some(Role::Assistant) => messages.insert(0, Message::of_user(CONTINUE)),
        Some(Role::User) => {}
    }
    // A turn that the server paused goes back without a word of the user's.
    if !paused && messages.last().is_some_and(|last| last.role == Role::Assistant) {
        messages.push(Message::of_user(CONTINUE));
    }
    for message in messages.iter_mut().filter(|message| message.role == Role::User) {
        // The API wants the results first. The sort is stable and a no-op in all but odd transcripts.
        message.content.sort_by_key(|block| !block.is_result());
    }
    Ok(Conversation { messages, thoughts })
}

impl<'a> Message<'a> {
    fn of_user(said: &'a str) -> Self {
        Self { role: Role::User, content: vec![Block::Own(Own::text(said))] }
    }
}

/// An item for the end of an answer that the server paused. What it holds may look like a finished one, so nothing else
/// tells that the server wants it back as it is.
pub(crate) fn paused(origin: &str) -> Item {
    Item::Opaque(Raw::note(origin, PAUSED.into()))
}

/// Puts a cache breakpoint on the last block of the newest user messages that has something in it.
pub(crate) fn mark_newest(messages: &mut [Message<'_>]) {
    let users = messages.iter_mut().rev().filter(|message| message.role == Role::User);
    for message in users.take(MARKED_MESSAGES) {
        if let Some(slot) = message.content.iter_mut().rev().find_map(Block::breakpoint) {
            *slot = Some(CacheControl::Ephemeral);
        }
    }
}

struct Writer<'a> {
    messages: Vec<Message<'a>>,
    /// The calls that no output has answered yet, each with its id on the wire. Few at a time.
    open: Vec<(&'a str, Cow<'a, str>)>,
    /// The ids on the wire of all calls.
    used: HashSet<Cow<'a, str>>,
    origin: &'a str,
    /// Whether the model's thoughts go back to it from here on.
    with_thoughts: bool,
    /// Whether the server paused the turn behind its newest block.
    paused: bool,
    thoughts: bool,
}

impl<'a> Writer<'a> {
    fn new(origin: &'a str) -> Self {
        Self {
            messages: Vec::new(),
            open: Vec::new(),
            used: HashSet::new(),
            origin,
            with_thoughts: true,
            paused: false,
            thoughts: false,
        }
    }

    fn item(&mut self, item: &'a Item) -> Result<(), ModelError> {
        match item {
            Item::User(item) => self.user(item)?,
            Item::Assistant(item) => self.assistant(item),
            Item::Reasoning(item) => self.reasoning(item),
            Item::ToolCall(call) => self.call(call),
            Item::ToolOutput(output) => self.output(output)?,
            Item::Opaque(raw) => {
                if let Some(block) = raw.of(self.origin) {
                    self.push(Role::Assistant, Block::Raw(Cow::Borrowed(block)));
                }
                self.paused |= raw.note_of(self.origin).is_some_and(|note| note == PAUSED);
            }
            _ => return Err(unsupported("item of the transcript")),
        }
        Ok(())
    }

    fn user(&mut self, item: &'a UserItem) -> Result<(), ModelError> {
        for part in &item.content {
            let block = match part {
                Part::Text { text } if is_blank(text) => continue,
                Part::Text { text } => Own::text(text),
                Part::Media { media } => media::block(media)?,
                _ => return Err(unsupported("part of a user item")),
            };
            self.push(Role::User, Block::Own(block));
        }
        Ok(())
    }

    fn assistant(&mut self, item: &'a AssistantItem) {
        // Also when it came like this: the API writes empty texts beside tool calls and refuses to read them.
        if is_blank(&item.text) {
            return;
        }
        let block = match self.own(item.raw.as_ref()) {
            Some(raw) => Block::Raw(Cow::Borrowed(raw)),
            None => Block::Own(Own::text(&item.text)),
        };
        self.push(Role::Assistant, block);
    }

    fn reasoning(&mut self, item: &'a ReasoningItem) {
        if let Some(raw) = self.own(item.raw.as_ref()).filter(|_| self.with_thoughts) {
            self.thoughts = true;
            self.push(Role::Assistant, Block::Raw(Cow::Borrowed(raw)));
        }
    }

    fn call(&mut self, call: &'a ToolCall) {
        // A block that goes back as it came keeps its id, whatever that looks like, unless it came before.
        let (id, block) = match self.own(call.raw.as_ref()) {
            Some(raw) => {
                let id = self.unused(Cow::Borrowed(&call.id));
                (id.clone(), Block::Raw(with_id(raw, id)))
            }
            None => {
                let id = self.unused(wire_id(&call.id));
                let (name, input) = (wire_name(&call.name), input_object(&call.arguments));
                (id.clone(), Block::Own(Own::ToolUse { id, name, input }))
            }
        };
        self.used.insert(id.clone());
        self.open.push((&call.id, id));
        self.push(Role::Assistant, block);
    }

    /// This id, or one made of it: some servers count their calls anew in each turn or give one id to several, and the
    /// API refuses an id that comes twice.
    fn unused(&self, id: Cow<'a, str>) -> Cow<'a, str> {
        if !self.used.contains(&id) {
            return id;
        }
        let mut others = (2..).map(|count: u64| Cow::Owned(format!("{id}-{count}")));
        others.find(|other| !self.used.contains(other)).unwrap_or(id.clone())
    }

    /// The API refuses a result that answers no call or a call that is answered already; neither says anything.
    fn output(&mut self, output: &'a ToolOutputItem) -> Result<(), ModelError> {
        let Some(place) = self.open.iter().position(|(call_id, _)| *call_id == output.call_id) else {
            return Ok(());
        };
        let (_, tool_use_id) = self.open.remove(place);
        let said = Some(output.output.as_str()).filter(|said| !is_blank(said));
        let shown = output.media.iter().map(media::block).collect::<Result<Vec<_>, _>>()?;
        // An error may hold nothing but text, so what it shows stands behind the results.
        let (within, beside) = if output.is_error { (Vec::new(), shown) } else { (shown, Vec::new()) };
        let content = match said {
            said if !within.is_empty() => {
                Some(Answer::Blocks(said.map(Own::text).into_iter().chain(within).collect()))
            }
            Some(said) => Some(Answer::Text(said)),
            None => output.is_error.then_some(Answer::Text(FAILED)),
        };
        let result = Own::ToolResult { tool_use_id, content, is_error: output.is_error, cache_control: None };
        for block in std::iter::once(result).chain(beside) {
            self.push(Role::User, Block::Own(block));
        }
        Ok(())
    }

    fn own(&self, raw: Option<&'a Raw>) -> Option<&'a Value> {
        raw.and_then(|raw| raw.of(self.origin))
    }

    fn push(&mut self, role: Role, block: Block<'a>) {
        self.paused = false;
        match self.messages.last_mut() {
            Some(message) if message.role == role => message.content.push(block),
            _ => self.messages.push(Message { role, content: vec![block] }),
        }
    }
}

/// The model's own block of a call, with this id.
fn with_id<'a>(raw: &'a Value, id: Cow<'a, str>) -> Cow<'a, Value> {
    let Cow::Owned(id) = id else { return Cow::Borrowed(raw) };
    let mut raw = raw.clone();
    if let Some(members) = raw.as_object_mut() {
        members.insert("id".to_owned(), id.into());
    }
    Cow::Owned(raw)
}

/// The API refuses a text block without anything but white space in it.
fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn unsupported(what: &str) -> ModelError {
    let message =
        format!("Anthropic Messages cannot carry this kind of {what}; remove it or use another model");
    ModelError::new(ModelErrorKind::Unsupported, message)
}

#[cfg(test)]
pub(crate) mod tests;
