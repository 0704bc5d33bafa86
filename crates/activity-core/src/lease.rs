//! Leases as a handle holds them: one heartbeat renews them all, and what others left behind is reaped.
//!
//! A run in a durable store is held by a lease, so that the record of a run whose process died does not say
//! running for ever. Whoever starts a run takes the terms from [`Activities::lease_terms`], keeps the lease with
//! [`Activities::hold`] as long as the run lasts, and drives [`Activities::heartbeat`]; the lifecycle of
//! runner-core does all three. Nothing here needs a runtime: the heartbeat is a future.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::activities::Inner;
use crate::{Activities, ActivityStore, AgentId, Attempt, Change, Error, LeaseTerms, Message};

/// How long a lease holds when nothing else is set.
pub const LEASE_TTL: Duration = Duration::from_secs(60);
/// The shortest lease that can be set: below it a busy machine would lose leases of healthy runs.
pub const LEASE_TTL_MIN: Duration = Duration::from_secs(1);
/// How often a process looks for leases that others have lost.
pub const REAP_EVERY: Duration = Duration::from_secs(1);
/// How many leases one step renews or reaps at the most.
const STEP: usize = 1000;
/// How long a store has for one step of the heartbeat.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The heartbeats that a lease has room for: one may fail, and the next, before it runs out.
const BEATS_PER_LEASE: u32 = 4;

/// How the runs of a handle are held.
#[derive(Debug)]
pub(crate) struct Leases {
    owner: String,
    ttl: Duration,
    book: Mutex<Book>,
    /// Rung when a lease was renewed or found lost.
    beaten: Notify,
    /// Rung when the handle goes away.
    gone: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Book {
    held: HashMap<(AgentId, Attempt), Held>,
    /// Whether a heartbeat is being driven.
    beating: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// When the last renewal that succeeded was sent.
    renewed: Instant,
    /// Whether the store said that it is held no more.
    lost: bool,
}

impl Leases {
    pub(crate) fn new(owner: Option<String>, ttl: Duration) -> Self {
        let owner = owner.unwrap_or_else(default_owner);
        let (beaten, gone) = (Notify::new(), Arc::default());
        Self { owner, ttl: ttl.max(LEASE_TTL_MIN), book: Mutex::default(), beaten, gone }
    }

    fn beat(&self) -> Duration {
        self.ttl / BEATS_PER_LEASE
    }

    /// A panic while the book was held cannot leave it half-written.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews everything that is held, in bounded steps. What could not be renewed is tried again at the next
    /// beat.
    async fn renew(&self, store: &dyn ActivityStore) {
        let held: Vec<_> = self.book().held.keys().copied().collect();
        for step in held.chunks(STEP) {
            let sent = Instant::now();
            match answered(store.renew(step, self.ttl)).await {
                Ok(answers) => self.note(step, &answers, sent),
                Err(error) => {
                    let leases = step.len();
                    tracing::warn!(leases, error = chain(&error), "leases could not be renewed");
                }
            }
        }
        self.beaten.notify_waiters();
    }

    fn note(&self, step: &[(AgentId, Attempt)], answers: &[bool], sent: Instant) {
        let mut book = self.book();
        for (lease, still_held) in step.iter().zip(answers) {
            let Some(held) = book.held.get_mut(lease) else { continue };
            if *still_held {
                held.renewed = sent;
            } else if !held.lost {
                held.lost = true;
                let (id, attempt) = lease;
                tracing::warn!(%id, %attempt, "the lease of a run is lost: somebody else has ended or taken it");
            }
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.gone.notify_waiters();
    }
}

/// The host and the process, for people.
fn default_owner() -> String {
    format!("{}/{}", gethostname::gethostname().to_string_lossy(), std::process::id())
}

/// A run's lease, held until this is dropped. Dropping it only ends the renewals; the lease itself ends with the
/// activity's final status.
pub struct HeldLease {
    activities: Activities,
    lease: (AgentId, Attempt),
}

impl HeldLease {
    /// Waits until the lease is lost, or could not be renewed for so long that work which needs `grace` to stop
    /// has to begin with that now, with a twelfth of the lease to spare. At the earliest that is when half of the
    /// lease has passed. Cancel-safe.
    pub async fn running_out(&self, grace: Duration) -> Error {
        let leases = &self.activities.inner.leases;
        let left = grace.saturating_add(leases.ttl / 12).min(leases.ttl / 2);
        loop {
            let beaten = leases.beaten.notified();
            let held = leases.book().held.get(&self.lease).copied();
            let Some(Held { renewed, lost: false }) = held else {
                return Error::unavailable("activity", "the lease of the run is lost");
            };
            let last_moment = renewed + (leases.ttl - left);
            if Instant::now() >= last_moment {
                return Error::unavailable("activity", "the lease of the run could not be renewed in time");
            }
            // Renewed meanwhile: then the moment is a later one.
            tokio::select! {
                () = beaten => {}
                () = sleep_until(last_moment) => {}
            }
        }
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldLease").field(&self.lease).finish()
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.activities.inner.leases.book().held.remove(&self.lease);
    }
}

/// That a heartbeat is being driven, as long as this lives.
struct Beating(Weak<Inner>);

impl Drop for Beating {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.leases.book().beating = false;
        }
    }
}

