//! Why a model gave no response.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What kind of failure it was. Which are retryable by default: [`ModelErrorKind::is_retryable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// No connection could be made or it broke before an answer: the provider is unreachable.
    Unreachable,
    /// One of the timeouts passed: connect, first byte, between bytes, or the whole request.
    Timeout,
    /// The key is missing, wrong or has expired (HTTP 401).
    Authentication,
    /// The key may not do this (HTTP 403).
    PermissionDenied,
    /// There is no such model or no such address (HTTP 404).
    NotFound,
    /// The provider refuses the request as it is (HTTP 400, 422 and other 4xx).
    InvalidRequest,
    /// The request is too large (HTTP 413).
    RequestTooLarge,
    /// The transcript does not fit into the model's context window.
    ContextWindow,
    /// The provider's filter refused the request.
    ContentFilter,
    /// Too many requests (HTTP 429).
    RateLimited,
    /// The account has no money or quota left (HTTP 429 `insufficient_quota`). Waiting does not help.
    QuotaExceeded,
    /// The provider has too much to do (HTTP 503, 529).
    Overloaded,
    /// The provider failed (other HTTP 5xx, or an error inside a stream).
    Server,
    /// The stream ended before its terminal event.
    StreamCut,
    /// The answer could not be read: not JSON, not an event stream, a field of the wrong type.
    Protocol,
    /// The answer passed one of our limits (line, event, body, number of deltas).
    LimitExceeded,
    /// The request asks for what this model or protocol cannot do.
    Unsupported,
    /// The provider is not set up: no key, an address that cannot be read.
    Configuration,
}

impl ModelErrorKind {
    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Timeout
                | Self::RateLimited
                | Self::Overloaded
                | Self::Server
                | Self::StreamCut
        )
    }
}

/// Why a model gave no response: what happened, to which request, and whether to try again.
///
/// `Display` is one line for people; `{:#}` adds the chain of sources. Neither shows a key, a prompt or the body.
pub struct ModelError {
    kind: ModelErrorKind,
    message: String,
    details: Box<Details>,
}

#[derive(Default)]
struct Details {
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body: Option<String>,
    retryable: Option<bool>,
    tries: Option<u32>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ModelError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Box::default() }
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.details.status = Some(status);
        self
    }

    /// Adds the provider's own error code, for example `insufficient_quota` or `overloaded_error`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.details.code = Some(code.into());
        self
    }

    /// Adds the provider's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.details.request_id = Some(id.into());
        self
    }

    /// Adds how long the provider asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.details.retry_after = Some(delay);
        self
    }

    /// Adds the beginning of the body that the provider sent.
    #[must_use]
    pub fn with_body(mut self, excerpt: impl Into<String>) -> Self {
        self.details.body = Some(excerpt.into());
        self
    }

    /// Overrides whether a retry may help, where the provider says so itself (`x-should-retry`).
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.details.retryable = Some(retryable);
        self
    }

    /// Adds how often the request was sent before it was given up, by whoever has sent it again.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.details.tries = Some(tries);
        self
    }

    /// Adds the error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.details.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> ModelErrorKind {
        self.kind
    }

    /// What happened, in one line, without status and request id.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status, when there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.details.status
    }

    /// The provider's own error code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.details.code.as_deref()
    }

    /// The provider's id of the request, for its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.details.request_id.as_deref()
    }

    /// How long the provider asks to wait before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.retry_after
    }

    /// How often the request was sent before it was given up. In the error of a run it is always there; in that of a
    /// [`Model`](super::Model) only where the model itself sends requests again, and gave up: a response that broke
    /// off may still be asked for again.
    #[must_use]
    pub fn tries(&self) -> Option<u32> {
        self.details.tries
    }

    /// The beginning of the body that the provider sent. It may quote the prompt: not for logs.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.details.body.as_deref()
    }

    /// Whether the same request may succeed later: what the provider said of it, else what its kind says.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.details.retryable.unwrap_or_else(|| self.kind.is_retryable())
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let details = &self.details;
        match (details.status, &details.request_id) {
            (Some(status), Some(id)) => write!(f, " (HTTP {status}, request {id})")?,
            (Some(status), None) => write!(f, " (HTTP {status})")?,
            (None, Some(id)) => write!(f, " (request {id})")?,
            (None, None) => {}
        }
        if f.alternate() {
            let mut below = self.source();
            while let Some(error) = below {
                write!(f, ": {error}")?;
                below = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("status", &self.details.status)
            .field("code", &self.details.code)
            .field("request_id", &self.details.request_id)
            .field("retry_after", &self.details.retry_after)
            .field("retryable", &self.is_retryable())
            .field("source", &self.details.source)
            .finish_non_exhaustive()
    }
}

impl Error for ModelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.details.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_people_names_status_and_request_and_never_the_body() {
        let error = ModelError::new(ModelErrorKind::Overloaded, "Anthropic is overloaded")
            .with_status(529)
            .with_request_id("req_1")
            .with_body("{\"prompt\": \"secret\"}");
        assert_eq!(error.to_string(), "Anthropic is overloaded (HTTP 529, request req_1)");
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn what_the_provider_says_of_retrying_wins_over_the_kind() {
        let error = ModelError::new(ModelErrorKind::Server, "failed");
        assert!(error.is_retryable());
        assert!(!error.with_retryable(false).is_retryable());
    }

    #[test]
    fn the_alternate_form_shows_the_chain() {
        let source = std::io::Error::other("connection reset");
        let error = ModelError::new(ModelErrorKind::Unreachable, "no answer").with_source(source);
        assert_eq!(format!("{error:#}"), "no answer: connection reset");
    }
}
