//! Claude, by the Anthropic Messages API, as a model for agentexec agents.
//!
//! [`ClaudeRunner`] carries agents out. Below it, [`Claude`] holds the settings and [`Messages`] is the
//! [`Model`](agentexec_agent_core::model::Model) that is made of them. [`fold`] reads the protocol without any IO, for programs that have a transport of their own.
//!
//! ```no_run
//! use agentexec_agent_core::model::{Model, ModelEvent, ModelRequest};
//! use agentexec_agent_core::transcript::Transcript;
//! use agentexec_runner_claude::Claude;
//! use futures_util::TryStreamExt;
//!
//! # async fn ask() -> Result<(), agentexec_agent_core::model::ModelError> {
//! let model = Claude::from_env()?.build()?;
//! let transcript = Transcript::from_user("What is 2 + 2?");
//! let mut events = model.respond(ModelRequest::new(transcript.items()));
//! while let Some(event) = events.try_next().await? {
//!     if let ModelEvent::Completed(response) = event {
//!         println!("{:?}, {} tokens", response.items, response.usage.total_tokens());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod block;
mod conversation;
mod encode;
pub mod fold;
mod messages;
mod runner;
mod settings;
mod thinking;
mod wire;

pub use agentexec_runner_http::{
    Limits, MAX_RESPONSE, RetryPolicy, SecretString, SseLimits, Timeouts, TransportBuilder,
};

pub use self::messages::Messages;
pub use self::runner::ClaudeRunner;
pub use self::settings::{
    Claude, DEFAULT_BASE_URL, DEFAULT_MAX_TOKENS, DEFAULT_MODEL, DEFAULT_VERSION, MAX_UNSTREAMED_TOKENS,
};
pub use self::thinking::{MIN_THINKING_BUDGET, Thinking};

/// The name of the protocol: what a raw item of a transcript is marked with, and the provider in a model's id.
pub const PROTOCOL: &str = "anthropic";
