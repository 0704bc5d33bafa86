//! The HTTP transport that the model providers of agentexec share.
//!
//! A provider writes its request as JSON and folds what comes back; everything between is here, once:
//!
//! - [`Transport`]: keys, headers, [timeouts](Timeouts), [retries](RetryPolicy), no redirects, [limits](Limits);
//! - [`Sending`]: the same request try by try, to tell of each retry;
//! - [`Reply`]: a JSON body or a stream of events, told apart by what came and not by what was asked for;
//! - [`respond`]: a request and its answer as the stream of a model, for a protocol that says how the one is written
//!   ([`Exchange`]) and the other read ([`Fold`]), and what a server may not know of it ([`Features`]);
//! - [`SseDecoder`]: server-sent events without IO, in bounded memory;
//! - [`error_from_text`] and the mapping of statuses and error bodies of every shape to a
//!   [`ModelError`](agentexec_agent_core::model::ModelError).
//!
//! No type of the HTTP client is visible here, so it can change without a breaking release.
//!
//! ```no_run
//! use agentexec_runner_http::{ReplyBody, Request, SecretString, Transport};
//!
//! # async fn ask() -> Result<(), agentexec_agent_core::model::ModelError> {
//! let transport = Transport::builder("https://api.openai.com/v1")
//!     .provider("OpenAI")
//!     .bearer(SecretString::from("sk-…"))
//!     .build()?;
//!
//! let body = serde_json::json!({"model": "gpt-5", "stream": true, "messages": []});
//! let reply = transport.send(Request::json("chat/completions", &body)?.stream(true)).await?;
//! match reply.into_body() {
//!     ReplyBody::Json(body) => println!("{}", body.json::<serde_json::Value>()?),
//!     ReplyBody::Events(mut events) => {
//!         while let Some(event) = events.next().await? {
//!             println!("{}", event.data());
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Cancellation
//! Dropping the future of [`Transport::send`] or an [`EventStream`] aborts the request. Nothing is spawned.
//!
//! # Environment
//! Nothing is read from it, unless [`TransportBuilder::proxy_from_env`] is called. (The operating system's root
//! certificates are found by the TLS library, which honours `SSL_CERT_FILE` and `SSL_CERT_DIR`.)

mod answer;
mod body;
mod budget;
mod builder;
mod config;
mod counts;
mod error;
mod events;
mod failure;
mod features;
mod fold;
mod ids;
mod notes;
mod origin;
mod reply;
mod request;
mod respond;
mod retry;
mod sending;
mod sniff;
mod sse;
mod steps;
mod surrogates;
mod text;
mod transport;

pub use secrecy::SecretString;

pub use self::answer::reports_error;
pub use self::budget::{MAX_RESPONSE, ResponseBudget};
pub use self::builder::TransportBuilder;
pub use self::config::{
    DEFAULT_BETWEEN_BYTES_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_FIRST_BYTE_TIMEOUT, Limits, MAX_BODY,
    MAX_ERROR_BODY, MAX_EVENTS, MAX_STREAM, Timeouts,
};
pub use self::counts::count;
pub use self::error::error_from_text;
pub use self::events::{EventStream, Heard, StreamEvent};
pub use self::features::{Adaptation, Features, MAX_REMEMBERED_MODELS, OptionalFeature};
pub use self::fold::{Fold, FoldError, Progress};
pub use self::ids::new_call_id;
pub use self::notes::{leaves_thoughts_behind, thoughts_left_behind};
pub use self::origin::authority;
pub use self::reply::{JsonBody, Reply, ReplyBody};
pub use self::request::Request;
pub use self::respond::{Asked, Exchange, LeaveOut, respond};
pub use self::retry::{
    DEFAULT_BACKOFF_BASE, DEFAULT_BACKOFF_CAP, DEFAULT_MAX_RETRIES, DEFAULT_MAX_RETRY_AFTER, RetryPolicy,
};
pub use self::sending::{Retrying, Sending, Sent};
pub use self::sse::{MAX_SSE_EVENT, MAX_SSE_LINE, SseDecoder, SseError, SseEvent, SseLimits};
pub use self::transport::Transport;
