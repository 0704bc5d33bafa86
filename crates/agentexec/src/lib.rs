//! Run LLM agents in the background and keep a truthful record of each run.
//!
//! A service hands agentexec an agent, for OpenAI, Claude, a compatible server or a framework of its own; the
//! service's users see the run queued, running with messages and a percentage, then exactly one of complete,
//! error or canceled, whatever fails on the way.
//!
//! ```no_run
//! # #[cfg(feature = "claude")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec::claude::ClaudeRunner;
//! use agentexec::prelude::*;
//!
//! let activities = Activities::new(MemoryStore::new());
//! let runner = ClaudeRunner::from_env()?.tracked(&activities);
//! let agent = Agent::new("Researcher")
//!     .instructions(format!("Research the topic. {}", prompts::REPORT_STATUS))
//!     .tool(report_status());
//!
//! let id = activities.create("research").metadata("org", "acme").await?;
//! let run = runner.run(id, agent.input("Rust async runtimes")).await?;
//! println!("{}", run.output);
//! # Ok(()) }
//! # #[cfg(not(feature = "claude"))] fn main() {}
//! ```
//!
//! This crate holds no logic: it re-exports the layers, each of which can be used alone.
//!
//! | module | feature | what it holds |
//! |---|---|---|
//! | [`activity`] | | the record of a run, its store in memory, the interface of stores |
//! | `sqlite` | `sqlite` | the store in one file, for one machine |
//! | `redis` | `redis` | the store on Redis, for many machines |
//! | [`runner`] | | the lifecycle around any runner or future; retry, fallback, timeout |
//! | `tools` | `tools` | tools with typed arguments, and the schemas that models read |
//! | `agent` | `agent` | the agent, its transcript and the turn loop, for a model of your own |
//! | `openai` | `openai` (default) | OpenAI Responses, Chat Completions, and compatible servers |
//! | `claude` | `claude` (default) | Anthropic Messages |
//! | | `json-schema` | answers held against a JSON Schema that is no Rust type |
//! | | `testing` | for tests: what was recorded, a failing store, a scripted model |
//! | | `conformance` | the suite that holds a store of your own against the rules |

/// The record of a run, its store in memory, and the interface of stores.
#[doc(inline)]
pub use agentexec_activity_core as activity;

/// The store in one file, for one machine.
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use agentexec_activity_sqlite as sqlite;

/// The store on Redis, for many machines.
#[cfg(feature = "redis")]
#[doc(inline)]
pub use agentexec_activity_redis as redis;

/// The lifecycle around any runner or future; retry, fallback, timeout, cancellation.
#[doc(inline)]
pub use agentexec_runner_core as runner;

/// Tools with typed arguments, and the schemas that models read.
#[cfg(feature = "tools")]
#[doc(inline)]
pub use agentexec_tools as tools;

/// The agent, its transcript and the turn loop.
#[cfg(feature = "agent")]
#[doc(inline)]
pub use agentexec_agent_core as agent;

/// OpenAI Responses, Chat Completions, and compatible servers.
#[cfg(feature = "openai")]
#[doc(inline)]
pub use agentexec_runner_openai as openai;

/// Anthropic Messages.
#[cfg(feature = "claude")]
#[doc(inline)]
pub use agentexec_runner_claude as claude;

/// What most programs use.
pub mod prelude {
    pub use agentexec_activity_core::{Activities, AgentId, ListQuery, MemoryStore, Metadata, Scope, Status};
    #[cfg(feature = "agent")]
    pub use agentexec_agent_core::{Agent, AgentRun, OnMaxTurns};
    pub use agentexec_runner_core::{
        Lifecycle, Retry, Run, RunContext, RunEvent, RunExt, Runner, Track, prompts,
    };
    #[cfg(feature = "tools")]
    pub use agentexec_tools::{Json, Tool, ToolContext, report_status, tool, tool_with};
}
