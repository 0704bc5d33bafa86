//! A request in the words of the Responses API.
//!
//! What changes from turn to turn stands last, so that the body of one turn begins with the body of the turn
//! before and a prompt cache can recognize it.

use std::borrow::Cow;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use agentexec_agent_core::transcript::{AssistantItem, Item, Part, Raw, ToolCall, UserItem};
use serde::Serialize;
use serde_json::Value;

use crate::tool::{Parameters, past_arguments, past_name};

/// What of the model's own settings goes into a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) model: &'a str,
    pub(super) streaming: bool,
    pub(super) strict_tools: bool,
    pub(super) store: bool,
    pub(super) encrypted_reasoning: bool,
    pub(super) reasoning_summary: Option<&'a str>,
    /// The name of this server in the raw forms that it may get back.
    pub(super) origin: &'a str,
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<Input<'a>>,
}

#[derive(Debug, Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Tool { r#type: Function, name: &'a str },
}

/// The only type of a tool that we declare.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Function {
    Function,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: Function,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Value,
    /// Always said: left out, this protocol takes it for true.
    strict: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Input<'a> {
    /// An item of this server, as it came.
    Own(&'a Value),
    Neutral(Neutral<'a>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Neutral<'a> {
    Message { role: &'static str, content: Content<'a> },
    FunctionCall { call_id: &'a str, name: Cow<'a, str>, arguments: &'a str },
    FunctionCallOutput { call_id: &'a str, output: &'a str },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<ContentPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart<'a> {
    InputText { text: &'a str },
}

const ENCRYPTED: [&str; 1] = ["reasoning.encrypted_content"];

impl<'a> Body<'a> {
    /// # Errors
    /// [`Unsupported`](ModelErrorKind::Unsupported) for what this protocol has no words for.
    pub(super) fn new(request: &ModelRequest<'a>, options: Options<'a>) -> Result<Self, ModelError> {
        let settings = request.settings;
        let has_tools = !request.tools.is_empty();
        let (effort, summary) = (settings.reasoning_effort.as_deref(), options.reasoning_summary);
        let reasoning = (effort.is_some() || summary.is_some()).then_some(Reasoning { effort, summary });
        let input = request.items.iter().filter_map(|item| input(item, options).transpose());
        Ok(Self {
            model: request.model.unwrap_or(options.model),
            stream: options.streaming,
            store: options.store,
            // What the server does not store it must hand out, or the next turn has no reasoning.
            include: if options.store || !options.encrypted_reasoning { &[] } else { &ENCRYPTED },
            max_output_tokens: settings.max_output_tokens,
            temperature: settings.temperature,
            top_p: settings.top_p,
            reasoning,
            parallel_tool_calls: settings.parallel_tool_calls.filter(|_| has_tools),
            tool_choice: if has_tools { choice(request.tool_choice)? } else { None },
            tools: request.tools.iter().map(|tool| Tool::new(tool, options.strict_tools)).collect(),
            instructions: request.instructions,
            input: input.collect::<Result<_, _>>()?,
        })
    }
}

/// How the choice is said; not at all when it is the default.
fn choice(choice: &ToolChoice) -> Result<Option<Choice<'_>>, ModelError> {
    Ok(Some(match choice {
        ToolChoice::Auto => return Ok(None),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Tool(name) => Choice::Tool { r#type: Function::Function, name },
        _ => return Err(unsupported("this tool choice")),
    }))
}

fn unsupported(what: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unsupported, format!("the Responses API has no words for {what}"))
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec, strict: bool) -> Self {
        let Parameters { schema, strict } = Parameters::of(tool, strict);
        let (name, description) = (&tool.name, &tool.description);
        Self { r#type: Function::Function, name, description, parameters: schema, strict }
    }
}

/// One item, or none where this server could make nothing of it.
fn input<'a>(item: &'a Item, options: Options<'a>) -> Result<Option<Input<'a>>, ModelError> {
    let own = |raw: &'a Option<Raw>| raw.as_ref()?.of(options.origin).map(Input::Own);
    Ok(match item {
        Item::User(user) => Some(Input::Neutral(Neutral::Message { role: "user", content: content(user)? })),
        Item::Assistant(said) => own(&said.raw).or_else(|| assistant(said)),
        Item::Reasoning(reasoning) => {
            let raw = reasoning.raw.as_ref().and_then(|raw| raw.of(options.origin));
            raw.filter(|raw| options.store || is_self_contained(raw)).map(Input::Own)
        }
        Item::ToolCall(call) => Some(own(&call.raw).unwrap_or_else(|| function_call(call))),
        Item::ToolOutput(item) => {
            let (call_id, output) = (&item.call_id, &item.output);
            Some(Input::Neutral(Neutral::FunctionCallOutput { call_id, output }))
        }
        Item::Opaque(raw) => raw.of(options.origin).map(Input::Own),
        _ => return Err(unsupported("an item of the transcript")),
    })
}

fn content(user: &UserItem) -> Result<Content<'_>, ModelError> {
    if let [Part::Text { text }] = user.content.as_slice() {
        return Ok(Content::Text(text));
    }
    let parts = user.content.iter().map(|part| match part {
        Part::Text { text } => Ok(ContentPart::InputText { text }),
        _ => Err(unsupported("a part of the user's message")),
    });
    Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
}

fn assistant(said: &AssistantItem) -> Option<Input<'_>> {
    let content = Content::Text(&said.text);
    (!said.text.is_empty()).then_some(Input::Neutral(Neutral::Message { role: "assistant", content }))
}

fn function_call(call: &ToolCall) -> Input<'_> {
    let (name, arguments) = (past_name(&call.name), past_arguments(&call.arguments));
    Input::Neutral(Neutral::FunctionCall { call_id: &call.id, name, arguments })
}

/// Whether a reasoning item says what it says by itself. Without encrypted content it is only a reference to
/// something that the server has not stored, and the server refuses it; models with open weights send their
/// reasoning as it is.
fn is_self_contained(reasoning: &Value) -> bool {
    let has = |key: &str| match reasoning.get(key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    };
    has("encrypted_content") || has("content")
}

#[cfg(test)]
mod tests;
