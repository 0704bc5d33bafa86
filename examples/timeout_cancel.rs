//! Three ways to stop a run from outside: a deadline, a request to cancel, and dropping its future. Each is told
//! apart in the record, and the first two hand back the work that was done.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use agentexec::activity::WatchEvent;
use agentexec::prelude::*;
use agentexec::runner::RunError;
use anyhow::{Context, bail};
use futures_util::TryStreamExt;

const BOOK: [&str; 3] = ["Chapter 1", "Chapter 2", "the appendix"];

/// Translates a book, chapter by chapter.
struct Translator;

/// The work that was done until it was asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {} chapters", .done.len())]
struct Stopped {
    done: Vec<String>,
}

impl Runner for Translator {
    type Input = [&'static str; 3];
    type Output = Vec<String>;
    type Error = Stopped;

    async fn run(&self, cx: &RunContext, book: [&'static str; 3]) -> Result<Vec<String>, Stopped> {
        let mut done = Vec::new();
        for chapter in book {
            cx.note(format!("Translating {chapter}")).await;
            // Who listens to the token can hand back what there is. Who does not is dropped after a grace period.
            tokio::select! {
                text = translate(chapter) => done.push(text),
                () = cx.canceled() => return Err(Stopped { done }),
            }
        }
        Ok(done)
    }
}

/// The appendix is too much for the service behind this: it never answers.
async fn translate(chapter: &str) -> String {
    match chapter {
        "the appendix" => std::future::pending().await,
        chapter => chapter.replace("Chapter", "Luku"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let activities = Activities::new(MemoryStore::new());
    let runner = Translator.tracked(&activities);

    println!("A deadline:");
    let id = activities.create("translate").await?;
    let ended = runner.clone().timeout(Duration::from_secs(1)).run(id, BOOK).await;
    let stopped = ended.err().context("it never ends by itself")?.into_error();
    print_log(&activities, id).await?;
    println!("handed back: {:?}\n", stopped.context("within the grace period")?.done);

    println!("A request to cancel, from another task:");
    let id = activities.create("translate").await?;
    let mut changes = activities.watch(&Scope::all()).await?;
    let running = tokio::spawn({
        let runner = runner.clone();
        async move { runner.run(id, BOOK).await }
    });
    while let Some(change) = changes.try_next().await? {
        if matches!(&change, WatchEvent::Logged { entry, .. } if entry.message.as_str().ends_with("appendix"))
        {
            break;
        }
    }
    activities.request_cancel(&Scope::all(), id, "the reader closed the book").await?;
    let error = running.await?.err().context("it never ends by itself")?;
    print_log(&activities, id).await?;
    let Some(RunError::Canceled { reason, error: Some(stopped) }) = error.run_error() else {
        bail!("{error}")
    };
    println!("canceled since {reason}; handed back: {:?}\n", stopped.done);

    println!("A dropped future:");
    let id = activities.create("translate").await?;
    // A client that goes away, a `select!` that another branch wins: the future is dropped, here by tokio.
    if tokio::time::timeout(Duration::from_millis(100), runner.run(id, BOOK)).await.is_ok() {
        bail!("it never ends by itself");
    }
    // The last words of a dropped run are written in the background. A program waits for them before it ends.
    activities.shutdown().await;
    print_log(&activities, id).await
}

async fn print_log(activities: &Activities, id: AgentId) -> anyhow::Result<()> {
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    Ok(())
}
