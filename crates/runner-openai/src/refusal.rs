//! Reading a refusal: does it name a parameter as one that the server does not know?
//!
//! A real error must never be hidden behind a second, poorer request. So all of this must hold: the status is 400 or
//! 422 (or the body of a 200 says so); the parameter is one that was sent; the refusal names it, in `param`, as the
//! place of a complaint, or in its text; and it says that it is not known or not supported, by its code or in words
//! of the same sentence. What is wrong with a value or with a schema is no such refusal.
//!
//! Servers write it in many ways. Those that these rules were made from are the cases of the tests.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_runner_http::LeaveOut;
use serde_json::Value;

use crate::features::{Feature, Features};

/// What the refusal asks to leave out, of what was sent.
pub(crate) fn leave_out(error: &ModelError, sent: Features) -> Option<LeaveOut<Feature>> {
    if let Some(feature) = refused(error, sent) {
        return Some(LeaveOut::Always(feature));
    }
    // That it is so with this conversation says nothing of the next.
    let thoughts = has_foreign_thoughts(error, sent).then_some(Feature::EchoedReasoning);
    let lost = || has_lost_response(error, sent).then_some(Feature::PreviousResponse);
    thoughts.or_else(lost).map(LeaveOut::Once)
}

/// The feature that the server refuses, of those that were sent.
fn refused(error: &ModelError, sent: Features) -> Option<Feature> {
    if error.kind() != ModelErrorKind::InvalidRequest
        || !matches!(error.status(), Some(200..=299 | 400 | 422))
    {
        return None;
    }
    let refusal = Refusal::of(error);
    sent.iter().find(|feature| refusal.refuses(*feature))
}

/// Whether the server says that it does not have the response that the request goes on from.
fn has_lost_response(error: &ModelError, sent: Features) -> bool {
    if !sent.has(Feature::PreviousResponse) || !matches!(error.status(), Some(200..=299 | 400 | 404)) {
        return false;
    }
    let says_so = || {
        let said = error.message().to_lowercase();
        said.contains("response") && said.contains(" id ") && said.contains("not found")
    };
    error.code() == Some("previous_response_not_found") || says_so()
}

/// Whether the server says that it, or the model, can make nothing of the thoughts that go back to it.
fn has_foreign_thoughts(error: &ModelError, sent: Features) -> bool {
    if !sent.has(Feature::EchoedReasoning) || !matches!(error.status(), Some(200..=299 | 400 | 422)) {
        return false;
    }
    let says_so = || error.message().to_lowercase().contains("reasoning input items can only be provided");
    error.code() == Some("invalid_encrypted_content") || says_so()
}

/// What a refusal says.
struct Refusal<'e> {
    code: &'e str,
    /// The parameter that it is about, in a field of its own.
    param: Option<String>,
    /// Its text, in lower case.
    said: String,
}

impl<'e> Refusal<'e> {
    fn of(error: &'e ModelError) -> Self {
        let body: Option<Value> = error.body().and_then(|body| serde_json::from_str(body).ok());
        let param = body.as_ref().and_then(|body| body.pointer("/error/param").or_else(|| body.get("param")));
        let param = param.and_then(Value::as_str).filter(|param| !param.is_empty());
        Self {
            code: error.code().unwrap_or_default(),
            param: param.map(str::to_lowercase),
            said: error.message().to_lowercase(),
        }
    }

    fn refuses(&self, feature: Feature) -> bool {
        let is_form = matches!(feature, Feature::JsonSchema | Feature::JsonObject);
        if self.is_about_a_schema() || (self.is_about_a_value() && !is_form) {
            return false;
        }
        match &self.param {
            Some(param) => {
                (is_name(param, feature) || is_group(param, feature))
                    && (UNKNOWN_CODES.contains(&self.code) || sentences(&self.said).any(says_unknown))
            }
            None => sentences(&self.said).any(|said| says_unknown(said) && names(said, feature)),
        }
    }

    fn is_about_a_schema(&self) -> bool {
        SCHEMA_CODES.contains(&self.code) || self.said.contains("invalid schema")
    }

    fn is_about_a_value(&self) -> bool {
        let words = ["unsupported value", "invalid value", "supported values"];
        VALUE_CODES.contains(&self.code) || words.iter().any(|words| self.said.contains(words))
    }
}

const UNKNOWN_CODES: [&str; 2] = ["unsupported_parameter", "unknown_parameter"];
const SCHEMA_CODES: [&str; 2] = ["invalid_json_schema", "invalid_function_parameters"];
const VALUE_CODES: [&str; 2] = ["unsupported_value", "invalid_value"];

