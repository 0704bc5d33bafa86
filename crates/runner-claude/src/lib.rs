//! Claude, by the Anthropic Messages API, as a model for agentexec agents.
//!
//! [`ClaudeRunner`] carries agents out. Below it, [`Claude`] holds the settings and [`Messages`] is the
//! [`Model`](agentexec_agent_core::model::Model) that is made of them. [`MessagesFold`] reads the protocol without any IO,
//! for programs that have a transport of their own.
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
//!
//! # What goes back to the server
//! An assistant's turn goes back as it came, block by block: thoughts with their signatures, server tools, and kinds
//! that nobody here knows. That holds for the server that it came from; at another one a run goes on with the neutral
//! forms, without the thoughts, which no other server can read. A request begins with the bytes of the one before, so
//! that the prompt cache serves it.
//!
//! # What Claude is shown
//! The user and tools may show images (JPEG, PNG, GIF, WebP), PDFs and text files, with their bytes or by an address
//! (https or http). Anything else is refused before it is sent.
//!
//! # What a server does not know
//! A request that is refused since it has a [`Feature`] that the server does not know, or a schema that it does not take,
//! is sent again without it, and the client remembers that. A refusal that says anything else is the error.
//!
//! # Tools that must be called
//! The newest models, the default among them, always think, and refuse a demand for tools
//! (`ToolChoice::Required`, `ToolChoice::Tool`) with an error that says so; others refuse it when they think by a
//! [budget](Thinking::budget). Neither is papered over: a demand that is not kept would go unnoticed.

mod block;
mod content;
mod conversation;
mod encode;
mod features;
mod fold;
mod media;
mod messages;
mod names;
mod refusal;
mod runner;
mod settings;
mod thinking;
mod wire;

pub use agentexec_runner_http::{
    Limits, MAX_REMEMBERED_MODELS, MAX_RESPONSE, RetryPolicy, SecretString, SseLimits, Timeouts,
    TransportBuilder,
};

pub use self::features::Feature;
pub use self::fold::{MAX_CONTENT_BLOCKS, MessagesFold};
pub use self::messages::Messages;
pub use self::runner::ClaudeRunner;
pub use self::settings::{
    Claude, DEFAULT_BASE_URL, DEFAULT_MAX_TOKENS, DEFAULT_MODEL, DEFAULT_VERSION, MAX_UNSTREAMED_TOKENS,
};
pub use self::thinking::{MIN_THINKING_BUDGET, Thinking};

/// The name of the protocol: what a raw item of a transcript is marked with, and the provider in a model's id.
pub const PROTOCOL: &str = "anthropic";
