//! What a streamed run of an agent keeps in memory: `cargo bench -p agentexec-agent-core --bench memory`.
//!
//! Ten thousand streamed runs, each read by a task of its own, stand still in their second turn: a tool has run, the
//! answer is being streamed. What the process grew by, with the records in the store, is divided by their number. No
//! HTTP is in it: sockets and TLS come on top. (Linux only: it reads `/proc/self/status`.)

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope};
use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest, ModelResponse, StopReason};
use agentexec_agent_core::transcript::ToolCall;
use agentexec_agent_core::{Agent, AgentRunner, Item};
use agentexec_runner_core::{Retry, RunEvent, RunExt};
use agentexec_tools::report_status;
use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::Semaphore;

const RUNS: u32 = 10_000;
const GOAL_KB: f64 = 32.0;

/// Asks for a tool, then says a few words and falls silent.
#[derive(Debug)]
struct Silent;

impl Model for Silent {
    fn id(&self) -> String {
        "bench:silent".into()
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        if request.items.len() > 1 {
            let words = "It is too early to say. ".split_inclusive(' ');
            let told = words.map(|word| Ok(ModelEvent::TextDelta(word.to_owned())));
            return stream::iter(told).chain(stream::pending()).boxed();
        }
        let arguments = r#"{"message": "Asking the model", "percentage": 10}"#.to_owned();
        let call = ToolCall { id: "call_1".into(), name: "report_activity".into(), arguments, raw: None };
        let response = ModelResponse::new(vec![Item::ToolCall(call)], StopReason::ToolCalls);
        stream::once(async { Ok(ModelEvent::Completed(Box::new(response))) }).boxed()
    }
}

/// Resident memory, in KB.
fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts the runs and waits until all of them stand still; says how much the process grew by for each.
async fn kb_per_run() -> f64 {
    let activities = Activities::new(MemoryStore::new());
    let agent = Agent::new("Bench").instructions("Answer.").tool(report_status());
    let runner = AgentRunner::new(Silent)
        .retry(Retry::default())
        .timeout(Duration::from_hours(1))
        .tracked(&activities);
    let standing = Arc::new(Semaphore::new(0));

    let before = resident_kb();
    for number in 0..RUNS {
        let id = activities.create("bench").metadata("number", number).await.unwrap();
        let mut stream = runner.run_streamed(id, agent.input("What is the answer to everything?"));
        let standing = Arc::clone(&standing);
        tokio::spawn(async move {
            while let Some(event) = stream.try_next().await.unwrap() {
                if matches!(event, RunEvent::TextDelta { text } if text == "say. ") {
                    standing.add_permits(1);
                }
            }
        });
    }
    drop(standing.acquire_many(RUNS).await.unwrap());
    let after = resident_kb();
    assert_eq!(activities.counts(&Scope::all()).await.unwrap().running, u64::from(RUNS));
    (after - before) / f64::from(RUNS)
}

fn main() {
    // Without `--bench` this was started by a test run over all targets.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let kb = runtime.block_on(kb_per_run());
    println!("memory/streamed_run     {kb:.1} KB per run, {RUNS} runs at once (goal: below {GOAL_KB} KB)");
    runtime.shutdown_background();
}
