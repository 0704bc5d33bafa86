//! The agent, its transcript, and the turn loop.
//!
//! An [`Agent`] is a definition: name, instructions, tools, limits. A [`Model`] is any language model behind any
//! protocol. [`AgentRunner`] is the engine that carries an agent out with a model: it is a
//! [`Runner`](agentexec_runner_core::Runner), so retry, fallback, timeout and the tracked lifecycle of
//! runner-core apply to it, and a retry or a fallback goes on from the transcript of the failed try: tools that
//! ran are not run again. This crate knows no HTTP and no provider.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec_agent_core::testing::{ScriptedModel, Turn};
//! use agentexec_agent_core::{Agent, AgentRunner};
//! use agentexec_runner_core::{Run, RunContext};
//! use agentexec_tools::{ToolContext, tool};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Add { a: i64, b: i64 }
//!
//! let agent = Agent::new("Calculator")
//!     .instructions("Answer with the sum.")
//!     .tool(tool("add", "Adds.", |args: Add, _cx: ToolContext| async move { args.a + args.b }));
//!
//! // A test stands in for the model; a real one is `OpenAiRunner` or `ClaudeRunner`.
//! let model = ScriptedModel::new([
//!     Turn::call("add", r#"{"a": 2, "b": 3}"#),
//!     Turn::text("It is 5."),
//! ]);
//! let run = AgentRunner::new(model).execute(&RunContext::untracked(), agent.input("2 + 3?")).await?;
//! assert_eq!(run.output, "It is 5.");
//! assert_eq!(run.turns.len(), 2);
//! # Ok(()) }
//! ```

mod agent;
mod calls;
mod engine;
mod error;
pub mod model;
mod outcome;
mod output;
mod respond;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transcript;
mod turn_loop;

pub use agent::{Agent, AgentInput, DEFAULT_MAX_TURNS, DEFAULT_RECOVERY_TURNS, OnMaxTurns, OnToolUse};
pub use engine::{AgentRunner, DEFAULT_PARALLEL_TOOLS, DEFAULT_TURN_RETRIES};
pub use error::{AgentError, AgentErrorKind, OutputError};
pub use model::{Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse, ModelSettings};
pub use outcome::{AgentRun, Finish, TurnReport};
pub use output::OutputFormat;
#[cfg(feature = "json-schema")]
pub use output::SchemaError;
pub use transcript::{Item, Media, Part, Transcript};
pub use turn_loop::{LoopState, STATE_VERSION, Step, TurnLoop, TurnRules};
