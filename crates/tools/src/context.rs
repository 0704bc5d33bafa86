//! What a tool sees of its call.

use std::ops::Deref;
use std::sync::Arc;

use agentexec_runner_core::RunContext;
use uuid::Uuid;

use crate::set::CallRequest;

/// What a tool sees of its call: its part of the run ([`RunContext::child`]; it derefs to that, so a tool can
/// report progress, watch for cancellation or run a sub-agent), and the call itself.
///
/// Its token fires when the run is to stop, and when the call is given up: at its timeout, when it panics, or when
/// it is dropped. So what a tool has set going and handed the context to hears of it. After an answer it does not
/// fire by itself: what was set going may go on until the run ends. Its deadline is the nearer of the run's and
/// the call's timeout.
#[derive(Clone, Debug)]
pub struct ToolContext {
    run: RunContext,
    call: Arc<CallRequest>,
}

impl ToolContext {
    /// The call of this id within a run, for tests of a tool's own function; otherwise
    /// [`ToolSet::dispatch`](crate::ToolSet::dispatch) makes it.
    pub fn new(run: RunContext, call_id: impl Into<String>) -> Self {
        Self::of_call(run, CallRequest::new(call_id, String::new(), String::new()))
    }

    pub(crate) fn of_call(run: RunContext, call: CallRequest) -> Self {
        let key = effect_key(&run, &call);
        Self { run: run.with_call_key(key), call: Arc::new(call) }
    }

    /// The part of the run that the call is.
    #[must_use]
    pub fn run(&self) -> &RunContext {
        &self.run
    }

    /// The id that the model gave to the call.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call.call_id
    }

    /// A key for the effect of this call: the same when the same call is carried out again, in this attempt or
    /// a later one, and of no other call. Hand it to a service as its idempotency key.
    ///
    /// It is a UUID (36 characters) made of the run's id, the place of the call in the run, its id, the tool's
    /// name, the arguments, and the key of the call around it where a sub-agent makes it. The id alone would not do: some servers number the calls of each response anew.
    #[must_use]
    pub fn effect_key(&self) -> String {
        self.run.call_key().unwrap_or_default().to_owned()
    }
}

fn effect_key(run: &RunContext, call: &CallRequest) -> String {
    let CallRequest { call_id, name, arguments, place } = call;
    // A sub-agent counts its calls anew: the call that it works in tells them apart.
    let around = run.call_key().unwrap_or_default();
    let call = format!("{around}:{place}:{}:{call_id}:{}:{name}:{arguments}", call_id.len(), name.len());
    Uuid::new_v5(&Uuid::from_u128(run.id().as_u128()), call.as_bytes()).to_string()
}

impl Deref for ToolContext {
    type Target = RunContext;

    fn deref(&self) -> &RunContext {
        &self.run
    }
}
