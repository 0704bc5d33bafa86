//! What the tests run in: the server, and a runner for each protocol.

use std::process::Command;
use std::time::Duration;

use agentexec::agent::{AgentError, AgentInput, AgentRunner};
use agentexec::claude::Claude;
use agentexec::openai::{OpenAi, RetryPolicy, Timeouts};
use agentexec::prelude::*;
use agentexec::runner::RunError;
use agentexec_testbed::Process;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The model that is asked unless a test says otherwise.
pub(crate) const MODEL: &str = "a-model";

const START_LIMIT: Duration = Duration::from_secs(30);

/// The server, which ends with this.
pub(crate) struct Aimock {
    url: String,
    _process: Process,
}

impl Aimock {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further options of its own.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let program = std::env::var("AGENTEXEC_AIMOCK").expect("`cargo xtask interop` says where aimock is");
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aimock/fixtures.json");
        let mut command = Command::new("node");
        command.args([&program, "--port", "0", "--strict", "--fixtures", fixtures]).args(options);
        let mut process = Process::start(&mut command);
        let url = loop {
            let line =
                process.line(START_LIMIT).unwrap_or_else(|| panic!("aimock ended: {}", process.stderr()));
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.trim().to_owned();
            }
        };
        Self { url, _process: process }
    }

    /// A runner that asks it. `scope` is for what the server counts: each scope has its own first request.
    pub(crate) fn runner(&self, way: Way, scope: &str) -> AgentRunner {
        self.runner_with(way, scope, MODEL, Timeouts::default())
    }

    pub(crate) fn runner_with(&self, way: Way, scope: &str, model: &str, timeouts: Timeouts) -> AgentRunner {
        let mut retry = RetryPolicy::default();
        retry.base = Duration::from_millis(1);
        let scope = format!("{scope} {way:?}");
        let openai = || {
            let settings = OpenAi::at(format!("{}/v1", self.url)).api_key("test").model(model);
            settings.header("x-test-id", &scope).retry(retry).timeouts(timeouts)
        };
        let runner = match way.protocol {
            Protocol::Chat => AgentRunner::new(openai().chat().unwrap().streaming(way.streaming)),
            Protocol::Responses => AgentRunner::new(openai().responses().unwrap().streaming(way.streaming)),
            Protocol::Messages => {
                let claude = Claude::new("test").base_url(&self.url).model(model);
                let claude = claude.header("x-test-id", &scope).retry(retry).timeouts(timeouts);
                AgentRunner::new(claude.streaming(way.streaming).build().unwrap())
            }
        };
        runner.turn_retry(Retry::times(2).base(Duration::from_millis(1)))
    }

    /// What the server was asked in a scope, oldest first.
    pub(crate) async fn asked(&self, way: Way, scope: &str) -> Vec<Value> {
        let url = format!("{}/__aimock/journal", self.url);
        let entries: Vec<Value> = reqwest::get(url).await.unwrap().json().await.unwrap();
        let scope = format!("{scope} {way:?}");
        let of_scope = |entry: &Value| entry["headers"]["x-test-id"] == scope.as_str();
        entries.into_iter().filter(of_scope).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Chat,
    Responses,
    Messages,
}

/// A protocol, streamed or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) protocol: Protocol,
    pub(crate) streaming: bool,
}

pub(crate) const WAYS: [Way; 6] = [
    Way { protocol: Protocol::Chat, streaming: false },
    Way { protocol: Protocol::Chat, streaming: true },
    Way { protocol: Protocol::Responses, streaming: false },
    Way { protocol: Protocol::Responses, streaming: true },
    Way { protocol: Protocol::Messages, streaming: false },
    Way { protocol: Protocol::Messages, streaming: true },
];

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct Two {
    a: i64,
    b: i64,
}

pub(crate) fn agent() -> Agent {
    Agent::new("Tester")
        .instructions("Use the tools.")
        .tool(tool("get_weather", "Says the weather.", |args: City, _cx| async move {
            format!("Sunny in {}", args.city)
        }))
        .tool(tool("add", "Adds.", |args: Two, _cx| async move { args.a + args.b }))
}

pub(crate) async fn run(
    runner: &AgentRunner,
    agent: Agent,
    says: &str,
) -> Result<AgentRun, RunError<AgentError>> {
    runner.execute(&RunContext::untracked(), agent.input(says)).await
}

/// What a user sees of a run as it goes on: the text that counts, and how often some was taken back.
pub(crate) async fn watched<R>(runner: R, says: &str) -> (AgentRun, String, usize)
where
    R: Run<Input = AgentInput, Output = AgentRun, Error = AgentError> + 'static,
{
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("test").await.unwrap();
    let mut events = runner.tracked(&activities).run_streamed(id, agent().input(says));
    let (mut shown, mut retracted) = (String::new(), 0);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            RunEvent::TextDelta { text } => shown.push_str(&text),
            RunEvent::Retracted { .. } => {
                shown.clear();
                retracted += 1;
            }
            _ => {}
        }
    }
    (events.output().await.unwrap(), shown, retracted)
}
