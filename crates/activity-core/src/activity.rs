//! The record of one piece of work, and its log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentId, Attempt, Message, Metadata, Percent, Status, Timestamp};

/// The record of one piece of work.
///
/// Metadata is left out when this is serialized, since it often names the tenant; take it from
/// [`metadata`](Self::metadata) where the reader may see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Activity {
    /// Its id.
    pub id: AgentId,
    /// What kind of work it is, for example `research`.
    #[serde(rename = "type")]
    pub activity_type: String,
    /// Where it stands.
    pub status: Status,
    /// How far it has come.
    pub percentage: Percent,
    /// The attempt that is under way, or was the last.
    pub attempt: Attempt,
    /// The newest message of the log.
    pub message: Message,
    /// When it was created.
    pub created: Timestamp,
    /// When the newest log entry was written.
    pub updated: Timestamp,
    /// When the attempt started, once it has.
    pub started: Option<Timestamp>,
    /// When it ended, once it has.
    pub ended: Option<Timestamp>,
    /// Why somebody asked to cancel it, once somebody has.
    pub cancel_requested: Option<Message>,
    /// What it can be found by.
    #[serde(skip)]
    pub metadata: Metadata,
}

impl Activity {
    /// A record with the fields that every activity has from its creation; the others are as they are then.
    #[must_use]
    pub fn queued(new: &NewActivity, at: Timestamp) -> Self {
        Self {
            id: new.id,
            activity_type: new.activity_type.clone(),
            status: Status::Queued,
            percentage: Percent::ZERO,
            attempt: Attempt::FIRST,
            message: new.message.clone(),
            created: at,
            updated: at,
            started: None,
            ended: None,
            cancel_requested: None,
            metadata: new.metadata.clone(),
        }
    }

    /// How long the attempt has run: until it ended, or until `now`. Nothing before it has started.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Duration> {
        Some(self.ended.unwrap_or(now).since(self.started?))
    }
}

/// An activity to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewActivity {
    /// Its id, made by the client: creating it twice changes nothing.
    pub id: AgentId,
    /// What kind of work it is: 1 to [`TYPE_LIMIT`] bytes without control characters.
    pub activity_type: String,
    /// The first message of its log.
    pub message: Message,
    /// What it can be found by.
    pub metadata: Metadata,
}

/// The most bytes of an activity's type.
pub const TYPE_LIMIT: usize = 128;

/// One entry of an activity's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Its number within the activity, from 1, without a gap at the time of writing.
    pub seq: u64,
    /// When it was written, by the store's clock.
    pub at: Timestamp,
    /// The attempt that it belongs to.
    pub attempt: Attempt,
    /// The status after it.
    pub status: Status,
    /// The percentage after it.
    pub percentage: Percent,
    /// Whether it only reports progress. Such entries may be trimmed, oldest first; the others never are.
    pub progress: bool,
    /// What it says.
    pub message: Message,
}

/// An activity with a page of its log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Detail {
    /// The record.
    #[serde(flatten)]
    pub activity: Activity,
    /// Entries of the log, oldest first.
    pub log: Vec<LogEntry>,
    /// Progress entries below this number may have been trimmed; nothing was when it is 0.
    pub trimmed_before: u64,
    /// The number to ask for next when the log goes on behind this page.
    pub next: Option<u64>,
}

impl Detail {
    /// A record with a page of its log.
    #[must_use]
    pub fn new(activity: Activity, log: Vec<LogEntry>, trimmed_before: u64, next: Option<u64>) -> Self {
        Self { activity, log, trimmed_before, next }
    }
}

impl LogEntry {
    /// An entry of the first attempt, at 0 %, that does more than report progress. A store that reads an entry back
    /// sets the rest.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, status: Status, message: Message) -> Self {
        Self { seq, at, attempt: Attempt::FIRST, status, percentage: Percent::ZERO, progress: false, message }
    }

    /// The entry of what `activity` has become.
    #[must_use]
    pub fn of(activity: &Activity, seq: u64, at: Timestamp, progress: bool) -> Self {
        let Activity { attempt, status, percentage, .. } = *activity;
        Self { seq, at, attempt, status, percentage, progress, message: activity.message.clone() }
    }
}

/// How many activities there are in each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting to start.
    pub queued: u64,
    /// Being worked on.
    pub running: u64,
    /// Ended well.
    pub complete: u64,
    /// Ended with an error.
    pub error: u64,
    /// Stopped on request.
    pub canceled: u64,
}

impl Counts {
    /// Those that have not ended: queued and running.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.queued + self.running
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        Status::ALL.iter().map(|status| self.of(*status)).sum()
    }

    /// Those in `status`.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        match status {
            Status::Queued => self.queued,
            Status::Running => self.running,
            Status::Complete => self.complete,
            Status::Error => self.error,
            Status::Canceled => self.canceled,
        }
    }

    /// The count of `status`, to be changed by a store.
    pub fn of_mut(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Queued => &mut self.queued,
            Status::Running => &mut self.running,
            Status::Complete => &mut self.complete,
            Status::Error => &mut self.error,
            Status::Canceled => &mut self.canceled,
        }
    }
}
