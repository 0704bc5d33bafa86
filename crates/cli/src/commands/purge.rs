//! `agentexec purge`.

use std::time::Duration;

use agentexec::activity::Scope;
use clap::Args;
use serde::Serialize;

use super::record;
use crate::exit::Exit;
use crate::store::Place;
use crate::{args, terminal};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done, also when there were none
  2  the command line or the file is wrong
  4  the store could not be used")]
pub(crate) struct Purge {
    /// How long ago an activity must have ended, for example 30d; 0s removes all that have ended. What is queued or
    /// running stays.
    #[arg(long, value_name = "DURATION", value_parser = args::age)]
    older_than: Duration,

    /// Print one JSON document: how many were removed, in `purged`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Removed {
    purged: u64,
}

pub(crate) async fn purge(args: &Purge, place: &Place) -> anyhow::Result<Exit> {
    let activities = super::activities(place).await?;
    let purged = activities.purge(&Scope::all(), args.older_than).await?;
    if args.json {
        terminal::json(&Removed { purged })?;
    } else {
        terminal::out(&format!("{} removed", record::activities(purged)))?;
    }
    Ok(Exit::Complete)
}
