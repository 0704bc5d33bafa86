//! Finding a tool by name and running it under its limits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use agentexec_runner_core::RunContext;
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::arguments;
use crate::context::ToolContext;
use crate::output::{ToolError, ToolOutput};
use crate::spec::{NAME_LIMIT, ToolSpec};
use crate::tool::DynTool;

/// A call of a tool, as a model asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRequest {
    /// The id of the call.
    pub call_id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: meant to be a JSON object, not checked; empty means `{}`.
    pub arguments: String,
}

impl CallRequest {
    /// A call of this id of the tool of this name.
    pub fn new(call_id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { call_id: call_id.into(), name: name.into(), arguments: arguments.into() }
    }
}

/// Why tools cannot stand together in a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolSetError {
    /// Two tools have the same name.
    #[error("two tools are named {name:?}; give each a name of its own")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that no provider takes.
    #[error(
        "{name:?} cannot be a tool's name; use 1 to {NAME_LIMIT} of the characters a-z, A-Z, 0-9, _ and -"
    )]
    BadName {
        /// The name.
        name: String,
    },
}

/// A tool declared its error fatal: the run must end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool {name:?} ended the run: {message}")]
#[non_exhaustive]
pub struct FatalToolError {
    /// The name of the tool.
    pub name: String,
    /// What it said.
    pub message: String,
}

/// Tools with distinct names, in the order they were given. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct ToolSet {
    tools: Arc<[DynTool]>,
    specs: Arc<[ToolSpec]>,
}

impl ToolSet {
    /// These tools.
    ///
    /// # Errors
    /// When two have the same name, or a name is one that no provider takes.
    pub fn new(tools: impl IntoIterator<Item = DynTool>) -> Result<Self, ToolSetError> {
        let tools: Arc<[DynTool]> = tools.into_iter().collect();
        for (place, tool) in tools.iter().enumerate() {
            let name = &tool.spec().name;
            if !tool.spec().has_usable_name() {
                return Err(ToolSetError::BadName { name: name.clone() });
            }
            if tools.iter().take(place).any(|earlier| earlier.spec().name == *name) {
                return Err(ToolSetError::Duplicate { name: name.clone() });
            }
        }
        let specs = tools.iter().map(|tool| tool.spec().clone()).collect();
        Ok(Self { tools, specs })
    }

    /// The tools for which `wanted` holds.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&ToolSpec) -> bool) -> Self {
        let tools: Arc<[DynTool]> = self.tools.iter().filter(|tool| wanted(tool.spec())).cloned().collect();
        let specs = tools.iter().map(|tool| tool.spec().clone()).collect();
        Self { tools, specs }
    }

    /// The tools as a model sees them.
    #[must_use]
    pub fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&DynTool> {
        self.tools.iter().find(|tool| tool.spec().name == name)
    }

    /// The tools, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &DynTool> {
        self.tools.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Carries a call out. Whatever goes wrong becomes an answer that the model can act on: an unknown tool, bad
    /// arguments, an error, a panic, a timeout, and cancellation of the run.
    ///
    /// # Errors
    /// Only when the tool declared its error fatal.
    ///
    /// # Cancellation
    /// When the run's token fires the tool is dropped, and the answer says so. Dropping the future drops the
    /// tool.
    pub async fn dispatch(&self, cx: &RunContext, call: CallRequest) -> Result<ToolOutput, FatalToolError> {
        let Some(tool) = self.get(&call.name) else {
            return Ok(ToolOutput::error(self.unknown(&call.name)));
        };
        let name = &tool.spec().name;
        let arguments = match arguments::parse(&call.arguments) {
            Ok(arguments) => arguments,
            Err(reason) => return Ok(ToolOutput::error(misfit(name, &reason))),
        };
        let cx = ToolContext::new(cx.clone(), call.call_id);
        let answer = tokio::select! {
            biased;
            answer = run(tool, arguments, cx.clone()) => answer,
            () = cx.canceled() => Ok(ToolOutput::error(format!("Tool '{name}' was canceled before it finished."))),
        };
        match answer {
            Ok(output) => Ok(output.cut(tool.settings().output_limit)),
            Err(error) if error.is_fatal() => {
                Err(FatalToolError { name: name.clone(), message: error.message().to_owned() })
            }
            Err(error) => Ok(ToolOutput::error(error.message()).cut(tool.settings().output_limit)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.tools.iter().map(|tool| tool.spec().name.as_str()).collect();
        let shown: String = name.chars().filter(|c| !c.is_control()).take(NAME_LIMIT).collect();
        match known.is_empty() {
            true => format!("There is no tool named '{shown}'; there are no tools. Answer without one."),
            false => format!("There is no tool named '{shown}'. The tools are: {}.", known.join(", ")),
        }
    }
}

/// Runs a tool under its timeout, and lets a panic be its answer.
async fn run(tool: &DynTool, arguments: serde_json::Value, cx: ToolContext) -> Result<ToolOutput, ToolError> {
    let name = &tool.spec().name;
    // Reading the arguments and calling the function stand inside: both are the user's code and may panic.
    let call = AssertUnwindSafe(async {
        match tool.prepare(arguments, cx) {
            Ok(called) => called.await,
            Err(reason) => Err(ToolError::new(misfit(name, &reason))),
        }
    })
    .catch_unwind();
    let answer = match tool.settings().timeout {
        Some(limit) => timeout(limit, call).await.map_err(|_| timed_out(name, limit))?,
        None => call.await,
    };
    answer.unwrap_or_else(|_| {
        tracing::error!(tool = %name, "a tool panicked");
        Err(ToolError::new(format!("Tool '{name}' failed: it panicked.")))
    })
}

fn misfit(name: &str, reason: &str) -> String {
    format!(
        "The arguments of '{name}' do not fit: {reason}. Call it again with an object that matches its schema."
    )
}

fn timed_out(name: &str, limit: Duration) -> ToolError {
    ToolError::new(format!("Tool '{name}' timed out after {} seconds.", limit.as_secs_f64()))
}
