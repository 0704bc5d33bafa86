//! One request, from the call to the reply: tries, clocks, and what the answer turned out to be.

use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::time::Instant;
use tracing::debug;

use crate::answer;
use crate::body::{Body, Deadlines};
use crate::builder::TransportBuilder;
use crate::config::{Limits, Timeouts};
use crate::events::EventStream;
use crate::failure;
use crate::origin::{Head, Origin, authority};
use crate::reply::{JsonBody, Reply, ReplyBody};
use crate::request::Request;
use crate::retry::{Failure, Hints, RetryPolicy};
use crate::sending::{Sending, Sent};
use crate::sniff::{BOM, Label, Shape, shape};

/// A connection to one provider: its address, keys, clocks and limits.
///
/// Cheap to clone; clones share their connections. Nothing is spawned, and no key is shown by `Debug`.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    client: reqwest::Client,
    /// With its query, without credentials; not for messages.
    base: Url,
    /// The path that was asked for first, which is that of all requests where a provider has but one, and its URL.
    first: OnceLock<(String, Url)>,
    headers: HeaderMap,
    origin: Arc<Origin>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    limits: Limits,
}

/// A try that failed, and what decides whether there is another.
pub(crate) struct FailedTry {
    pub(crate) error: ModelError,
    pub(crate) failure: Failure,
    pub(crate) hints: Hints,
}

impl Transport {
    /// Sets up a transport for the API under `base_url`, with or without a slash at its end.
    pub fn builder(base_url: impl Into<String>) -> TransportBuilder {
        TransportBuilder::new(base_url.into())
    }

    pub(crate) fn new(
        client: reqwest::Client,
        base: Url,
        headers: HeaderMap,
        origin: Arc<Origin>,
        timeouts: Timeouts,
        retry: RetryPolicy,
        limits: Limits,
    ) -> Self {
        let first = OnceLock::new();
        Self { shared: Arc::new(Shared { client, base, first, headers, origin, timeouts, retry, limits }) }
    }

    /// The base URL without credentials and query, for people.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.shared.origin.base
    }

    /// The name of a protocol at this server, as `openai-chat@api.openai.com`: what the raw items of a transcript are
    /// marked with.
    ///
    /// Reasoning, signatures and unknown items mean something only to the server that made them, and two servers of one
    /// protocol refuse each other's: OpenAI has never heard of Gemini's thought signatures, and one organization cannot
    /// decrypt the reasoning of another. A run that goes on elsewhere starts from the neutral forms.
    #[must_use]
    pub fn origin(&self, protocol: &str) -> Arc<str> {
        format!("{protocol}@{}", authority(self.base_url())).into()
    }

    /// Sends a request, and sends it again as the [`RetryPolicy`] says, until there is a reply.
    ///
    /// A stream is a reply as soon as its first bytes are here; a JSON body is read to its end.
    ///
    /// # Errors
    /// The kind says what happened: no connection ([`Unreachable`](ModelErrorKind::Unreachable)), one of the
    /// [`Timeouts`], a status other than 2xx or an error body with status 200 (the kind follows from the code or the
    /// status), an answer that is neither JSON nor a stream ([`Protocol`](ModelErrorKind::Protocol)), one that is too
    /// large ([`LimitExceeded`](ModelErrorKind::LimitExceeded)), a redirect or a header that cannot be sent
    /// ([`Configuration`](ModelErrorKind::Configuration)). It is the error of the last try.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the request; whether the provider has done (and charged for) its work is then
    /// unknown. A new call starts anew.
    pub async fn send(&self, request: Request) -> Result<Reply, ModelError> {
        let mut sending = self.sending(request)?;
        loop {
            if let Sent::Reply(reply) = sending.next().await? {
                return Ok(reply);
            }
        }
    }

    /// The same, try by try, for callers who want to tell of retries. The clock of the whole request starts now.
    ///
    /// # Errors
    /// [`Configuration`](ModelErrorKind::Configuration): a header cannot be sent.
    pub fn sending(&self, request: Request) -> Result<Sending, ModelError> {
        Sending::new(self.clone(), request)
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        let Shared { base, first, .. } = &*self.shared;
        match first.get_or_init(|| (path.to_owned(), join(base, path))) {
            (known, url) if known == path => url.clone(),
            _ => join(base, path),
        }
    }

    pub(crate) fn headers(&self, request: &Request) -> Result<HeaderMap, ModelError> {
        request.headers_over(&self.shared.headers)
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines::start(self.shared.timeouts)
    }

    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        self.shared.retry
    }

    pub(crate) async fn try_once(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        deadlines: Deadlines,
        number: u32,
    ) -> Result<Reply, FailedTry> {
        let mut outgoing = reqwest::Request::new(Method::POST, url.clone());
        *outgoing.headers_mut() = headers;
        *outgoing.body_mut() = Some(body.into());
        self.shared.traced_try(outgoing, url.path(), deadlines, number).await
    }
}

