//! Activities by the hundred, each led through one of the lives that the rules allow.
//!
//! Every message is of its own, so that an entry of a log names the call that made it. What the store refuses or
//! fails to do is in the journal already; the writer goes on with the next activity.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentexec::activity::{Attempt, Change, Error, Percent};
use agentexec::prelude::*;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::end_of;
use crate::job::Job;
use crate::line::{End, Line, Teller};

/// The wait after a store has failed: an error that comes at once must not become a busy loop.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// How a writer writes.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) at_once: usize,
    pub(super) message_bytes: usize,
    pub(super) pause: Duration,
}

/// Writes until told to stop, and ends when the activities under way have ended.
pub(super) async fn until(
    stop: &CancellationToken,
    activities: &Activities,
    teller: &Teller,
    job: &Job,
    settings: Settings,
) {
    let mut lives = JoinSet::new();
    for lane in 0..settings.at_once {
        let writer = Writer {
            activities: activities.clone(),
            teller: teller.clone(),
            settings,
            name: format!("{}/{lane}", job.name),
            words: AtomicU64::new(0),
        };
        let mut rng = Rng::with_seed(job.seed.wrapping_mul(1000).wrapping_add(lane as u64));
        let stop = stop.clone();
        lives.spawn(async move {
            while !stop.is_cancelled() {
                if writer.life(&mut rng).await.is_err_and(|error| error.is_retryable()) {
                    sleep(AFTER_FAILURE).await;
                }
            }
        });
    }
    lives.join_all().await;
}

struct Writer {
    activities: Activities,
    teller: Teller,
    settings: Settings,
    name: String,
    words: AtomicU64,
}

impl Writer {
    /// One activity from its creation to its end, or to where it is left.
    async fn life(&self, rng: &mut Rng) -> Result<(), Error> {
        let id = self.activities.create("life").message(self.word("created")).await?;
        self.rest().await;
        match rng.u8(0..20) {
            0..=7 => self.run(id, rng).await,
            8..=9 => self.by_a_pool(id, rng).await,
            10..=12 => self.by_hand(id, rng).await,
            13..=14 => {
                let attempt = self.activities.start(id).await?;
                self.requeue(id, attempt).await?;
                self.run(id, rng).await
            }
            15..=16 => {
                self.activities.error(id, self.word("refused")).await?;
                self.activities.retry(id, self.word("retried")).await?;
                self.run(id, rng).await
            }
            17 => self.activities.error(id, self.word("refused")).await.map(drop),
            18 => {
                let reason = self.word("not wanted");
                self.activities.request_cancel(&Scope::all(), id, reason).await.map(drop)
            }
            // Left as it was created.
            _ => Ok(()),
        }
    }

    async fn requeue(&self, id: AgentId, attempt: Attempt) -> Result<(), Error> {
        self.activities.update(id, self.word("by hand")).attempt(attempt).percentage(30).await?;
        self.activities.requeue(id, attempt, self.word("once more")).await.map(drop)
    }

    /// Without a lifecycle, and so without a lease: killed in between, it says running for ever.
    async fn by_hand(&self, id: AgentId, rng: &mut Rng) -> Result<(), Error> {
        for step in 0..rng.u8(1..4) {
            self.activities.update(id, self.word("by hand")).percentage(step * 20).await?;
            self.rest().await;
        }
        match rng.u8(0..3) {
            0 => self.activities.complete(id).message(self.word("done")).await.map(drop),
            1 => self.activities.error(id, self.word("failed")).await.map(drop),
            _ => self.activities.cancel(id, self.word("stopped")).await.map(drop),
        }
    }

    /// As a pool of workers does: under a lease that gives it to the next worker when it is lost.
    async fn by_a_pool(&self, id: AgentId, rng: &mut Rng) -> Result<(), Error> {
        let lease = self.activities.lease_terms().map(|terms| terms.last_attempt(Attempt::new(3)));
        let start = Change::Start { lease, percentage: Percent::ZERO };
        let since = Instant::now();
        let started = self.activities.write(id, None, start, self.word("started").into()).await;
        let attempt = started.inspect_err(|_| self.ended(id, End::NotStarted))?.attempt;
        let _lease = self.activities.hold(id, attempt, since);
        if let Some(heartbeat) = self.activities.heartbeat() {
            tokio::spawn(heartbeat);
        }
        for _ in 0..rng.u8(1..6) {
            // What cannot be recorded is in the journal.
            let _ = self.activities.update(id, self.word("step")).attempt(attempt).await;
            self.rest().await;
        }
        let done = self.activities.complete(id).message(self.word("done")).attempt(attempt).await;
        let how = match &done {
            Ok(_) => End::Output,
            Err(error) => End::Unrecorded { output: None, source: error.to_string() },
        };
        self.ended(id, how);
        done.map(drop)
    }

    /// Under a lifecycle, in one of the ways in which a run can end.
    async fn run(&self, id: AgentId, rng: &mut Rng) -> Result<(), Error> {
        let (steps, ending) = (rng.u8(0..6), rng.u8(0..10));
        let work = self.activities.track(id, |cx| async move {
            for step in 1..=steps {
                cx.progress(self.word("step"), step * 15).await;
                self.rest().await;
            }
            match ending {
                0..=5 => Ok(String::new()),
                6..=7 => Err(io::Error::other(self.word("the work failed"))),
                8 => {
                    // It may be refused or lost; then the work ends well.
                    let asked = self.activities.request_cancel(&Scope::all(), id, self.word("stop")).await;
                    if asked.is_ok() {
                        let _ = timeout(Duration::from_secs(5), cx.canceled()).await;
                    }
                    Ok(String::new())
                }
                _ => {
                    cx.note(self.word("it takes too long")).await;
                    sleep(Duration::from_secs(3600)).await;
                    Ok(String::new())
                }
            }
        });
        // Only the last kind of work takes longer, and is dropped.
        let patience = if ending == 9 { Duration::from_millis(50) } else { Duration::MAX };
        let how = timeout(patience, work).await.map_or(End::Dropped, |ended| end_of(ended, |text| text));
        self.ended(id, how);
        Ok(())
    }

    fn ended(&self, id: AgentId, how: End) {
        self.teller.tell(Line::Ended { id, how });
    }

    async fn rest(&self) {
        if !self.settings.pause.is_zero() {
            sleep(self.settings.pause).await;
        }
    }

    /// A message that nobody else says, as long as messages are to be.
    fn word(&self, what: &str) -> String {
        let word = format!("{what} #{} by {} ", self.words.fetch_add(1, Ordering::Relaxed), self.name);
        format!("{word:.<0$}", self.settings.message_bytes)
    }
}
