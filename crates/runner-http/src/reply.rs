//! What came back: a JSON body or a stream of events.

use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use serde::Deserialize;
use serde_json::error::Category;

use crate::events::EventStream;
use crate::origin::Head;

/// A successful answer. Errors, also those with status 200, are no replies.
#[derive(Debug)]
pub struct Reply {
    head: Arc<Head>,
    body: ReplyBody,
}

/// The body of a [`Reply`], as it came and not as it was asked for.
#[derive(Debug)]
pub enum ReplyBody {
    /// One JSON value, read to its end.
    Json(JsonBody),
    /// A stream of server-sent events, of which nothing has been read yet.
    Events(EventStream),
}

impl Reply {
    pub(crate) fn new(head: Arc<Head>, body: ReplyBody) -> Self {
        Self { head, body }
    }

    /// The HTTP status, 200 to 299.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The provider's id of the request (`x-request-id` or `request-id`), for its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id()
    }

    /// A header of the answer, for example `x-ratelimit-remaining-tokens`. The name's case does not matter; a
    /// value that is not visible ASCII counts as missing.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body.
    #[must_use]
    pub fn into_body(self) -> ReplyBody {
        self.body
    }
}

/// A whole JSON body. `Debug` shows its size, not its text.
pub struct JsonBody {
    bytes: Vec<u8>,
    head: Arc<Head>,
}

impl JsonBody {
    pub(crate) fn new(bytes: Vec<u8>, head: Arc<Head>) -> Self {
        Self { bytes, head }
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The provider's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id()
    }

    /// Reads the body as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// [`ModelErrorKind::Protocol`] when it is not JSON or not a `T`; [`ModelErrorKind::StreamCut`] when it ends too
    /// early. The message says where, and quotes nothing of the body; its beginning is in [`ModelError::body`].
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ModelError> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let kind = if error.is_eof() { ModelErrorKind::StreamCut } else { ModelErrorKind::Protocol };
            unreadable(&self.head, kind, "the answer", &error, &self.bytes)
        })
    }

    /// Reads the body as an error object, in any of the shapes that providers use, and says which kind of failure
    /// it is. For a body that [`json`](Self::json) could read and that turned out to report one.
    #[must_use]
    pub fn error(&self) -> ModelError {
        self.head.reported(&self.bytes)
    }

    /// Reads a part of the body as an error object, as [`error`](Self::error) reads the whole.
    #[must_use]
    pub fn error_in(&self, part: &str) -> ModelError {
        self.head.reported(part.as_bytes())
    }

    /// An error about this body, with the status, the request id and the beginning of the body.
    #[must_use]
    pub fn complete(&self, error: ModelError) -> ModelError {
        self.head.complete_with(error, &self.bytes)
    }
}

impl fmt::Debug for JsonBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonBody")
            .field("bytes", &self.bytes.len())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// The error for JSON that cannot be read.
pub(crate) fn unreadable(
    head: &Head,
    kind: ModelErrorKind,
    what: &str,
    error: &serde_json::Error,
    body: &[u8],
) -> ModelError {
    let said = error.to_string();
    // Of the rest of serde's messages some quote the value, which may be part of a prompt or an answer.
    let is_safe = error.classify() != Category::Data || said.starts_with("missing field");
    let why = if is_safe {
        said
    } else {
        format!(
            "a value of another type or form than expected at line {} column {}",
            error.line(),
            error.column()
        )
    };
    let message = format!("{}: {what} cannot be read: {why}", head.origin.provider);
    head.complete_with(ModelError::new(kind, message), body)
}
