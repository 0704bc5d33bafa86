//! What a server may not know, and is asked without then.
//!
//! Servers that speak the protocol know more or less of it: an older model has no structured output, a gateway no
//! prompt cache. A request whose refusal names such a part as unknown is sent again without it, once for each part,
//! and the client remembers that for the model: its clones too, until the program ends. What a refusal must say to
//! count is in [`refusal`](crate::refusal).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The most models of which a client remembers what they do not know. Beyond them each request finds it out anew.
pub const MAX_REMEMBERED_MODELS: usize = 256;

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

impl Feature {
    /// Each, in the order in which refusals are compared with them: of two that fit, the first is given up, and the
    /// server complains again if it was the other.
    const ALL: [Self; 7] = [
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
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Features(u8);

impl Features {
    pub(crate) fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    pub(crate) fn with_if(self, holds: bool, feature: Feature) -> Self {
        if holds { self.with(feature) } else { self }
    }

    pub(crate) fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u8))
    }

    pub(crate) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(crate) fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u8 != 0
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

/// What a client has found out about the models that it asks. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned(Arc<Mutex<HashMap<String, Features>>>);

impl Learned {
    /// What this model is to be asked without.
    pub(crate) fn of(&self, model: &str) -> Features {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied().unwrap_or_default()
    }

    /// Remembers that this model is to be asked without these.
    pub(crate) fn learn(&self, model: &str, without: Features) {
        let without = without.without(Feature::EchoedReasoning);
        if without == Features::default() {
            return;
        }
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let set: Features = [Feature::Thinking, Feature::PromptCache].into_iter().collect();
        assert!(set.has(Feature::Thinking) && !set.has(Feature::StrictTools));
        assert_eq!(format!("{set:?}"), "{PromptCache, Thinking}");
        assert_eq!(set.without(Feature::Thinking).with_if(false, Feature::StrictTools).iter().count(), 1);
        assert_eq!(Feature::ALL.into_iter().collect::<Features>().iter().count(), Feature::ALL.len());
    }

    #[test]
    fn what_is_learned_of_a_model_is_shared_by_clones_and_is_not_held_against_others() {
        let learned = Learned::default();
        learned.clone().learn("small", Features::default().with(Feature::StrictTools));
        learned.clone().learn("small", Features::default().with(Feature::PromptCache));
        assert_eq!(learned.of("small").iter().count(), 2);
        assert_eq!(learned.of("large"), Features::default());
    }

    #[test]
    fn thoughts_that_were_refused_say_nothing_of_the_next_conversation() {
        let learned = Learned::default();
        learned.learn("small", [Feature::EchoedReasoning, Feature::StrictTools].into_iter().collect());
        assert_eq!(learned.of("small"), Features::default().with(Feature::StrictTools));
    }

    #[test]
    fn only_so_many_models_are_remembered() {
        let learned = Learned::default();
        let strict = Features::default().with(Feature::StrictTools);
        for model in 0..=MAX_REMEMBERED_MODELS {
            learned.learn(&model.to_string(), strict);
        }
        assert_eq!(learned.of("0"), strict);
        assert_eq!(learned.of(&MAX_REMEMBERED_MODELS.to_string()), Features::default());
    }
}
