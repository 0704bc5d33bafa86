//! A runner for a framework of one's own: say how the framework runs, and the lifecycle is put around it.
//!
//! Nothing here speaks of a language model. A framework is whatever takes an input, works for a while, and gives an
//! output or an error.
#![allow(clippy::print_stdout)]

use agentexec::prelude::*;
use agentexec::runner::TrackedError;
use anyhow::Context;

/// What this program's framework is made of: it takes a step a turn until it knows the answer.
struct MyFramework {
    api_key: Option<String>,
}

impl MyFramework {
    async fn step(&self, question: &str, turn: u32) -> anyhow::Result<Option<String>> {
        let key = self.api_key.as_deref().context("no API key is set")?;
        let answer = format!("{question} It took {turn} turns and a key of {} letters.", key.len());
        Ok((turn == 3).then_some(answer))
    }
}

/// What a run begins with: everything that the framework wants to know.
struct Job {
    question: String,
    max_turns: u32,
}

impl Runner for MyFramework {
    type Input = Job;
    type Output = String;
    type Error = anyhow::Error;

    async fn run(&self, cx: &RunContext, job: Job) -> anyhow::Result<String> {
        for turn in 1..=job.max_turns {
            // The last tenth is left for the end, which the lifecycle reports.
            let percentage = (turn * 100 / job.max_turns).min(90);
            cx.progress(format!("Turn {turn}/{}", job.max_turns), percentage).await;
            if let Some(answer) = self.step(&job.question, turn).await.context("the framework gave up")? {
                return Ok(answer);
            }
        }
        anyhow::bail!("no answer after {} turns", job.max_turns)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let activities = Activities::new(MemoryStore::new());
    let job = || Job { question: "Why?".to_owned(), max_turns: 4 };

    println!("A run that ends well:");
    let runner = MyFramework { api_key: Some("secret".to_owned()) }.tracked(&activities);
    let id = activities.create("question").await?;
    let answer = runner.run(id, job()).await?;
    print_log(&activities, id).await?;
    println!("the caller gets: {answer}\n");

    println!("A run that fails:");
    let runner = MyFramework { api_key: None }.tracked(&activities);
    let id = activities.create("question").await?;
    // The error is the runner's own, unchanged; the log has it with its causes.
    let error = runner.run(id, job()).await.err().and_then(TrackedError::into_error);
    print_log(&activities, id).await?;
    println!("the caller gets: {:#}\n", error.context("an error of the framework")?);

    println!("A run of something that has ended:");
    let error = runner.run(id, job()).await.err().context("it must not run twice")?;
    println!("the caller gets: {error}");
    Ok(())
}

async fn print_log(activities: &Activities, id: AgentId) -> anyhow::Result<()> {
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    Ok(())
}
