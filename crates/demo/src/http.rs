//! The routes: from an HTTP request to the brain and back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::brain::{Brain, Reply};
use crate::protocol::{self, Chat, Messages, Protocol, Provider, Rejection, Responses, Turn};

/// The largest request body, in bytes: the limit of Anthropic's service.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// How long a request body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// What every request sees.
pub(crate) struct App {
    pub(crate) brain: Box<dyn Brain>,
    /// The pause before each event of a stream.
    pub(crate) delay: Duration,
    pub(crate) ids: Ids,
}

/// Ids that no two responses share, not even those of two servers that run at once.
pub(crate) struct Ids {
    port: u16,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, next: AtomicU64::new(1) }
    }

    fn next(&self, beginning: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{beginning}demo{:05}{number:015}", self.port)
    }
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(answer::<Chat>))
        .route("/v1/responses", post(answer::<Responses>))
        .route("/v1/messages", post(answer::<Messages>))
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_route)
        .with_state(Arc::new(app))
}

async fn answer<P: Protocol>(State(app): State<Arc<App>>, request: Request) -> Response {
    let answer = read::<P>(request).await.and_then(|request| {
        let reply = app.brain.next(&request.conversation);
        let reply = fail_if_told(reply)?;
        let turn = Turn::new(&request, reply, |beginning| app.ids.next(beginning));
        Ok(match request.is_streamed {
            true => Sse::new(paced(request.protocol.events(&turn), app.delay)).into_response(),
            false => Json(request.protocol.body(&turn)).into_response(),
        })
    });
    finish(&app, P::PROVIDER, answer)
}

async fn read<P: Protocol>(request: Request) -> Result<protocol::Request<P>, Rejection> {
    authorize(P::PROVIDER, request.headers())?;
    let body = collect(request.into_body()).await?;
    let body: Value = serde_json::from_slice(&body).map_err(|error| {
        Rejection::invalid(match P::PROVIDER {
            Provider::OpenAi => format!("We could not parse the JSON body of your request: {error}."),
            Provider::Anthropic => format!("The request body is not valid JSON: {error}"),
        })
    })?;
    P::parse(&body)
}

/// The whole body. One that announces that it is too large is refused before it comes.
async fn collect(body: Body) -> Result<Bytes, Rejection> {
    let too_large = || Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "Request exceeds the maximum size");
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    match timeout(BODY_DEADLINE, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(collected) => collected.map_err(|_| too_large()),
        Err(_) => {
            let message = "The request body took too long to arrive.";
            Err(Rejection::new(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

/// Any key will do, but none at all will not.
fn authorize(provider: Provider, headers: &HeaderMap) -> Result<(), Rejection> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = header(header::AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default().trim();
    let missing = match provider {
        Provider::OpenAi if bearer.is_empty() => {
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        }
        Provider::Anthropic if bearer.is_empty() && header("x-api-key").trim().is_empty() => {
            "x-api-key header is required"
        }
        Provider::Anthropic if header("anthropic-version").is_empty() => {
            return Err(Rejection::invalid("anthropic-version: header is required"));
        }
        _ => return Ok(()),
    };
    Err(Rejection::new(StatusCode::UNAUTHORIZED, missing))
}

fn fail_if_told(reply: Reply) -> Result<Reply, Rejection> {
    let Some((status, message)) = reply.failure else {
        return Ok(reply);
    };
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error());
    Err(Rejection::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message))
}

/// The events with a pause before each, so that an answer comes as from a model at work.
fn paced(events: Vec<Event>, delay: Duration) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter(events).then(move |event| async move {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        Ok(event)
    })
}

async fn wrong_route(State(app): State<Arc<App>>, request: Request) -> Response {
    let provider = provider_of(request.headers());
    let message = match provider {
        Provider::OpenAi => format!("Invalid URL ({} {})", request.method(), request.uri().path()),
        Provider::Anthropic => "Not found".to_owned(),
    };
    finish(&app, provider, Err(Rejection::new(StatusCode::NOT_FOUND, message)))
}

async fn wrong_method(State(app): State<Arc<App>>, request: Request) -> Response {
    let provider = provider_of(request.headers());
    let rejection = match provider {
        Provider::OpenAi => {
            Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "Only POST requests are accepted.")
                .code("method_not_supported")
        }
        Provider::Anthropic => Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
    };
    finish(&app, provider, Err(rejection))
}

/// Whose client speaks, where the route does not tell.
fn provider_of(headers: &HeaderMap) -> Provider {
    if headers.contains_key("anthropic-version") { Provider::Anthropic } else { Provider::OpenAi }
}

/// Puts the request id on an answer, and makes an error body of a rejection.
fn finish(app: &App, provider: Provider, answer: Result<Response, Rejection>) -> Response {
    let request_id = app.ids.next("req_");
    let mut response = answer.unwrap_or_else(|rejection| {
        (rejection.status, Json(rejection.body(provider, &request_id))).into_response()
    });
    let name = match provider {
        Provider::OpenAi => HeaderName::from_static("x-request-id"),
        Provider::Anthropic => HeaderName::from_static("request-id"),
    };
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(name, value);
    }
    response
}
