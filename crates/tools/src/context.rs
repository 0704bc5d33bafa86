//! What a tool sees of its call.

use std::ops::Deref;
use std::sync::Arc;

use agentexec_runner_core::RunContext;

/// What a tool sees of its call: the run that it belongs to (it derefs to the [`RunContext`], so a tool can
/// report progress, watch for cancellation or run a sub-agent), and the call itself.
#[derive(Clone, Debug)]
pub struct ToolContext {
    run: RunContext,
    call_id: Arc<str>,
}

impl ToolContext {
    /// The call of this id within a run.
    pub fn new(run: RunContext, call_id: impl Into<Arc<str>>) -> Self {
        Self { run, call_id: call_id.into() }
    }

    /// The run that the call belongs to.
    #[must_use]
    pub fn run(&self) -> &RunContext {
        &self.run
    }

    /// The id that the model gave to the call.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// A key for the effect of this call: the same when the same call is carried out again, in this attempt or
    /// a later one, and of no other call. Hand it to a service as its idempotency key.
    #[must_use]
    pub fn effect_key(&self) -> String {
        format!("{}:{}", self.run.id(), self.call_id)
    }
}

impl Deref for ToolContext {
    type Target = RunContext;

    fn deref(&self) -> &RunContext {
        &self.run
    }
}
