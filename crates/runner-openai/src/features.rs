//! What a server may not know, and is asked without then.
//!
//! Compatible servers know less of the protocols than OpenAI, and each of OpenAI's models less than all of them. A
//! request whose refusal names a parameter as unknown is sent again without it, once for each parameter, and what was
//! found out is remembered for the model that was asked, by the client and its clones. The status must be 400 or 422,
//! and the refusal must name the parameter itself: an error about a value, a schema or anything else stays an error.
//!
//! ```
//! use agentexec_runner_openai::{Feature, OpenAi};
//!
//! // A server that is known to know less is not asked in vain.
//! let model = OpenAi::at("http://localhost:8000").chat()?.without(Feature::MaxCompletionTokens);
//! // A refusal is to stay one.
//! let strict = OpenAi::at("http://localhost:8000").chat()?.step_down(false);
//! # let _ = (model, strict);
//! # Ok::<(), agentexec_agent_core::model::ModelError>(())
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The most models of which a client remembers what they do not know. Beyond them each request finds it out anew.
pub const MAX_REMEMBERED_MODELS: usize = 256;

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
    /// `max_tokens`, which is sent only without [`MaxCompletionTokens`](Self::MaxCompletionTokens).
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

impl Feature {
    /// Each, in the order in which refusals are compared with them: what is more specific stands first.
    const ALL: [Self; 13] = [
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
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Features(u16);

impl Features {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u16)
    }

    pub(crate) fn with_if(self, holds: bool, feature: Feature) -> Self {
        if holds { self.with(feature) } else { self }
    }

    pub(crate) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(crate) fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u16 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.has(*feature))
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::default(), Self::with)
    }
}

/// What a client goes without: what it was told, and what it has found out. Clones share what they find out.
#[derive(Clone, Debug)]
pub(crate) struct Adaptation {
    pub(crate) without: Features,
    /// Whether a refused request is sent again with less.
    pub(crate) steps_down: bool,
    learned: Arc<Mutex<HashMap<String, Features>>>,
}

impl Default for Adaptation {
    fn default() -> Self {
        Self { without: Features::NONE, steps_down: true, learned: Arc::default() }
    }
}

impl Adaptation {
    /// What requests to this model go without.
    pub(crate) fn for_model(&self, model: &str) -> Features {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        self.without.and(learned.get(model).copied().unwrap_or_default())
    }

    /// Remembers that this model is to be asked without these.
    pub(crate) fn learn(&self, model: &str, without: Features) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = learned.get_mut(model) {
            *known = known.and(without);
        } else if learned.len() < MAX_REMEMBERED_MODELS {
            learned.insert(model.to_owned(), without);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Features = [Feature::Strict, Feature::PreviousResponse].into_iter().collect();
        assert!(set.has(Feature::Strict) && !set.has(Feature::Store));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Feature::Strict, Feature::PreviousResponse]);
        assert_eq!(Feature::ALL.into_iter().collect::<Features>().iter().count(), Feature::ALL.len());
    }

    #[test]
    fn what_is_learned_of_a_model_is_shared_by_clones_and_is_not_held_against_others() {
        let adaptation = Adaptation::default();
        let clone = adaptation.clone();
        clone.learn("small", Features::NONE.with(Feature::Strict));
        clone.learn("small", Features::NONE.with(Feature::Store));
        assert_eq!(adaptation.for_model("small").iter().count(), 2);
        assert_eq!(adaptation.for_model("large"), Features::NONE);
    }

    #[test]
    fn only_so_many_models_are_remembered() {
        let adaptation = Adaptation::default();
        let strict = Features::NONE.with(Feature::Strict);
        for model in 0..=MAX_REMEMBERED_MODELS {
            adaptation.learn(&model.to_string(), strict);
        }
        assert_eq!(adaptation.for_model("0"), strict);
        assert_eq!(adaptation.for_model(&MAX_REMEMBERED_MODELS.to_string()), Features::NONE);
    }
}
