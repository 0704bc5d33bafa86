//! What the log says when the lifecycle, and not the agent, speaks.

use std::env;
use std::fmt::Display;

/// The messages that the lifecycle writes. Each can be replaced; the environment keys and the first four defaults
/// are those of the Python agentexec.
///
/// | field | environment key | default |
/// |---|---|---|
/// | `created` | `AGENTEXEC_ACTIVITY_MESSAGE_CREATE` | Waiting to start. |
/// | `started` | `AGENTEXEC_ACTIVITY_MESSAGE_STARTED` | Task started. |
/// | `complete` | `AGENTEXEC_ACTIVITY_MESSAGE_COMPLETE` | Task completed successfully. |
/// | `error` | `AGENTEXEC_ACTIVITY_MESSAGE_ERROR` | Task failed with error: {error} |
/// | `canceled` | `AGENTEXEC_ACTIVITY_MESSAGE_CANCELED` | Task canceled: {reason} |
/// | `timed_out` | `AGENTEXEC_ACTIVITY_MESSAGE_TIMED_OUT` | Task timed out after {after}. |
/// | `max_turns` | `AGENTEXEC_ACTIVITY_MESSAGE_MAX_TURNS` | Max turns reached |
/// | `lost` | `AGENTEXEC_ACTIVITY_MESSAGE_LOST` | Task lost: no heartbeat from {owner} since {since}. |
///
/// A word in braces is replaced wherever it stands. The environment is read only by [`from_env`](Self::from_env).
///
/// ```
/// use agentexec_activity_core::Messages;
///
/// let messages = Messages { started: "On it.".into(), ..Messages::default() };
/// assert_eq!(messages.error("no route to host"), "Task failed with error: no route to host");
/// # assert_eq!(messages.started, "On it.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// An activity was created.
    pub created: String,
    /// It started.
    pub started: String,
    /// It ended well.
    pub complete: String,
    /// It failed; `{error}` is the error.
    pub error: String,
    /// It was canceled; `{reason}` is why.
    pub canceled: String,
    /// Its deadline passed; `{after}` is how long it was given.
    pub timed_out: String,
    /// An agent ended at its limit of turns with what it had.
    pub max_turns: String,
    /// Its holder stopped renewing the lease; `{owner}` is who, `{since}` is when it was last heard of.
    pub lost: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            created: "Waiting to start.".into(),
            started: "Task started.".into(),
            complete: "Task completed successfully.".into(),
            error: "Task failed with error: {error}".into(),
            canceled: "Task canceled: {reason}".into(),
            timed_out: "Task timed out after {after}.".into(),
            max_turns: "Max turns reached".into(),
            lost: "Task lost: no heartbeat from {owner} since {since}.".into(),
        }
    }
}

impl Messages {
    /// The defaults, replaced by what the environment sets. A value that is not Unicode is passed over.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|key| env::var(key).ok())
    }

    /// The defaults, replaced by what `lookup` answers for the environment keys.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let or = |key: &str, default: String| {
            lookup(&format!("AGENTEXEC_ACTIVITY_MESSAGE_{key}")).unwrap_or(default)
        };
        let default = Self::default();
        Self {
            created: or("CREATE", default.created),
            started: or("STARTED", default.started),
            complete: or("COMPLETE", default.complete),
            error: or("ERROR", default.error),
            canceled: or("CANCELED", default.canceled),
            timed_out: or("TIMED_OUT", default.timed_out),
            max_turns: or("MAX_TURNS", default.max_turns),
            lost: or("LOST", default.lost),
        }
    }

    /// The message of an activity that failed with `error`.
    pub fn error(&self, error: impl Display) -> String {
        self.error.replace("{error}", &error.to_string())
    }

    /// The message of an activity that was canceled for `reason`.
    pub fn canceled(&self, reason: impl Display) -> String {
        self.canceled.replace("{reason}", &reason.to_string())
    }

    /// The message of an activity whose deadline passed `after` so long.
    pub fn timed_out(&self, after: impl Display) -> String {
        self.timed_out.replace("{after}", &after.to_string())
    }

    /// The message of an activity whose holder `owner` was last heard of at `since`.
    pub fn lost(&self, owner: impl Display, since: impl Display) -> String {
        let since = since.to_string();
        // What was put in for one word is not searched for the other.
        let parts: Vec<_> = self.lost.split("{owner}").map(|part| part.replace("{since}", &since)).collect();
        parts.join(&owner.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_reference_replace_the_defaults() {
        let messages = Messages::from_lookup(|key| {
            (key == "AGENTEXEC_ACTIVITY_MESSAGE_ERROR").then(|| "Oh no: {error}!".to_owned())
        });
        assert_eq!(messages.error("disk full"), "Oh no: disk full!");
        assert_eq!(messages.created, "Waiting to start.");
    }

    #[test]
    fn an_owner_that_looks_like_a_template_is_text() {
        let message = Messages::default().lost("{since}", "noon");
        assert_eq!(message, "Task lost: no heartbeat from {since} since noon.");
    }

    #[test]
    fn an_error_that_looks_like_a_template_is_text() {
        assert_eq!(Messages::default().error("{error}"), "Task failed with error: {error}");
    }
}
