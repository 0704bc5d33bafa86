//! A request in the words of the Responses API.
//!
//! What changes from turn to turn stands last, so that the body of one turn begins with the body of the turn
//! before and a prompt cache can recognize it.

use std::borrow::Cow;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use super::input::{Input, inputs};
use super::previous::{Known, known};
use crate::features::{Feature, Features};
use crate::format::{Form, in_dialect};

/// What of the model's own settings goes into a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) model: &'a str,
    pub(super) streaming: bool,
    pub(super) strict_tools: bool,
    pub(super) store: bool,
    /// Whether the request goes on from a response that the server has stored.
    pub(super) previous_response: bool,
    pub(super) reasoning_summary: Option<&'a str>,
    /// What the server does not know.
    pub(super) without: Features,
    /// The name of this server in the raw forms that it may get back.
    pub(super) origin: &'a str,
}

impl Options<'_> {
    /// Whether the reasoning is asked for in encrypted form. What the server does not store it must hand out, or the
    /// next turn has no reasoning; and what it stores it may have lost when the next turn goes on from there.
    fn encrypts(&self) -> bool {
        (!self.store || self.previous_response) && !self.without.has(Feature::EncryptedReasoning)
    }
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
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
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_response_id: Option<&'a str>,
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
struct Text<'a> {
    format: Format<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema {
        name: &'a str,
        schema: Value,
        /// Left out when false, which is the default.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
    },
    JsonObject,
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
    /// Always said where it is known: left out, this protocol takes it for true.
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

const ENCRYPTED: [&str; 1] = ["reasoning.encrypted_content"];

impl<'a> Body<'a> {
    /// # Errors
    /// Those of [`inputs`].
    pub(super) fn new(request: &ModelRequest<'a>, options: Options<'a>) -> Result<Self, ModelError> {
        let (settings, without) = (request.settings, options.without);
        let has_tools = !request.tools.is_empty();
        let parallel = settings.parallel_tool_calls;
        let form = Form::of(request.output, without);
        let Known { id, news } = known(request.items, options);
        Ok(Self {
            model: request.model.unwrap_or(options.model),
            stream: options.streaming,
            store: (!without.has(Feature::Store)).then_some(options.store),
            include: if options.encrypts() { &ENCRYPTED } else { &[] },
            max_output_tokens: settings.max_output_tokens,
            temperature: settings.temperature,
            top_p: settings.top_p,
            reasoning: reasoning(request, options),
            parallel_tool_calls: parallel.filter(|_| has_tools && !without.has(Feature::ParallelToolCalls)),
            tool_choice: if has_tools { choice(request.tool_choice)? } else { None },
            tools: request.tools.iter().map(|tool| Tool::new(tool, options)).collect(),
            instructions: form.instructions(request.instructions, request.output),
            text: text(form),
            previous_response_id: id,
            input: inputs(request.items, news, options)?,
        })
    }

    /// What is in it that a server may not know.
    pub(super) fn features(&self) -> Features {
        let format = self.text.as_ref().map(|text| &text.format);
        let strict = self.tools.iter().any(|tool| tool.strict.is_some())
            || matches!(format, Some(Format::JsonSchema { strict: true, .. }));
        let reasoning = |said: fn(&Reasoning<'a>) -> bool| self.reasoning.as_ref().is_some_and(said);
        Features::NONE
            .with_if(strict, Feature::Strict)
            .with_if(self.parallel_tool_calls.is_some(), Feature::ParallelToolCalls)
            .with_if(reasoning(|reasoning| reasoning.effort.is_some()), Feature::ReasoningEffort)
            .with_if(reasoning(|reasoning| reasoning.summary.is_some()), Feature::ReasoningSummary)
            .with_if(self.input.iter().any(Input::is_thought), Feature::EchoedReasoning)
            .with_if(matches!(format, Some(Format::JsonSchema { .. })), Feature::JsonSchema)
            .with_if(matches!(format, Some(Format::JsonObject)), Feature::JsonObject)
            .with_if(!self.include.is_empty(), Feature::EncryptedReasoning)
            .with_if(self.store.is_some(), Feature::Store)
            .with_if(self.previous_response_id.is_some(), Feature::PreviousResponse)
    }
}

fn reasoning<'a>(request: &ModelRequest<'a>, options: Options<'a>) -> Option<Reasoning<'a>> {
    let effort = request.settings.reasoning_effort.as_deref();
    let effort = effort.filter(|_| !options.without.has(Feature::ReasoningEffort));
    let summary = options.reasoning_summary.filter(|_| !options.without.has(Feature::ReasoningSummary));
    (effort.is_some() || summary.is_some()).then_some(Reasoning { effort, summary })
}

fn text(form: Form<'_>) -> Option<Text<'_>> {
    let format = match form {
        Form::Schema { name, schema, strict } => Format::JsonSchema { name, schema, strict },
        Form::Object => Format::JsonObject,
        Form::Any | Form::Told => return None,
    };
    Some(Text { format })
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

/// The error for what this protocol cannot carry.
pub(super) fn unsupported(what: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unsupported, format!("the Responses API has no words for {what}"))
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec, options: Options<'_>) -> Self {
        let is_known = !options.without.has(Feature::Strict);
        let (parameters, strict) = in_dialect(&tool.parameters, options.strict_tools && is_known);
        let (name, description) = (&tool.name, &tool.description);
        Self { r#type: Function::Function, name, description, parameters, strict: is_known.then_some(strict) }
    }
}

#[cfg(test)]
pub(super) mod tests;
