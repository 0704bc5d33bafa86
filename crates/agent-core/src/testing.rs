//! A model that follows a script, for the tests of your own agents: it costs nothing, says the same each time, and
//! remembers what it was asked.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec_agent_core::testing::{ScriptedModel, Turn};
//! use agentexec_agent_core::{Agent, AgentRunner};
//! use agentexec_runner_core::{Run, RunContext};
//!
//! let model = ScriptedModel::new([Turn::text("Hello.")]);
//! let agent = Agent::new("Greeter").instructions("Greet.");
//! AgentRunner::new(model.clone()).execute(&RunContext::untracked(), agent.input("Hi")).await?;
//! assert_eq!(model.requests()[0].instructions.as_deref(), Some("Greet."));
//! # Ok(()) }
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use agentexec_runner_core::Usage;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse, ModelSettings, StopReason,
    ToolChoice,
};
use crate::output::OutputFormat;
use crate::transcript::{Item, ToolCall, Transcript};

/// A model that answers with the next turn of a script, and remembers what it was asked. Clones share both.
///
/// A script that has run out answers with an error that says so.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    turns: VecDeque<Turn>,
    requests: Vec<Asked>,
    calls: usize,
}

/// What a scripted model was asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The model by name, where the agent named one.
    pub model: Option<String>,
    /// The instructions.
    pub instructions: Option<String>,
    /// The transcript.
    pub transcript: Transcript,
    /// The names of the tools.
    pub tools: Vec<String>,
    /// The choice of tools.
    pub tool_choice: ToolChoice,
    /// Sampling and limits.
    pub settings: ModelSettings,
    /// The form of the final answer.
    pub output: Option<OutputFormat>,
}

impl ScriptedModel {
    /// A model that answers with these turns, one after the other.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let script = Script { turns: turns.into_iter().collect(), requests: Vec::new(), calls: 0 };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

/// One answer of a scripted model.
#[derive(Debug, Default)]
pub struct Turn {
    deltas: Vec<ModelEvent>,
    items: Vec<Item>,
    stop: Option<StopReason>,
    usage: Usage,
    end: End,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Completed,
    Failed(ModelError),
    Cut,
    Never,
}

impl Turn {
    /// Says `text`, streamed word by word.
    pub fn text(text: &str) -> Self {
        Self::default().and_text(text)
    }

    /// Asks for a tool. The ids of calls are `call_1`, `call_2` and so on, over the whole script.
    pub fn call(name: &str, arguments: &str) -> Self {
        Self::default().and_call(name, arguments)
    }

    /// Fails with this error.
    #[must_use]
    pub fn fail(error: ModelError) -> Self {
        Self { end: End::Failed(error), ..Self::default() }
    }

    /// Never answers: the request stays open until it is dropped.
    #[must_use]
    pub fn never() -> Self {
        Self { end: End::Never, ..Self::default() }
    }

    /// Also says `text`.
    #[must_use]
    pub fn and_text(mut self, text: &str) -> Self {
        self.deltas.extend(text.split_inclusive(' ').map(|word| ModelEvent::TextDelta(word.to_owned())));
        self.items.push(Item::assistant(text));
        self
    }

    /// Also asks for a tool.
    #[must_use]
    pub fn and_call(mut self, name: &str, arguments: &str) -> Self {
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        self.items.push(Item::ToolCall(ToolCall { id: String::new(), name, arguments, raw: None }));
        self
    }

    /// Also adds an item as it is; a tool call without an id is given one.
    #[must_use]
    pub fn and_item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// Stops for this reason in place of the one that the items suggest.
    #[must_use]
    pub fn stopping(mut self, reason: StopReason) -> Self {
        self.stop = Some(reason);
        self
    }

    /// Costs so many tokens, none of them cached or spent on reasoning.
    #[must_use]
    pub fn costing(self, input: u64, output: u64) -> Self {
        self.using(Usage::new(input, output))
    }

    /// Costs this.
    #[must_use]
    pub fn using(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Fails with this error after what it says was streamed.
    #[must_use]
    pub fn then_fail(mut self, error: ModelError) -> Self {
        self.end = End::Failed(error);
        self
    }

    /// Ends without completing after what it says was streamed.
    #[must_use]
    pub fn then_cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Goes silent after what it says was streamed.
    #[must_use]
    pub fn then_never(mut self) -> Self {
        self.end = End::Never;
        self
    }

    fn play(mut self, calls: &mut usize) -> BoxStream<'static, Result<ModelEvent, ModelError>> {
        for item in &mut self.items {
            if let Item::ToolCall(call) = item {
                if call.id.is_empty() {
                    *calls += 1;
                    call.id = format!("call_{calls}");
                }
                let (call_id, name, delta) = (call.id.clone(), call.name.clone(), call.arguments.clone());
                self.deltas.push(ModelEvent::ToolCallStarted { call_id: call_id.clone(), name });
                self.deltas.push(ModelEvent::ToolCallDelta { call_id, delta });
            }
        }
        let asks = self.items.iter().any(|item| matches!(item, Item::ToolCall(_)));
        let natural = if asks { StopReason::ToolCalls } else { StopReason::EndTurn };
        let mut response = ModelResponse::new(self.items, self.stop.unwrap_or(natural));
        response.usage = self.usage;
        let told = stream::iter(self.deltas.into_iter().map(Ok));
        match self.end {
            End::Completed => {
                let completed = ModelEvent::Completed(Box::new(response));
                told.chain(stream::once(async { Ok(completed) })).boxed()
            }
            End::Failed(error) => told.chain(stream::once(async { Err(error) })).boxed(),
            End::Cut => told.boxed(),
            End::Never => told.chain(stream::pending()).boxed(),
        }
    }
}

impl Model for ScriptedModel {
    fn id(&self) -> String {
        "scripted:model".to_owned()
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.requests.push(Asked {
            model: request.model.map(str::to_owned),
            instructions: request.instructions.map(str::to_owned),
            transcript: request.items.iter().cloned().collect(),
            tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            tool_choice: request.tool_choice.clone(),
            settings: request.settings.clone(),
            output: request.output.cloned(),
        });
        let Some(turn) = script.turns.pop_front() else {
            let message = format!("the script ended after {} requests", script.requests.len() - 1);
            let error = ModelError::new(ModelErrorKind::InvalidRequest, message);
            return stream::once(async { Err(error) }).boxed();
        };
        turn.play(&mut script.calls)
    }
}
