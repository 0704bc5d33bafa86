//! How a run can end other than well.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use agentexec_activity_core as activity;
use humantime::format_duration;

/// Whether an error may go away by itself, so that trying again makes sense.
///
/// Implemented by hand for each error type: a blanket implementation could not tell a typing mistake from a busy
/// server. For errors of another crate use [`retry_if`](crate::RunExt::retry_if) with a predicate.
pub trait Retryable {
    /// Whether the same work may succeed a moment later.
    fn is_retryable(&self) -> bool;

    /// How long the other side asks to wait first.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Why a run gave no output. `E` is the runner's own error.
///
/// `Display` is for people; the alternate form (`{:#}`) passes on to the runner's error, which for `anyhow`
/// and for the errors of agentexec shows the chain of causes.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError<E> {
    /// The runner failed.
    Failed {
        /// Its error, unchanged: that of the last try.
        error: E,
        /// How many tries there were, from 1.
        tries: u32,
    },
    /// A deadline passed.
    TimedOut {
        /// How long the work was given.
        after: Duration,
        /// What the work handed back within the grace period.
        error: Option<E>,
        /// How many tries had such a deadline each, from 1; it is 1 for a deadline over all tries.
        tries: u32,
    },
    /// Somebody asked it to stop.
    Canceled {
        /// Why.
        reason: String,
        /// What the work handed back within the grace period.
        error: Option<E>,
    },
    /// The work panicked.
    Panicked {
        /// What the panic said.
        message: String,
    },
}

impl<E> RunError<E> {
    /// The runner failed at its first try.
    pub fn failed(error: E) -> Self {
        Self::Failed { error, tries: 1 }
    }

    pub(crate) fn timed_out(after: Duration, error: Option<E>) -> Self {
        Self::TimedOut { after, error, tries: 1 }
    }

    /// How many tries there were, from 1.
    pub fn tries(&self) -> u32 {
        match self {
            Self::Failed { tries, .. } | Self::TimedOut { tries, .. } => *tries,
            Self::Canceled { .. } | Self::Panicked { .. } => 1,
        }
    }

    /// The same as the end of so many tries; a single one leaves it as it is.
    pub(crate) fn after_tries(mut self, count: u32) -> Self {
        if let Self::Failed { tries, .. } | Self::TimedOut { tries, .. } = &mut self
            && count > 1
        {
            *tries = count;
        }
        self
    }

