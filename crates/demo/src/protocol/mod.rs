//! The three wire protocols, each in a file of the same shape: read a request, write an answer, write events.

mod chat;
mod field;
mod messages;
mod openai;
mod rejection;
mod responses;
mod strict;

pub(crate) use chat::Chat;
pub(crate) use messages::Messages;
pub(crate) use rejection::{Provider, Rejection};
pub(crate) use responses::Responses;

use std::time::SystemTime;

use axum::response::sse::Event;
use serde_json::Value;

use crate::brain::{Call, Conversation, Item, Reply, Tool};

/// How many characters count as a token.
const CHARS_PER_TOKEN: usize = 4;
/// How many characters of a tool call's arguments go into one event.
const ARGUMENTS_PIECE: usize = 12;

/// A wire protocol. A value of it holds what one request asked of the form of its answer.
pub(crate) trait Protocol: Sized + Send + Sync + 'static {
    const PROVIDER: Provider;
    /// How the id of a response begins.
    const ID: &'static str;
    /// How the id of a tool call begins.
    const CALL_ID: &'static str;

    /// Reads and checks a request.
    fn parse(body: &Value) -> Result<Request<Self>, Rejection>;
    /// The answer in one piece.
    fn body(&self, turn: &Turn) -> Value;
    /// The answer as a stream.
    fn events(&self, turn: &Turn) -> Vec<Event>;
}

/// A request that passed its checks.
pub(crate) struct Request<P> {
    pub(crate) conversation: Conversation,
    pub(crate) is_streamed: bool,
    /// How many tokens the answer may have.
    pub(crate) max_tokens: Option<u64>,
    pub(crate) protocol: P,
}

/// One response of the model, ready to be written in any protocol.
pub(crate) struct Turn {
    pub(crate) id: String,
    /// In seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<IssuedCall>,
    /// Whether the token limit cut the text.
    pub(crate) is_cut: bool,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// A tool call with its id.
pub(crate) struct IssuedCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

impl IssuedCall {
    /// The arguments as text. Those of a brain that plays broken JSON are text already.
    pub(crate) fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            arguments => arguments.to_string(),
        }
    }
}

impl Turn {
    /// What the model answers to a request. `next_id` makes an id from its beginning.
    pub(crate) fn new<P: Protocol>(
        request: &Request<P>,
        reply: Reply,
        next_id: impl Fn(&str) -> String,
    ) -> Self {
        let Reply { mut text, mut calls, .. } = reply;
        if !request.conversation.parallel_tool_calls {
            calls.truncate(1);
        }
        let is_cut = request.max_tokens.is_some_and(|limit| output_tokens(&text, &calls) > limit);
        if is_cut {
            // The calls would come after the text, so the cut is before them.
            calls.clear();
            let limit = usize::try_from(request.max_tokens.unwrap_or_default()).unwrap_or(usize::MAX);
            text = text.chars().take(limit.saturating_mul(CHARS_PER_TOKEN)).collect();
        }
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            id: next_id(P::ID),
            created: since_1970.as_secs(),
            model: request.conversation.model.clone(),
            is_cut,
            input_tokens: input_tokens(&request.conversation),
            output_tokens: output_tokens(&text, &calls),
            text,
            calls: calls.into_iter().map(|call| issued(call, next_id(P::CALL_ID))).collect(),
        }
    }
}

fn issued(call: Call, id: String) -> IssuedCall {
    IssuedCall { id, name: call.name, arguments: call.arguments }
}

fn tokens(chars: usize) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN) as u64
}

fn output_tokens(text: &str, calls: &[Call]) -> u64 {
    let of_calls = calls.iter().map(|call| call.name.len() + call.arguments.to_string().chars().count());
    tokens(text.chars().count() + of_calls.sum::<usize>())
}

fn input_tokens(conversation: &Conversation) -> u64 {
    let of_items = conversation.items.iter().map(|item| match item {
        Item::User(text) | Item::Assistant(text) => text.chars().count(),
        Item::ToolCall { name, arguments, .. } => name.len() + arguments.to_string().chars().count(),
        Item::ToolOutput { output, .. } => output.chars().count(),
    });
    let of_tools = conversation
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.chars().count() + tool.parameters.to_string().len());
    tokens(conversation.instructions.chars().count() + of_items.sum::<usize>() + of_tools.sum::<usize>())
}

/// Which tools a request lets the model call.
pub(crate) enum Choice {
    Any,
    None,
    Only(Vec<String>),
}

impl Choice {
    /// The tools that may be called.
    fn among(&self, mut tools: Vec<Tool>) -> Vec<Tool> {
        match self {
            Self::Any => {}
            Self::None => tools.clear(),
            Self::Only(names) => tools.retain(|tool| names.contains(&tool.name)),
        }
        tools
    }

    /// A name that is chosen and not offered.
    fn unknown(&self, tools: &[Tool]) -> Option<&str> {
        let Self::Only(names) = self else { return None };
        names.iter().map(String::as_str).find(|name| tools.iter().all(|tool| tool.name != *name))
    }
}

/// Joins what the system prompt is made of.
fn add_instructions(instructions: &mut String, text: &str) {
    if !instructions.is_empty() {
        instructions.push('\n');
    }
    instructions.push_str(text);
}

/// An object with more members, which replace those of the same name.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

/// A text in pieces of a word with the white space after it, as a model streams.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// The JSON text of arguments in pieces that end anywhere, as a model streams them.
fn arguments_pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(ARGUMENTS_PIECE).map(|piece| piece.iter().collect()).collect()
}
