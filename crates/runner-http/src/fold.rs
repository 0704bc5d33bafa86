//! What a protocol makes of an answer, piece by piece.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse};
use serde_json::error::Category;

use crate::error::error_from_text;

/// What a protocol makes of an answer. Without IO.
pub trait Fold: Send {
    /// Takes in one event: its name, if it has one, and its data. What there is to tell of is added to `told`.
    ///
    /// # Errors
    /// When it reports an error, cannot be read, or is too much. The answer then cannot be completed.
    fn fold(&mut self, name: Option<&str>, data: &str, told: &mut Vec<ModelEvent>) -> Result<(), FoldError>;

    /// Takes in the whole body of an answer that is no stream.
    ///
    /// # Errors
    /// As [`fold`](Self::fold).
    fn whole(&mut self, body: &[u8], told: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        self.fold(None, &String::from_utf8_lossy(body), told)
    }

    /// Says that `[DONE]` came, or that a whole body was read.
    fn close(&mut self);

    /// How much of the answer is here.
    fn progress(&self) -> Progress;

    /// The response. What could not be told of before is added to `told`.
    ///
    /// # Errors
    /// When what came is none.
    fn finish(self, told: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError>;
}

/// How much of an answer is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// A stream that ends here was cut off.
    Partial,
    /// A stream that ends here is whole, but the model may not be done.
    Provisional,
    /// The model is done. The server may add something, and nothing is lost without it.
    Whole,
    /// Nothing useful can follow.
    Over,
}

/// Why a piece of an answer could not be folded. The transport can tell more of some of them, such as the
/// request id and whether the piece was cut off.
#[derive(Debug)]
pub enum FoldError {
    /// The piece as a whole reports an error.
    Reported(ModelError),
    /// This part of the piece, of its JSON, reports an error.
    ReportedIn(String, ModelError),
    /// The piece is not what the protocol describes.
    Unreadable(ModelError),
    /// Anything else.
    Other(ModelError),
}

impl FoldError {
    /// A piece that reports an error, in whatever form the provider wrote it.
    #[must_use]
    pub fn reported(piece: &str) -> Self {
        Self::Reported(error_from_text(piece))
    }

    /// A piece of which a part, of its JSON, reports an error.
    #[must_use]
    pub fn reported_in(part: &str) -> Self {
        Self::ReportedIn(part.to_owned(), error_from_text(part))
    }

    /// A piece that is not what the protocol describes, and why.
    #[must_use]
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable(ModelError::new(ModelErrorKind::Protocol, why))
    }
}

impl From<FoldError> for ModelError {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Reported(error)
            | FoldError::ReportedIn(_, error)
            | FoldError::Unreadable(error)
            | FoldError::Other(error) => error,
        }
    }
}

impl From<ModelError> for FoldError {
    fn from(error: ModelError) -> Self {
        Self::Other(error)
    }
}

/// Only the place is told: serde's own words may quote the answer.
impl From<serde_json::Error> for FoldError {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a field has another type than the protocol says",
            Category::Eof => "the JSON ends too early",
            Category::Syntax | Category::Io => "it is not JSON",
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        Self::unreadable(format!("the answer cannot be read: {what} ({place})"))
    }
}
