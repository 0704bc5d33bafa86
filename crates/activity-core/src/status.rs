//! The five statuses and which may follow which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Where an activity stands. Terminal statuses are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting to start.
    Queued,
    /// Being worked on.
    Running,
    /// Ended well. Final.
    Complete,
    /// Ended with an error. Final, unless somebody asks for another attempt.
    Error,
    /// Stopped on request. Final, unless somebody asks for another attempt.
    Canceled,
}

impl Status {
    /// All of them, in the order of their life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Complete, Self::Error, Self::Canceled];

    /// Whether the activity has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Canceled)
    }

    /// The place in lists: running first, then queued, then everything that has ended.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::Queued => 1,
            Self::Complete | Self::Error | Self::Canceled => 2,
        }
    }

    /// Its name in stores, in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            Error::invalid(
                "status",
                format!("{text:?} is not one of queued, running, complete, error, canceled"),
            )
        })
    }
}
