//! A [`ModelRequest`] as the JSON body of `POST /v1/messages`.
//!
//! The fields stand in a fixed order and everything that grows stands last, so a body begins with the bytes of
//! the one before as far as the conversation is the same; a breakpoint of the prompt cache stands behind the
//! tools, behind the system prompt and on the newest turns.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages>.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use agentexec_tools::schema::{Conversion, Dialect};
use serde::Serialize;
use serde_json::Value;

use crate::Thinking;
use crate::conversation::{self, CacheControl, Message, Thoughts};
use crate::settings::Settings;

/// The body of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    pub(crate) max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[System<'a>; 1]>,
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    effort: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Choice<'a> {
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    None,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "text")]
struct System<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

/// The body for a request. With [`Thoughts::Dropped`] the model's earlier thoughts stay behind.
///
/// # Errors
/// `InvalidRequest` when there is nothing to ask or the thinking budget is out of range; `Unsupported` for what
/// this protocol cannot carry, the arguments of a tool among it.
pub(crate) fn encode<'a>(
    request: &ModelRequest<'a>,
    settings: &'a Settings,
    thoughts: Thoughts,
) -> Result<Body<'a>, ModelError> {
    let asked = request.settings;
    let max_tokens = asked.max_output_tokens.unwrap_or(settings.max_tokens);
    if let Some(thinking) = &settings.thinking {
        thinking.check(max_tokens)?;
    }
    let cache_control = settings.prompt_caching.then_some(CacheControl::Ephemeral);
    let mut messages = conversation::messages(request.items, thoughts)?;
    if settings.prompt_caching {
        conversation::mark_newest(&mut messages);
    }
    let system = request.instructions.filter(|text| !text.trim().is_empty());
    Ok(Body {
        model: request.model.unwrap_or(&settings.model),
        max_tokens,
        stream: settings.streaming,
        thinking: settings.thinking.as_ref(),
        // Works with every kind of thinking and without it; the words are the provider's: low to max.
        output_config: asked.reasoning_effort.as_deref().map(|effort| OutputConfig { effort }),
        temperature: asked.temperature,
        top_p: asked.top_p,
        tool_choice: tool_choice(request)?,
        tools: tools(request.tools, cache_control)?,
        system: system.map(|text| [System { text, cache_control }]),
        messages,
    })
}

fn tools(specs: &[ToolSpec], cache_control: Option<CacheControl>) -> Result<Vec<Tool<'_>>, ModelError> {
    let mut tools = specs.iter().map(tool).collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = tools.last_mut() {
        last.cache_control = cache_control;
    }
    Ok(tools)
}

fn tool(spec: &ToolSpec) -> Result<Tool<'_>, ModelError> {
    let Conversion { schema, report, .. } = spec.parameters.in_dialect(Dialect::Anthropic);
    if !report.is_expressible() {
        let message =
            format!("the arguments of tool '{}' cannot be described to Anthropic: {report}", spec.name);
        return Err(ModelError::new(ModelErrorKind::Unsupported, message));
    }
    Ok(Tool { name: &spec.name, description: &spec.description, input_schema: schema, cache_control: None })
}

/// `None` where the API's default says the same: the model decides, and calls as many tools as it likes.
fn tool_choice<'a>(request: &ModelRequest<'a>) -> Result<Option<Choice<'a>>, ModelError> {
    if request.tools.is_empty() {
        return Ok(None);
    }
    let disable_parallel_tool_use = request.settings.parallel_tool_calls == Some(false);
    Ok(match request.tool_choice {
        ToolChoice::Auto if !disable_parallel_tool_use => None,
        ToolChoice::Auto => Some(Choice::Auto { disable_parallel_tool_use }),
        ToolChoice::Required => Some(Choice::Any { disable_parallel_tool_use }),
        ToolChoice::Tool(name) => Some(Choice::Tool { name, disable_parallel_tool_use }),
        ToolChoice::None => Some(Choice::None),
        _ => {
            let message =
                "Anthropic Messages does not know this tool choice; use auto, required, none or a tool";
            return Err(ModelError::new(ModelErrorKind::Unsupported, message));
        }
    })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
