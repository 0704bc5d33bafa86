//! Leases as a handle holds them: one heartbeat renews them all, and what others left behind is reaped.
//!
//! A run in a durable store is held by a lease, so that the record of a run whose process died does not say
//! running for ever. Whoever starts a run takes the terms from [`Activities::lease_terms`], keeps the lease with
//! [`Activities::hold`] as long as the run lasts, and drives [`Activities::heartbeat`]; the lifecycle of
//! runner-core does all three. Nothing here needs a runtime: the heartbeat is a future.

mod book;
mod heartbeat;
mod reaper;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::book::Book;
pub use self::heartbeat::Heartbeat;
pub use self::reaper::REAP_EVERY;
use crate::answer::ANSWER_LIMIT;
use crate::{Activities, AgentId, Attempt, Error, LeaseTerms};

/// How long a lease holds when nothing else is set.
pub const LEASE_TTL: Duration = Duration::from_secs(60);
/// The shortest lease that can be set: below it a busy machine would lose leases of healthy runs.
pub const LEASE_TTL_MIN: Duration = Duration::from_secs(1);
/// The longest lease that can be set: a run whose process died says running for that long.
pub const LEASE_TTL_MAX: Duration = Duration::from_hours(24);
/// The heartbeats that a lease has room for: one may fail, and the next, before it runs out.
const BEATS_PER_LEASE: u32 = 4;

/// How the runs of a handle are held.
#[derive(Debug)]
pub(crate) struct Leases {
    owner: String,
    ttl: Duration,
    book: Mutex<Book>,
    /// Rung when leases were renewed or found lost.
    beaten: Notify,
    /// Rung when nobody drives the heartbeat any more.
    orphaned: Notify,
    /// Rung when the handle goes away.
    gone: Arc<Notify>,
}

impl Leases {
    pub(crate) fn new(owner: Option<String>, ttl: Duration) -> Self {
        let (beaten, orphaned, gone) = (Notify::new(), Notify::new(), Arc::default());
        let owner = owner.unwrap_or_else(default_owner);
        let ttl = ttl.clamp(LEASE_TTL_MIN, LEASE_TTL_MAX);
        Self { owner, ttl, book: Mutex::default(), beaten, orphaned, gone }
    }

    /// How long after a renewal the next one is due.
    fn beat(&self) -> Duration {
        self.ttl / BEATS_PER_LEASE
    }

    /// How long the store has to answer a renewal: not so long that the next one comes too late.
    fn answer_limit(&self) -> Duration {
        ANSWER_LIMIT.min(self.ttl / 2)
    }

    /// How long whoever drives the heartbeat may give no sign of life, until somebody else takes over.
    fn patience(&self) -> Duration {
        self.beat() + self.answer_limit()
    }

    /// What is left unused at the end of a lease, for clocks and threads that run late.
    fn spare(&self) -> Duration {
        self.ttl / 12
    }

    /// A panic while the book was held cannot leave it half-written.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Waits until the store has said that the lease is lost, or it could not be renewed for so long that work
    /// which needs `grace` to stop has to begin with that now, with a twelfth of the lease to spare. At the
    /// earliest that is when half of the lease has passed; what is [left](Self::time_left) then may be less than
    /// `grace`. Cancel-safe.
    pub async fn running_out(&self, grace: Duration) -> Error {
        let leases = self.leases();
        let left = grace.saturating_add(leases.spare()).min(leases.ttl / 2);
        loop {
            let beaten = leases.beaten.notified();
            let held = leases.book().renewed(self.lease);
            let Some((renewed, false)) = held else { break };
            let last_moment = renewed + (leases.ttl - left);
            if Instant::now() >= last_moment {
                break;
            }
            // Renewed meanwhile: then the moment is a later one.
            tokio::select! {
                () = beaten => {}
                () = sleep_until(last_moment) => {}
            }
        }
        Error::LeaseLost { id: self.lease.0 }
    }

    /// How long work may still go on under the lease, if it is not renewed any more: a twelfth of it less than it
    /// lasts, counted from when the last renewal was sent.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let leases = self.leases();
        let renewed = leases.book().renewed(self.lease);
        let end = renewed.map(|(renewed, _)| renewed + (leases.ttl - leases.spare()));
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Whether the lease may have expired at the store, so that a reaper may have ended the activity. While it may
    /// not, whoever else ended it did so on purpose.
    #[must_use]
    pub fn may_have_expired(&self) -> bool {
        let leases = self.leases();
        let renewed = leases.book().renewed(self.lease);
        renewed.is_none_or(|(renewed, _)| Instant::now() >= renewed + leases.ttl)
    }

    /// Sees to it that the heartbeat is driven: hands it to `spawn` whenever nobody drives it, also when whoever
    /// did so gives no sign of life, since its runtime has gone down or stands still. Never ready. Cancel-safe.
    pub async fn attend(&self, spawn: impl Fn(Heartbeat)) {
        let leases = self.leases();
        loop {
            if let Some(heartbeat) = self.activities.heartbeat() {
                spawn(heartbeat);
            }
            // Only from here on: a `spawn` that drops it at once is not to be asked again at once.
            let orphaned = leases.orphaned.notified();
            let until = leases.book().attended_until(leases.patience());
            let until = until.unwrap_or_else(|| Instant::now() + REAP_EVERY);
            tokio::select! {
                () = orphaned => {}
                () = sleep_until(until) => {}
            }
        }
    }

    fn leases(&self) -> &Leases {
        &self.activities.inner.leases
    }
}

impl fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldLease").field(&self.lease).finish()
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.leases().book().release(self.lease);
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
    /// is dropped. `since` is when the start was sent. The [`heartbeat`](Self::heartbeat) renews it; see to it that
    /// one is driven, at once and as long as the run lasts ([`HeldLease::attend`]).
    #[must_use]
    pub fn hold(&self, id: AgentId, attempt: Attempt, since: Instant) -> HeldLease {
        let lease = (id, attempt);
        let leases = &self.inner.leases;
        leases.book().hold(lease, since, leases.beat());
        HeldLease { activities: self.clone(), lease }
    }
}
