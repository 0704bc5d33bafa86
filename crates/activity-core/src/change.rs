//! Changes of an activity, and the one set of rules by which every store carries them out.
//!
//! [`Write::decide`] is the transition table. A store reads the present [`State`], asks it, and writes what it
//! answers, all in one atomic step, so that two writers who race to a terminal status have exactly one winner.

use std::time::Duration;

use crate::message::cleaned;
use crate::{Activity, AgentId, Attempt, Error, Message, Percent, RequestId, Status};

/// How many request ids an activity remembers: a write that comes again within that many is not repeated.
pub const REMEMBERED_REQUESTS: usize = 16;

/// One change of an activity: by whom, what, and what the log says of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Write {
    /// The activity.
    pub id: AgentId,
    /// The name of this write; sending it again changes nothing.
    pub request: RequestId,
    /// The attempt that the writer belongs to; nothing when it belongs to none (an operator, a service).
    pub attempt: Option<Attempt>,
    /// What changes.
    pub change: Change,
    /// What the log says.
    pub message: Message,
}

impl Write {
    /// A change by a writer that belongs to no attempt.
    #[must_use]
    pub fn new(id: AgentId, request: RequestId, change: Change, message: Message) -> Self {
        Self { id, request, attempt: None, change, message }
    }

    /// The same by a writer of this attempt.
    #[must_use]
    pub fn of_attempt(mut self, attempt: Option<Attempt>) -> Self {
        self.attempt = attempt;
        self
    }
}

/// What a write changes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Queued becomes running.
    Start {
        /// The lease under which it is held; without one it is held until it ends.
        lease: Option<LeaseTerms>,
        /// The percentage that it starts with, normally 0.
        percentage: Percent,
    },
    /// Running goes on.
    Progress {
        /// The new percentage; nothing leaves it as it is.
        percentage: Option<Percent>,
        /// Whether the percentage may only rise: a lower one then leaves it as it is.
        only_raise: bool,
    },
    /// Running becomes complete.
    Complete {
        /// The final percentage, normally 100.
        percentage: Percent,
    },
    /// Queued or running becomes error.
    Fail {
        /// The final percentage; nothing leaves it as it is.
        percentage: Option<Percent>,
    },
    /// Queued or running becomes canceled.
    Cancel,
    /// Only when its lease has expired at the store: running becomes error, or, as [`Change::Requeue`] makes it,
    /// queued again while its lease leaves it another attempt ([`LeaseTerms::last_attempt`]).
    Lose,
    /// Running becomes queued again, as the next attempt, at 0 %. Where a cancellation was asked for, it becomes
    /// canceled instead.
    Requeue,
    /// Error or canceled becomes queued again, as the next attempt, at 0 %. Only when somebody asks for it.
    Retry,
}

impl Change {
    /// The status that the change leads to, as a rule; [`Write::decide`] tells the exceptions.
    #[must_use]
    pub fn target(&self) -> Status {
        match self {
            Self::Start { .. } | Self::Progress { .. } => Status::Running,
            Self::Complete { .. } => Status::Complete,
            Self::Fail { .. } | Self::Lose => Status::Error,
            Self::Cancel => Status::Canceled,
            Self::Requeue | Self::Retry => Status::Queued,
        }
    }

    /// Whether the table allows the change from `status`.
    #[must_use]
    pub fn is_allowed_from(&self, status: Status) -> bool {
        match self {
            Self::Start { .. } => status == Status::Queued,
            Self::Progress { .. } | Self::Complete { .. } | Self::Lose | Self::Requeue => {
                status == Status::Running
            }
            Self::Fail { .. } | Self::Cancel => !status.is_terminal(),
            Self::Retry => matches!(status, Status::Error | Status::Canceled),
        }
    }
}

/// The most bytes of the name of a lease's owner. What is longer is cut on a character boundary and ends in `…`.
pub const OWNER_LIMIT: usize = 255;

/// A time-limited claim on an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Who holds it, for people: a host and a process, for example. Made safe to show as a
    /// [`Message`](crate::Message) is, at most [`OWNER_LIMIT`] bytes.
    pub owner: String,
    /// How long it holds from each renewal on.
    pub ttl: Duration,
    /// The last attempt that may be made without anybody asking for it. When the lease is lost in an attempt
    /// before this one, the activity is queued again instead of ending in error. Whoever starts queued activities
    /// (a pool of workers) sets it; for a plain run it is [`Attempt::FIRST`], so what is lost ends in error.
    pub last_attempt: Attempt,
}

impl LeaseTerms {
    /// A lease of `owner`; what is lost under it ends in error.
    #[must_use]
    pub fn new(owner: impl Into<String>, ttl: Duration) -> Self {
        let owner = cleaned(owner.into().into(), OWNER_LIMIT).into_owned();
        Self { owner, ttl, last_attempt: Attempt::FIRST }
    }

    /// Sets the last attempt that may be made without anybody asking for it.
    #[must_use]
    pub fn last_attempt(mut self, last_attempt: Attempt) -> Self {
        self.last_attempt = last_attempt;
        self
    }
}

