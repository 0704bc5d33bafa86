//! The turn loop over both protocols, streamed and not: each situation is a test of its own for each of the four.

mod broken;
mod endings;
mod form;
mod retracted;
mod stops;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_agent_core::{Agent, AgentError, AgentErrorKind, AgentInput, AgentRun};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, Run, RunContext, RunError, RunEvent, RunExt, TrackedError};
use agentexec_runner_openai::OpenAiRunner;
use agentexec_tools::{DynTool, ToolContext, tool};
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{bodies, server};
use crate::wire::{Say, Wire};

/// Makes a test of each function for each of these wires.
macro_rules! on {
    ($($wire:ident as $module:ident),*: $tests:tt) => {$(
        mod $module {
            use crate::wire::Wire;
            crate::turns::on!(@each $wire $tests);
        }
    )*};
    (@each $wire:ident { $($test:ident)* }) => {$(
        #[tokio::test]
        async fn $test() {
            super::$test(Wire::$wire).await;
        }
    )*};
}

macro_rules! on_every_wire {
    ($($test:ident)*) => {
        crate::turns::on!(
            ChatStreamed as chat_streamed,
            ChatWhole as chat_whole,
            ResponsesStreamed as responses_streamed,
            ResponsesWhole as responses_whole:
            { $($test)* }
        );
    };
}

macro_rules! on_every_stream {
    ($($test:ident)*) => {
        crate::turns::on!(ChatStreamed as chat_stream, ResponsesStreamed as responses_stream: { $($test)* });
    };
}

pub(crate) use {on, on_every_stream, on_every_wire};

/// What became of a run, and what the server was sent.
struct Played {
    wire: Wire,
    result: Result<AgentRun, RunError<AgentError>>,
    bodies: Vec<Value>,
}

impl Played {
    fn run(&self) -> &AgentRun {
        self.result.as_ref().unwrap()
    }

    fn error(&self) -> &AgentError {
        self.result.as_ref().unwrap_err().error().unwrap()
    }

    fn kind(&self) -> &AgentErrorKind {
        self.error().kind()
    }

    /// Id and text of each tool output in the newest request.
    fn answered(&self) -> Vec<(String, String)> {
        self.wire.outputs(self.bodies.last().unwrap())
    }

    /// The text of the only tool output in the newest request.
    fn answer(&self) -> String {
        let [(_, text)] = <[_; 1]>::try_from(self.answered()).unwrap();
        text
    }
}

/// Runs an agent with a model that says this.
async fn play(wire: Wire, agent: Agent, answers: impl IntoIterator<Item = Say>) -> Played {
    let answers: Vec<ResponseTemplate> = answers.into_iter().map(|say| wire.answer(&say)).collect();
    play_raw(wire, agent, answers).await
}

/// The same with answers of any kind.
async fn play_raw(wire: Wire, agent: Agent, answers: Vec<ResponseTemplate>) -> Played {
    let server = server(wire.path(), answers).await;
    go_on(wire, &server, agent.input("Go.")).await
}

/// A run on this server, with what it was sent by this and earlier ones.
async fn go_on(wire: Wire, server: &MockServer, input: AgentInput) -> Played {
    let result = runner(wire, server).execute(&RunContext::untracked(), input).await;
    Played { wire, result, bodies: bodies(server).await }
}

fn runner(wire: Wire, server: &MockServer) -> OpenAiRunner {
    let retry = Retry::times(2).base(Duration::from_millis(1));
    OpenAiRunner::new(wire.model(server)).turn_retry(retry)
}

/// What was seen of a run that was tracked and streamed.
struct Watched {
    events: Vec<RunEvent>,
    result: Result<AgentRun, TrackedError<AgentRun, AgentError>>,
    /// What its log says.
    messages: Vec<String>,
}

impl Watched {
    fn run(&self) -> &AgentRun {
        self.result.as_ref().unwrap()
    }

    /// The error of the run that failed.
    fn kind(&self) -> &AgentErrorKind {
        self.result.as_ref().unwrap_err().run_error().and_then(RunError::error).unwrap().kind()
    }
}

/// Runs an agent with a model that says this, tracked and streamed.
async fn watch(wire: Wire, agent: Agent, answers: impl IntoIterator<Item = Say>) -> Watched {
    let answers: Vec<ResponseTemplate> = answers.into_iter().map(|say| wire.answer(&say)).collect();
    let server = server(wire.path(), answers).await;
    watch_on(runner(wire, &server), agent.input("Go.")).await
}

async fn watch_on(runner: OpenAiRunner, input: AgentInput) -> Watched {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("test").await.unwrap();
    let mut stream = runner.tracked(&activities).run_streamed(id, input);
    let mut events = Vec::new();
    let failed = loop {
        match stream.next().await {
            Some(Ok(event)) => events.push(event),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    let result = match failed {
        Some(error) => Err(error),
        None => stream.output().await,
    };
    Watched { events, result, messages: store.messages(id) }
}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

/// A tool that adds `a` and `b`.
fn add() -> DynTool {
    tool("add", "Adds.", |sum: Sum, _cx: ToolContext| async move { sum.a + sum.b })
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// The tool `look`, which counts how often it ran.
fn counted(count: &Arc<AtomicUsize>) -> DynTool {
    let count = Arc::clone(count);
    tool("look", "", move |_: Nothing, _cx: ToolContext| {
        count.fetch_add(1, Ordering::SeqCst);
        async { "seen" }
    })
}

/// A tool without arguments that answers so.
fn says(name: &str, answer: &'static str) -> DynTool {
    tool(name, "", move |_: Nothing, _cx: ToolContext| async move { answer })
}

fn agent() -> Agent {
    Agent::new("Tester").instructions("Be brief.")
}
