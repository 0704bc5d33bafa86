//! How much the model thinks and how much of it is shown.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use serde::Serialize;

/// The smallest budget that the API takes.
pub const MIN_THINKING_BUDGET: u32 = 1024;

/// How much the model thinks, and whether its thoughts can be read.
///
/// Which of these a model takes differs: the current ones think adaptively unless told otherwise and refuse a
/// budget, the older ones think only when given one. Without this setting nothing is sent and the model does as
/// it does by default; the current ones then keep their thoughts, and what they say between tool calls, to
/// themselves. How *hard* an adaptive model thinks is `ModelSettings::reasoning_effort`.
///
/// A model that thinks by a budget cannot be made to call a tool (`ToolChoice::Required`, `ToolChoice::Tool`): such a
/// request fails before it is sent. Of the current models some (`claude-sonnet-5-5`, `claude-opus-5-5`) cannot be
/// made to at all; the server says so.
///
/// ```
/// use agentexec_runner_claude::Thinking;
///
/// // Readable thoughts as reasoning deltas, where the model would keep them to itself by default.
/// let thinking = Thinking::adaptive().summarized();
/// # let _ = thinking;
/// ```
///
/// Source: <https://platform.claude.com/docs/en/build-with-claude/thinking>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

impl Thinking {
    /// The model decides when and how much to think.
    #[must_use]
    pub fn adaptive() -> Self {
        Self::of("adaptive")
    }

    /// Up to this many tokens of thought: at least [`MIN_THINKING_BUDGET`] and fewer than the request's limit on
    /// output tokens, of which they are a part. A request outside this range fails before it is sent.
    ///
    /// Between tool calls such a model thinks only with
    /// [`Claude::beta`](crate::Claude::beta)`("interleaved-thinking-2025-05-14")`.
    #[must_use]
    pub fn budget(tokens: u32) -> Self {
        Self { budget_tokens: Some(tokens), ..Self::of("enabled") }
    }

    /// No thinking but short notes between tool calls.
    #[must_use]
    pub fn between_tools() -> Self {
        Self::of("between_tools")
    }

    /// No thinking.
    #[must_use]
    pub fn disabled() -> Self {
        Self::of("disabled")
    }

    /// Asks for readable summaries of the thoughts.
    #[must_use]
    pub fn summarized(self) -> Self {
        Self { display: Some("summarized"), ..self }
    }

    /// Asks for signatures only, which is quicker to begin with.
    #[must_use]
    pub fn omitted(self) -> Self {
        Self { display: Some("omitted"), ..self }
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.budget_tokens.is_some()
    }

    /// Refuses a budget that the API would refuse.
    pub(crate) fn check(&self, max_tokens: u32) -> Result<(), ModelError> {
        let Some(budget) = self.budget_tokens else { return Ok(()) };
        if (MIN_THINKING_BUDGET..max_tokens).contains(&budget) {
            return Ok(());
        }
        let message = format!(
            "a thinking budget of {budget} tokens is out of range: it must be at least {MIN_THINKING_BUDGET} and \
             below the limit on output tokens, here {max_tokens}; lower the budget or raise the limit"
        );
        Err(ModelError::new(ModelErrorKind::InvalidRequest, message))
    }

    fn of(kind: &'static str) -> Self {
        Self { kind, budget_tokens: None, display: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lies_between_the_least_and_the_output_limit() {
        assert!(Thinking::budget(1024).check(2000).is_ok());
        assert!(Thinking::adaptive().check(1).is_ok());
        for (budget, limit) in [(1023, 2000), (2000, 2000)] {
            let error = Thinking::budget(budget).check(limit).unwrap_err();
            assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
            assert!(error.message().contains(&budget.to_string()), "{error}");
        }
    }
}
