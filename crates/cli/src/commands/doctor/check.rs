//! What the doctor found out about one thing.

use serde::Serialize;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// What was found out about one thing, and what to do about it.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) standing: Standing,
    pub(super) message: String,
    /// What to do; nothing where all is well, or the message says it.
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, standing: Standing::Ok, message: message.into(), advice: None }
    }

    pub(super) fn warn(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, standing: Standing::Warn, message: message.into(), advice: Some(advice.into()) }
    }

    /// The message says what to do, as errors do.
    pub(super) fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, standing: Standing::Fail, message: message.into(), advice: None }
    }
}
