//! What both protocols say of a tool and of a call, each in its own envelope.

use std::borrow::Cow;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_tools::NAME_LIMIT;
use serde::de::IgnoredAny;
use serde_json::json;

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

/// The error for a call that nothing answers.
pub(crate) fn unanswered(call_id: &str) -> ModelError {
    let message = format!("the tool call {call_id} has no output: add one before the model is asked again");
    ModelError::new(ModelErrorKind::InvalidRequest, message)
}

/// The key under which arguments stand that are no JSON object.
const INVALID_JSON: &str = "INVALID_JSON";

/// Arguments of a call that was answered: a JSON object. None at all mean an empty one.
///
/// What a model wrote otherwise is wrapped, so that it reads its mistake beside the error that answers it. OpenAI takes
/// any text there; vLLM, llama.cpp, Ollama and others read it as an object and refuse the whole conversation when they
/// cannot.
pub(crate) fn past_arguments(arguments: &str) -> Cow<'_, str> {
    let text = arguments.trim();
    if text.is_empty() {
        Cow::Borrowed("{}")
    } else if text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        Cow::Borrowed(arguments)
    } else {
        Cow::Owned(json!({ INVALID_JSON: arguments }).to_string())
    }
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
    fn arguments_of_the_past_are_an_object_whatever_the_model_wrote() {
        assert_eq!(past_arguments(" \n"), "{}");
        assert_eq!(past_arguments(" {\"a\": 1}"), " {\"a\": 1}");
        assert_eq!(past_arguments("{\"a\": "), r#"{"INVALID_JSON":"{\"a\": "}"#);
        assert_eq!(past_arguments("[1]"), r#"{"INVALID_JSON":"[1]"}"#);
        assert_eq!(past_arguments("null"), r#"{"INVALID_JSON":"null"}"#);
    }
}
