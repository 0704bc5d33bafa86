//! What a server may not know, and is asked without then.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

/// The most models of which a client remembers what they do not know. Beyond them each request finds it out anew.
pub const MAX_REMEMBERED_MODELS: usize = 256;

/// A part of a provider's requests that not every server and not every model knows: an enum of them, at most 32.
pub trait OptionalFeature: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// Each, in the order in which refusals are compared with them.
    const ALL: &'static [Self];
}

/// A set of features.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Features<F> {
    bits: u32,
    of: PhantomData<F>,
}

impl<F: OptionalFeature> Features<F> {
    /// The empty set.
    pub const NONE: Self = Self { bits: 0, of: PhantomData };

    fn bit(feature: F) -> u32 {
        F::ALL.iter().position(|other| *other == feature).map_or(0, |place| 1 << place)
    }

    fn of(bits: u32) -> Self {
        Self { bits, ..Self::NONE }
    }

    /// The set and this one.
    #[must_use]
    pub fn with(self, feature: F) -> Self {
        Self::of(self.bits | Self::bit(feature))
    }

    /// The set, and this one if so.
    #[must_use]
    pub fn with_if(self, holds: bool, feature: F) -> Self {
        if holds { self.with(feature) } else { self }
    }

    /// All of both sets.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self::of(self.bits | more.bits)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn except(self, other: Self) -> Self {
        Self::of(self.bits & !other.bits)
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn has(self, feature: F) -> bool {
        self.bits & Self::bit(feature) != 0
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// What is in the set, in the order of [`OptionalFeature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = F> {
        F::ALL.iter().copied().filter(move |feature| self.has(*feature))
    }
}

impl<F: OptionalFeature> Default for Features<F> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<F: OptionalFeature> fmt::Debug for Features<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<F: OptionalFeature> FromIterator<F> for Features<F> {
    fn from_iter<I: IntoIterator<Item = F>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What a client goes without: what it was told, and what it has found out. Clones share what they find out.
#[derive(Clone, Debug)]
pub struct Adaptation<F: OptionalFeature> {
    without: Features<F>,
    steps_down: bool,
    learned: Arc<Mutex<HashMap<String, Features<F>>>>,
}

impl<F: OptionalFeature> Default for Adaptation<F> {
    fn default() -> Self {
        Self { without: Features::NONE, steps_down: true, learned: Arc::default() }
    }
}

impl<F: OptionalFeature> Adaptation<F> {
    /// Goes without this from the start.
    #[must_use]
    pub fn without(mut self, feature: F) -> Self {
        self.without = self.without.with(feature);
        self
    }

    /// Sets whether a refused request is sent again with less. Default: true.
    #[must_use]
    pub fn step_down(mut self, on: bool) -> Self {
        self.steps_down = on;
        self
    }

    pub(crate) fn steps_down(&self) -> bool {
        self.steps_down
    }

    /// What requests to this model go without.
    pub(crate) fn for_model(&self, model: &str) -> Features<F> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        self.without.and(learned.get(model).copied().unwrap_or_default())
    }

    /// Remembers that this model is to be asked without these.
    pub(crate) fn learn(&self, model: &str, without: Features<F>) {
        if without.is_empty() {
            return;
        }
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

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Feature {
        Strict,
        Store,
        Effort,
    }

    impl OptionalFeature for Feature {
        const ALL: &'static [Self] = &[Self::Effort, Self::Strict, Self::Store];
    }

    fn strict() -> Features<Feature> {
        Features::NONE.with(Feature::Strict)
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Features<Feature> = [Feature::Strict, Feature::Effort].into_iter().collect();
        assert!(set.has(Feature::Strict) && !set.has(Feature::Store));
        assert_eq!(format!("{set:?}"), "{Effort, Strict}");
        assert_eq!(set.except(strict()).with_if(false, Feature::Store), Features::NONE.with(Feature::Effort));
    }

    #[test]
    fn what_is_learned_of_a_model_is_shared_by_clones_and_is_not_held_against_others() {
        let adaptation = Adaptation::default().without(Feature::Effort);
        let clone = adaptation.clone();
        clone.learn("small", strict());
        clone.learn("small", Features::NONE.with(Feature::Store));
        assert_eq!(adaptation.for_model("small").iter().count(), 3);
        assert_eq!(adaptation.for_model("large"), Features::NONE.with(Feature::Effort));
    }

    #[test]
    fn only_so_many_models_are_remembered() {
        let adaptation = Adaptation::default();
        for model in 0..=MAX_REMEMBERED_MODELS {
            adaptation.learn(&model.to_string(), strict());
        }
        assert_eq!(adaptation.for_model("0"), strict());
        assert_eq!(adaptation.for_model(&MAX_REMEMBERED_MODELS.to_string()), Features::NONE);
    }
}
