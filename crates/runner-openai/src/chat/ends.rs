//! Why the model stopped, in the words of every server.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, StopReason};

/// What a `finish_reason` says.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// The model was done, or asks for tools.
    Done,
    /// A reason that nobody here knows.
    Other(String),
    /// The limit of the answer.
    Length,
    /// The context window is full.
    Window,
    /// A filter stopped the answer.
    Filter,
    /// The server failed half-way.
    Failed(ModelErrorKind, &'static str),
}

impl Reason {
    /// Reads a reason. Servers pass on those of the provider behind them, in capitals too.
    pub(super) fn read(said: &str) -> Self {
        match said.to_ascii_lowercase().as_str() {
            "stop" | "tool_calls" | "function_call" => Self::Done,
            "length" | "max_tokens" | "max_output_tokens" => Self::Length,
            // Mistral and Anthropic.
            "model_length" | "model_context_window_exceeded" => Self::Window,
            // Gemini, and Z.ai for the last.
            "safety" | "recitation" | "blocklist" | "prohibited_content" | "spii" | "image_safety"
            | "sensitive" => Self::Filter,
            // Gemini appends its own reason.
            filter if filter.starts_with("content_filter") => Self::Filter,
            // OpenRouter and Mistral, and Z.ai.
            "error" | "network_error" => {
                Self::Failed(ModelErrorKind::Server, "the server failed while the model answered")
            }
            // vLLM and SGLang: what is there of the answer is a part.
            "abort" | "aborted" | "cancelled" | "canceled" => {
                Self::Failed(ModelErrorKind::Server, "the server gave up while the model answered")
            }
            // DeepSeek.
            "insufficient_system_resource" => Self::Failed(
                ModelErrorKind::Overloaded,
                "the server ran out of resources while the model answered",
            ),
            _ => Self::Other(said.to_owned()),
        }
    }

    /// The worse of this reason and a later one, or the later.
    pub(super) fn or_worse(self, later: Self) -> Self {
        if self.severity() > later.severity() { self } else { later }
    }

    fn severity(&self) -> u8 {
        match self {
            Self::Done | Self::Other(_) => 0,
            Self::Length | Self::Window => 1,
            Self::Filter => 2,
            Self::Failed(..) => 3,
        }
    }
}

/// Why the model stopped. Servers say `stop` or nothing where the model asks for tools, so the calls themselves
/// decide, unless the reason says that they may be cut off.
///
/// # Errors
/// When the server failed half-way.
pub(super) fn stop_reason(
    reason: Option<Reason>,
    refusal: &str,
    has_calls: bool,
) -> Result<StopReason, ModelError> {
    Ok(match reason {
        _ if !refusal.is_empty() => StopReason::Refusal(refusal.to_owned()),
        Some(Reason::Length) => StopReason::MaxTokens,
        Some(Reason::Window) => StopReason::ContextWindow,
        Some(Reason::Filter) => StopReason::ContentFilter,
        Some(Reason::Failed(kind, what)) => return Err(ModelError::new(kind, what)),
        _ if has_calls => StopReason::ToolCalls,
        None | Some(Reason::Done) => StopReason::EndTurn,
        Some(Reason::Other(said)) => StopReason::Other(said),
    })
}
