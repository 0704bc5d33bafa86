//! The heartbeat: one for a handle, however many leases it holds.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use super::book::Lease;
use super::{Leases, REAP_EVERY};
use crate::activities::Inner;
use crate::answer::answered;
use crate::{Activities, ActivityStore};

/// How many leases one call of the store renews at the most.
const STEP: usize = 1000;
/// How long after a renewal that failed it is tried again; sooner when the leases are shorter.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The heartbeat of a handle, to be driven by a task of its own; see [`Activities::heartbeat`].
pub type Heartbeat = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Activities {
    /// The heartbeat of this handle, to be driven (spawned) by whoever holds a lease; nothing when it is being
    /// driven already or there is nothing to renew. It renews all leases of the handle together, four times in the
    /// time of a lease, and reaps what others have lost each [`REAP_EVERY`]. It ends when no lease is held any more,
    /// or with the last clone of the handle, which it does not keep alive.
    ///
    /// Dropped before, as when its runtime goes down, it leaves the leases to whoever asks for a heartbeat next;
    /// [`HeldLease::attend`](crate::HeldLease::attend) does that.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Heartbeat> {
        let leases = &self.inner.leases;
        let number = leases.book().take_over(leases.patience())?;
        let pause = REAP_EVERY.min(leases.beat());
        let driving = Driving { handle: Arc::downgrade(&self.inner), number, pause };
        let gone = Arc::clone(&leases.gone).notified_owned();
        Some(Box::pin(async move {
            tokio::select! {
                biased;
                () = gone => {}
                () = driving.renew() => {}
                () = driving.reap() => {}
            }
        }))
    }
}

/// That a heartbeat is being driven, as long as this lives.
struct Driving {
    handle: Weak<Inner>,
    number: u64,
    pause: Duration,
}

impl Driving {
    /// Renews what is due, until there is nothing to renew or somebody else does.
    async fn renew(&self) {
        while let Some(inner) = self.handle.upgrade() {
            let now = Instant::now();
            // Under one lock, so that whoever takes a lease now sees that he has to drive a heartbeat.
            let due = {
                let mut book = inner.leases.book();
                let due = book.due().filter(|_| book.is_driven_by(self.number));
                if due.is_none() {
                    book.leave(self.number);
                }
                due
            };
            let Some(due) = due else { return };
            if now < due {
                drop(inner);
                sleep_until(due.min(now + self.pause)).await;
                continue;
            }
            inner.leases.renew(&*inner.store).await;
        }
    }

    /// Reaps beside the renewals, so that these wait for nothing. What is held here is never reaped from here.
    async fn reap(&self) {
        loop {
            sleep(REAP_EVERY).await;
            let Some(inner) = self.handle.upgrade() else { return };
            if let Err(error) = (Activities { inner }).reap().await {
                tracing::warn!(error = error.in_full(), "lost runs could not be looked for");
            }
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        if let Some(inner) = self.handle.upgrade()
            && inner.leases.book().leave(self.number)
        {
            inner.leases.orphaned.notify_waiters();
        }
    }
}

impl Leases {
    /// Renews everything that is due within half a beat, so that leases which began apart are soon renewed together.
    async fn renew(&self, store: &dyn ActivityStore) {
        let due = self.book().due_until(Instant::now() + self.beat() / 2);
        join_all(due.chunks(STEP).map(|step| self.renew_step(store, step))).await;
        self.beaten.notify_waiters();
    }

    async fn renew_step(&self, store: &dyn ActivityStore, step: &[Lease]) {
        let sent = Instant::now();
        let answer = answered(self.answer_limit(), store.renew(step, self.ttl)).await;
        let mut book = self.book();
        match answer {
            Ok(answers) => {
                for (lease, is_held) in step.iter().zip(answers) {
                    if book.answered(*lease, is_held, sent, self.beat()) {
                        let (id, attempt) = lease;
                        tracing::debug!(%id, %attempt, "a lease is held no more: its run has ended or was taken");
                    }
                }
            }
            Err(error) => {
                book.unanswered(step, Instant::now() + RETRY_AFTER.min(self.beat()));
                let leases = step.len();
                tracing::warn!(leases, error = error.in_full(), "leases could not be renewed");
            }
        }
    }
}
