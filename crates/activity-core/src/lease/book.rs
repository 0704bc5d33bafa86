//! Which leases a handle holds, and who drives the heartbeat that renews them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::{AgentId, Attempt};

pub(super) type Lease = (AgentId, Attempt);

#[derive(Debug, Default)]
pub(super) struct Book {
    held: HashMap<Lease, Held>,
    driver: Option<Driver>,
    /// How many drivers there have been.
    drivers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// When the last renewal that succeeded was sent.
    renewed: Instant,
    /// When the next one is due.
    due: Instant,
    /// Whether the store said that it is held no more.
    lost: bool,
}

/// Whoever drives the heartbeat.
#[derive(Clone, Copy, Debug)]
struct Driver {
    number: u64,
    /// When it last gave a sign of life.
    seen: Instant,
}

impl Book {
    pub(super) fn hold(&mut self, lease: Lease, since: Instant, beat: Duration) {
        self.held.insert(lease, Held { renewed: since, due: since + beat, lost: false });
    }

    pub(super) fn release(&mut self, lease: Lease) {
        self.held.remove(&lease);
    }

    pub(super) fn holds(&self, lease: Lease) -> bool {
        self.held.contains_key(&lease)
    }

    /// When the last renewal that succeeded was sent, and whether the lease was lost since; nothing when it is not
    /// held here.
    pub(super) fn renewed(&self, lease: Lease) -> Option<(Instant, bool)> {
        self.held.get(&lease).map(|held| (held.renewed, held.lost))
    }

    fn to_renew(&self) -> impl Iterator<Item = (&Lease, &Held)> {
        self.held.iter().filter(|(_, held)| !held.lost)
    }

    /// When the next renewal is due; nothing when there is nothing to renew.
    pub(super) fn due(&self) -> Option<Instant> {
        self.to_renew().map(|(_, held)| held.due).min()
    }

    /// What is due up to this moment.
    pub(super) fn due_until(&self, moment: Instant) -> Vec<Lease> {
        self.to_renew().filter(|(_, held)| held.due <= moment).map(|(lease, _)| *lease).collect()
    }

    /// The store's answer to a renewal that was sent at `sent`. Says whether this lease is lost now.
    pub(super) fn answered(&mut self, lease: Lease, is_held: bool, sent: Instant, beat: Duration) -> bool {
        let Some(held) = self.held.get_mut(&lease) else { return false };
        if is_held {
            (held.renewed, held.due) = (sent, sent + beat);
        }
        held.lost |= !is_held;
        held.lost
    }

    /// These could not be renewed; they are tried again at `again`.
    pub(super) fn unanswered(&mut self, leases: &[Lease], again: Instant) {
        for lease in leases {
            if let Some(held) = self.held.get_mut(lease) {
                held.due = again;
            }
        }
    }

    /// The number of a new driver, when there is something to renew and nobody has given a sign of life for less
    /// than `patience`.
    pub(super) fn take_over(&mut self, patience: Duration) -> Option<u64> {
        let now = Instant::now();
        let is_attended = self.driver.is_some_and(|driver| now < driver.seen + patience);
        if is_attended || self.due().is_none() {
            return None;
        }
        self.drivers += 1;
        self.driver = Some(Driver { number: self.drivers, seen: now });
        Some(self.drivers)
    }

    /// A sign of life of the driver with this number; false when another one has taken over.
    pub(super) fn is_driven_by(&mut self, number: u64) -> bool {
        let driver = self.driver.as_mut().filter(|driver| driver.number == number);
        driver.map(|driver| driver.seen = Instant::now()).is_some()
    }

    /// The driver with this number gives up. Says whether it leaves something to renew behind.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        if !self.is_driven_by(number) {
            return false;
        }
        self.driver = None;
        self.due().is_some()
    }

    /// Until when the driver is taken to be alive; nothing when there is none.
    pub(super) fn attended_until(&self, patience: Duration) -> Option<Instant> {
        self.driver.map(|driver| driver.seen + patience)
    }
}
