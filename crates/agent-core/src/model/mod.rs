//! What a language model is to the turn loop: a request in, a stream of typed deltas out, ending in one
//! normalized response.
//!
//! A provider implements [`Model`] and nothing more: the turn loop, tool dispatch, recovery, events and usage
//! exist once, in this crate. Enums that a provider may add to are open, and a missing optional field is a
//! default.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest, ModelResponse, StopReason};
//! use agentexec_agent_core::{Agent, AgentRunner, Item};
//! use agentexec_runner_core::{Run, RunContext};
//! use futures_util::stream::{self, BoxStream, StreamExt};
//!
//! /// Counts what it was told.
//! #[derive(Debug)]
//! struct Counting;
//!
//! impl Model for Counting {
//!     fn id(&self) -> String {
//!         "example:counting".into()
//!     }
//!
//!     fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
//!         let text = format!("{} item", request.items.len());
//!         let response = ModelResponse::new(vec![Item::assistant(&text)], StopReason::EndTurn);
//!         let events = [ModelEvent::TextDelta(text), ModelEvent::Completed(Box::new(response))];
//!         stream::iter(events.map(Ok)).boxed()
//!     }
//! }
//!
//! let run = AgentRunner::new(Counting);
//! let run = run.execute(&RunContext::untracked(), Agent::new("Counter").input("Hello")).await?;
//! assert_eq!(run.output, "1 item");
//! # Ok(()) }
//! ```

mod error;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agentexec_runner_core::Usage;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use self::error::{ModelError, ModelErrorKind};
use crate::output::OutputFormat;
use crate::transcript::Item;

/// A language model behind some protocol.
///
/// Implementations are cheap to share (`Arc<dyn Model>`) and hold no state of a run.
pub trait Model: Send + Sync + fmt::Debug + 'static {
    /// The provider and the model in the form `provider:name`, for people and for traces.
    fn id(&self) -> String;

    /// The name that the provider's own forms of items carry ([`Raw::protocol`](crate::transcript::Raw::protocol)). A
    /// run whose transcript has items of another name says how many this model cannot be shown. Empty, the default:
    /// nothing is said.
    fn protocol(&self) -> &str {
        ""
    }

    /// Asks for one response.
    ///
    /// The stream yields deltas and then, as its last item, exactly one [`ModelEvent::Completed`] or one error.
    /// A response is *committed* when `Completed` arrives; deltas of a stream that ends otherwise do not count.
    /// A model that does not stream yields its text as one delta. Dropping the stream aborts the request.
    ///
    /// Events are taken one at a time and not kept, so a flood of them costs no memory; limits on their number
    /// and on the size of the response are the model's to set.
    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>>;
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn id(&self) -> String {
        (**self).id()
    }

    fn protocol(&self) -> &str {
        (**self).protocol()
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        (**self).respond(request)
    }
}

/// What a model is asked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ModelRequest<'a> {
    /// The model to ask in place of the one that the provider was built with.
    pub model: Option<&'a str>,
    /// The instructions (system prompt).
    pub instructions: Option<&'a str>,
    /// The transcript so far, oldest first; every tool call in it is answered.
    pub items: &'a [Item],
    /// The tools that the model may call; may be empty.
    pub tools: &'a [ToolSpec],
    /// Whether and which tool the model must call. Without tools it is not sent.
    pub tool_choice: &'a ToolChoice,
    /// Sampling and limits.
    pub settings: &'a ModelSettings,
    /// The form that the final answer must have; nothing means any text.
    pub output: Option<&'a OutputFormat>,
}

impl<'a> ModelRequest<'a> {
    /// A request without instructions and tools, with default settings.
    #[must_use]
    pub fn new(items: &'a [Item]) -> Self {
        Self {
            model: None,
            instructions: None,
            items,
            tools: &[],
            tool_choice: &ToolChoice::Auto,
            settings: &DEFAULT_SETTINGS,
            output: None,
        }
    }
}

/// Without the instructions and what was said, which do not belong into a log.
impl fmt::Debug for ModelRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelRequest")
            .field("model", &self.model)
            .field("items", &self.items.len())
            .field("tools", &self.tools.len())
            .field("tool_choice", self.tool_choice)
            .field("settings", self.settings)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

static DEFAULT_SETTINGS: ModelSettings = ModelSettings {
    max_output_tokens: None,
    temperature: None,
    top_p: None,
    parallel_tool_calls: None,
    reasoning_effort: None,
};

/// Whether and which tool the model must call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// The model must call some tool.
    Required,
    /// The model must not call a tool.
    None,
    /// The model must call the tool of this name.
    Tool(String),
}

/// Sampling and limits. Each is sent only when it is set, since providers refuse what a model does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelSettings {
    /// The most tokens of one response. Anthropic requires a number: its model has a default of its own.
    pub max_output_tokens: Option<u32>,
    /// Sampling temperature, in the provider's range.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Whether the model may ask for several tools in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// How much the model may think, in the provider's words, for example `low` or `high`.
    pub reasoning_effort: Option<String>,
}

/// What a model says while it answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// A piece of the answer's text.
    TextDelta(String),
    /// A piece of readable reasoning.
    ReasoningDelta(String),
    /// The model has begun to ask for a tool.
    ToolCallStarted {
        /// The call's id.
        call_id: String,
        /// The tool's name.
        name: String,
    },
    /// A piece of the call's arguments.
    ToolCallDelta {
        /// The call's id.
        call_id: String,
        /// A piece of JSON text.
        delta: String,
    },
    /// The request failed and is sent again, which whoever carries it does by itself. Nothing of the answer came
    /// before it.
    Retrying {
        /// The number of the retry, from 1.
        retry: u32,
        /// How many there may be.
        retries: u32,
        /// How long it waits before that.
        delay: Duration,
        /// Why the request failed.
        error: String,
    },
    /// The server has sent something that says nothing: a ping, a comment, the frame of something to come. It may come
    /// at any rate; a run tells it once a second at most.
    Heartbeat,
    /// The whole response. The stream ends behind it.
    Completed(Box<ModelResponse>),
}

/// One whole response of a model: one turn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelResponse {
    /// What the model produced, in order, each with the provider's own form. Texts that are messages of their own say so
    /// there ([`Standing`](crate::transcript::Standing)); others are pieces of one answer.
    pub items: Vec<Item>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// What it charged for.
    pub usage: Usage,
    /// The name of the model that answered, as the provider says it.
    pub model: Option<String>,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
}

impl ModelResponse {
    /// A response without usage and ids.
    #[must_use]
    pub fn new(items: Vec<Item>, stop: StopReason) -> Self {
        Self { items, stop, usage: Usage::default(), model: None, request_id: None }
    }
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// It had said everything, or a stop sequence came.
    EndTurn,
    /// It asks for tools.
    ToolCalls,
    /// It was cut off, nearly always by the limit on output tokens.
    MaxTokens,
    /// The context window is full.
    ContextWindow,
    /// It refuses, with its words where it gave any.
    Refusal(String),
    /// The provider's filter cut it off.
    ContentFilter,
    /// The provider paused a long turn and wants the same transcript back to go on (Anthropic `pause_turn`).
    Pause,
    /// A reason that nobody here knows, in the provider's word. Taken as the end of the turn.
    Other(String),
}

/// A tool as a model sees it.
pub use agentexec_tools::ToolSpec;
