//! What a process says of itself: one line of JSON for each call before it is sent, one for each answer.
//!
//! The lines of a process that was killed are all that is left of what it knew, so they are written at once and
//! whole. They hold what the caller asked for and what it was told, in words of their own, so that the checker does
//! not lean on the code that it checks.

use std::io::{self, Write as _};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use agentexec::activity::{
    AgentId, Attempt, CancelOutcome, Change, Error, Message, Percent, RequestId, Status, Timestamp, Written,
};
use serde::{Deserialize, Serialize};

/// One line of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The process has opened its store and begins.
    Up {
        /// The time by its own clock.
        clock: Timestamp,
    },
    /// A call is about to be sent.
    Sent {
        /// The number of the call within the process.
        call: u64,
        /// The activity.
        id: AgentId,
        /// What is asked for.
        ask: Ask,
    },
    /// The answer to a call has come.
    Answered {
        /// The number of the call.
        call: u64,
        /// The answer.
        answer: Answer,
    },
    /// A run has ended for its caller.
    Ended {
        /// The activity.
        id: AgentId,
        /// How.
        how: End,
    },
    /// A watcher watches from here on.
    Watching,
    /// A watcher saw an entry of a log.
    Seen {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
        /// The status after it.
        status: Status,
    },
    /// A watcher was told that it has missed something.
    Lagged,
    /// Anything else that a test waits for.
    Noted {
        /// What.
        what: String,
    },
}

/// What a call asks of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A new activity.
    Create {
        /// The first message of its log.
        message: Message,
    },
    /// A change.
    Write {
        /// Its name.
        request: RequestId,
        /// The attempt of the writer.
        attempt: Option<Attempt>,
        /// What changes.
        step: Step,
        /// The percentage that it is to have then; nothing when the store decides.
        percentage: Option<Percent>,
        /// What the log is to say.
        message: Message,
    },
    /// To stop an activity.
    Cancel {
        /// Its name.
        request: RequestId,
        /// What the log of a queued one is to say.
        message: Message,
    },
}

/// What a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Queued becomes running.
    Start {
        /// Whether a lease holds it.
        leased: bool,
    },
    /// Running goes on.
    Progress,
    /// Running becomes complete.
    Complete,
    /// Becomes error.
    Fail,
    /// Becomes canceled.
    Cancel,
    /// Its lease was lost: becomes error, queued or canceled.
    Lose,
    /// Running becomes queued again, or canceled.
    Requeue,
    /// What has ended becomes queued again.
    Retry,
}

impl Step {
    /// The step that a change makes; nothing for a change that this crate does not know.
    #[must_use]
    pub fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::Start { lease, .. } => Self::Start { leased: lease.is_some() },
            Change::Progress { .. } => Self::Progress,
            Change::Complete { .. } => Self::Complete,
            Change::Fail { .. } => Self::Fail,
            Change::Cancel => Self::Cancel,
            Change::Lose => Self::Lose,
            Change::Requeue => Self::Requeue,
            Change::Retry => Self::Retry,
            _ => return None,
        })
    }

    /// Whether it may leave an activity in this status.
    #[must_use]
    pub fn may_lead_to(self, status: Status) -> bool {
        match self {
            Self::Start { .. } | Self::Progress => status == Status::Running,
            Self::Complete => status == Status::Complete,
            Self::Fail => status == Status::Error,
            Self::Cancel => status == Status::Canceled,
            Self::Lose => matches!(status, Status::Error | Status::Queued | Status::Canceled),
            Self::Requeue => matches!(status, Status::Queued | Status::Canceled),
            Self::Retry => status == Status::Queued,
        }
    }
}

/// The percentage that an activity has after a change, where that is for the writer to say.
#[must_use]
pub fn percentage_of(change: &Change) -> Option<Percent> {
    match change {
        Change::Start { percentage, .. } | Change::Complete { percentage } => Some(*percentage),
        Change::Progress { percentage, only_raise: false } | Change::Fail { percentage } => *percentage,
        Change::Retry => Some(Percent::ZERO),
        _ => None,
    }
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The activity is there.
    Created,
    /// The change is carried out.
    Written(Entry),
    /// The request to stop has arrived.
    Asked {
        /// Whether the activity, which was queued, is canceled by it.
        canceled: bool,
    },
    /// Nothing was changed, for this reason.
    Refused {
        /// The kind of refusal.
        why: Refusal,
    },
    /// It may have been carried out or not.
    Failed {
        /// What the store said.
        error: String,
    },
}

/// What the log entry of a write says, as its writer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// The status after it.
    pub status: Status,
    /// The percentage after it.
    pub percentage: Percent,
    /// The attempt after it.
    pub attempt: Attempt,
}

impl From<Written> for Entry {
    fn from(written: Written) -> Self {
        let Written { seq, status, percentage, attempt, .. } = written;
        Self { seq, status, percentage, attempt }
    }
}

/// Why a store refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The status does not allow it.
    Status,
    /// Another attempt holds the activity.
    Attempt,
    /// The lease still holds.
    LeaseHeld,
    /// There is no such activity.
    NotFound,
    /// Something else.
    Other,
}

/// How a run ended for its caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With its output.
    Output,
    /// With an error of its own, which the activity says too.
    Failed,
    /// Canceled.
    Canceled,
    /// Dropped by its caller.
    Dropped,
    /// It never started.
    NotStarted,
    /// How it ended could not be recorded.
    Unrecorded {
        /// The output that the error brought along.
        output: Option<String>,
        /// Why it could not be recorded.
        source: String,
    },
}

impl Answer {
    /// The answer that an error is.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        let why = match error {
            Error::Unavailable { .. } => {
                return Self::Failed { error: agentexec::runner::error_chain(error) };
            }
            Error::Refused { .. } => Refusal::Status,
            Error::StaleAttempt { .. } => Refusal::Attempt,
            Error::LeaseHeld { .. } => Refusal::LeaseHeld,
            Error::NotFound { .. } => Refusal::NotFound,
            _ => Refusal::Other,
        };
        Self::Refused { why }
    }

    /// The answer to a request to stop.
    #[must_use]
    pub fn of_cancel(outcome: CancelOutcome) -> Self {
        Self::Asked { canceled: outcome == CancelOutcome::Canceled }
    }
}

/// Where the lines of a process go.
#[derive(Clone, Debug)]
pub struct Teller(To);

#[derive(Clone, Debug)]
enum To {
    Stdout,
    Memory(Heard),
}

/// The lines of a process that is this one.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Mutex<Vec<Line>>>);

impl Heard {
    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Teller {
    /// To the standard output, each line in one piece and at once. When nobody reads it any more the process ends.
    #[must_use]
    pub fn stdout() -> Self {
        Self(To::Stdout)
    }

    /// To memory.
    #[must_use]
    pub fn memory() -> (Self, Heard) {
        let heard = Heard::default();
        (Self(To::Memory(heard.clone())), heard)
    }

    /// Says a line.
    pub fn tell(&self, line: Line) {
        match &self.0 {
            To::Memory(heard) => heard.0.lock().unwrap_or_else(PoisonError::into_inner).push(line),
            To::Stdout => {
                let mut text = serde_json::to_vec(&line).expect("a line is JSON");
                text.push(b'\n');
                // One write for the line and its end, under one lock: a kill falls before it or behind it.
                let mut out = io::stdout().lock();
                if out.write_all(&text).and_then(|()| out.flush()).is_err() {
                    process::exit(1);
                }
            }
        }
    }

    /// Says something that a test waits for.
    pub fn note(&self, what: impl Into<String>) {
        self.tell(Line::Noted { what: what.into() });
    }
}
