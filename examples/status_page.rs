//! What a status page asks of the activities: a list, the counts, one run with its log, changes as they happen, and
//! a button that cancels. Each function is the body of a request handler; which web server calls it does not matter.
//!
//! Every one of them takes the scope of the user who asks, so nobody sees the runs of another tenant.
#![allow(clippy::print_stdout)]

use agentexec::activity::{CancelOutcome, Error, WatchEvent};
use agentexec::prelude::*;
use futures_util::TryStreamExt;
use serde_json::{Value, json};

/// The scope of a user. A missing tenant is an error and never "everything".
fn scope_of(org: &str) -> Result<Scope, Error> {
    Scope::metadata(Metadata::new().with("org", org)?)
}

/// `GET /runs`: running ones first, then queued ones, then the rest, newest first. `next` in the answer is the
/// cursor of the next page.
async fn list(activities: &Activities, org: &str) -> Result<Value, Error> {
    let query = ListQuery::new(scope_of(org)?).limit(20);
    let page = activities.list(&query).await?;
    let line =
        |run: &agentexec::activity::Activity| format!("{} {}: {}", run.status, run.percentage, run.message);
    Ok(json!({"runs": page.items.iter().map(line).collect::<Vec<_>>(), "next": page.next}))
}

/// `GET /runs/counts`
async fn counts(activities: &Activities, org: &str) -> Result<Value, Error> {
    let counts = activities.counts(&scope_of(org)?).await?;
    Ok(json!({"active": counts.active(), "total": counts.total(), "by_status": counts}))
}

/// `GET /runs/ID`: the record and its log; `None` is a 404, also for a run of another tenant.
async fn detail(activities: &Activities, org: &str, id: AgentId) -> Result<Option<Value>, Error> {
    let detail = activities.detail(&scope_of(org)?, id).await?;
    Ok(detail.map(|detail| json!(detail)))
}

/// `POST /runs/ID/cancel`
async fn cancel(activities: &Activities, org: &str, id: AgentId) -> Result<&'static str, Error> {
    let outcome =
        activities.request_cancel(&scope_of(org)?, id, format!("a user of {org} asked for it")).await?;
    Ok(match outcome {
        CancelOutcome::Canceled => "canceled before it started",
        CancelOutcome::Requested => "asked to stop",
        _ => "it had ended already",
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let activities = Activities::new(MemoryStore::new());
    // `GET /runs/events`: what is written from now on, for a stream of server-sent events.
    let mut changes = activities.watch(&scope_of("acme")?).await?;

    let report = activities.create("report").metadata("org", "acme").await?;
    let digest = activities.create("digest").metadata("org", "acme").await?;
    let secret = activities.create("secret").metadata("org", "globex").await?;
    let work = |cx: RunContext| async move {
        cx.progress("Reading 40 tickets", 25).await;
        Ok::<_, Error>(())
    };
    activities.track(secret, work).await?;
    activities.track(report, work).await?;
    activities.update(digest, "Collecting").percentage(10).await?;

    println!("list: {:#}", list(&activities, "acme").await?);
    println!("counts: {:#}", counts(&activities, "acme").await?);
    println!("detail: {:#}", detail(&activities, "acme", digest).await?.unwrap_or_default());

    println!("\nacme asks for a run of globex: {:?}", detail(&activities, "acme", secret).await?);
    if let Err(error) = cancel(&activities, "acme", secret).await {
        println!("acme cancels a run of globex: {error}");
    }
    println!("acme cancels its digest: {}", cancel(&activities, "acme", digest).await?);
    println!("acme cancels its report: {}", cancel(&activities, "acme", report).await?);

    println!("\nchanges:");
    while let Some(change) = changes.try_next().await? {
        match change {
            WatchEvent::Logged { id, entry, .. } => {
                let name = if id == report { "report" } else { "digest" };
                println!("{name}  {} {}: {}", entry.status, entry.percentage, entry.message);
            }
            WatchEvent::CancelRequested { reason, .. } => {
                println!("digest  asked to stop: {reason}");
                break;
            }
            // A reader who was too slow reads the list again and goes on from here.
            WatchEvent::Lagged { .. } => println!("list: {:#}", list(&activities, "acme").await?),
            _ => {}
        }
    }
    Ok(())
}
