//! The tools of a request, and which of them the model must call.
//!
//! A tool is strict where its schema can be: the server then holds the model to it. What all strict schemas of a
//! request may use together is limited, so the first tools are strict and those that no longer fit are not; the same
//! tools come to the same bytes each time.
//!
//! Source: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/strict-tool-use>, and "Schema complexity
//! limits" in <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>.

use std::borrow::Cow;
use std::collections::HashSet;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelRequest, ToolChoice, ToolSpec};
use agentexec_agent_core::transcript::Item;
use agentexec_tools::schema::{Conversion, Dialect, Size};
use serde::Serialize;
use serde_json::{Value, json};

use crate::content::CacheControl;
use crate::names::wire_name;

/// How many tools of a request may be strict.
const MAX_STRICT: usize = 20;

/// How many properties in all strict schemas of a request may be left out.
const MAX_OPTIONAL: usize = 24;

/// How many unions there may be in all strict schemas of a request.
const MAX_UNIONS: usize = 16;

#[derive(Debug, Serialize)]
pub(crate) struct Tool<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

impl Tool<'_> {
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Choice<'a> {
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

/// What the strict schemas of a request use so far.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    optional: usize,
    unions: usize,
}

impl Allowance {
    /// Takes a schema in where there is still room for it.
    pub(crate) fn admits(&mut self, size: Size) -> bool {
        let (optional, unions) = (self.optional + size.optional, self.unions + size.unions);
        let fits = optional <= MAX_OPTIONAL && unions <= MAX_UNIONS;
        if fits {
            (self.optional, self.unions) = (optional, unions);
        }
        fits
    }
}

/// The tools, strict where they `may_be_strict` and can be. A breakpoint stands behind the last.
pub(crate) fn tools<'a>(
    specs: &'a [ToolSpec],
    may_be_strict: bool,
    allowance: &mut Allowance,
    cache_control: Option<CacheControl>,
) -> Result<Vec<Tool<'a>>, ModelError> {
    let mut tools = Vec::with_capacity(specs.len());
    let mut left = if may_be_strict { MAX_STRICT } else { 0 };
    for spec in specs {
        let strict = (left > 0).then(|| strict_schema(spec, allowance)).flatten();
        left -= usize::from(strict.is_some());
        tools.push(Tool {
            name: Cow::Borrowed(&spec.name),
            description: &spec.description,
            strict: strict.is_some(),
            input_schema: strict.map_or_else(|| plain_schema(spec), Ok)?,
            cache_control: None,
        });
    }
    if let Some(last) = tools.last_mut() {
        last.cache_control = cache_control;
    }
    Ok(tools)
}

/// The tools that were called, by their names alone: for a server that wants them declared.
pub(crate) fn called(items: &[Item]) -> Vec<Tool<'_>> {
    let mut known = HashSet::new();
    let names = items.iter().filter_map(|item| match item {
        Item::ToolCall(call) => Some(wire_name(&call.name)),
        _ => None,
    });
    let names = names.filter(|name| known.insert(name.clone()));
    let tool = |name| Tool {
        name,
        description: "",
        input_schema: json!({"type": "object"}),
        strict: false,
        cache_control: None,
    };
    names.map(tool).collect()
}

fn strict_schema(spec: &ToolSpec, allowance: &mut Allowance) -> Option<Value> {
    let Conversion { schema, report, .. } = spec.parameters.in_dialect(Dialect::AnthropicStrict);
    (report.is_expressible() && allowance.admits(report.size())).then_some(schema)
}

fn plain_schema(spec: &ToolSpec) -> Result<Value, ModelError> {
    let Conversion { schema, report, .. } = spec.parameters.in_dialect(Dialect::Anthropic);
    if report.is_expressible() {
        return Ok(schema);
    }
    let message = format!("the arguments of tool '{}' cannot be described to Anthropic: {report}", spec.name);
    Err(ModelError::new(ModelErrorKind::Unsupported, message))
}

/// Whether the model must call a tool.
pub(crate) fn is_demanded(request: &ModelRequest<'_>) -> bool {
    !request.tools.is_empty() && matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Tool(_))
}

/// `None` where the API's default says the same: the model decides, and calls as many tools as it likes.
pub(crate) fn choice<'a>(request: &ModelRequest<'a>) -> Result<Option<Choice<'a>>, ModelError> {
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
