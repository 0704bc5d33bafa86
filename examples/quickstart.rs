//! An agent with tools: tracked, and streamed while it works.
//!
//! With `ANTHROPIC_API_KEY` or `OPENAI_API_KEY` set it asks that provider. Without a key it asks a server in this
//! program that speaks Anthropic's protocol and follows a script; everything else is as with a real model.
#![allow(clippy::print_stdout)]

use std::io::Write;

use agentexec::agent::{AgentError, AgentInput};
use agentexec::claude::{Claude, ClaudeRunner};
use agentexec::openai::OpenAiRunner;
use agentexec::prelude::*;
use agentexec::runner::BoxRun;
use agentexec_demo::{Conversation, DemoServer, Reply};
use anyhow::Context;
use futures_util::TryStreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

const NOTES: [&str; 3] = [
    "tokio: many threads, and most libraries are written for it",
    "smol: small enough to read in an evening",
    "embassy: for microcontrollers, without an operating system",
];

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// A word to look for.
    word: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let search = tool("search_notes", "Search the notes.", |args: Search, _cx: ToolContext| async move {
        let found: Vec<&str> = NOTES.into_iter().filter(|note| note.contains(&args.word)).collect();
        found.join("\n")
    });
    let agent = Agent::new("Researcher")
        .instructions(format!("Answer from the notes alone. {}", prompts::REPORT_STATUS))
        .tool(search)
        .tool(report_status());

    let activities = Activities::new(MemoryStore::new());
    let (runner, _server) = runner()?;
    let runner = runner.tracked(&activities);

    // A service would answer its user with the id here, and run the agent in the background.
    let id = activities.create("research").metadata("org", "acme").await?;
    let mut events = runner.run_streamed(id, agent.input("Which runtime suits a microcontroller?"));
    while let Some(event) = events.try_next().await? {
        match event {
            RunEvent::Progress { message, percentage: Some(percentage) } => {
                println!("{:>3} %  {message}", percentage.get());
            }
            RunEvent::ToolCallFinished { name, output, .. } if name != "report_activity" => {
                println!("       {name}: {output}");
            }
            RunEvent::TextDelta { text } => {
                print!("{text}");
                std::io::stdout().flush()?;
            }
            _ => {}
        }
    }
    let run = events.output().await?;
    let record = activities.detail(&Scope::all(), id).await?.context("the record is gone")?.activity;
    println!("\n{} after {} turns: {}", record.status, run.turns.len(), record.message);
    Ok(())
}

/// The provider whose key is set, or the server in this program, which stops when it is dropped.
fn runner() -> anyhow::Result<(BoxRun<AgentInput, AgentRun, AgentError>, Option<DemoServer>)> {
    let is_set = |key| std::env::var_os(key).is_some_and(|value| !value.is_empty());
    if is_set("ANTHROPIC_API_KEY") {
        return Ok((ClaudeRunner::from_env()?.boxed(), None));
    }
    if is_set("OPENAI_API_KEY") {
        return Ok((OpenAiRunner::from_env()?.boxed(), None));
    }
    let server = DemoServer::builder().brain(script).start()?;
    let model = Claude::new("demo").base_url(server.base_url()).model("demo").build()?;
    Ok((ClaudeRunner::new(model).boxed(), Some(server)))
}

/// Plays the model: its next response follows from the conversation so far.
fn script(conversation: &Conversation) -> Reply {
    let report = |message, percentage| {
        Reply::call("report_activity", json!({"message": message, "percentage": percentage}))
    };
    match conversation.turns() {
        0 => report("Reading the notes", 20).and_call("search_notes", json!({"word": "microcontroller"})),
        1 => report("Writing the answer", 80),
        _ => {
            let note = conversation.tool_outputs().find(|output| output.contains("microcontroller"));
            Reply::text(format!("The notes say: {}.", note.unwrap_or("nothing")))
        }
    }
}
