//! How the program ends: one code for each outcome, so that scripts can tell them apart.

use std::process::ExitCode;

use agentexec::agent::{AgentError, ModelError, ModelErrorKind};
use agentexec::runner::RunError;

use crate::run::Ended;
use crate::signals::Signal;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Complete = 0,
    AgentError = 1,
    NotBegun = 2,
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
            _ => Self::AgentError,
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
    use super::*;

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
