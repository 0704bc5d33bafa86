//! Finding a tool by name and running it under its limits.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use agentexec_runner_core::RunContext;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use crate::arguments;
use crate::context::ToolContext;
use crate::output::{ToolError, ToolOutput};
use crate::spec::{NAME_LIMIT, ToolSpec};
use crate::tool::DynTool;

/// A call of a tool, as a model asked for it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRequest {
    /// The id of the call.
    pub call_id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: meant to be a JSON object, not checked; empty means `{}`.
    pub arguments: String,
    /// How many calls the run asked for before this one.
    pub place: usize,
}

impl CallRequest {
    /// A call of this id of the tool of this name, the first of its run.
    pub fn new(call_id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { call_id: call_id.into(), name: name.into(), arguments: arguments.into(), place: 0 }
    }

    /// Sets how many calls the run asked for before this one: it tells calls of one id apart in
    /// [`ToolContext::effect_key`].
    #[must_use]
    pub fn at(mut self, place: usize) -> Self {
        self.place = place;
        self
    }
}

/// Without the arguments, which do not belong into a log.
impl fmt::Debug for CallRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRequest")
            .field("call_id", &self.call_id)
            .field("name", &self.name)
            .field("place", &self.place)
            .finish_non_exhaustive()
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
    /// When the run's token fires the tool is polled once more, so that it can hand back what it has, and is
    /// dropped; the answer says so. In a run whose token has fired it is not called. Dropping the future drops
    /// the tool.
    pub async fn dispatch(&self, cx: &RunContext, call: CallRequest) -> Result<ToolOutput, FatalToolError> {
        let Some(tool) = self.get(&call.name) else {
            return Ok(ToolOutput::error(self.unknown(&call.name)));
        };
        let (name, settings) = (&tool.spec().name, tool.settings());
        let answer = tokio::select! {
            biased;
            answer = run(tool, cx, call), if !cx.is_canceled() => answer,
            () = cx.canceled() => Err(ToolError::new(format!("Tool '{name}' was canceled before it finished."))),
        };
        let (output, fatal) = match answer {
            Ok(output) => (output, false),
            Err(error) => (ToolOutput::error(error.message()), error.is_fatal()),
        };
        let output = output.or_failed(name).without_excess(name, settings.media_limit);
        let output = output.cut(settings.output_limit);
        match fatal {
            true => Err(FatalToolError { name: name.clone(), message: output.text }),
            false => Ok(output),
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
async fn run(tool: &DynTool, cx: &RunContext, call: CallRequest) -> Result<ToolOutput, ToolError> {
    let (name, limit) = (&tool.spec().name, tool.settings().timeout);
    let arguments = arguments::parse(&call.arguments).map_err(|reason| misfit(name, &reason))?;
    let part = cx.child(limit.and_then(|limit| Instant::now().checked_add(limit)));
    // What the tool has set going hears when the call is given up. After an answer it may go on.
    let given_up = part.token().clone().drop_guard();
    let cx = ToolContext::of_call(part, call);
    // Reading the arguments and calling the function stand inside: both are the user's code and may panic.
    let call = AssertUnwindSafe(async {
        match tool.prepare(arguments, cx) {
            Ok(called) => called.await,
            Err(reason) => Err(misfit(name, &reason)),
        }
    })
    .catch_unwind();
    let answer = match limit {
        Some(limit) => timeout(limit, call).await.map_err(|_| timed_out(name, limit))?,
        None => call.await,
    };
    let answer = answer.map_err(|_| {
        tracing::error!(tool = %name, "a tool panicked");
        ToolError::new(format!("Tool '{name}' failed: it panicked."))
    })?;
    given_up.disarm();
    answer
}

fn misfit(name: &str, reason: &str) -> ToolError {
    ToolError::new(format!(
        "The arguments of '{name}' do not fit: {reason}. Call it again with an object that matches its schema."
    ))
}

fn timed_out(name: &str, limit: Duration) -> ToolError {
    ToolError::new(format!("Tool '{name}' timed out after {} seconds.", limit.as_secs_f64()))
}
