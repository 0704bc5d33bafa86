//! Errors that an answer itself carries, beside those of the transport.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_runner_http::error_from_value;
use serde_json::Value;
use serde_json::error::Category;

/// Why a piece of an answer could not be folded. The transport can tell more of some of them, such as the
/// request id and whether the piece was cut off.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The piece as a whole reports an error.
    Reported(ModelError),
    /// This part of the piece, of its JSON, reports an error.
    ReportedIn(String, ModelError),
    /// The piece is not what the protocol describes.
    Unreadable(ModelError),
    /// Anything else.
    Other(ModelError),
}

impl From<Failure> for ModelError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Reported(error)
            | Failure::ReportedIn(_, error)
            | Failure::Unreadable(error)
            | Failure::Other(error) => error,
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Other(error)
    }
}

/// Only the place is told: serde's own words may quote the answer.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a field has another type than the protocol says",
            Category::Eof => "the JSON ends too early",
            Category::Syntax | Category::Io => "it is not JSON",
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        let message = format!("the answer cannot be read: {what} ({place})");
        Self::Unreadable(ModelError::new(ModelErrorKind::Protocol, message))
    }
}

/// The error that an object describes, in whatever form the provider wrote it.
pub(crate) fn described(json: &str) -> ModelError {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => error_from_value(&value),
        Err(error) => Failure::from(error).into(),
    }
}
