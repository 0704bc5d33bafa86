//! Two processes on one store: a worker that is killed in the middle of its runs, and a service that sees what became
//! of them.
//!
//! The program starts itself as the worker. One run the service cancels from outside; then it kills the worker, and
//! the run that was left is found to be lost once its lease has run out. With Redis in place of SQLite the two could
//! be on two machines.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use agentexec::activity::WatchEvent;
use agentexec::prelude::*;
use agentexec::sqlite::SqliteStore;
use anyhow::Context;
use futures_util::TryStreamExt;
use tokio::process::Command;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next() {
        Some(file) => work(Path::new(&file)).await,
        None => serve().await,
    }
}

/// The worker: two runs that would take an hour.
async fn work(file: &Path) -> anyhow::Result<()> {
    let activities = Activities::builder(SqliteStore::open(file).await?)
        .owner("worker-1")
        // As short as it gets, so that the example is.
        .lease(Duration::from_secs(1))
        .build();
    let ids = activities.list(&ListQuery::new(Scope::all()).status(Status::Queued)).await?.items;
    let runs = ids.into_iter().map(|activity| {
        activities.track(activity.id, |cx| async move {
            cx.progress("Translating chapter 1", 10).await;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_hours(1)) => Ok("Luku 1"),
                () = cx.canceled() => Err("stopped between two chapters"),
            }
        })
    });
    futures_util::future::join_all(runs).await;
    Ok(())
}

/// The service: it only looks, cancels one run, and kills the worker.
async fn serve() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("activities.db");
    let activities = Activities::new(SqliteStore::open(&file).await?);
    let mut changes = activities.watch(&Scope::all()).await?;
    let novel = activities.create("novel").await?;
    let poem = activities.create("poem").await?;

    let mut worker = Command::new(std::env::current_exe()?).arg(&file).stdout(Stdio::null()).spawn()?;
    tokio::spawn({
        let activities = activities.clone();
        async move { activities.keep_reaping().await }
    });

    let mut said = Vec::new();
    let mut halfway = 0;
    while let Some(event) = changes.try_next().await? {
        let WatchEvent::Logged { id, entry, .. } = event else { continue };
        said.push((
            id,
            format!("{:>8} {:>3} %  {}", entry.status.as_str(), entry.percentage.get(), entry.message),
        ));
        halfway += usize::from(entry.progress);
        if halfway == 2 && entry.progress {
            activities.request_cancel(&Scope::all(), poem, "the poet asked for it").await?;
        }
        if entry.status == Status::Canceled {
            worker.kill().await.context("killing the worker")?;
        }
        if entry.status == Status::Error {
            break;
        }
    }
    for (name, id) in [("poem", poem), ("novel", novel)] {
        println!("The {name}:");
        said.iter().filter(|(of, _)| *of == id).for_each(|(_, line)| println!("{line}"));
    }
    Ok(())
}
