//! Seeing changes as they happen.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;

use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{AgentId, Error, LogEntry, Message};

/// A stream of changes. It ends when the store shuts down.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Error>> + Send>>;

/// A place in the stream of changes of a store. Its text form is opaque and safe in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchCursor(u128);

impl WatchCursor {
    /// The place with this number; stores number their events in rising order.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for WatchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for WatchCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| Error::invalid("cursor", "it is not one that a watch gave; watch from now"))
    }
}

impl Serialize for WatchCursor {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WatchCursor {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchFrom {
    /// With the next change.
    #[default]
    Now,
    /// Behind an event that was seen before. [`Error::CursorExpired`] when what follows it was trimmed.
    After(WatchCursor),
}

/// Something that happened to an activity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WatchEvent {
    /// A log entry was written: a change of status, or progress.
    Logged {
        /// The place of this event.
        cursor: WatchCursor,
        /// The activity.
        id: AgentId,
        /// The entry.
        entry: LogEntry,
    },
    /// Somebody asked to cancel a running activity.
    CancelRequested {
        /// The place of this event.
        cursor: WatchCursor,
        /// The activity.
        id: AgentId,
        /// Why.
        reason: Message,
    },
    /// The activity was removed, its log with it.
    Purged {
        /// The place of this event.
        cursor: WatchCursor,
        /// The activity.
        id: AgentId,
    },
    /// This watcher was too slow: the events between these places, both included, were not delivered. Read what
    /// you need from the store; the watch goes on behind them.
    Lagged {
        /// The first place that was left out.
        from: WatchCursor,
        /// The last place that was left out.
        to: WatchCursor,
    },
}

impl WatchEvent {
    /// The place to go on from after this event.
    #[must_use]
    pub fn cursor(&self) -> WatchCursor {
        match self {
            Self::Logged { cursor, .. }
            | Self::CancelRequested { cursor, .. }
            | Self::Purged { cursor, .. } => *cursor,
            Self::Lagged { to, .. } => *to,
        }
    }

    /// The activity that it is about; nothing for [`WatchEvent::Lagged`].
    #[must_use]
    pub fn id(&self) -> Option<AgentId> {
        match self {
            Self::Logged { id, .. } | Self::CancelRequested { id, .. } | Self::Purged { id, .. } => Some(*id),
            Self::Lagged { .. } => None,
        }
    }
}