/// Words for "there is no such parameter here".
const UNKNOWN: [&str; 20] = [
    "not supported",
    "not support",
    "is unsupported",
    "unsupported parameter",
    "unsupported argument",
    "unsupported field",
    "is unavailable",
    "unknown parameter",
    "unknown argument",
    "unknown field",
    "unknown name",
    "unrecognized request argument",
    "unrecognized parameter",
    "unrecognized field",
    "unrecognized key",
    "unexpected keyword argument",
    "was unexpected",
    "extra inputs are not permitted",
    "extra fields not permitted",
    "extraneous key",
];

fn says_unknown(said: &str) -> bool {
    UNKNOWN.iter().any(|words| said.contains(words))
}

/// A refusal may be quoted in another, so only what a sentence says belongs together.
fn sentences(said: &str) -> impl Iterator<Item = &str> {
    said.split(". ")
}

/// Whether a sentence names a feature.
fn names(said: &str, feature: Feature) -> bool {
    if feature == Feature::EncryptedReasoning && said.contains("encrypted content is not supported") {
        return true;
    }
    words(said).any(|(before, word)| {
        let is_quoted = before.ends_with(['\'', '"', '`', '[']);
        let is_introduced = || INTRODUCTIONS.iter().any(|words| before.ends_with(words));
        (is_quoted || !ORDINARY.contains(&word) || is_introduced()) && is_name(word, feature)
    })
}

/// Names that are words of the language too: only where they are marked as names do they count as such.
const ORDINARY: [&str; 4] = ["strict", "store", "include", "reasoning"];

const INTRODUCTIONS: [&str; 4] = ["supplied: ", "parameter: ", "argument: ", "field: "];

/// The words of a text that may be names or paths, each with what stands before it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let starts = text.char_indices().scan(false, move |inside, (at, c)| {
        let begins = is_part(c) && c != '[' && !*inside;
        *inside = is_part(c) && (*inside || begins);
        Some(begins.then_some(at))
    });
    starts.flatten().map(move |at| {
        let (before, rest) = text.split_at(at);
        let word = rest.split(|c| !is_part(c)).next().unwrap_or_default();
        let word = word.trim_end_matches('.');
        (before, if word.contains('[') { word } else { word.trim_end_matches(']') })
    })
}

/// Whether a path in lower case is one under which the feature is sent.
fn is_name(path: &str, feature: Feature) -> bool {
    let path = path.strip_prefix("body.").unwrap_or(path);
    let names: &[&str] = match feature {
        Feature::StreamUsage => &["stream_options", "stream_options.include_usage", "include_usage"],
        Feature::MaxCompletionTokens => &["max_completion_tokens"],
        Feature::MaxTokens => &["max_tokens"],
        Feature::Strict => return is_strict(path),
        Feature::ParallelToolCalls => &["parallel_tool_calls"],
        Feature::ReasoningEffort => &["reasoning_effort", "reasoningeffort", "reasoning.effort"],
        Feature::ReasoningSummary => &["reasoning.summary"],
        Feature::EchoedReasoning => return is_reasoning_of_a_message(path),
        Feature::JsonSchema => {
            &["response_format", "response_format.type", "text.format", "text.format.type", "json_schema"]
        }
        Feature::JsonObject => {
            &["response_format", "response_format.type", "text.format", "text.format.type", "json_object"]
        }
        Feature::EncryptedReasoning => {
            &["include", "include[0]", "include.0", "reasoning.encrypted_content", "encrypted_content"]
        }
        Feature::Store => &["store"],
        Feature::PreviousResponse => &["previous_response_id"],
    };
    names.contains(&path)
}

/// Whether a path is that of an object with this feature in it. Such a word says too little when it stands in a text.
fn is_group(path: &str, feature: Feature) -> bool {
    match feature {
        Feature::ReasoningEffort | Feature::ReasoningSummary => path == "reasoning",
        Feature::JsonSchema | Feature::JsonObject => path == "text",
        _ => false,
    }
}

fn is_reasoning_of_a_message(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    matches!(last, "reasoning" | "reasoning_content" | "reasoning_details" | "thinking_blocks")
}

/// `strict` at a tool or at a format, and not a property of this name in somebody's schema.
fn is_strict(path: &str) -> bool {
    let mut parts = path.split('.').rev();
    parts.next() == Some("strict")
        && parts.all(|part| !matches!(part, "parameters" | "properties" | "schema" | "arguments"))
}

#[cfg(test)]
mod tests;
