//! The form that the answer must have, as the model is told it.
//!
//! The server holds the answer to the schema where it can be sent. Where it cannot (a map with any keys, a list at the
//! root, something recursive), or the server knows nothing of it, the model is told the schema in words; whether the
//! answer has the form is checked by whoever asked for it, either way.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>.

use agentexec_agent_core::OutputFormat;
use agentexec_tools::schema::{Conversion, Dialect, Schema};
use serde::Serialize;
use serde_json::Value;

use super::tools::Allowance;

/// The `format` of `output_config`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "json_schema")]
pub(crate) struct Format {
    schema: Value,
}

/// How the model is told the form.
#[derive(Debug)]
pub(crate) enum Form {
    /// There is none.
    Any,
    /// By a schema that the server holds it to.
    Sent(Format),
    /// In words.
    InWords(String),
}

impl Form {
    pub(crate) fn of(output: Option<&OutputFormat>, may_be_sent: bool, allowance: &mut Allowance) -> Self {
        let Some(output) = output else { return Self::Any };
        match may_be_sent.then(|| format(output, allowance)).flatten() {
            Some(format) => Self::Sent(format),
            None => Self::InWords(format!(
                "Give your final answer as nothing but JSON that fits this JSON Schema, without a word or a fence \
                 around it: {}",
                output.schema()
            )),
        }
    }

    /// What goes into `output_config`, and what goes behind the instructions.
    pub(crate) fn split(self) -> (Option<Format>, Option<String>) {
        match self {
            Self::Any => (None, None),
            Self::Sent(format) => (Some(format), None),
            Self::InWords(words) => (None, Some(words)),
        }
    }
}

/// The schema in the dialect that the server takes, where it has one.
fn format(output: &OutputFormat, allowance: &mut Allowance) -> Option<Format> {
    let schema = Schema::from_value(output.schema().clone()).ok()?;
    let Conversion { schema, report, .. } = schema.in_dialect(Dialect::AnthropicStrict);
    (report.is_expressible() && allowance.admits(report.size())).then_some(Format { schema })
}
