//! The turn loop over both protocols, streamed and not: each situation is a test of its own for each of the four.

mod broken;
mod endings;
mod form;
mod tools;

use std::time::Duration;

use agentexec_agent_core::{Agent, AgentError, AgentErrorKind, AgentRun};
use agentexec_runner_core::{Retry, Run, RunContext, RunError};
use agentexec_runner_openai::OpenAiRunner;
use agentexec_tools::{DynTool, ToolContext, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wiremock::ResponseTemplate;

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
    let retry = Retry::times(2).base(Duration::from_millis(1));
    let runner = OpenAiRunner::new(wire.model(&server)).turn_retry(retry);
    let result = runner.execute(&RunContext::untracked(), agent.input("Go.")).await;
    Played { wire, result, bodies: bodies(&server).await }
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

/// A tool without arguments that answers so.
fn says(name: &str, answer: &'static str) -> DynTool {
    tool(name, "", move |_: Nothing, _cx: ToolContext| async move { answer })
}

fn agent() -> Agent {
    Agent::new("Tester").instructions("Be brief.")
}
