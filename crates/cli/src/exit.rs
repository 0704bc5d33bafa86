//! How the program ends: one code for each outcome, so that scripts can tell them apart.

use std::process::ExitCode;

use agentexec::activity::{self, Status};
use agentexec::agent::{AgentError, ModelError, ModelErrorKind};
use agentexec::runner::{RunError, TrackedError};

use crate::ended::Ended;
use crate::signals::Signal;
use crate::terminal::Unwritten;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Complete = 0,
    Failed = 1,
    NotBegun = 2,
    NotFound = 3,
    Unreachable = 4,
    Canceled = 5,
    TimedOut = 124,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The code of a run that has ended, perhaps since a signal asked for that.
    pub(crate) fn of(ended: &Ended, signal: Option<Signal>) -> Self {
        let Err(error) = ended else { return Self::Complete };
        match error.run_error() {
            Some(RunError::Canceled { .. }) => signal.map_or(Self::Canceled, Self::by),
            Some(RunError::TimedOut { .. }) => Self::TimedOut,
            Some(error) if error.error().and_then(AgentError::model_error).is_some_and(is_unreachable) => {
                Self::Unreachable
            }
            Some(_) => Self::Failed,
            None => match error {
                TrackedError::NotStarted(error) if error.is_retryable() => Self::Unreachable,
                // Somebody was faster than its start.
                TrackedError::NotStarted(error) => error.refused_from().map_or(Self::Failed, Self::of_status),
                _ => Self::Failed,
            },
        }
    }

    /// The code of an activity that has ended, wherever it ran.
    pub(crate) fn of_status(status: Status) -> Self {
        match status {
            Status::Complete => Self::Complete,
            Status::Canceled => Self::Canceled,
            _ => Self::Failed,
        }
    }

    /// The code of a command that could not do its work.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<activity::Error>() {
            return match error {
                activity::Error::NotFound { .. } => Self::NotFound,
                activity::Error::Unavailable { .. } => Self::Unreachable,
                _ => Self::NotBegun,
            };
        }
        match error.downcast_ref::<Unwritten>() {
            Some(error) if error.is_unread() => Self::Complete,
            Some(_) => Self::Failed,
            None => Self::NotBegun,
        }
    }

    /// The code of a run that a signal has ended.
    pub(crate) fn by(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Canceled,
        }
    }
}

/// Whether the provider has never answered. One that answers with an error, even with a 503 again and again, or
/// breaks off in the middle, has been reached.
pub(crate) fn is_unreachable(error: &ModelError) -> bool {
    match error.kind() {
        ModelErrorKind::Unreachable => true,
        ModelErrorKind::Timeout => error.status().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use agentexec::activity::AgentId;
    use anyhow::Context;

    use super::*;

    #[test]
    fn what_a_store_says_has_a_code_of_its_own() {
        let code = |error: activity::Error| Exit::of_error(&Err::<(), _>(error).context("at").unwrap_err());
        assert_eq!(code(activity::Error::NotFound { id: AgentId::new() }), Exit::NotFound);
        assert_eq!(code(activity::Error::unavailable("redis", "refused")), Exit::Unreachable);
        assert_eq!(code(activity::Error::invalid("limit", "too large")), Exit::NotBegun);
    }

    #[test]
    fn a_provider_that_has_answered_was_reached() {
        let error = |kind| ModelError::new(kind, "x");
        assert!(is_unreachable(&error(ModelErrorKind::Unreachable)));
        assert!(is_unreachable(&error(ModelErrorKind::Timeout)), "no connection, or not a byte, in time");
        assert!(!is_unreachable(&error(ModelErrorKind::Timeout).with_status(200)), "silent in the middle");
        assert!(!is_unreachable(&error(ModelErrorKind::Timeout).with_status(408)));
        assert!(!is_unreachable(&error(ModelErrorKind::Overloaded).with_status(503)));
        assert!(!is_unreachable(&error(ModelErrorKind::StreamCut).with_status(200)));
    }
}
