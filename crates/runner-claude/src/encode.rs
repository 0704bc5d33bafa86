//! A [`ModelRequest`] as the JSON body of `POST /v1/messages`.
//!
//! The fields stand in a fixed order and everything that grows stands last, so a body begins with the bytes of
//! the one before as far as the conversation is the same; a breakpoint of the prompt cache stands behind the
//! tools, behind the system prompt and on the newest turns.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages>.

mod output;
mod tools;

use std::borrow::Cow;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest};
use agentexec_agent_core::transcript::Item;
use serde::Serialize;

use self::output::{Form, Format};
use self::tools::{Allowance, Choice, Tool};
use crate::Thinking;
use crate::content::CacheControl;
use crate::conversation::{self, Conversation, Message};
use crate::features::{Feature, Features};
use crate::settings::{MAX_UNSTREAMED_TOKENS, Settings};

/// The body of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<System<'a>>,
    messages: Vec<Message<'a>>,
    /// What of it not every server knows.
    #[serde(skip)]
    pub(crate) sent: Features,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "text")]
struct System<'a> {
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

/// The body for a request that does `without` these features.
///
/// # Errors
/// `InvalidRequest` when there is nothing to ask, the thinking budget is out of range, or a tool is demanded of a
/// model that thinks by a budget; `Unsupported` for what this protocol cannot carry: media of some kinds, the
/// arguments of some tools.
pub(crate) fn encode<'a>(
    request: &ModelRequest<'a>,
    settings: &'a Settings,
    without: Features,
) -> Result<Body<'a>, ModelError> {
    let may = |feature| !without.has(feature);
    let asked = request.settings;
    let max_tokens = asked.max_output_tokens.unwrap_or(settings.max_tokens);
    let thinking = settings.thinking.as_ref().filter(|_| may(Feature::Thinking));
    check_thinking(thinking, max_tokens, request)?;
    let cache_control = may(Feature::PromptCache).then_some(CacheControl::Ephemeral);

    let mut allowance = Allowance::default();
    let form = Form::of(request.output, may(Feature::JsonSchema), &mut allowance);
    let (format, in_words) = form.split();
    let mut tools = tools::tools(request.tools, may(Feature::StrictTools), &mut allowance, cache_control)?;
    let mut tool_choice = tools::choice(request)?;
    let undeclared = tools.is_empty() && request.items.iter().any(|item| matches!(item, Item::ToolCall(_)));
    if undeclared && !may(Feature::UndeclaredCalls) {
        (tools, tool_choice) = (tools::called(request.items), Some(Choice::None));
    }
    // Works with every kind of thinking and without it; the words are the provider's: low to max.
    let effort = asked.reasoning_effort.as_deref().filter(|_| may(Feature::ReasoningEffort));
    let Conversation { mut messages, thoughts } =
        conversation::conversation(request.items, &settings.origin, may(Feature::EchoedReasoning))?;
    if cache_control.is_some() {
        conversation::mark_newest(&mut messages);
    }

    let sent = Features::default()
        .with_if(thoughts, Feature::EchoedReasoning)
        .with_if(cache_control.is_some(), Feature::PromptCache)
        .with_if(tools.iter().any(Tool::is_strict), Feature::StrictTools)
        .with_if(format.is_some(), Feature::JsonSchema)
        .with_if(effort.is_some(), Feature::ReasoningEffort)
        .with_if(thinking.is_some(), Feature::Thinking)
        .with_if(undeclared && may(Feature::UndeclaredCalls), Feature::UndeclaredCalls);
    Ok(Body {
        model: request.model.unwrap_or(&settings.model),
        max_tokens,
        // A longer answer may take longer than a silent connection lives.
        stream: settings.streaming || max_tokens > MAX_UNSTREAMED_TOKENS,
        thinking,
        output_config: OutputConfig { effort, format },
        temperature: asked.temperature,
        top_p: asked.top_p,
        tool_choice,
        tools,
        system: system(request.instructions, in_words, cache_control),
        messages,
        sent,
    })
}

/// Refuses what the API would refuse.
fn check_thinking(
    thinking: Option<&Thinking>,
    max_tokens: u32,
    request: &ModelRequest<'_>,
) -> Result<(), ModelError> {
    let Some(thinking) = thinking else { return Ok(()) };
    thinking.check(max_tokens)?;
    if thinking.has_budget() && tools::is_demanded(request) {
        let message = "a tool cannot be demanded of a model that thinks by a budget: let it choose \
                       (`ToolChoice::Auto`), or think adaptively or not at all";
        return Err(ModelError::new(ModelErrorKind::InvalidRequest, message));
    }
    Ok(())
}

/// The instructions, and the form of the answer where it is told in words. The breakpoint stands behind both.
fn system<'a>(
    instructions: Option<&'a str>,
    form: Option<String>,
    cache_control: Option<CacheControl>,
) -> Vec<System<'a>> {
    let instructions = instructions.filter(|text| !text.trim().is_empty()).map(Cow::Borrowed);
    let texts = instructions.into_iter().chain(form.map(Cow::Owned));
    let mut system: Vec<_> = texts.map(|text| System { text, cache_control: None }).collect();
    if let Some(last) = system.last_mut() {
        last.cache_control = cache_control;
    }
    system
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