/// What a store must know of an activity to decide a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its status.
    pub status: Status,
    /// Its percentage.
    pub percentage: Percent,
    /// Its attempt.
    pub attempt: Attempt,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Whether its lease has expired by the store's clock; false without a lease.
    pub lease_expired: bool,
    /// What its lease says of it ([`LeaseTerms::last_attempt`]); [`Attempt::FIRST`] without a lease.
    pub last_attempt: Attempt,
}

impl State {
    /// The state of a record whose lease is as said.
    #[must_use]
    pub fn of(activity: &Activity, lease_expired: bool, last_attempt: Attempt) -> Self {
        Self {
            status: activity.status,
            percentage: activity.percentage,
            attempt: activity.attempt,
            cancel_requested: activity.cancel_requested.is_some(),
            lease_expired,
            last_attempt,
        }
    }
}

/// What an allowed change makes of an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its status from now on.
    pub status: Status,
    /// Its percentage from now on.
    pub percentage: Percent,
    /// Its attempt from now on.
    pub attempt: Attempt,
    /// Whether the log entry only reports progress.
    pub progress: bool,
}

impl Write {
    /// What the change makes of an activity in this state, or why it is refused.
    ///
    /// The attempt is looked at first: a worker whose attempt was replaced learns that, whatever else is true.
    pub fn decide(&self, state: State) -> Result<Next, Error> {
        if let Some(given) = self.attempt
            && given != state.attempt
        {
            return Err(Error::StaleAttempt { id: self.id, given, current: state.attempt });
        }
        if !self.change.is_allowed_from(state.status) {
            return Err(Error::Refused { id: self.id, from: state.status, to: self.change.target() });
        }
        if self.change == Change::Lose && !state.lease_expired {
            return Err(Error::LeaseHeld { id: self.id });
        }
        Ok(self.next(state))
    }

    fn next(&self, state: State) -> Next {
        let kept = Next {
            status: self.change.target(),
            percentage: state.percentage,
            attempt: state.attempt,
            progress: false,
        };
        match &self.change {
            Change::Start { percentage, .. } => Next { percentage: *percentage, ..kept },
            Change::Cancel => kept,
            Change::Lose if state.attempt >= state.last_attempt => kept,
            Change::Progress { percentage, only_raise } => {
                let asked = percentage.unwrap_or(state.percentage);
                let percentage = if *only_raise { asked.max(state.percentage) } else { asked };
                Next { percentage, progress: true, ..kept }
            }
            Change::Complete { percentage } => Next { percentage: *percentage, ..kept },
            Change::Fail { percentage } => {
                Next { percentage: percentage.unwrap_or(state.percentage), ..kept }
            }
            Change::Requeue | Change::Lose if state.cancel_requested => {
                Next { status: Status::Canceled, ..kept }
            }
            Change::Requeue | Change::Lose | Change::Retry => Next {
                status: Status::Queued,
                percentage: Percent::ZERO,
                attempt: state.attempt.next(),
                progress: false,
            },
        }
    }
}

/// What a write has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The number of its log entry.
    pub seq: u64,
    /// The status after it.
    pub status: Status,
    /// The percentage after it.
    pub percentage: Percent,
    /// The attempt after it: what a start hands to the worker as its fencing number.
    pub attempt: Attempt,
}

impl Written {
    /// What the log entry of this number and `next` say.
    #[must_use]
    pub fn new(seq: u64, next: Next) -> Self {
        Self { seq, status: next.status, percentage: next.percentage, attempt: next.attempt }
    }
}

/// A request to stop an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRequest {
    /// The name of this request; sending it again changes nothing.
    pub request: RequestId,
    /// Why: what a running one is told.
    pub reason: Message,
    /// What the log of a queued one says, which is canceled at once.
    pub message: Message,
}

/// What a request to cancel has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// It was queued and is canceled now.
    Canceled,
    /// It is running; its holder has been asked to stop.
    Requested,
    /// It had ended already, with this status.
    AlreadyEnded(Status),
}

/// Why the work on an activity should stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopRequest {
    /// Somebody asked to cancel it, for this reason.
    Cancel(Message),
    /// Somebody else wrote its end: an operator, or a reaper when the lease was lost ([`Status::Error`]).
    Ended(Status),
    /// It is not this attempt's any more: another attempt has replaced it, or the activity was purged.
    Superseded,
}

impl StopRequest {
    /// What the record says to the work of this attempt; nothing when it may go on. This is the one rule behind
    /// [`stop_requested`](crate::ActivityStore::stop_requested).
    #[must_use]
    pub fn of(activity: Option<&Activity>, attempt: Attempt) -> Option<Self> {
        let Some(activity) = activity.filter(|activity| activity.attempt == attempt) else {
            return Some(Self::Superseded);
        };
        if activity.status.is_terminal() {
            return Some(Self::Ended(activity.status));
        }
        activity.cancel_requested.clone().map(Self::Cancel)
    }
}
