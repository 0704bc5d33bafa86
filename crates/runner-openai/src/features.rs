//! What a server may not know, and is asked without then.

use agentexec_runner_http::OptionalFeature;

/// A part of a request that not every server and not every model knows.
///
/// A request that is refused for one of them is sent again without it; to leave it out from the start, name it in
/// [`ChatCompletions::without`](crate::ChatCompletions::without) or [`Responses::without`](crate::Responses::without).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `stream_options: {"include_usage": true}`. Without it the usage of a streamed answer is not known, unless the
    /// server tells it unasked.
    StreamUsage,
    /// `max_completion_tokens`. Without it the limit is sent in the older `max_tokens`.
    MaxCompletionTokens,
    /// `max_tokens`, which is sent only without [`MaxCompletionTokens`](Self::MaxCompletionTokens). Without both no limit
    /// is sent, and the server's own holds.
    MaxTokens,
    /// `strict` at tools and at the schema of the answer. Without it the provider does not hold the model to them.
    Strict,
    /// `parallel_tool_calls`. Without it the model may ask for as many tools as it likes.
    ParallelToolCalls,
    /// `reasoning_effort` (Chat Completions), `reasoning.effort` (Responses). Without it the model thinks as much as it
    /// does by default.
    ReasoningEffort,
    /// `reasoning.summary`. Without it the reasoning is not readable.
    ReasoningSummary,
    /// The reasoning that the server sent with an answer, which goes back to it.
    ///
    /// In Chat Completions it goes in the fields that it came in. DeepSeek, Gemini behind OpenRouter and Claude behind
    /// LiteLLM refuse a turn with tool calls without it; OpenAI sends none, so nothing goes back there.
    ///
    /// In the Responses API it goes as items of their own. A model that does not reason refuses those of one that does,
    /// and OpenAI cannot read those of another organization. That says nothing of the next conversation and is not
    /// remembered; in this one what was thought so far stays behind, and what is thought from then on goes back.
    EchoedReasoning,
    /// A schema for the answer: `response_format` or `text.format` of type `json_schema`. Without it the format is
    /// `json_object`, and the instructions tell the schema.
    JsonSchema,
    /// The format `json_object`. Without it the instructions alone tell the schema.
    JsonObject,
    /// `include: ["reasoning.encrypted_content"]`. Without it the next turn of a model that thinks begins without
    /// what it thought before.
    EncryptedReasoning,
    /// `store`. Without it the server does as it does by default.
    Store,
    /// `previous_response_id`. Without it each request holds the whole transcript.
    PreviousResponse,
}

impl OptionalFeature for Feature {
    /// What is more specific stands first.
    const ALL: &'static [Self] = &[
        Self::StreamUsage,
        Self::MaxCompletionTokens,
        Self::MaxTokens,
        Self::Strict,
        Self::ParallelToolCalls,
        Self::ReasoningEffort,
        Self::ReasoningSummary,
        Self::EchoedReasoning,
        Self::JsonSchema,
        Self::JsonObject,
        Self::EncryptedReasoning,
        Self::Store,
        Self::PreviousResponse,
    ];
}

/// A set of features.
pub(crate) type Features = agentexec_runner_http::Features<Feature>;
