//! The commands that see and change what was recorded, by whichever process.

mod cancel;
mod doctor;
mod follow;
mod list;
mod purge;
mod record;
mod show;
mod watch;

use agentexec::activity::{Activities, AgentId, Detail, Error, LogQuery, Scope};

pub(crate) use self::cancel::{Cancel, cancel};
pub(crate) use self::doctor::{Doctor, doctor};
pub(crate) use self::list::{List, list};
pub(crate) use self::purge::{Purge, purge};
pub(crate) use self::show::{Show, show};
pub(crate) use self::watch::{Watch, watch};
use crate::exit::Exit;
use crate::store::{self, Place};
use crate::terminal;

/// Says why a command could not do its work.
pub(crate) fn failed(error: &anyhow::Error, place: &Place) -> Exit {
    let exit = Exit::of_error(error);
    match exit {
        // Nobody is there any more.
        Exit::Complete => {}
        Exit::NotFound => terminal::error(&format!("{place}: {error:#}")),
        _ => terminal::error(&format!("{error:#}")),
    }
    exit
}

/// The activities of a store that is there, with what was lost marked as such: a run whose process has died is not
/// to be seen running.
async fn activities(place: &Place) -> anyhow::Result<Activities> {
    let activities = store::open_existing(place).await?.activities().build();
    activities.reap().await?;
    Ok(activities)
}

/// A record and a page of its log.
async fn detail(activities: &Activities, id: AgentId, log: LogQuery) -> Result<Detail, Error> {
    activities.detail_page(&Scope::all(), id, log).await?.ok_or(Error::NotFound { id })
}
