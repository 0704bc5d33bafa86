//! The HTTP transport that the model providers of agentexec share.
//!
//! A provider writes its request as JSON and folds what comes back; everything between is here, once:
//!
//! - [`Transport`]: keys, headers, [timeouts](Timeouts), [retries](RetryPolicy), no redirects, [limits](Limits);
//! - [`Sending`]: the same request try by try, to tell of each retry;
//! - [`Reply`]: a JSON body or a stream of events, told apart by what came and not by what was asked for;
//! - [`Steps`]: a request and its answer step by step, as the stream of a model;
//! - [`SseDecoder`]: server-sent events without IO, in bounded memory;
//! - [`error_from_value`] and the mapping of statuses and error bodies of every shape to a
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
mod error;
mod events;
mod failure;
mod origin;
mod reply;
mod request;
mod retry;
mod sending;
mod sniff;
mod sse;
mod steps;
mod text;
mod transport;

pub use secrecy::SecretString;

pub use self::budget::{MAX_RESPONSE, ResponseBudget};
pub use self::builder::TransportBuilder;
pub use self::config::{
    DEFAULT_BETWEEN_BYTES_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_FIRST_BYTE_TIMEOUT, Limits, MAX_BODY,
    MAX_ERROR_BODY, MAX_EVENTS, MAX_STREAM, Timeouts,
};
pub use self::error::error_from_value;
pub use self::events::{EventStream, Heard, StreamEvent};
pub use self::reply::{JsonBody, Reply, ReplyBody};
pub use self::request::Request;
pub use self::retry::{
    DEFAULT_BACKOFF_BASE, DEFAULT_BACKOFF_CAP, DEFAULT_MAX_RETRIES, DEFAULT_MAX_RETRY_AFTER, RetryPolicy,
};
pub use self::sending::{Retrying, Sending, Sent};
pub use self::sse::{MAX_SSE_EVENT, MAX_SSE_LINE, SseDecoder, SseError, SseEvent, SseLimits};
pub use self::steps::{Steps, stream_of};
pub use self::transport::Transport;
