//! What a run of an agent gives.

use agentexec_runner_core::Usage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::OutputError;
use crate::output::{self, OutputFormat};
use crate::transcript::Transcript;

/// What a run of an agent gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentRun {
    /// The agent's answer; where the run ended with a tool ([`Finish::Tool`]), what that answered.
    pub output: String,
    /// How the run came to its end.
    pub finish: Finish,
    /// Everything that was said.
    pub transcript: Transcript,
    /// The turns, in order.
    pub turns: Vec<TurnReport>,
    /// The form that the output was to have.
    pub(crate) format: Option<OutputFormat>,
}

impl AgentRun {
    /// What all turns have cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.turns.iter().map(|turn| turn.usage).sum()
    }

    /// The output as a value. For an agent with [`Agent::output`](crate::Agent::output) of the same type it
    /// succeeds, unless the run ended before the final answer (see [`finish`](Self::finish)). A null counts as left out
    /// where the agent's form has no place for it.
    ///
    /// # Errors
    /// What is wrong with the output, and where.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        match &self.format {
            Some(format) => format.parse_as_meant(&self.output),
            None => output::parse(&self.output),
        }
    }
}

/// How a run came to a good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finish {
    /// The model gave its final answer.
    Final,
    /// The turns were used up; the output is what the model said last.
    MaxTurns,
    /// The turns were used up, and the model wrapped up.
    Recovered,
    /// A tool answered with which the run was to end ([`OnToolUse`](crate::OnToolUse)).
    Tool,
    /// The limit of output tokens cut the answer off, and the agent takes such answers
    /// ([`Agent::accept_truncated`](crate::Agent::accept_truncated)).
    Truncated,
}

/// One turn: one response of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TurnReport {
    /// What it cost.
    pub usage: Usage,
    /// How many tools it asked for.
    pub tool_calls: u32,
    /// The model that answered, as the provider says it.
    pub model: Option<String>,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
}

impl TurnReport {
    /// A turn of an unnamed model.
    #[must_use]
    pub fn new(usage: Usage, tool_calls: u32) -> Self {
        Self { usage, tool_calls, model: None, request_id: None }
    }
}
