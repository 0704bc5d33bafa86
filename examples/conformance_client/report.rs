//! The line that is printed.

use agentexec::agent::{AgentError, AgentErrorKind, AgentRun, ModelError, ModelErrorKind, SchemaError};
use agentexec::runner::{RunError, Usage};
use serde::Serialize;

/// What is said of the conversation.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    /// The answer; beside an error the text that there was all the same.
    final_text: String,
    /// How it ended: `final`, or null beside an error.
    stop: Option<&'static str>,
    error: Option<Failure>,
    /// The tools that were carried out, in the order in which they began.
    tools_run: Vec<String>,
    /// Tokens in and out, over all turns.
    pub(crate) usage: [u64; 2],
    refusal: Option<String>,
}

#[derive(Serialize)]
struct Failure {
    kind: String,
    /// The HTTP status, when there was an answer.
    status: Option<u16>,
    message: String,
}

impl Report {
    /// Of a model that cannot be set up.
    pub(crate) fn of_model(error: &ModelError) -> Self {
        let message = format!("{error:#}");
        let failure = Failure { kind: snake(error.kind()), status: error.status(), message };
        Self { error: Some(failure), ..Self::default() }
    }

    /// Of a schema that cannot be used.
    pub(crate) fn of_schema(error: &SchemaError) -> Self {
        let failure = Failure { kind: "configuration".into(), status: None, message: error.to_string() };
        Self { error: Some(failure), ..Self::default() }
    }

    pub(crate) fn of_run(outcome: Result<AgentRun, RunError<AgentError>>, tools_run: Vec<String>) -> Self {
        let error = match outcome {
            Ok(run) => {
                let (stop, usage) = (Some("final"), tokens(run.usage()));
                return Self { final_text: run.output, stop, tools_run, usage, ..Self::default() };
            }
            Err(error) => error,
        };
        let message = format!("{error:#}");
        let Some(error) = error.error() else {
            let failure = Failure { kind: "panicked".into(), status: None, message };
            return Self { error: Some(failure), tools_run, ..Self::default() };
        };
        let (kind, final_text) = kind_of(error.kind());
        let status = error.model_error().and_then(ModelError::status);
        let refusal = match error.kind() {
            AgentErrorKind::Refused { text } => Some(text.clone()),
            _ => None,
        };
        let (usage, error) = (tokens(error.usage()), Some(Failure { kind, status, message }));
        Self { final_text, stop: None, error, tools_run, usage, refusal }
    }

    /// As JSON.
    pub(crate) fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// The word for an error, and the text that there was all the same.
fn kind_of(kind: &AgentErrorKind) -> (String, String) {
    let (word, text) = match kind {
        AgentErrorKind::Model(error) => return (snake(error.kind()), String::new()),
        AgentErrorKind::MaxTurns { .. } => ("max_turns", ""),
        AgentErrorKind::Refused { .. } => ("refused", ""),
        AgentErrorKind::Truncated { partial } => ("truncated", partial.as_str()),
        AgentErrorKind::ContentFilter { partial } => ("content_filter", partial.as_str()),
        AgentErrorKind::ContextWindow { partial } => ("context_window", partial.as_str()),
        AgentErrorKind::Output { text, .. } => ("output", text.as_str()),
        AgentErrorKind::FatalTool(_) => ("fatal_tool", ""),
        AgentErrorKind::Stopped => ("stopped", ""),
        _ => ("other", ""),
    };
    (word.to_owned(), text.to_owned())
}

fn snake(kind: ModelErrorKind) -> String {
    let mut word = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(c.to_lowercase());
    }
    word
}

fn tokens(usage: Usage) -> [u64; 2] {
    [usage.input_tokens, usage.output_tokens]
}
