//! Runs that last, and report now and then: what a pause or a cut-off network hits in the middle.

use std::convert::identity;
use std::io;
use std::time::Duration;

use agentexec::prelude::*;
use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::end_of;
use crate::line::{Line, Teller};

/// Starts that many runs at once and waits for their ends, which come when `stop` fires.
pub(super) async fn all(
    stop: &CancellationToken,
    activities: &Activities,
    teller: &Teller,
    runs: usize,
    pause: Duration,
) -> Result<()> {
    let mut all = JoinSet::new();
    for number in 0..runs {
        let id = activities.create("hold").metadata("number", number).await?;
        let (activities, teller, stop) = (activities.clone(), teller.clone(), stop.clone());
        all.spawn(async move {
            let ended = activities.track(id, move |cx| work(cx, stop, pause)).await;
            teller.tell(Line::Ended { id, how: end_of(ended, identity) });
        });
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

async fn work(cx: RunContext, stop: CancellationToken, pause: Duration) -> io::Result<String> {
    for report in 1.. {
        cx.progress(format!("report {report}"), report.min(90)).await;
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => break,
            () = cx.canceled() => return Err(io::Error::other("stopped")),
        }
    }
    Ok(format!("the output of {}", cx.id()))
}
