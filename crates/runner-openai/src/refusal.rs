//! Reading a refusal: does it name a parameter as one that the server does not know?
//!
//! A real error must never be hidden behind a second, poorer request. So all of this must hold: the status is 400 or
//! 422 (or the body of a 200 says so); the parameter is one that was sent; the refusal names it, in `param`, as the
//! place of a complaint, or in its text; and it says that it is not known or not supported, by its code or in words
//! of the same sentence. What a sentence lists as known does not count. What is wrong with a value or with a schema is
//! no such refusal, but for two values that are always the same: the type of the format, where the server lists others,
//! and what `include` asks for.
//!
//! Servers write it in many ways. Those that these rules were made from are the cases of the tests.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_runner_http::LeaveOut;
use serde_json::Value;

use self::text::{Word, sentences, words};
use crate::features::{Feature, Features};

mod text;

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
    /// All its sentences, in lower case.
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
            said: text::text(error, body.as_ref()),
        }
    }

    fn refuses(&self, feature: Feature) -> bool {
        if self.is_about_a_schema() {
            return false;
        }
        match feature {
            Feature::JsonSchema => self.lists_other_forms("json_schema") || self.names(feature),
            Feature::JsonObject => self.lists_other_forms("json_object") || self.names(feature),
            Feature::EncryptedReasoning if self.is_about_the_included() => true,
            _ => !self.is_about_a_value() && self.names(feature),
        }
    }

    /// Whether it names the feature as one that is not known.
    fn names(&self, feature: Feature) -> bool {
        let is_named = |said: &str| names(before_what_is_known(said), feature);
        match &self.param {
            Some(param) if !is_name(param, feature) && !is_group(param, feature) => false,
            Some(_) if UNKNOWN_CODES.contains(&self.code) => true,
            Some(_) => sentences(&self.said).any(|said| says_unknown(said) || is_named(said)),
            None => sentences(&self.said).any(is_named),
        }
    }

    /// Whether it is about the type of the format and lists those that there are, without this.
    fn lists_other_forms(&self, form: &str) -> bool {
        let is_param = self.param.as_deref().is_some_and(is_type_of_format);
        sentences(&self.said).any(|said| {
            (is_param || words(said).any(|found| is_type_of_format(found.word)))
                && listed(said).is_some_and(|list| {
                    let has = |form| words(list).any(|found| found.word == form);
                    has("text") && !has(form)
                })
        })
    }

    /// Whether it is about what `include` asks for, which is never anything else.
    fn is_about_the_included(&self) -> bool {
        let is_place = |path: &str| matches!(without_body(path), "include[0]" | "include.0");
        match &self.param {
            Some(param) => is_place(param) && self.is_about_a_value(),
            None => sentences(&self.said).any(|said| {
                let is_value = said.contains("input should be") || said.contains("unexpected value");
                is_value && words(said).any(|found| is_place(found.word))
            }),
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
const UNKNOWN: [&str; 28] = [
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
    "extra parameters",
    "extra_forbidden",
    "unexpected field",
    "should not exist",
    "is enabled only for api version",
    "unknown variant `json_schema`",
    "unknown variant `json_object`",
    "please remove the reasoning_content",
];

fn says_unknown(said: &str) -> bool {
    UNKNOWN.iter().any(|words| said.contains(words))
}

/// Words before a list of what there is.
const KNOWN: [&str; 8] = [
    ", expected ",
    "did you mean",
    " supported parameters",
    " allowed parameters",
    " valid parameters",
    " supported fields",
    " allowed fields",
    " valid fields",
];

/// A sentence as far as it does not list what there is.
fn before_what_is_known(said: &str) -> &str {
    let end = KNOWN.iter().filter_map(|words| said.find(words)).min();
    end.and_then(|end| said.get(..end)).unwrap_or(said)
}

/// Words before a list of the values that there are.
const VALUES: [&str; 6] = [
    "input should be ",
    "must be ",
    "expected one of ",
    ", expected ",
    "permitted: ",
    "supported values are: ",
];

/// The values that a sentence lists, without the one that it was given.
fn listed(said: &str) -> Option<&str> {
    let list = VALUES.iter().find_map(|words| Some(said.split_once(words)?.1))?;
    let end = ["got", "input"].iter().filter_map(|words| list.find(words)).min();
    list.get(..end.unwrap_or(list.len()))
}

/// Whether a sentence says of a feature, by one of its names, that it is not known.
fn names(said: &str, feature: Feature) -> bool {
    let is_unknown = says_unknown(said);
    if feature == Feature::EncryptedReasoning && said.contains("encrypted content is not supported") {
        return true;
    }
    words(said).any(|found| {
        is_name(found.word, feature) && is_marked(found) && (is_unknown || found.is_not_allowed())
    })
}

/// Whether a word is marked as a name, or can be nothing else.
fn is_marked(found: Word<'_>) -> bool {
    let is_introduced = || INTRODUCTIONS.iter().any(|words| found.before.ends_with(words));
    !ORDINARY.contains(&found.word) || found.is_quoted() || is_introduced()
}

/// Names that are words of the language too: only where they are marked as names do they count as such.
const ORDINARY: [&str; 4] = ["strict", "store", "include", "reasoning"];

const INTRODUCTIONS: [&str; 5] = ["supplied: ", "parameter: ", "argument: ", "field: ", "property "];

/// A path without what FastAPI puts before it.
fn without_body(path: &str) -> &str {
    path.strip_prefix("body.").unwrap_or(path)
}

/// Whether a path is that of the type of the format.
fn is_type_of_format(path: &str) -> bool {
    TYPES_OF_FORMAT.contains(&without_body(path))
}

const TYPES_OF_FORMAT: [&str; 4] =
    ["response_format", "response_format.type", "text.format", "text.format.type"];

/// Whether a path in lower case is one under which the feature is sent.
fn is_name(path: &str, feature: Feature) -> bool {
    let path = without_body(path);
    let names: &[&str] = match feature {
        Feature::StreamUsage => &["stream_options", "stream_options.include_usage", "include_usage"],
        Feature::MaxCompletionTokens => &["max_completion_tokens"],
        Feature::MaxTokens => &["max_tokens"],
        Feature::Strict => return is_strict(path),
        Feature::ParallelToolCalls => &["parallel_tool_calls"],
        Feature::ReasoningEffort => &["reasoning_effort", "reasoningeffort", "reasoning.effort"],
        Feature::ReasoningSummary => &["reasoning.summary"],
        Feature::EchoedReasoning => return is_reasoning_of_a_message(path),
        Feature::JsonSchema => return path == "json_schema" || is_type_of_format(path),
        Feature::JsonObject => return path == "json_object" || is_type_of_format(path),
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
