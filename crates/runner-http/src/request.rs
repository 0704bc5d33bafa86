//! What is asked: a JSON body for a path.

use std::fmt;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use uuid::Uuid;

/// A POST of JSON to a path under the base URL.
///
/// A path whose first segment the base URL already ends with does not double it: `v1/messages` under
/// `https://host/v1` is `https://host/v1/messages`, since users write base URLs both ways.
///
/// ```
/// use agentexec_runner_http::Request;
///
/// let request = Request::json("v1/messages", &serde_json::json!({"model": "…"}))?
///     .header("anthropic-beta", "context-management-2025-06-27")
///     .stream(true);
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Request {
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) stream: bool,
}

impl Request {
    /// A request whose body is already JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let body: Vec<u8> = body.into();
        Self { path: path.into(), body: body.into(), headers: Vec::new(), stream: false }
    }

    /// A request whose body is `body` as JSON.
    ///
    /// # Errors
    /// [`ModelErrorKind::InvalidRequest`] when `body` cannot be JSON, for example a map whose keys are no strings.
    pub fn json(path: impl Into<String>, body: &impl Serialize) -> Result<Self, ModelError> {
        match serde_json::to_vec(body) {
            Ok(body) => Ok(Self::post(path, body)),
            Err(error) => {
                Err(ModelError::new(ModelErrorKind::InvalidRequest, "the request cannot be written as JSON")
                    .with_source(error))
            }
        }
    }

    /// Adds a header. It replaces the transport's header of the same name, and goes with every try, so an
    /// idempotency key set here is the same on each.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets whether the request has a key of its own in the header `idempotency-key`, the same on every try, by which a
    /// server that knows the header answers a repeated request with its first answer. Default: no.
    #[must_use]
    pub fn idempotent(self, on: bool) -> Self {
        if on {
            self.header("idempotency-key", format!("agentexec-{}", Uuid::new_v4().simple()))
        } else {
            self
        }
    }

    /// Says in the `accept` header that a stream of events is wanted. It is a wish: what comes decides what the
    /// [`Reply`](crate::Reply) is. The body must ask for a stream too, in the provider's way. Default: false.
    #[must_use]
    pub fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// The headers of this request over those of the transport.
    pub(crate) fn headers_over(&self, defaults: &HeaderMap) -> Result<HeaderMap, ModelError> {
        let mut headers = defaults.clone();
        let accept = if self.stream { "text/event-stream" } else { "application/json" };
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(accept));
        for (name, value) in &self.headers {
            insert(&mut headers, name, value, false)?;
        }
        Ok(headers)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("path", &self.path)
            .field("bytes", &self.body.len())
            .field("headers", &headers)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Sets a header. The error names it and never shows its value.
pub(crate) fn insert(
    headers: &mut HeaderMap,
    name: &str,
    value: &str,
    is_secret: bool,
) -> Result<(), ModelError> {
    let unset = |what: String| Err(ModelError::new(ModelErrorKind::Configuration, what));
    let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
        return unset(format!("{name:?} is not the name of an HTTP header"));
    };
    let Ok(mut value) = HeaderValue::from_str(value) else {
        return unset(format!(
            "the value of the header {name} contains a character that no header may have: is there a line break?"
        ));
    };
    value.set_sensitive(is_secret);
    headers.insert(key, value);
    Ok(())
}
