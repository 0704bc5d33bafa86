//! What the tests of calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentexec_runner_core::RunContext;
use agentexec_tools::{CallRequest, DynTool, FatalToolError, ToolOutput, ToolSet};
use schemars::JsonSchema;
use serde::Deserialize;

/// Arguments of a tool that needs none.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

/// Calls the tool within a run that is tracked nowhere.
pub(crate) async fn try_call(
    tool: impl Into<DynTool>,
    arguments: &str,
) -> Result<ToolOutput, FatalToolError> {
    call_in(&RunContext::untracked(), tool, arguments).await
}

/// Calls a tool whose errors are not fatal.
pub(crate) async fn call(tool: impl Into<DynTool>, arguments: &str) -> ToolOutput {
    try_call(tool, arguments).await.unwrap()
}

/// Calls the tool within this run.
pub(crate) async fn call_in(
    cx: &RunContext,
    tool: impl Into<DynTool>,
    arguments: &str,
) -> Result<ToolOutput, FatalToolError> {
    let tool = tool.into();
    let name = tool.spec().name.clone();
    let tools = ToolSet::new([tool]).unwrap();
    tools.dispatch(cx, CallRequest::new("call_1", name, arguments)).await
}

/// How often something happened. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts when it is dropped.
pub(crate) struct CountDrop(pub(crate) Count);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.up();
    }
}
