//! How a run of an agent fails, with everything it had done.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use agentexec_runner_core::{Retryable, Usage};
use agentexec_tools::{FatalToolError, ToolSetError};

use crate::model::{ModelError, ModelErrorKind};
use crate::outcome::TurnReport;
use crate::transcript::Transcript;
use crate::turn_loop::LoopState;

/// Why a run of an agent failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentErrorKind {
    /// The model gave no response.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The turns were used up.
    #[error("{}", out_of_turns(*max_turns, *wrap_up))]
    MaxTurns {
        /// How many there were.
        max_turns: u32,
        /// How many more there were to wrap up; 0 when it was not asked to.
        wrap_up: u32,
    },
    /// The model refused.
    #[error("the model refused: {text}")]
    Refused {
        /// What it said.
        text: String,
    },
    /// The limit on output tokens cut the response off.
    #[error(
        "the model's response was cut off, mostly at its limit of output tokens; raise max_output_tokens"
    )]
    Truncated {
        /// The text until then.
        partial: String,
    },
    /// The provider's filter cut the response off.
    #[error("the provider's content filter stopped the model's response")]
    ContentFilter {
        /// The text until then.
        partial: String,
    },
    /// The context window is full.
    #[error("the model's context window is full; shorten the input or use a model with a larger window")]
    ContextWindow {
        /// The text until then.
        partial: String,
    },
    /// The final answer does not have the form that was asked for, also after it was asked for again.
    #[error("the model's answer is not a {format}: {error}")]
    Output {
        /// The name of the form.
        format: String,
        /// What is wrong with the answer.
        error: OutputError,
        /// The answer.
        text: String,
    },
    /// A tool declared its error fatal.
    #[error(transparent)]
    FatalTool(#[from] FatalToolError),
    /// The agent's tools cannot stand together.
    #[error(transparent)]
    Tools(#[from] ToolSetError),
    /// The run was asked to stop.
    #[error("the agent was stopped before it finished")]
    Stopped,
}

/// Why an answer does not have the form that was asked for. It says what is wrong and where, and may cite a
/// word or a number of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutputError(String);

impl OutputError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

fn out_of_turns(max_turns: u32, wrap_up: u32) -> String {
    let (limit, way_out) = match wrap_up {
        0 => (max_turns.to_string(), "raise max_turns or let it recover"),
        more => (format!("{max_turns}, and {more} to wrap up"), "raise max_turns"),
    };
    format!("the agent reached its limit of turns ({limit}) without a final answer; {way_out}")
}

/// A run of an agent that failed: why, and everything it had done.
///
/// `Display` says why in one line; the alternate form (`{:#}`) adds the chain of causes. To go on from where it
/// stopped, hand its [transcript](Self::transcript) to [`Agent::resume`](crate::Agent::resume), or its
/// [state](Self::state) to [`Agent::resume_state`](crate::Agent::resume_state).
pub struct AgentError {
    kind: AgentErrorKind,
    state: Box<LoopState>,
}

impl AgentError {
    /// A failure for this reason of a run that stood there.
    #[must_use]
    pub fn new(kind: AgentErrorKind, state: LoopState) -> Self {
        Self { kind, state: Box::new(state) }
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> &AgentErrorKind {
        &self.kind
    }

    /// Everything that was said. Every tool call in it is answered, so a model takes it as it is.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.state.transcript
    }

    /// The turns that were taken.
    #[must_use]
    pub fn turns(&self) -> &[TurnReport] {
        &self.state.turns
    }

    /// What they have cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.state.usage()
    }

    /// Where the run stood: it serializes, to go on from it later.
    #[must_use]
    pub fn state(&self) -> &LoopState {
        &self.state
    }

    /// How often the response was asked for on which the run failed, with all that the transport sent again; 0 when
    /// the run failed on something else than the model.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.model_error().and_then(ModelError::tries).unwrap_or_default()
    }

    /// Whether going on from where it stopped can lead anywhere: not when the agent itself must be mended first.
    /// Whether the same may succeed without any change is [`is_retryable`](Retryable::is_retryable).
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        !matches!(self.kind, AgentErrorKind::Tools(_))
    }

    /// Whether the model's context window was full, however the provider said so: by refusing the request, or as the
    /// reason why a response stopped.
    #[must_use]
    pub fn is_context_window(&self) -> bool {
        matches!(self.kind, AgentErrorKind::ContextWindow { .. })
            || self.is_model_error(ModelErrorKind::ContextWindow)
    }

    /// Whether the provider's content filter was the reason, however the provider said so: by refusing the request,
    /// or as the reason why a response stopped.
    #[must_use]
    pub fn is_content_filter(&self) -> bool {
        matches!(self.kind, AgentErrorKind::ContentFilter { .. })
            || self.is_model_error(ModelErrorKind::ContentFilter)
    }

    fn is_model_error(&self, kind: ModelErrorKind) -> bool {
        self.model_error().is_some_and(|error| error.kind() == kind)
    }

    /// The model's error, when that is why it failed.
    #[must_use]
    pub fn model_error(&self) -> Option<&ModelError> {
        match &self.kind {
            AgentErrorKind::Model(error) => Some(error),
            _ => None,
        }
    }
}

impl Retryable for AgentError {
    fn is_retryable(&self) -> bool {
        self.model_error().is_some_and(ModelError::is_retryable)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.model_error().and_then(ModelError::retry_after)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, f)
    }
}

impl fmt::Debug for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentError")
            .field("kind", &self.kind)
            .field("turns", &self.state.turns.len())
            .field("items", &self.state.transcript.items().len())
            .finish_non_exhaustive()
    }
}

impl StdError for AgentError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.kind.source()
    }
}
