//! The items of a transcript as the messages of a request: users and the assistant in turns.
//!
//! Every item becomes blocks, and blocks of one side that stand together become one message. What came from this
//! protocol goes back as it came; what came from another provider goes in its neutral form, without the thoughts
//! and the items that only that provider can read. Nothing depends on the turn, so that the messages of a turn
//! begin with those of the turn before: the prompt cache and the signatures of thoughts rest on that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_agent_core::transcript::{AssistantItem, Item, Part, Raw, ToolCall, ToolOutputItem, UserItem};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::PROTOCOL;
use crate::block::input_object;

/// What the user says in place of nothing when a transcript opens with the assistant: the first message must be
/// the user's.
const OPENING: &str = "Continue.";

/// How many of the newest user messages end in a cache breakpoint: the newest, which the next turn will read, and
/// the one before, which this turn reads. The server looks back 20 blocks from a breakpoint for what it has
/// stored, and a turn with many parallel calls is longer than that.
const MARKED_MESSAGES: usize = 2;

/// The longest tool name that the API takes.
const MAX_NAME: usize = 128;

/// What a tool said that failed without a word: the API refuses an error without content.
const FAILED: &str = "The tool failed without a message.";

/// Whether the model's thoughts go back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thoughts {
    Kept,
    Dropped,
}

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

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Raw(&'a Value),
    Own(Own<'a>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Own<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        // Left out when there is nothing to read: an empty text may be refused, no content is documented.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

/// A cache breakpoint: everything up to the block that carries it is stored for five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum CacheControl {
    Ephemeral,
}

/// The messages for these items.
///
/// # Errors
/// `InvalidRequest` when there is nothing to say; `Unsupported` for a kind of item or part that this protocol
/// cannot carry.
pub(crate) fn messages(items: &[Item], thoughts: Thoughts) -> Result<Vec<Message<'_>>, ModelError> {
    let mut writer = Writer { messages: Vec::new(), open: Vec::new(), used: HashSet::new(), thoughts };
    for item in items {
        writer.item(item)?;
    }
    let mut messages = writer.messages;
    match messages.first() {
        None => {
            let message = "there is nothing to ask: the transcript has no text; push a user item first";
            return Err(ModelError::new(ModelErrorKind::InvalidRequest, message));
        }
        Some(first) if first.role == Role::Assistant => {
            messages.insert(0, Message { role: Role::User, content: vec![text(OPENING)] });
        }
        Some(_) => {}
    }
    for message in messages.iter_mut().filter(|message| message.role == Role::User) {
        // The API wants the results first. The sort is stable and a no-op in all but odd transcripts.
        message.content.sort_by_key(|block| !matches!(block, Block::Own(Own::ToolResult { .. })));
    }
    Ok(messages)
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

impl Block<'_> {
    /// Where the cache breakpoint of this block goes; an empty block and one of the model's cannot have one.
    fn breakpoint(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Own(Own::Text { cache_control, .. })
            | Self::Own(Own::ToolResult { content: Some(_), cache_control, .. }) => Some(cache_control),
            _ => None,
        }
    }
}

struct Writer<'a> {
    messages: Vec<Message<'a>>,
    /// The calls that no output has answered yet, each with its id on the wire. Few at a time.
    open: Vec<(&'a str, Cow<'a, str>)>,
    /// The ids on the wire of all calls.
    used: HashSet<Cow<'a, str>>,
    thoughts: Thoughts,
}

impl<'a> Writer<'a> {
    fn item(&mut self, item: &'a Item) -> Result<(), ModelError> {
        match item {
            Item::User(item) => self.user(item)?,
            Item::Assistant(item) => self.assistant(item),
            Item::Reasoning(item) if self.thoughts == Thoughts::Kept => self.raw(item.raw.as_ref()),
            Item::Reasoning(_) => {}
            Item::ToolCall(call) => self.call(call),
            Item::ToolOutput(output) => self.output(output),
            Item::Opaque(raw) => self.raw(Some(raw)),
            _ => return Err(unsupported("item of the transcript")),
        }
        Ok(())
    }

    fn user(&mut self, item: &'a UserItem) -> Result<(), ModelError> {
        for part in &item.content {
            match part {
                Part::Text { text: said } if is_blank(said) => {}
                Part::Text { text: said } => self.push(Role::User, text(said)),
                _ => return Err(unsupported("part of a user item")),
            }
        }
        Ok(())
    }

    fn assistant(&mut self, item: &'a AssistantItem) {
        // Also when it came like this: the API writes empty texts beside tool calls and refuses to read them.
        if is_blank(&item.text) {
            return;
        }
        let block = own(item.raw.as_ref()).map_or_else(|| text(&item.text), Block::Raw);
        self.push(Role::Assistant, block);
    }

