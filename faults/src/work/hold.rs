//! Runs that last, and report now and then: what a pause or a cut-off network hits in the middle.

use std::convert::identity;
use std::io;
use std::time::Duration;

use agentexec::prelude::*;
use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::end_of;
use crate::line::{Line, Teller};

/// Starts that many runs at once and waits for their ends.
pub(super) async fn all(
    activities: &Activities,
    teller: &Teller,
    runs: usize,
    lasts: Duration,
    pause: Duration,
) -> Result<()> {
    let mut all = JoinSet::new();
    for number in 0..runs {
        let id = activities.create("hold").metadata("number", number).await?;
        let (activities, teller) = (activities.clone(), teller.clone());
        all.spawn(async move {
            let ended = activities.track(id, move |cx| work(cx, lasts, pause)).await;
            teller.tell(Line::Ended { id, how: end_of(ended, identity) });
        });
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

async fn work(cx: RunContext, lasts: Duration, pause: Duration) -> io::Result<String> {
    let end = Instant::now() + lasts;
    let mut report = 0;
    while Instant::now() < end {
        report += 1;
        cx.progress(format!("report {report}"), report.min(90)).await;
        tokio::select! {
            () = sleep(pause.min(end.saturating_duration_since(Instant::now()))) => {}
            () = cx.canceled() => return Err(io::Error::other("stopped")),
        }
    }
    Ok(format!("the output of {}", cx.id()))
}
