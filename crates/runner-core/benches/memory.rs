//! What a streamed run keeps in memory: `cargo bench -p agentexec-runner-core --bench memory`.
//!
//! Ten thousand streamed runs, each read by a task of its own, stand still in the middle: they have started,
//! reported progress and streamed some text. What the process grew by, with the records in the store, is divided
//! by their number. (Linux only: it reads `/proc/self/status`.)

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope};
use agentexec_runner_core::{Retry, RunContext, RunEvent, RunExt, from_fn};
use futures_util::TryStreamExt;
use tokio::sync::Semaphore;

const RUNS: u32 = 10_000;
const GOAL_KB: f64 = 32.0;

/// Resident memory, in KB.
fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts the runs and waits until all of them stand still; says how much the process grew by for each.
async fn kb_per_run() -> f64 {
    let activities = Activities::new(MemoryStore::new());
    let runner = from_fn(|cx: RunContext, question: String| async move {
        cx.progress("Asking the model", 10).await;
        for word in question.split_inclusive(' ') {
            cx.emit(RunEvent::TextDelta { text: word.to_owned() }).await;
        }
        cx.note("Waiting for the model").await;
        pending::<Result<String, &str>>().await
    });
    let runner =
        runner.retry_if(Retry::default(), |_| true).timeout(Duration::from_hours(1)).tracked(&activities);
    let standing = Arc::new(Semaphore::new(0));

    let before = resident_kb();
    for number in 0..RUNS {
        let id = activities.create("bench").metadata("number", number).await.unwrap();
        let mut stream = runner.run_streamed(id, "What is the answer to everything?".to_owned());
        let standing = Arc::clone(&standing);
        tokio::spawn(async move {
            while let Some(event) = stream.try_next().await.unwrap() {
                if matches!(event, RunEvent::Progress { percentage: None, .. }) {
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
