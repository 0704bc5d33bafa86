//! What both protocols say of a tool, each in its own envelope.

use std::borrow::Cow;

use agentexec_agent_core::model::ToolSpec;
use agentexec_tools::NAME_LIMIT;
use agentexec_tools::schema::Dialect;
use serde_json::Value;

/// The schema of a tool's arguments as it is sent, and whether the provider may hold the model to it.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) schema: Value,
    pub(crate) strict: bool,
}

impl Parameters {
    /// The strict form where it is wanted and the schema has one, else the plain form.
    pub(crate) fn of(tool: &ToolSpec, strict: bool) -> Self {
        if strict {
            let converted = tool.parameters.in_dialect(Dialect::OpenAiStrict);
            if converted.report.is_expressible() {
                return Self { schema: converted.schema, strict: true };
            }
        }
        Self { schema: tool.parameters.in_dialect(Dialect::Plain).schema, strict: false }
    }
}

/// The name of a called tool as OpenAI takes it: `[a-zA-Z0-9_-]{1,64}`.
///
/// A model may have made a name up, and another provider allows longer ones. The name stands in the past only,
/// where nothing is looked up by it; but one bad name there fails every request that follows.
pub(crate) fn past_name(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() {
        Cow::Borrowed("unknown")
    } else if name.len() <= NAME_LIMIT && name.chars().all(fits) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.chars().take(NAME_LIMIT).map(|c| if fits(c) { c } else { '_' }).collect())
    }
}

/// Arguments as a protocol takes them: a model that gave none meant an empty object.
pub(crate) fn past_arguments(arguments: &str) -> &str {
    if arguments.trim().is_empty() { "{}" } else { arguments }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_past_fits_whatever_the_model_wrote() {
        assert_eq!(past_name("get_weather-2"), "get_weather-2");
        assert_eq!(past_name("files.read\nnow"), "files_read_now");
        assert_eq!(past_name(""), "unknown");
        assert_eq!(past_name(&"é".repeat(100)), "_".repeat(64));
    }

    #[test]
    fn no_arguments_are_an_empty_object() {
        assert_eq!(past_arguments(" \n"), "{}");
        assert_eq!(past_arguments("{\"a\":1}"), "{\"a\":1}");
    }
}
