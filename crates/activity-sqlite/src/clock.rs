//! Two clocks: one for what people read, one for leases.
//!
//! Records carry the machine's time of day. Leases must not depend on it: it may jump, and it may be off in one
//! process. They are counted by the machine's monotonic clock, which all its processes share and which stands
//! still while the machine sleeps; it begins anew with each boot, so a lease names the boot that it was granted in.
//! Where a machine does not tell its boot (anywhere but on Linux), the time of day has to serve for leases too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentexec_activity_core::Timestamp;

/// The id of a boot of a machine.
pub(crate) type Boot = [u8; 16];

/// Stands for the boot in a lease that is counted by the time of day.
const TIME_OF_DAY: Boot = [0; 16];

pub(crate) struct Clock {
    wall: Box<dyn Fn() -> Timestamp + Send + Sync>,
    boot: Boot,
    /// Milliseconds since some moment of this boot.
    ticks: Box<dyn Fn() -> i64 + Send + Sync>,
    /// The last answer of `now`, in milliseconds.
    last: AtomicU64,
}

/// When a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) boot: Boot,
    /// By the clock that the boot stands for, in milliseconds.
    pub(crate) at: i64,
}

impl Clock {
    /// The clocks of this machine.
    pub(crate) fn machine() -> Self {
        match machine::boot() {
            Some(boot) => Self::new(Timestamp::now, boot, machine::ticks),
            None => Self::new(Timestamp::now, TIME_OF_DAY, || millis(Timestamp::now())),
        }
    }

    pub(crate) fn new(
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
        boot: Boot,
        ticks: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Box::new(wall), boot, ticks: Box::new(ticks), last: AtomicU64::new(0) }
    }

    /// The time of day, never before an earlier answer.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.wall)().as_millis();
        Timestamp::from_millis(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// The end of a lease that is granted now.
    pub(crate) fn expiry(&self, ttl: Duration) -> Expiry {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        Expiry { boot: self.boot, at: (self.ticks)().saturating_add(ttl) }
    }

    pub(crate) fn has_passed(&self, expiry: Expiry) -> bool {
        expiry.at <= self.passed_in(&expiry.boot)
    }

    /// Up to where leases that were granted in this boot have expired by now.
    pub(crate) fn passed_in(&self, boot: &Boot) -> i64 {
        match *boot {
            boot if boot == self.boot => (self.ticks)(),
            TIME_OF_DAY => millis((self.wall)()),
            // Whoever cannot tell the boot leaves those leases to the processes that can.
            _ if self.boot == TIME_OF_DAY => i64::MIN,
            // The machine was started again: whoever held them is gone.
            _ => i64::MAX,
        }
    }
}

fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(target_os = "linux")]
mod machine {
    //! The monotonic clock and the boot of Linux.

    use rustix::time::{ClockId, clock_gettime};

    use super::Boot;

    /// Random, and another after each boot: `random(4)`.
    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

    pub(super) fn boot() -> Option<Boot> {
        let text = std::fs::read_to_string(BOOT_ID).ok()?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).ok().filter(|boot| *boot != 0).map(u128::to_be_bytes)
    }

    pub(super) fn ticks() -> i64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
    }
}

#[cfg(not(target_os = "linux"))]
mod machine {
    //! Nothing that all processes of the machine would agree on.

    use super::Boot;

    pub(super) fn boot() -> Option<Boot> {
        None
    }

    pub(super) fn ticks() -> i64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A clock whose time of day and ticks are set by hand.
    fn by_hand(boot: u8) -> (Clock, Arc<AtomicU64>, Arc<AtomicI64>) {
        let (wall, ticks) = (Arc::new(AtomicU64::new(1_000_000)), Arc::new(AtomicI64::new(0)));
        let (w, t) = (wall.clone(), ticks.clone());
        let clock = Clock::new(
            move || Timestamp::from_millis(w.load(Ordering::Relaxed)),
            [boot; 16],
            move || t.load(Ordering::Relaxed),
        );
        (clock, wall, ticks)
    }

    #[test]
    fn the_time_of_day_never_goes_back() {
        let (clock, wall, _) = by_hand(1);
        let before = clock.now();
        wall.store(10, Ordering::Relaxed);
        assert_eq!(clock.now(), before);
        wall.store(2_000_000, Ordering::Relaxed);
        assert!(clock.now() > before);
    }

    #[test]
    fn a_lease_ends_by_ticks_whatever_the_time_of_day() {
        let (clock, wall, ticks) = by_hand(1);
        let lease = clock.expiry(SECOND);
        for wrong in [0, 100_000_000] {
            wall.store(wrong, Ordering::Relaxed);
            assert!(!clock.has_passed(lease));
        }
        ticks.store(1000, Ordering::Relaxed);
        assert!(clock.has_passed(lease));
        assert!(!clock.has_passed(clock.expiry(Duration::MAX)));
    }

    #[test]
    fn a_lease_ends_with_the_boot() {
        let lease = by_hand(1).0.expiry(Duration::MAX);
        assert!(by_hand(2).0.has_passed(lease));
    }

    #[test]
    fn who_cannot_tell_the_boot_reaps_only_what_is_counted_by_the_time_of_day() {
        let (blind, wall, _) = by_hand(0);
        let (seeing, ..) = by_hand(1);
        assert!(!blind.has_passed(seeing.expiry(Duration::ZERO)));
        let counted_by_day = Expiry { boot: TIME_OF_DAY, at: millis(seeing.now()) + 1000 };
        assert!(!seeing.has_passed(counted_by_day));
        wall.store(u64::MAX / 2, Ordering::Relaxed);
        let (later, wall, _) = by_hand(2);
        wall.store(2_000_000, Ordering::Relaxed);
        assert!(later.has_passed(counted_by_day));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_its_boot() {
        let (one, two) = (Clock::machine(), Clock::machine());
        assert_ne!(one.boot, TIME_OF_DAY);
        assert_eq!(one.boot, two.boot);
        assert!(two.has_passed(one.expiry(Duration::ZERO)));
        assert!(!two.has_passed(one.expiry(Duration::from_secs(60))));
    }
}
