//! A second model behind the first, even of another provider: it goes on from the transcript, so tools that have
//! run are not run again.
//!
//! A server in this program plays both providers, each in its own protocol. The first fails in the middle of the
//! work.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentexec::claude::{Claude, ClaudeRunner, RetryPolicy};
use agentexec::openai::{OpenAi, OpenAiRunner};
use agentexec::prelude::*;
use agentexec_demo::{Conversation, DemoServer, Reply};
use anyhow::Context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Month {
    /// The name of the month.
    month: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = DemoServer::builder().delay(Duration::ZERO).brain(script).start()?;
    let url = server.base_url();
    // The transport would ask twice more before it gives up; here the next model is to have its turn at once.
    let large = Claude::new("demo-key").base_url(url).model("large").retry(RetryPolicy::none()).build()?;
    let small = OpenAi::at(format!("{url}/v1")).api_key("demo-key").model("small").responses()?;

    // Whoever reads the log need not know status and request id. The error that the caller gets has both.
    let store = MemoryStore::new();
    let for_people = |text: &str| text.split(" (HTTP").next().unwrap_or(text).to_owned();
    let activities = Activities::builder(store).redact(for_people).build();
    let runner = ClaudeRunner::new(large).fallback(OpenAiRunner::new(small)).tracked(&activities);

    let calls = Arc::new(AtomicU32::new(0));
    let agent = Agent::new("Accountant").instructions("Report the orders of a month.").tool(tool_with(
        Arc::clone(&calls),
        "count_orders",
        "Count the orders of a month. This takes a while.",
        |calls: Arc<AtomicU32>, args: Month, _cx: ToolContext| async move {
            calls.fetch_add(1, Ordering::SeqCst);
            format!("{}: 1204 orders", args.month)
        },
    ));

    let id = activities.create("report").await?;
    let run = runner.run(id, agent.input("How many orders were there in March?")).await?;
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    println!("answer: {}", run.output);
    for (turn, report) in (1..).zip(&run.turns) {
        println!(
            "turn {turn}: model {}, {} tool calls",
            report.model.as_deref().unwrap_or("?"),
            report.tool_calls
        );
    }
    println!("calls of the tool in all: {}", calls.load(Ordering::SeqCst));
    Ok(())
}

/// Plays both models: the large one breaks down once it has called its tool.
fn script(conversation: &Conversation) -> Reply {
    match (conversation.model.as_str(), conversation.tool_outputs().next()) {
        (_, None) => Reply::call("count_orders", json!({"month": "March"})),
        ("large", Some(_)) => Reply::failure(529, "Overloaded"),
        (_, Some(count)) => Reply::text(format!("{count} in all.")),
    }
}
