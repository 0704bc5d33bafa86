//! The suite that holds a store against the rules.
//!
//! A store in memory, in a file or behind a network runs the same cases; none is skipped for any of them. What
//! differs between stores (how a fresh one is made, how time passes, how much is kept) is said by a
//! [`Harness`]; for most stores an async function that gives a fresh one is enough:
//!
//! ```
//! use agentexec_activity_core::{MemoryStore, conformance};
//!
//! # #[allow(dead_code)]
//! async fn fresh() -> MemoryStore {
//!     MemoryStore::new()
//! }
//!
//! // In a file of `tests/`: one `#[test]` for each case.
//! conformance::suite!(fresh);
//! ```
//!
//! Each case is also a function of its own, to be awaited where a suite of tests has its own shape:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use agentexec_activity_core::{MemoryStore, conformance};
//!
//! conformance::leases::a_late_renewal_holds(&|| async { MemoryStore::new() }).await;
//! # }
//! ```
//!
//! The cases of [`races`] and [`readers`] need a runtime with several threads to mean something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests speaks by panicking"
)]

pub mod bulk;
pub mod cancels;
pub mod handles;
pub mod idempotence;
pub mod leases;
pub mod lists;
pub mod logs;
mod model;
pub mod races;
pub mod random;
pub mod readers;
pub mod records;
pub mod scopes;
mod subject;
mod suite;
pub mod transitions;
pub mod watches;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::{Builder, Runtime};

#[doc(inline)]
pub use crate::__conformance_suite as suite;
use crate::{ActivityStore, EVENTS_KEPT, PROGRESS_KEPT, SCAN_LIMIT};

/// How long a case may take. One that takes longer waits for something that never comes.
pub const CASE_DEADLINE: Duration = Duration::from_secs(120);

/// What the suite has to know of a store.
///
/// Implemented for every function that gives a future of a store; what else a store needs is said by a type:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use agentexec_activity_core::conformance::{self, Harness};
/// use agentexec_activity_core::{ActivityStore, MemoryStore};
///
/// struct Memory;
///
/// #[async_trait::async_trait]
/// impl Harness for Memory {
///     async fn fresh(&self) -> Arc<dyn ActivityStore> {
///         Arc::new(MemoryStore::new())
///     }
///
///     fn random_sequences(&self) -> u32 {
///         16
///     }
/// }
///
/// conformance::suite!(Memory);
/// ```
#[async_trait]
pub trait Harness: Send + Sync {
    /// A store that is empty and that nobody else uses.
    async fn fresh(&self) -> Arc<dyn ActivityStore>;

    /// Two handles on one such store, as two processes would open it. Default: the same handle twice, which is
    /// right for a store that only one can open.
    async fn fresh_pair(&self) -> (Arc<dyn ActivityStore>, Arc<dyn ActivityStore>) {
        let store = self.fresh().await;
        (Arc::clone(&store), store)
    }

    /// Lets at least this much time pass by the clock of the stores. Default: it really waits.
    async fn pass_time(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The most records that one page or one step of a bulk command looks at; the suite makes more, to see
    /// several steps. Default: [`SCAN_LIMIT`].
    fn scan_limit(&self) -> usize {
        SCAN_LIMIT
    }

    /// How many events are kept at the least for watchers; of twice as many, some are gone. None when all are
    /// kept for good. Default: [`EVENTS_KEPT`].
    fn events_kept(&self) -> Option<usize> {
        Some(EVENTS_KEPT)
    }

    /// How many progress entries of a log are kept at the least; of twice as many, some are gone. None when all
    /// are kept for good. Default: [`PROGRESS_KEPT`].
    fn progress_kept(&self) -> Option<usize> {
        Some(PROGRESS_KEPT)
    }

    /// How many random sequences of operations are held against the model. Default: 100.
    fn random_sequences(&self) -> u32 {
        100
    }
}

#[async_trait]
impl<F, Fut, S> Harness for F
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = S> + Send,
    S: ActivityStore,
{
    async fn fresh(&self) -> Arc<dyn ActivityStore> {
        Arc::new(self().await)
    }
}

/// Runs one case on a runtime of this thread; [`suite!`] does this for each.
///
/// # Panics
/// When the store does not follow the rule, or does not answer within [`CASE_DEADLINE`].
pub fn run(harness: impl Harness, case: impl AsyncFnOnce(&dyn Harness)) {
    finish(&Builder::new_current_thread().enable_all().build().unwrap(), case(&harness));
}

/// Runs one case on a runtime of four threads; [`suite!`] does this for those of [`races`] and [`readers`].
///
/// # Panics
/// As [`run`].
pub fn run_threaded(harness: impl Harness, case: impl AsyncFnOnce(&dyn Harness)) {
    finish(&Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap(), case(&harness));
}

fn finish<T>(runtime: &Runtime, case: impl Future<Output = T>) -> T {
    let done = runtime.block_on(async { tokio::time::timeout(CASE_DEADLINE, case).await });
    done.unwrap_or_else(|_| panic!("not done in {CASE_DEADLINE:?}: it waits for something that never comes"))
}
