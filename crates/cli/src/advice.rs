//! What to do next when a run has failed.

use agentexec::agent::{AgentError, AgentErrorKind, ModelError, ModelErrorKind};
use agentexec::runner::RunError;

use crate::ended::Ended;
use crate::exit::is_unreachable;

/// What to do next; nothing where the error says all there is to say.
pub(crate) fn advice(ended: &Ended, keys: &[&str]) -> Option<String> {
    match ended.as_ref().err()?.run_error()? {
        RunError::TimedOut { .. } => Some("give it longer with --timeout, or ask for less".to_owned()),
        RunError::Failed { error, .. } => of_agent(error, keys),
        _ => None,
    }
}

fn of_agent(error: &AgentError, keys: &[&str]) -> Option<String> {
    let text = match error.kind() {
        AgentErrorKind::Model(error) => return of_model(error, keys),
        AgentErrorKind::MaxTurns { .. } => "raise the limit with --max-turns, or ask for less",
        AgentErrorKind::Truncated { .. } => "ask for a shorter answer",
        AgentErrorKind::ContextWindow { .. } => CONTEXT,
        _ => return None,
    };
    Some(text.to_owned())
}

const CONTEXT: &str = "ask for less, or give it a smaller folder with --root";

fn of_model(error: &ModelError, keys: &[&str]) -> Option<String> {
    if is_unreachable(error) {
        return Some("check the network and the address (--base-url); --demo needs neither".to_owned());
    }
    let text = match error.kind() {
        ModelErrorKind::Authentication if keys.is_empty() => return None,
        ModelErrorKind::Authentication => return Some(format!("check the key in {}", keys.join(" or "))),
        ModelErrorKind::PermissionDenied => "use a key that may do this, or another model with --model",
        ModelErrorKind::NotFound => "check the model's name (--model) and the address (--base-url)",
        ModelErrorKind::ContextWindow | ModelErrorKind::RequestTooLarge => CONTEXT,
        ModelErrorKind::QuotaExceeded => "add credit to the account, or use another provider with --model",
        ModelErrorKind::RateLimited | ModelErrorKind::Overloaded => match error.retry_after() {
            Some(delay) => return Some(format!("try again in {} seconds", delay.as_secs().max(1))),
            None => "try again in a while",
        },
        ModelErrorKind::Server | ModelErrorKind::StreamCut | ModelErrorKind::Timeout => "try again",
        ModelErrorKind::Protocol | ModelErrorKind::LimitExceeded => {
            "check that the server speaks this protocol: --base-url, and the provider in --model"
        }
        ModelErrorKind::Configuration => "check --base-url and the provider's variables in the environment",
        _ => return None,
    };
    Some(text.to_owned())
}
