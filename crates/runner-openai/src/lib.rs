//! OpenAI, and every server that speaks one of its protocols, as a
//! [`Model`](agentexec_agent_core::model::Model).
//!
//! - [`OpenAiRunner`] carries agents out;
//! - [`OpenAi`] says where the server is and how it is asked;
//! - [`chat::ChatCompletions`] speaks Chat Completions: OpenAI, Azure, Ollama, vLLM, llama.cpp, OpenRouter, …;
//! - [`responses::Responses`] speaks the Responses API, OpenAI's own, which keeps a model's reasoning between turns.
//!
//! A model turns a request into events and one response, and no more: the turn loop, the tools and the record of a
//! run are not its business.
//!
//! ```
//! use agentexec_agent_core::model::Model;
//! use agentexec_runner_openai::OpenAi;
//!
//! let model = OpenAi::new("sk-…").model("gpt-5.4").responses()?;
//! assert_eq!(model.id(), "openai:gpt-5.4");
//! # Ok::<(), agentexec_agent_core::model::ModelError>(())
//! ```
//!
//! # What goes back to the server
//! The items of an answer carry the server's own form beside the neutral one. It goes back to the server that it
//! came from, and to no other: a run that goes on with another protocol, or with the same one elsewhere, is sent in
//! its neutral form, without the reasoning, which no other server understands.
//!
//! # What a server does not know
//! A request that is refused (400 or 422) since it has a [`Feature`] that the server does not know is sent again without
//! it, once for each, and the client and its clones remember that for the model that was asked. The refusal must name the
//! parameter. One that is about a value or a schema is the error, but for a type of the answer's form that is not
//! supported.
//!
//! ```
//! use agentexec_runner_openai::{Feature, OpenAi};
//!
//! // A server that is known to know less is not asked in vain.
//! let model = OpenAi::at("http://localhost:8000").chat()?.without(Feature::MaxCompletionTokens);
//! // A refusal is to stay one.
//! let strict = OpenAi::at("http://localhost:8000").chat()?.step_down(false);
//! # let _ = (model, strict);
//! # Ok::<(), agentexec_agent_core::model::ModelError>(())
//! ```

pub mod chat;
mod client;
mod features;
#[cfg(test)]
mod fixtures;
mod format;
mod ids;
mod origin;
mod refusal;
pub mod responses;
mod runner;
mod settings;
mod tool;
mod wire;

pub use agentexec_runner_http::{
    Limits, MAX_REMEMBERED_MODELS, MAX_RESPONSE, RetryPolicy, SecretString, SseLimits, Timeouts,
    TransportBuilder,
};

pub use self::chat::ChatCompletions;
pub use self::features::Feature;
pub use self::responses::Responses;
pub use self::runner::OpenAiRunner;
pub use self::settings::{DEFAULT_BASE_URL, DEFAULT_MODEL, OpenAi};
