//! What a run of an agent gives.

use agentexec_runner_core::Usage;
use serde::{Deserialize, Serialize};

use crate::transcript::Transcript;

/// What a run of an agent gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentRun {
    /// The agent's answer.
    pub output: String,
    /// How the run came to its end.
    pub finish: Finish,
    /// Everything that was said.
    pub transcript: Transcript,
    /// The turns, in order.
    pub turns: Vec<TurnReport>,
}

impl AgentRun {
    /// What all turns have cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.turns.iter().map(|turn| turn.usage).sum()
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
