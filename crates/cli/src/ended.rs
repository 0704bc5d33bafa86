//! How a run has ended, as its own process knows it: also when the store could not take that down.

use agentexec::activity::{self, Activities, Activity, Message, Messages, Percent, Scope, Status};
use agentexec::agent::{AgentError, AgentRun};
use agentexec::runner::{RunError, TrackedError};
use humantime::format_duration;

/// How a run ended.
pub(crate) type Ended = Result<AgentRun, TrackedError<AgentRun, AgentError>>;

/// What a run that ended well has given, recorded or not.
pub(crate) fn output(ended: &Ended) -> Option<&AgentRun> {
    match ended {
        Ok(run) => Some(run),
        Err(TrackedError::Unrecorded { outcome, .. }) => outcome.as_ref().as_ref().ok(),
        Err(_) => None,
    }
}

/// Why a run did not end well.
pub(crate) fn failure(ended: &Ended) -> Option<String> {
    let error = ended.as_ref().err().filter(|_| output(ended).is_none())?;
    Some(match error.run_error() {
        Some(error) => format!("{error:#}"),
        None => format!("{error:#}"),
    })
}

/// Why the record does not say how the run ended.
pub(crate) fn unrecorded(ended: &Ended) -> Option<&activity::Error> {
    match ended {
        Err(TrackedError::Unrecorded { source, .. }) => Some(source),
        _ => None,
    }
}

/// The record of a run that has ended, given its first one. Where it does not say how the run ended, or cannot be
/// read, it is what it would say.
pub(crate) async fn last_record(activities: &Activities, first: Activity, ended: &Ended) -> Activity {
    if unrecorded(ended).is_none()
        && let Ok(Some(detail)) = activities.detail(&Scope::all(), first.id).await
    {
        return detail.activity;
    }
    let mut activity = first;
    (activity.status, activity.message) = end(ended, activities.messages());
    if activity.status == Status::Complete {
        activity.percentage = Percent::FULL;
    }
    activity
}

fn end(ended: &Ended, messages: &Messages) -> (Status, Message) {
    let Some(failure) = failure(ended) else {
        return (Status::Complete, messages.complete.as_str().into());
    };
    match ended.as_ref().err().and_then(TrackedError::run_error) {
        Some(RunError::Canceled { reason, .. }) => (Status::Canceled, messages.canceled(reason).into()),
        Some(RunError::TimedOut { after, .. }) => {
            (Status::Error, messages.timed_out(format_duration(*after)).into())
        }
        _ => (Status::Error, messages.error(failure).into()),
    }
}