impl Activities {
    /// The terms under which a run is to be started; nothing when the store is not durable, since a run in
    /// memory ends with its process and its record too.
    #[must_use]
    pub fn lease_terms(&self) -> Option<LeaseTerms> {
        let leases = &self.inner.leases;
        self.store().is_durable().then(|| LeaseTerms::new(leases.owner.as_str(), leases.ttl))
    }

    /// Keeps the lease of a run that was started under [`lease_terms`](Self::lease_terms), until what this gives
    /// is dropped. `since` is when the start was sent. The [`heartbeat`](Self::heartbeat) renews it.
    #[must_use]
    pub fn hold(&self, id: AgentId, attempt: Attempt, since: Instant) -> HeldLease {
        let lease = (id, attempt);
        self.inner.leases.book().held.insert(lease, Held { renewed: since, lost: false });
        HeldLease { activities: self.clone(), lease }
    }

    /// The heartbeat of this handle, to be driven (spawned) by whoever holds a lease; nothing when it is being
    /// driven already or no lease is held. It renews all leases of the handle together, four times in the time of
    /// a lease, and reaps what others have lost each [`REAP_EVERY`]. It ends when no lease is held any more, or
    /// with the last clone of the handle; it does not keep the handle alive.
    #[must_use]
    pub fn heartbeat(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let leases = &self.inner.leases;
        let mut book = leases.book();
        if book.beating || book.held.is_empty() {
            return None;
        }
        book.beating = true;
        drop(book);
        let beating = Beating(Arc::downgrade(&self.inner));
        Some(beat(beating, Arc::clone(&leases.gone), leases.beat()))
    }

    /// Ends what was lost: every running activity whose lease has expired becomes error ("lost"), or queued
    /// again where its lease says so. Says how many this call has ended; of several processes that try, one wins
    /// each. A handle with runs does this by itself; call it, or drive [`keep_reaping`](Self::keep_reaping),
    /// where activities are only read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store fails.
    pub async fn reap(&self) -> Result<usize, Error> {
        let mut reaped = 0;
        loop {
            let expired = answered(self.store().expired(STEP)).await?;
            let found = expired.len();
            let before = reaped;
            for lease in expired {
                let message = self.messages().lost(&lease.owner, lease.renewed);
                let lost = self.named_write(lease.id, Some(lease.attempt), Change::Lose, Message::new(message));
                match answered(self.store().write(lost)).await {
                    Ok(_) => reaped += 1,
                    Err(error) if error.is_retryable() => return Err(error),
                    // Somebody else was faster, or the holder came back.
                    Err(_) => {}
                }
            }
            if found < STEP || reaped == before {
                return Ok(reaped);
            }
        }
    }

    /// Reaps each [`REAP_EVERY`], for ever. For a process that only reads; spawn it and abort it, or select
    /// over it. A store that fails is traced and asked again.
    pub async fn keep_reaping(&self) {
        loop {
            if let Err(error) = self.reap().await {
                tracing::warn!(error = chain(&error), "lost runs could not be looked for");
            }
            sleep(REAP_EVERY).await;
        }
    }
}

async fn beat(beating: Beating, gone: Arc<Notify>, every: Duration) {
    let mut next_beat = Instant::now() + every;
    loop {
        let pause = REAP_EVERY.min(every);
        tokio::select! {
            () = sleep_until(next_beat.min(Instant::now() + pause)) => {}
            () = gone.notified() => return,
        }
        let Some(inner) = beating.0.upgrade() else { return };
        {
            // Under the lock, so that whoever takes a lease now sees that he has to drive a heartbeat.
            let mut book = inner.leases.book();
            if book.held.is_empty() {
                book.beating = false;
                return;
            }
        }
        let activities = Activities { inner };
        // First one's own: what this process could not renew while it was paused is not lost yet.
        if Instant::now() >= next_beat {
            activities.inner.leases.renew(&**activities.store()).await;
            next_beat = Instant::now() + every;
        }
        if let Err(error) = activities.reap().await {
            tracing::warn!(error = chain(&error), "lost runs could not be looked for");
        }
    }
}

/// The store's answer, or that there was none in time.
async fn answered<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| {
        Err(Error::unavailable("activity", format!("no answer within {} s", ANSWER_LIMIT.as_secs())))
    })
}

/// An error and what it comes from, in one line.
fn chain(error: &Error) -> String {
    match error {
        Error::Unavailable { source, .. } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}
