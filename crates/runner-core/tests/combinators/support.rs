//! What the tests of the combinators share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_runner_core::{Retryable, RunContext, Runner};

pub(crate) fn tracked_store() -> (MemoryStore, Activities) {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    (store, activities)
}

/// A server's answer that it has no time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Busy {
    pub(crate) retryable: bool,
    pub(crate) ask: Option<Duration>,
}

pub(crate) const BUSY: Busy = Busy { retryable: true, ask: None };
pub(crate) const BROKEN: Busy = Busy { retryable: false, ask: None };

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.retryable { "busy" } else { "broken" })
    }
}

impl Retryable for Busy {
    fn is_retryable(&self) -> bool {
        self.retryable
    }

    fn retry_after(&self) -> Option<Duration> {
        self.ask
    }
}

/// Fails so many times with `error`, then answers with the number of the try. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Flaky {
    failures: u32,
    error: Busy,
    tries: Arc<AtomicU32>,
}

pub(crate) fn fails(failures: u32, error: Busy) -> Flaky {
    Flaky { failures, error, tries: Arc::default() }
}

impl Flaky {
    pub(crate) fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }
}

impl Runner for Flaky {
    type Input = ();
    type Output = u32;
    type Error = Busy;

    async fn run(&self, _cx: &RunContext, (): ()) -> Result<u32, Busy> {
        let number = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        if number <= self.failures { Err(self.error.clone()) } else { Ok(number) }
    }
}

/// Never ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endless;

impl Runner for Endless {
    type Input = ();
    type Output = u32;
    type Error = Busy;

    async fn run(&self, _cx: &RunContext, (): ()) -> Result<u32, Busy> {
        std::future::pending().await
    }
}

/// Work in steps, whose error holds the steps that are done; it can go on from there.
#[derive(Debug)]
pub(crate) struct Steps {
    /// After how many steps of a try it fails.
    pub(crate) breaks_after: usize,
}

/// The steps that are done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broke(pub(crate) Vec<usize>);

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broke after {} steps", self.0.len())
    }
}

impl Retryable for Broke {
    fn is_retryable(&self) -> bool {
        true
    }
}

impl Runner for Steps {
    /// The steps that were done before.
    type Input = Vec<usize>;
    /// Which steps this try did, of all that are done.
    type Output = (Vec<usize>, Vec<usize>);
    type Error = Broke;

    async fn run(&self, _cx: &RunContext, before: Vec<usize>) -> Result<Self::Output, Broke> {
        let (mut done, first) = (before.clone(), before.len());
        for step in first..5 {
            if step - first == self.breaks_after {
                return Err(Broke(done));
            }
            done.push(step);
        }
        Ok((done.split_off(first), before))
    }

    fn resume(&self, _input: &Vec<usize>, error: &Broke) -> Option<Vec<usize>> {
        Some(error.0.clone())
    }
}
