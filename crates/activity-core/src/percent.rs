//! How far an activity has come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A percentage, 0 to 100.
///
/// ```
/// use agentexec_activity_core::Percent;
///
/// assert_eq!(Percent::new(40).unwrap().get(), 40);
/// assert!(Percent::new(101).is_err());
/// assert_eq!(Percent::clamped(150), Percent::FULL);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// 0 %.
    pub const ZERO: Self = Self(0);
    /// 100 %.
    pub const FULL: Self = Self(100);

    /// A percentage; an error that names it when it is above 100.
    pub fn new(value: u8) -> Result<Self, Error> {
        if value > 100 {
            return Err(Error::invalid("percentage", format!("{value} is not between 0 and 100")));
        }
        Ok(Self(value))
    }

    /// The nearest percentage: what is below 0 becomes 0, what is above 100 becomes 100.
    #[must_use]
    pub fn clamped(value: i64) -> Self {
        Self(u8::try_from(value.clamp(0, 100)).unwrap_or(100))
    }

    /// The number, 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = Error;

    fn try_from(value: u8) -> Result<Self, Error> {
        Self::new(value)
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}
