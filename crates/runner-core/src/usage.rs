//! Token counts, summed over a run and kept per turn.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens that a model charged for.
///
/// `input_tokens` counts everything the model read, the part served from a cache included, whatever way the
/// provider splits it; `cached_tokens` and `cache_write_tokens` are parts of it. `reasoning_tokens` are a part
/// of `output_tokens`. A number that a provider does not report is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens read in all, cached ones included.
    pub input_tokens: u64,
    /// Tokens written in all, reasoning included.
    pub output_tokens: u64,
    /// The part of `input_tokens` that was served from a prompt cache.
    pub cached_tokens: u64,
    /// The part of `input_tokens` that was written to a prompt cache.
    pub cache_write_tokens: u64,
    /// The part of `output_tokens` that was spent on reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Counts with the given input and output and nothing cached.
    #[must_use]
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self { input_tokens, output_tokens, ..Self::default() }
    }

    /// Input and output together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(turns: I) -> Self {
        turns.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_never_wraps() {
        let most = Usage::new(u64::MAX, 1);
        let sum: Usage = [most, Usage::new(2, 3)].into_iter().sum();
        assert_eq!((sum.input_tokens, sum.output_tokens), (u64::MAX, 4));
        assert_eq!(sum.total_tokens(), u64::MAX);
    }
}
