//! Agents on Claude.

use agentexec_agent_core::model::{Model, ModelError};
use agentexec_agent_core::{AgentError, AgentInput, AgentRun, AgentRunner, OnMaxTurns};
use agentexec_runner_core::{Retry, RunContext, Runner};

use crate::Claude;

/// Carries agents out with Claude: the engine of agent-core with [`Messages`](crate::Messages) as its model.
///
/// Unless the agent says otherwise it has 10 turns and, as the Claude runner of the Python agentexec, completes with
/// "Max turns reached" and what Claude said last when they are used up ([`OnMaxTurns::Partial`]).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, MemoryStore};
/// use agentexec_agent_core::Agent;
/// use agentexec_runner_claude::ClaudeRunner;
/// use agentexec_runner_core::RunExt;
///
/// let activities = Activities::new(MemoryStore::new());
/// let runner = ClaudeRunner::from_env()?.tracked(&activities);
/// let agent = Agent::new("Greeter").instructions("Greet the user.");
/// let id = activities.create("greeting").await?;
/// println!("{}", runner.run(id, agent.input("Hello, I am Ada.")).await?.output);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ClaudeRunner {
    engine: AgentRunner,
}

impl ClaudeRunner {
    /// Agents with this model: [`Messages`](crate::Messages), or one of your own in its place.
    #[must_use]
    pub fn new(model: impl Model) -> Self {
        Self { engine: AgentRunner::new(model).on_max_turns(OnMaxTurns::Partial) }
    }

    /// Agents with the model that the environment sets up, see [`Claude::from_env`].
    ///
    /// # Errors
    /// When there is no credential, or an address cannot be read.
    pub fn from_env() -> Result<Self, ModelError> {
        Ok(Self::new(Claude::from_env()?.build()?))
    }

    /// Sets the limit of turns of agents that have none of their own; 0 is taken as 1. Default: 10.
    #[must_use]
    pub fn max_turns(self, turns: u32) -> Self {
        Self { engine: self.engine.max_turns(turns) }
    }

    /// Sets what happens at the limit of turns for agents that do not say. Default: [`OnMaxTurns::Partial`].
    #[must_use]
    pub fn on_max_turns(self, policy: OnMaxTurns) -> Self {
        Self { engine: self.engine.on_max_turns(policy) }
    }

    /// Sets whether each turn reports progress by itself. Default: it does. Switch it off for an agent that works
    /// inside a tool of another: the progress of the run is not its own.
    #[must_use]
    pub fn automatic_progress(self, on: bool) -> Self {
        Self { engine: self.engine.automatic_progress(on) }
    }

    /// Sets how many tools of one turn run at the same time; 0 is taken as 1. Default: 8.
    #[must_use]
    pub fn parallel_tools(self, tools: usize) -> Self {
        Self { engine: self.engine.parallel_tools(tools) }
    }

    /// Sets how often a response that broke off is asked for again, see [`AgentRunner::turn_retry`].
    #[must_use]
    pub fn turn_retry(self, policy: Retry) -> Self {
        Self { engine: self.engine.turn_retry(policy) }
    }
}

impl Runner for ClaudeRunner {
    type Input = AgentInput;
    type Output = AgentRun;
    type Error = AgentError;

    async fn run(&self, cx: &RunContext, input: AgentInput) -> Result<AgentRun, AgentError> {
        self.engine.run(cx, input).await
    }

    fn ends_the_run(&self, error: &AgentError) -> bool {
        self.engine.ends_the_run(error)
    }

    fn resume(&self, input: &AgentInput, error: &AgentError) -> Option<AgentInput> {
        self.engine.resume(input, error)
    }
}
