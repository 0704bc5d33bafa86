//! A request in the words of Chat Completions.
//!
//! What changes from turn to turn stands last, so that the body of one turn begins with the body of the turn
//! before and a prompt cache can recognize it.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use super::messages::{Message, messages};
use crate::features::{Feature, Features};
use crate::format::{Form, in_dialect};

/// What of the model's own settings goes into a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) model: &'a str,
    pub(super) streaming: bool,
    pub(super) strict_tools: bool,
    /// What the server does not know.
    pub(super) without: Features,
    /// The longest id of a call.
    pub(super) max_call_id: usize,
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
    response_format: Option<ResponseFormat<'a>>,
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
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonSchema { json_schema: JsonSchema<'a> },
    JsonObject,
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    schema: Value,
    /// Left out when false, which is the default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
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
pub(super) enum Function {
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

impl<'a> Body<'a> {
    /// # Errors
    /// [`InvalidRequest`](ModelErrorKind::InvalidRequest) when a tool call has no output, since every server
    /// refuses that; [`Unsupported`](ModelErrorKind::Unsupported) for what this protocol has no words for.
    pub(super) fn new(request: &ModelRequest<'a>, options: Options<'a>) -> Result<Self, ModelError> {
        let (settings, without) = (request.settings, options.without);
        let has_tools = !request.tools.is_empty();
        let is_strict = options.strict_tools && !without.has(Feature::Strict);
        let is_older = without.has(Feature::MaxCompletionTokens);
        let tells_usage = options.streaming && !without.has(Feature::StreamUsage);
        let parallel = settings.parallel_tool_calls;
        let form = Form::of(request.output, without);
        let instructions = form.instructions(request.instructions, request.output);
        Ok(Self {
            model: request.model.unwrap_or(options.model),
            stream: options.streaming,
            stream_options: tells_usage.then_some(StreamOptions { include_usage: true }),
            max_completion_tokens: settings.max_output_tokens.filter(|_| !is_older),
            max_tokens: settings.max_output_tokens.filter(|_| is_older && !without.has(Feature::MaxTokens)),
            temperature: settings.temperature,
            top_p: settings.top_p,
            reasoning_effort: settings
                .reasoning_effort
                .as_deref()
                .filter(|_| !without.has(Feature::ReasoningEffort)),
            response_format: response_format(form),
            parallel_tool_calls: parallel.filter(|_| has_tools && !without.has(Feature::ParallelToolCalls)),
            tool_choice: if has_tools { choice(request.tool_choice)? } else { None },
            tools: request.tools.iter().map(|tool| Tool::new(tool, is_strict)).collect(),
            messages: messages(request.items, instructions, options)?,
        })
    }

    /// What is in it that a server may not know.
    pub(super) fn features(&self) -> Features {
        let format = self.response_format.as_ref();
        let is_strict = |format: &ResponseFormat<'_>| matches!(format, ResponseFormat::JsonSchema { json_schema } if json_schema.strict);
        let strict = format.is_some_and(is_strict) || self.tools.iter().any(|tool| tool.function.strict);
        let schema = matches!(format, Some(ResponseFormat::JsonSchema { .. }));
        Features::NONE
            .with_if(self.stream_options.is_some(), Feature::StreamUsage)
            .with_if(self.max_completion_tokens.is_some(), Feature::MaxCompletionTokens)
            .with_if(self.max_tokens.is_some(), Feature::MaxTokens)
            .with_if(strict, Feature::Strict)
            .with_if(self.parallel_tool_calls.is_some(), Feature::ParallelToolCalls)
            .with_if(self.reasoning_effort.is_some(), Feature::ReasoningEffort)
            .with_if(self.messages.iter().any(Message::has_reasoning), Feature::EchoedReasoning)
            .with_if(schema, Feature::JsonSchema)
            .with_if(matches!(format, Some(ResponseFormat::JsonObject)), Feature::JsonObject)
    }
}

fn response_format(form: Form<'_>) -> Option<ResponseFormat<'_>> {
    match form {
        Form::Schema { name, schema, strict } => {
            Some(ResponseFormat::JsonSchema { json_schema: JsonSchema { name, schema, strict } })
        }
        Form::Object => Some(ResponseFormat::JsonObject),
        Form::Any | Form::Told => None,
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

/// The error for what this protocol cannot carry.
pub(super) fn unsupported(what: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unsupported, format!("Chat Completions has no words for {what}"))
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec, strict: bool) -> Self {
        let (parameters, strict) = in_dialect(&tool.parameters, strict);
        let (name, description) = (&tool.name, &tool.description);
        Self { r#type: Function::Function, function: Declaration { name, description, parameters, strict } }
    }
}

#[cfg(test)]
pub(super) mod tests;
