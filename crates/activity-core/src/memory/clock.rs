//! The clock of the store.

use tokio::time::Instant;

use crate::Timestamp;

/// The time of this machine, but never before an earlier answer, and moved on by the same clock that leases
/// expire by: it neither stands still when the machine's time is set back nor when a test's clock is paused and
/// advanced.
#[derive(Debug)]
pub(super) struct Clock {
    started: (Timestamp, Instant),
    last: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        let now = Timestamp::now();
        Self { started: (now, Instant::now()), last: now }
    }
}

impl Clock {
    pub(super) fn now(&mut self) -> Timestamp {
        let (then, since) = self.started;
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let passed = Timestamp::from_millis(then.as_millis().saturating_add(passed));
        self.last = self.last.max(passed).max(Timestamp::now());
        self.last
    }
}