    fn call(&mut self, call: &'a ToolCall) {
        // A block that goes back as it came keeps its id, whatever that looks like.
        let (id, block) = match own(call.raw.as_ref()) {
            Some(raw) => (Cow::Borrowed(call.id.as_str()), Block::Raw(raw)),
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

    /// This id, or one made of it: some providers count their calls anew in each turn, and the API refuses an id
    /// that comes twice.
    fn unused(&self, id: Cow<'a, str>) -> Cow<'a, str> {
        if !self.used.contains(&id) {
            return id;
        }
        let mut others = (2..).map(|count: u64| Cow::Owned(format!("{id}-{count}")));
        others.find(|other| !self.used.contains(other)).unwrap_or(id.clone())
    }

    /// The API refuses a result that answers no call or a call that is answered already; neither says anything.
    fn output(&mut self, output: &'a ToolOutputItem) {
        let Some(place) = self.open.iter().position(|(call_id, _)| *call_id == output.call_id) else {
            return;
        };
        let (_, tool_use_id) = self.open.remove(place);
        let content = match output.output.as_str() {
            said if !is_blank(said) => Some(said),
            _ => output.is_error.then_some(FAILED),
        };
        let block = Own::ToolResult { tool_use_id, content, is_error: output.is_error, cache_control: None };
        self.push(Role::User, Block::Own(block));
    }

    fn raw(&mut self, raw: Option<&'a Raw>) {
        if let Some(raw) = own(raw) {
            self.push(Role::Assistant, Block::Raw(raw));
        }
    }

    fn push(&mut self, role: Role, block: Block<'a>) {
        match self.messages.last_mut() {
            Some(message) if message.role == role => message.content.push(block),
            _ => self.messages.push(Message { role, content: vec![block] }),
        }
    }
}

fn text(text: &str) -> Block<'_> {
    Block::Own(Own::Text { text, cache_control: None })
}

fn own(raw: Option<&Raw>) -> Option<&Value> {
    raw.and_then(|raw| raw.of(PROTOCOL))
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

/// An id of another provider in the characters that the API takes, `[a-zA-Z0-9_-]`; different ids stay different.
fn wire_id(id: &str) -> Cow<'_, str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !id.is_empty() && id.bytes().all(legal) {
        return Cow::Borrowed(id);
    }
    let mut written = String::with_capacity(id.len() + 1);
    for byte in id.bytes() {
        if legal(byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(written, "_{byte:02x}");
        }
    }
    if written.is_empty() {
        written.push('_');
    }
    Cow::Owned(written)
}

fn wire_name(name: &str) -> Cow<'_, str> {
    let mut name = wire_id(name);
    if name.len() > MAX_NAME {
        // Only ASCII is left by now, so any place is a character boundary.
        name.to_mut().truncate(MAX_NAME);
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_keeps_legal_characters_and_writes_out_the_others() {
        assert_eq!(wire_id("toolu_01-A"), "toolu_01-A");
        assert_eq!(wire_id("functions.add:0"), "functions_2eadd_3a0");
        assert_ne!(wire_id("a.b"), wire_id("a:b"));
        assert_eq!(wire_id(""), "_");
    }

    #[test]
    fn a_name_is_cut_at_the_longest_that_the_api_takes() {
        assert_eq!(wire_name(&"é".repeat(200)).len(), MAX_NAME);
    }

    #[test]
    fn breakpoints_stand_on_the_newest_user_messages_and_never_on_an_empty_result() {
        let call = |id: &str| {
            Item::ToolCall(ToolCall {
                id: id.into(),
                name: "add".into(),
                arguments: String::new(),
                raw: None,
            })
        };
        let output = |id: &str, output: &str| {
            Item::ToolOutput(ToolOutputItem {
                call_id: id.into(),
                name: "add".into(),
                output: output.into(),
                is_error: false,
            })
        };
        let items = [
            Item::user("one"),
            call("a"),
            call("b"),
            output("a", "1"),
            output("b", ""),
            Item::assistant("done"),
            Item::user("two"),
        ];
        let mut messages = messages(&items, Thoughts::Kept).unwrap();
        mark_newest(&mut messages);
        let users: Vec<Value> = messages
            .iter()
            .filter(|message| message.role == Role::User)
            .map(|message| serde_json::to_value(&message.content).unwrap())
            .collect();
        assert_eq!(users[0], json!([{"type": "text", "text": "one"}]));
        assert_eq!(
            users[1],
            json!([
                {
                    "type": "tool_result", "tool_use_id": "a", "content": "1",
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "tool_result", "tool_use_id": "b"},
            ])
        );
        assert_eq!(
            users[2],
            json!([{"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}])
        );
    }
}
