//! Setting a store up.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentexec_activity_core::{EVENTS_KEPT, Error};

use crate::clock::Clock;
use crate::store::SqliteStore;

/// How long an operation waits for another process that is writing, by default. It is shorter than what a run waits
/// for an answer of its store (5 s), so that the run is told what stands in the way.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(4);

/// Sets up a [`SqliteStore`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use agentexec_activity_sqlite::SqliteStore;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("activities.db");
/// let store = SqliteStore::builder(&path).events_kept(100_000).lock_wait(Duration::from_secs(1)).open().await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is opened until `open`"]
pub struct SqliteStoreBuilder {
    pub(crate) path: PathBuf,
    pub(crate) events_kept: u64,
    pub(crate) lock_wait: Duration,
    pub(crate) clock: Clock,
}

impl SqliteStoreBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            events_kept: EVENTS_KEPT as u64,
            lock_wait: DEFAULT_LOCK_WAIT,
            clock: Clock::machine(),
        }
    }

    /// Sets how many events are kept at the least for watchers who fall behind or come back, 1 or more. Of several
    /// processes that write to the file, the one that keeps the fewest decides. Default: [`EVENTS_KEPT`].
    pub fn events_kept(mut self, events: u64) -> Self {
        self.events_kept = events.max(1);
        self
    }

    /// Sets how long an operation waits for another process that is writing, before it fails. Default:
    /// [`DEFAULT_LOCK_WAIT`].
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Opens the store, as [`SqliteStore::open`] does.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open(self) -> Result<SqliteStore, Error> {
        SqliteStore::open_by(self).await
    }

    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, events_kept, lock_wait, .. } = self;
        f.debug_struct("SqliteStoreBuilder")
            .field("path", path)
            .field("events_kept", events_kept)
            .field("lock_wait", lock_wait)
            .finish_non_exhaustive()
    }
}
