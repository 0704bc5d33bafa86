//! A request in the words of Chat Completions.
//!
//! What changes from turn to turn stands last, so that the body of one turn begins with the body of the turn
//! before and a prompt cache can recognize it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use agentexec_agent_core::transcript::{Item, Part, Raw, ToolCall, ToolOutputItem};
use serde::Serialize;
use serde_json::{Map, Value};

use super::MaxTokensField;
use crate::tool::{Parameters, past_arguments, past_name};

/// What of the model's own settings goes into a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) model: &'a str,
    pub(super) streaming: bool,
    pub(super) strict_tools: bool,
    pub(super) max_tokens_field: MaxTokensField,
    pub(super) send_reasoning: bool,
    /// The name of this server in the raw forms that it may get back.
    pub(super) origin: &'a str,
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Tool { r#type: Function, function: Named<'a> },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
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
    function: Declaration<'a>,
}

#[derive(Debug, Serialize)]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Value,
    /// Left out when false, which is the default here and unknown to older servers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Message<'a> {
    System { content: &'a str },
    User { content: Content<'a> },
    Assistant(Assistant<'a>),
    Tool { tool_call_id: &'a str, content: &'a str },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<ContentPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart<'a> {
    Text { text: Cow<'a, str> },
    Refusal { refusal: &'a str },
}

/// Everything that the model said in one turn.
#[derive(Debug, Default, Serialize)]
struct Assistant<'a> {
    /// Null beside tool calls; the protocol wants it otherwise.
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    /// Reasoning, in the fields that the server sent it in.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: Function,
    function: Called<'a>,
    /// What the server sent beside, for example a thought signature.
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Called<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

impl<'a> Body<'a> {
    /// # Errors
    /// [`InvalidRequest`](ModelErrorKind::InvalidRequest) when a tool call has no output, since every server
    /// refuses that; [`Unsupported`](ModelErrorKind::Unsupported) for what this protocol has no words for.
    pub(super) fn new(request: &ModelRequest<'a>, options: Options<'a>) -> Result<Self, ModelError> {
        let settings = request.settings;
        let has_tools = !request.tools.is_empty();
        let (max_completion_tokens, max_tokens) = match options.max_tokens_field {
            MaxTokensField::MaxCompletionTokens => (settings.max_output_tokens, None),
            MaxTokensField::MaxTokens => (None, settings.max_output_tokens),
        };
        Ok(Self {
            model: request.model.unwrap_or(options.model),
            stream: options.streaming,
            stream_options: options.streaming.then_some(StreamOptions { include_usage: true }),
            max_completion_tokens,
            max_tokens,
            temperature: settings.temperature,
            top_p: settings.top_p,
            reasoning_effort: settings.reasoning_effort.as_deref(),
            parallel_tool_calls: settings.parallel_tool_calls.filter(|_| has_tools),
            tool_choice: if has_tools { choice(request.tool_choice)? } else { None },
            tools: request.tools.iter().map(|tool| Tool::new(tool, options.strict_tools)).collect(),
            messages: messages(request, options)?,
        })
    }
}

/// How the choice is said; not at all when it is the default.
fn choice(choice: &ToolChoice) -> Result<Option<Choice<'_>>, ModelError> {
    Ok(Some(match choice {
        ToolChoice::Auto => return Ok(None),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Tool(name) => Choice::Tool { r#type: Function::Function, function: Named { name } },
        _ => return Err(unsupported("this tool choice")),
    }))
}

fn unsupported(what: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unsupported, format!("Chat Completions has no words for {what}"))
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec, strict: bool) -> Self {
        let Parameters { schema, strict } = Parameters::of(tool, strict);
        let (name, description) = (&tool.name, &tool.description);
        Self {
            r#type: Function::Function,
            function: Declaration { name, description, parameters: schema, strict },
        }
    }
}

/// The messages: what the model said in one turn becomes one message, and the output of each of its calls stands
/// right behind it, in the order of the calls, wherever the transcript has it.
fn messages<'a>(request: &ModelRequest<'a>, options: Options<'a>) -> Result<Vec<Message<'a>>, ModelError> {
    let mut outputs = Outputs::new(request.items);
    let mut messages: Vec<Message<'a>> =
        request.instructions.map(|content| Message::System { content }).into_iter().collect();
    for items in request.items.chunk_by(|one, next| one.is_from_model() && next.is_from_model()) {
        match items {
            [Item::User(user)] => messages.push(Message::User { content: content(&user.content)? }),
            // Already behind its call. One that answers no call cannot be sent.
            [Item::ToolOutput(_)] => {}
            turn => {
                let assistant = Assistant::new(turn, options);
                let calls: Vec<&str> = assistant.tool_calls.iter().map(|call| call.id).collect();
                messages.extend(assistant.unless_empty().map(Message::Assistant));
                for id in calls {
                    messages.push(outputs.take(id)?);
                }
            }
        }
    }
    Ok(messages)
}

fn content(parts: &[Part]) -> Result<Content<'_>, ModelError> {
    if let [Part::Text { text }] = parts {
        return Ok(Content::Text(Cow::Borrowed(text)));
    }
    let parts = parts.iter().map(|part| match part {
        Part::Text { text } => Ok(ContentPart::Text { text: Cow::Borrowed(text) }),
        _ => Err(unsupported("a part of the user's message")),
    });
    Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
}

/// The tool outputs by the call that they answer. Servers that number the calls of each turn from zero use an id
/// more than once, hence the queues.
struct Outputs<'a>(HashMap<&'a str, VecDeque<&'a ToolOutputItem>>);

impl<'a> Outputs<'a> {
    fn new(items: &'a [Item]) -> Self {
        let mut outputs: HashMap<&str, VecDeque<_>> = HashMap::new();
        for item in items {
            if let Item::ToolOutput(output) = item {
                outputs.entry(&output.call_id).or_default().push_back(output);
            }
        }
        Self(outputs)
    }

    fn take(&mut self, call_id: &'a str) -> Result<Message<'a>, ModelError> {
        let Some(output) = self.0.get_mut(call_id).and_then(VecDeque::pop_front) else {
            let message =
                format!("the tool call {call_id} has no output: add one before the model is asked again");
            return Err(ModelError::new(ModelErrorKind::InvalidRequest, message));
        };
        Ok(Message::Tool { tool_call_id: call_id, content: &output.output })
    }
}

impl<'a> Assistant<'a> {
    fn new(turn: &'a [Item], options: Options<'a>) -> Self {
        let own = |raw: &'a Option<Raw>| raw.as_ref()?.of(options.origin)?.as_object();
        let mut assistant = Self::default();
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        let mut refusal = None;
        for item in turn {
            match item {
                Item::Assistant(said) => {
                    text += said.text.as_str();
                    refusal = refusal.or(own(&said.raw).and_then(|raw| raw.get("refusal")?.as_str()));
                }
                Item::Reasoning(reasoning) if options.send_reasoning => {
                    assistant.extra.extend(own(&reasoning.raw).cloned().into_iter().flatten());
                }
                Item::ToolCall(call) => assistant.tool_calls.push(Call::new(call, own(&call.raw))),
                // Reasoning and items of another server mean nothing to this one.
                _ => {}
            }
        }
        assistant.content = match (text.is_empty(), refusal) {
            (true, None) => None,
            (false, None) => Some(Content::Text(text)),
            (is_empty, Some(refusal)) => {
                let text = (!is_empty).then_some(ContentPart::Text { text });
                Some(Content::Parts(text.into_iter().chain([ContentPart::Refusal { refusal }]).collect()))
            }
        };
        assistant
    }

    /// A message with neither content nor calls is refused.
    fn unless_empty(self) -> Option<Self> {
        (self.content.is_some() || !self.tool_calls.is_empty()).then_some(self)
    }
}

impl<'a> Call<'a> {
    fn new(call: &'a ToolCall, extra: Option<&'a Map<String, Value>>) -> Self {
        let function = Called { name: past_name(&call.name), arguments: past_arguments(&call.arguments) };
        Self { id: &call.id, r#type: Function::Function, function, extra }
    }
}

#[cfg(test)]
mod tests;