impl Shared {
    async fn traced_try(
        &self,
        outgoing: reqwest::Request,
        path: &str,
        deadlines: Deadlines,
        number: u32,
    ) -> Result<Reply, FailedTry> {
        let started = Instant::now();
        let outcome = self.one_try(outgoing, deadlines).await;
        let elapsed_ms = started.elapsed().as_millis() as u64;
        let error = outcome.as_ref().err().map(|failed| &failed.error);
        // What is behind these names is looked for only where somebody listens.
        debug!(
            method = "POST",
            path,
            status =
                outcome.as_ref().map_or_else(|failed| failed.error.status(), |reply| Some(reply.status())),
            request_id = outcome.as_ref().map_or_else(|failed| failed.error.request_id(), Reply::request_id),
            elapsed_ms,
            r#try = number,
            error = error.map(|error| tracing::field::debug(error.kind())),
            "model request"
        );
        outcome
    }

    async fn one_try(&self, outgoing: reqwest::Request, deadlines: Deadlines) -> Result<Reply, FailedTry> {
        let origin = &self.origin;
        let sent = self.client.execute(outgoing);
        let mut response = match deadlines.before_first_byte(origin, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure::no_answer(error, origin, self.timeouts.connect).into()),
            Err(late) => return Err(late.into()),
        };
        let status = response.status().as_u16();
        let headers = mem::take(response.headers_mut());
        let head = Arc::new(Head { status, headers, origin: Arc::clone(origin) });
        let mut body = Body::new(response, Arc::clone(&head), deadlines.answered());
        let is_success = (200..300).contains(&status);
        let outcome = if is_success {
            self.read(body).await.map_err(|error| head.complete(error))
        } else {
            Err(answer::refused(&head, &body.beginning(self.limits.error_body).await))
        };
        match outcome {
            Ok(body) => Ok(Reply::new(head, body)),
            Err(error) => {
                let failure = match error.kind() {
                    ModelErrorKind::QuotaExceeded | ModelErrorKind::Configuration => Failure::Final,
                    _ if !is_success => Failure::Status(status),
                    kind => Failure::of(kind),
                };
                let hints = Hints::read(|name| head.header(name), SystemTime::now()).or_in_body(&error);
                Err(FailedTry { error: hints.tell(error), failure, hints })
            }
        }
    }

    /// Tells what a successful answer is, and reads it unless it is a stream.
    async fn read(&self, mut body: Body) -> Result<ReplyBody, ModelError> {
        let label = Label::of(body.head.header("content-type"));
        let mut beginning = Bytes::new();
        let mut has_ended = false;
        let shape = loop {
            if let Some(shape) = shape(label, &beginning, has_ended) {
                break shape;
            }
            match body.chunk().await? {
                Some(chunk) if beginning.is_empty() => beginning = chunk,
                Some(chunk) => beginning = [beginning, chunk].concat().into(),
                None => has_ended = true,
            }
        };
        body.put_back(beginning);
        let head = Arc::clone(&body.head);
        match shape {
            Shape::Events => Ok(ReplyBody::Events(EventStream::new(body, self.limits))),
            Shape::Json => {
                let mut whole = body.whole(self.limits.body).await?;
                if whole.starts_with(BOM) {
                    whole.drain(..BOM.len());
                }
                match answer::error_in(&head, &whole) {
                    Some(error) => Err(error),
                    None => Ok(ReplyBody::Json(JsonBody::new(whole, head))),
                }
            }
            Shape::Other | Shape::Empty => {
                let beginning = body.beginning(self.limits.error_body).await;
                Err(answer::foreign(&head, &beginning))
            }
        }
    }
}

impl From<ModelError> for FailedTry {
    fn from(error: ModelError) -> Self {
        Self { failure: Failure::of(error.kind()), error, hints: Hints::default() }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &*self.shared;
        f.debug_struct("Transport")
            .field("provider", &shared.origin.provider)
            .field("base_url", &shared.origin.base)
            .field("timeouts", &shared.timeouts)
            .field("retry", &shared.retry)
            .field("limits", &shared.limits)
            .finish_non_exhaustive()
    }
}

/// The URL of `path` under `base`, whose query stays. A first segment that the base ends with is not doubled.
fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let folder = base.path().trim_end_matches('/');
    let path = path.trim_start_matches('/');
    let last = folder.rsplit('/').next().filter(|last| !last.is_empty());
    let path = last.and_then(|last| path.strip_prefix(last)?.strip_prefix('/')).unwrap_or(path);
    url.set_path(&format!("{folder}/{path}"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_however_the_base_is_written() {
        for (base, path, expected) in [
            ("https://h/v1", "chat/completions", "https://h/v1/chat/completions"),
            ("https://h/v1/", "/chat/completions", "https://h/v1/chat/completions"),
            ("https://h", "v1/messages", "https://h/v1/messages"),
            ("https://h/v1", "v1/messages", "https://h/v1/messages"),
            ("https://h/v1x", "v1/messages", "https://h/v1x/v1/messages"),
            ("https://h/a/v1/?api-version=1", "v1/messages", "https://h/a/v1/messages?api-version=1"),
        ] {
            assert_eq!(join(&Url::parse(base).unwrap(), path).as_str(), expected);
        }
    }
}
