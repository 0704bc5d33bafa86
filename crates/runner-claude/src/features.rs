//! What a server may not know, and is asked without then.

use agentexec_runner_http::OptionalFeature;

/// A part of a request that not every server and not every model knows.
///
/// A request that is refused for one of them is sent again without it; to leave it out from the start, name it in
/// [`Claude::without`](crate::Claude::without).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// The model's earlier thoughts, which go back to it. Newer models refuse them where anything before them is not
    /// as it was when they were thought (other instructions, other tools, another account), so that a model refuses
    /// them once says nothing of the next conversation, and is not remembered.
    EchoedReasoning,
    /// `cache_control`, the breakpoints of the prompt cache. Without them every turn is read, and paid for, in full.
    PromptCache,
    /// `strict` at tools. Without it the server does not hold the model to their schemas.
    StrictTools,
    /// A schema for the answer, `output_config.format`. Without it the instructions tell the schema.
    JsonSchema,
    /// `output_config.effort`. Without it the model thinks as hard as it does by default.
    ReasoningEffort,
    /// `thinking`. Without it the model thinks as much as it does by default.
    Thinking,
    /// Tool calls in the history of a request that has no tools, as when an agent wraps up. Without it the tools that
    /// were called are declared by name, and the model is told to call none.
    UndeclaredCalls,
}

impl OptionalFeature for Feature {
    /// Of two that fit a refusal the first is given up, and the server complains again if it was the other.
    const ALL: &'static [Self] = &[
        Self::EchoedReasoning,
        Self::PromptCache,
        Self::StrictTools,
        Self::JsonSchema,
        Self::ReasoningEffort,
        Self::Thinking,
        Self::UndeclaredCalls,
    ];
}

/// A set of features.
pub(crate) type Features = agentexec_runner_http::Features<Feature>;
