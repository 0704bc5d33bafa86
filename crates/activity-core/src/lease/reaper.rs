//! Reaping: what was lost gets an end.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::answer::{ANSWER_LIMIT, answered};
use crate::{Activities, Change, Error, ExpiredLease, Message};

/// How often a process looks for leases that others have lost.
pub const REAP_EVERY: Duration = Duration::from_secs(1);
/// How many expired leases are asked for at a time.
const STEP: usize = 1000;
/// How many of them are reaped at once.
const AT_ONCE: usize = 32;

impl Activities {
    /// Ends what was lost: every running activity whose lease has expired becomes error ("lost"), or queued
    /// again where its lease says so. Says how many this call took; of several processes that try, one wins
    /// each. What this handle holds itself is left alone: it is alive. A handle with runs does this by itself;
    /// call it, or drive [`keep_reaping`](Self::keep_reaping), where activities are only read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store fails, or does not answer within 5 seconds; some may have been reaped.
    pub async fn reap(&self) -> Result<usize, Error> {
        let mut reaped = 0;
        loop {
            let mut expired = answered(ANSWER_LIMIT, self.store().expired(STEP)).await?;
            let may_be_more = expired.len() >= STEP;
            {
                let book = self.inner.leases.book();
                expired.retain(|lease| !book.holds((lease.id, lease.attempt)));
            }
            let each = stream::iter(expired).map(|lease| self.reap_one(lease)).buffer_unordered(AT_ONCE);
            let won: usize = each.try_fold(0, async |sum, won| Ok(sum + usize::from(won))).await?;
            reaped += won;
            if !may_be_more || won == 0 {
                return Ok(reaped);
            }
        }
    }

    async fn reap_one(&self, lease: ExpiredLease) -> Result<bool, Error> {
        let message = Message::new(self.messages().lost(&lease.owner, lease.renewed));
        let lost = self.named_write(lease.id, Some(lease.attempt), Change::Lose, message);
        match answered(ANSWER_LIMIT, self.store().write(lost)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_retryable() => Err(error),
            // Somebody else was faster, or the holder came back.
            Err(_) => Ok(false),
        }
    }

    /// Reaps each [`REAP_EVERY`], for ever. For a process that only reads; spawn it and abort it, or select
    /// over it. A store that fails is traced and asked again.
    pub async fn keep_reaping(&self) {
        loop {
            if let Err(error) = self.reap().await {
                tracing::warn!(error = error.in_full(), "lost runs could not be looked for");
            }
            sleep(REAP_EVERY).await;
        }
    }
}
