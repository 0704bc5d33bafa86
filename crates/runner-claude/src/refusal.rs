//! Reading a refusal: does it name a part of the request as one that the server does not know?
//!
//! A real error must never be hidden behind a second, poorer request. So all of this must hold: the status is 400 or
//! 422 (or the body of a 200 says so); the part is one that was sent; the refusal names it, and says in the same
//! sentence that it is not known or not supported. Where the poorer request is refused as well, that refusal is the
//! error.
//!
//! The API has no codes for any of it; the cases of the tests are what it and compatible servers write.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};

use crate::features::{Feature, Features};

/// The feature that the server refuses, of those that were `sent`.
pub(crate) fn refused(error: &ModelError, sent: Features) -> Option<Feature> {
    if error.kind() != ModelErrorKind::InvalidRequest
        || !matches!(error.status(), Some(200..=299 | 400 | 422))
    {
        return None;
    }
    let said = error.message().to_lowercase();
    // A refusal may be quoted in another, so only what a sentence says belongs together.
    sent.iter().find(|feature| said.split(". ").any(|sentence| Sentence(sentence).refuses(*feature)))
}

/// A sentence in small letters.
#[derive(Clone, Copy)]
struct Sentence<'a>(&'a str);

impl Sentence<'_> {
    fn refuses(self, feature: Feature) -> bool {
        match feature {
            // "messages.1.content.0: Invalid `signature` in `thinking` block", and then why.
            Feature::EchoedReasoning => {
                self.names(&["thinking"])
                    && (self.names(&["signature"]) || (self.names(&["messages"]) && self.is_unsupported()))
            }
            // "tools.3.cache_control: Extra inputs are not permitted".
            Feature::PromptCache => self.names(&["cache_control"]) && self.is_unsupported(),
            // "tools.0.custom.strict: Extra inputs are not permitted". A complaint about the schema of a tool counts
            // too: the one that is not strict has fewer rules to break.
            Feature::StrictTools => {
                (self.names(&["strict"]) && self.is_unsupported())
                    || self.is_too_complex()
                    || (self.names(&["tools"]) && self.names(&["schema", "input_schema"]))
            }
            Feature::JsonSchema => {
                let named = self.names(&["output_config", "output_format", "json_schema", "structured"])
                    && !self.says(&["output_config.effort"]);
                (named && (self.is_unsupported() || self.names(&["schema"]))) || self.is_too_complex()
            }
            // A level that a model does not have is the caller's mistake; a model without levels is not.
            Feature::ReasoningEffort => {
                (self.names(&["effort", "output_config"]) && self.is_unknown())
                    || self.says(&["not support the effort parameter"])
            }
            // "thinking: Extra inputs are not permitted". That a model does not think in this way is not for us
            // to mend.
            Feature::Thinking => self.names(&["thinking"]) && !self.names(&["messages"]) && self.is_unknown(),
            Feature::UndeclaredCalls => self.says(&[
                "must define tools",
                "without `tools=` param",
                "toolconfig field must be defined",
            ]),
        }
    }

    /// Whether one of these words stands in it.
    fn names(self, words: &[&str]) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.0.split(|c| !is_part(c)).any(|word| words.contains(&word))
    }

    fn says(self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.0.contains(phrase))
    }

    /// Whether the server has never heard of something.
    fn is_unknown(self) -> bool {
        self.says(&["extra inputs are not permitted", "unknown", "unrecognized", "unexpected"])
    }

    /// Whether the server or the model cannot do something.
    fn is_unsupported(self) -> bool {
        self.is_unknown()
            || self.says(&["not support", "unsupported", "not permitted", "not allowed", "not available"])
    }

    /// "The compiled grammar is too large", "Schema is too complex for compilation": the limit behind it is not
    /// documented and holds for all strict schemas of a request together.
    fn is_too_complex(self) -> bool {
        self.names(&["grammar"]) || self.says(&["too complex"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Feature; 7] = [
        Feature::EchoedReasoning,
        Feature::PromptCache,
        Feature::StrictTools,
        Feature::JsonSchema,
        Feature::ReasoningEffort,
        Feature::Thinking,
        Feature::UndeclaredCalls,
    ];

    fn refused_of(message: &str, sent: &[Feature]) -> Option<Feature> {
        let error = ModelError::new(ModelErrorKind::InvalidRequest, format!("Anthropic: {message}"));
        refused(&error.with_status(400), sent.iter().copied().collect())
    }

    #[test]
    fn what_servers_say_of_what_they_do_not_know() {
        for (message, feature) in [
            (
                "messages.1.content.0: Invalid `signature` in `thinking` block. It was bound to another model.",
                Feature::EchoedReasoning,
            ),
            ("messages.1.content.0.type: unknown variant `thinking`", Feature::EchoedReasoning),
            ("tools.3.cache_control: Extra inputs are not permitted", Feature::PromptCache),
            ("messages.0.content.0.text.cache_control: Extra inputs are not permitted", Feature::PromptCache),
            ("tools.0.custom.strict: Extra inputs are not permitted", Feature::StrictTools),
            ("body.tools.0.strict: Extra inputs are not permitted", Feature::StrictTools),
            ("json: unknown field \"strict\"", Feature::StrictTools),
            ("Strict tools are not supported by this model.", Feature::StrictTools),
            ("The compiled grammar is too large. Reduce the number of strict tools.", Feature::StrictTools),
            ("Schema is too complex for compilation.", Feature::StrictTools),
            ("tools.0.custom: Invalid schema: 'pattern' is too long", Feature::StrictTools),
            ("output_config: Extra inputs are not permitted", Feature::JsonSchema),
            ("output_config.format: Extra inputs are not permitted", Feature::JsonSchema),
            ("This model does not support structured outputs.", Feature::JsonSchema),
            ("output_config.effort: Extra inputs are not permitted", Feature::ReasoningEffort),
            ("This model does not support the effort parameter.", Feature::ReasoningEffort),
            ("thinking: Extra inputs are not permitted", Feature::Thinking),
            (
                "Requests which include `tool_use` or `tool_result` blocks must define tools.",
                Feature::UndeclaredCalls,
            ),
            (
                "Anthropic doesn't support tool calling without `tools=` param specified for this.",
                Feature::UndeclaredCalls,
            ),
        ] {
            assert_eq!(refused_of(message, &ALL), Some(feature), "{message}");
        }
    }

    #[test]
    fn what_was_not_sent_is_not_what_the_server_refuses() {
        let effort = [Feature::ReasoningEffort];
        let unknown = "output_config: Extra inputs are not permitted";
        assert_eq!(refused_of(unknown, &effort), Some(Feature::ReasoningEffort));
        let schema = [Feature::JsonSchema];
        assert_eq!(refused_of("Schema is too complex for compilation.", &schema), Some(Feature::JsonSchema));
        assert_eq!(refused_of("tools.0.strict: unknown field", &schema), None);
    }

    #[test]
    fn other_complaints_are_the_callers() {
        for message in [
            "max_tokens: must be greater than thinking.budget_tokens",
            "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
            "Thinking may not be enabled when tool_choice forces tool use.",
            "thinking.type.disabled is not supported for this model; use between_tools",
            "adaptive thinking is not supported on this model",
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
            "This model does not support effort level 'max'.",
            "A maximum of 4 blocks with cache_control may be provided. Found 5. That is not allowed.",
            "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks",
            "temperature: unknown field",
            "the restricted field is unknown",
        ] {
            assert_eq!(refused_of(message, &ALL), None, "{message}");
        }
    }

    #[test]
    fn only_a_refusal_of_the_request_as_it_is_counts() {
        let sent: Features = ALL.into_iter().collect();
        let said = "cache_control is not supported";
        let of = |kind, status| refused(&ModelError::new(kind, said).with_status(status), sent);
        assert_eq!(of(ModelErrorKind::InvalidRequest, 422), Some(Feature::PromptCache));
        assert_eq!(of(ModelErrorKind::InvalidRequest, 200), Some(Feature::PromptCache));
        assert_eq!(of(ModelErrorKind::InvalidRequest, 405), None);
        assert_eq!(of(ModelErrorKind::Overloaded, 529), None);
    }
}
