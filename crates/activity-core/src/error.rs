//! Why a store refused or failed.

use std::error::Error as StdError;

use crate::{AgentId, Attempt, Status, WatchCursor};

/// Why an operation on activities was refused or failed. What was refused has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such activity, or it is outside the scope of the caller.
    #[error("activity {id} not found; it was never created here, was purged, or is outside your scope")]
    NotFound {
        /// The activity.
        id: AgentId,
    },
    /// The activity's status does not allow the change.
    #[error("activity {id} is {from} and cannot become {to}{}", hint(*.from, *.to))]
    Refused {
        /// The activity.
        id: AgentId,
        /// The status that it has.
        from: Status,
        /// The status that was asked for.
        to: Status,
    },
    /// The writer belongs to another attempt than the one that counts, normally to an older one.
    #[error("attempt {given} of activity {id} does not hold it: attempt {current} does; stop this work")]
    StaleAttempt {
        /// The activity.
        id: AgentId,
        /// The attempt of the writer.
        given: Attempt,
        /// The attempt that counts.
        current: Attempt,
    },
    /// The activity's lease has not expired, or it is held without one, so it is not lost.
    #[error("activity {id} is not lost: it has no lease that has expired")]
    LeaseHeld {
        /// The activity.
        id: AgentId,
    },
    /// The lease of a run could not be kept, so its work has to stop where somebody else may start it again.
    #[error("the lease of activity {id} was lost, or could not be renewed in time; is its store up?")]
    LeaseLost {
        /// The activity.
        id: AgentId,
    },
    /// The id is taken by an activity with another type or other metadata.
    #[error("the id {id} is taken by another activity; let `create` make the id")]
    IdTaken {
        /// The id.
        id: AgentId,
    },
    /// A value that the caller gave is out of range.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The name of the value.
        field: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// What a watcher asks for was trimmed. Read the present state with `list`, then watch from now.
    #[error("the events after {cursor} were trimmed; read the present state, then watch from now")]
    CursorExpired {
        /// The cursor that was asked for.
        cursor: WatchCursor,
    },
    /// The store could not be reached or failed. The operation may have been carried out all the same. A create
    /// with an id of yours ([`CreateActivity::id`](crate::CreateActivity::id)) and the same
    /// [`Write`](crate::Write) can be sent again safely; calling `update` or `complete` again is another write.
    #[error("the {store} store failed")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

fn hint(from: Status, to: Status) -> &'static str {
    match (from, to) {
        (Status::Running, Status::Running) => ": it is already running",
        (Status::Running, Status::Queued) => ": end it first",
        (Status::Queued, Status::Queued) => ": it is waiting to start already",
        (Status::Queued, _) => ": start it first",
        (from, _) if from.is_terminal() => ": it has ended",
        _ => "",
    }
}

impl Error {
    /// A value that is out of range: its name, and what is wrong with it.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// A failure of the store named `store`.
    pub fn unavailable(store: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable { store, source: source.into() }
    }

    /// Whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether there is no such activity in the caller's scope.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a start was refused since the activity is running already.
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(self, Self::Refused { from: Status::Running, to: Status::Running, .. })
    }

    /// What happened and what it comes from, in one line.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// The status that the activity had when it refused the change.
    #[must_use]
    pub fn refused_from(&self) -> Option<Status> {
        match self {
            Self::Refused { from, .. } => Some(*from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: Status, to: Status) -> String {
        Error::Refused { id: AgentId::from_u128(1), from, to }.to_string()
    }

    #[test]
    fn a_refusal_says_what_to_do_only_where_that_helps() {
        assert!(refused(Status::Queued, Status::Complete).ends_with("complete: start it first"));
        assert!(refused(Status::Queued, Status::Queued).ends_with("queued: it is waiting to start already"));
        assert!(refused(Status::Running, Status::Running).ends_with("running: it is already running"));
        assert!(refused(Status::Complete, Status::Running).ends_with("running: it has ended"));
        assert!(refused(Status::Running, Status::Queued).ends_with("queued: end it first"));
    }
}