    /// The runner's own error, where there is one.
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Failed { error, .. } => Some(error),
            Self::TimedOut { error, .. } | Self::Canceled { error, .. } => error.as_ref(),
            Self::Panicked { .. } => None,
        }
    }

    /// The runner's own error, where there is one.
    pub fn into_error(self) -> Option<E> {
        match self {
            Self::Failed { error, .. } => Some(error),
            Self::TimedOut { error, .. } | Self::Canceled { error, .. } => error,
            Self::Panicked { .. } => None,
        }
    }

    /// The same with the runner's own error converted.
    pub fn map<F>(self, convert: impl FnOnce(E) -> F) -> RunError<F> {
        match self {
            Self::Failed { error, tries } => RunError::Failed { error: convert(error), tries },
            Self::TimedOut { after, error, tries } => {
                RunError::TimedOut { after, error: error.map(convert), tries }
            }
            Self::Canceled { reason, error } => RunError::Canceled { reason, error: error.map(convert) },
            Self::Panicked { message } => RunError::Panicked { message },
        }
    }

    /// Whether a deadline passed.
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// Whether somebody asked it to stop.
    pub fn is_canceled(&self) -> bool {
        matches!(self, Self::Canceled { .. })
    }

    /// In words, with the runner's own error as `describe` puts it.
    pub(crate) fn describe(&self, describe: impl Fn(&E) -> String) -> String {
        let what = match self {
            Self::Failed { error, .. } => describe(error),
            Self::TimedOut { after, .. } => format!("timed out after {}", format_duration(*after)),
            Self::Canceled { reason, .. } => format!("canceled: {reason}"),
            Self::Panicked { message } => format!("panicked: {message}"),
        };
        match self.tries().saturating_sub(1) {
            0 => what,
            1 => format!("Failed after 1 retry: {what}"),
            retries => format!("Failed after {retries} retries: {what}"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternate = f.alternate();
        f.write_str(&self.describe(|error| if alternate { format!("{error:#}") } else { error.to_string() }))
    }
}

impl<E: fmt::Display + fmt::Debug> StdError for RunError<E> {}

/// A try that timed out may be tried again; one that was canceled or panicked may not.
impl<E: Retryable> Retryable for RunError<E> {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Failed { error, .. } => error.is_retryable(),
            Self::TimedOut { .. } => true,
            Self::Canceled { .. } | Self::Panicked { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.error().and_then(Retryable::retry_after)
    }
}

/// Why a tracked run gave no output. `T` is its output, `E` the runner's own error.
///
/// `Debug` leaves the output out: it may be large, or not for a log.
#[non_exhaustive]
pub enum TrackedError<T, E> {
    /// The run did not start, so no work was done: the activity is unknown, running already or has ended, or the
    /// store failed (then it may say running all the same, when only the store's answers were lost).
    NotStarted(activity::Error),
    /// The run failed, and the activity says so.
    Run(RunError<E>),
    /// The run ended, but the store did not take that down. The work is not lost: here is how it ended.
    Unrecorded {
        /// How the run ended.
        outcome: Box<Result<T, RunError<E>>>,
        /// Why the store did not take it down.
        source: activity::Error,
    },
    /// The stream of events has handed out the error already.
    AlreadyReported,
}

impl<T, E> TrackedError<T, E> {
    /// Why the run itself failed, where it did.
    pub fn run_error(&self) -> Option<&RunError<E>> {
        match self {
            Self::Run(error) => Some(error),
            Self::Unrecorded { outcome, .. } => outcome.as_ref().as_ref().err(),
            Self::NotStarted(_) | Self::AlreadyReported => None,
        }
    }

    /// The runner's own error, where there is one.
    pub fn into_error(self) -> Option<E> {
        match self {
            Self::Run(error) => error.into_error(),
            Self::Unrecorded { outcome, .. } => outcome.err().and_then(RunError::into_error),
            Self::NotStarted(_) | Self::AlreadyReported => None,
        }
    }

    /// The output of a run that ended well although the store did not take that down.
    pub fn into_output(self) -> Option<T> {
        match self {
            Self::Unrecorded { outcome, .. } => outcome.ok(),
            _ => None,
        }
    }
}

impl<T, E: fmt::Display> fmt::Display for TrackedError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => {
                f.write_str("the run did not start: ")?;
                fmt::Display::fmt(error, f)
            }
            Self::Run(error) => fmt::Display::fmt(error, f),
            Self::Unrecorded { outcome, source } => {
                let how = match outcome.as_ref() {
                    Ok(_) => "the run ended well".to_owned(),
                    Err(error) => format!("the run failed ({error})"),
                };
                write!(f, "{how}, but that could not be recorded: {source}")
            }
            Self::AlreadyReported => f.write_str("the run failed; its stream of events has said why"),
        }
    }
}

impl<T, E: fmt::Debug> fmt::Debug for TrackedError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => f.debug_tuple("NotStarted").field(error).finish(),
            Self::Run(error) => f.debug_tuple("Run").field(error).finish(),
            Self::Unrecorded { outcome, source } => {
                let outcome = outcome.as_ref().as_ref().map(|_| format_args!("_"));
                f.debug_struct("Unrecorded").field("outcome", &outcome).field("source", source).finish()
            }
            Self::AlreadyReported => f.write_str("AlreadyReported"),
        }
    }
}

impl<T, E: fmt::Display + fmt::Debug> StdError for TrackedError<T, E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotStarted(error) | Self::Unrecorded { source: error, .. } => error.source(),
            Self::Run(_) | Self::AlreadyReported => None,
        }
    }
}

/// An error and its causes in one line: `what happened: because of this: and that`.
///
/// For [`Runner::describe`](crate::Runner::describe) of a runner whose error is a plain [`std::error::Error`].
pub fn error_chain(error: &dyn StdError) -> String {
    let mut chain = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        below = cause.source();
    }
    chain
}
