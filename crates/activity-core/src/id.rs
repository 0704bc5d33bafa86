//! Names of things: the id of an activity, of a write, and the number of an attempt.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// The id of an activity: a UUID version 7, made by the client, so that a create can be sent again safely.
///
/// Ids of one process sort by time of making. Across machines they do not: order activities by the time of
/// their creation at the store, and by id only between equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentId(Uuid);

impl AgentId {
    /// A new id, unique everywhere.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each call gives another id, which a default must not")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// An id with these 128 bits; any UUID version is taken.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// The 128 bits of the id.
    #[must_use]
    pub const fn as_u128(&self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AgentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::from_str(text).map(Self).map_err(|_| {
            Error::invalid("id", format!("{text:?} is not a UUID; take the id that `create` or `list` gave"))
        })
    }
}

/// The number of a try at an activity by one worker. It starts at 1 and grows with every requeue or retry, and
/// it fences: a write of an older attempt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub struct Attempt(u32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(1);

    /// The attempt of this number; 0 is taken as 1.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(if number == 0 { 1 } else { number })
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl From<u32> for Attempt {
    fn from(number: u32) -> Self {
        Self::new(number)
    }
}

impl From<Attempt> for u32 {
    fn from(attempt: Attempt) -> Self {
        attempt.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of one write. A store that sees the same name again answers as it did the first time and changes
/// nothing, so a write whose answer was lost can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new name, unique everywhere.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each call gives another name, which a default must not")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// A request id with these 128 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// The 128 bits of the id.
    #[must_use]
    pub const fn as_u128(&self) -> u128 {
        self.0.as_u128()
    }
}

/// Makes request ids without asking for randomness each time: a random half and a counter.
#[derive(Debug)]
pub(crate) struct RequestIds {
    high: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { high: Uuid::new_v4().as_u64_pair().1, next: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> RequestId {
        let low = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(Uuid::from_u64_pair(self.high, low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_numbered_from_one_wherever_they_come_from() {
        assert_eq!(serde_json::from_str::<Attempt>("0").unwrap(), Attempt::FIRST);
        assert_eq!(serde_json::to_string(&Attempt::new(7)).unwrap(), "7");
    }

    #[test]
    fn what_is_not_an_id_is_refused_by_name() {
        let error = "42".parse::<AgentId>().unwrap_err().to_string();
        assert!(error.contains("\"42\" is not a UUID"), "{error}");
    }
}
