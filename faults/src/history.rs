//! The history: what every process that ever ran has said, held against the final record of the store.
//!
//! It passes when nothing that was acknowledged is missing or says something else, nothing is there that nobody
//! asked for or that was asked for once and is there twice, every log is a walk through the table of statuses with
//! no number left out, and nothing says running whose process is gone. The rules are written down here again, from
//! the documentation and not from the code of the stores, so that a mistake has to be made twice to go unseen.
//!
//! ```
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), agentexec::activity::Error> {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use agentexec::prelude::*;
//! use agentexec_faults::history::{History, Past};
//! use agentexec_faults::journal::Journal;
//! use agentexec_faults::line::Teller;
//! use agentexec_faults::record::Record;
//!
//! let (teller, heard) = Teller::memory();
//! let activities = Activities::new(Journal::new(Arc::new(MemoryStore::new()), teller));
//! let id = activities.create("test").await?;
//! activities.update(id, "Working").await?;
//!
//! let (process, lease) = ("this".to_owned(), Duration::from_secs(2));
//! let mut history = History::new();
//! history.add(Past { process, lease, over: None, lines: heard.lines() });
//! let verdict = history.check(&Record::read(&activities).await?).clean();
//! assert_eq!(verdict.acknowledged, 2);
//! # Ok(()) }
//! # #[cfg(not(target_os = "linux"))] fn main() {}
//! ```

mod calls;
mod check;
#[cfg(test)]
mod tests;
mod violation;
mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use agentexec::activity::AgentId;

use crate::line::Line;
use crate::record::Record;

pub use self::violation::Violation;

/// How long after its lease has run out a run may say running at the most.
pub const REAPED_WITHIN: Duration = Duration::from_secs(2);

/// How many violations are shown.
const SHOWN: usize = 20;

/// What one process has said.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its name.
    pub process: String,
    /// How long its leases hold.
    pub lease: Duration,
    /// When it was gone; nothing while it lives.
    pub over: Option<Instant>,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// What every process has said.
#[derive(Clone, Debug, Default)]
pub struct History {
    processes: Vec<Past>,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a process has said.
    pub fn add(&mut self, past: Past) {
        self.processes.push(past);
    }

    /// Holds it against the final record.
    #[must_use]
    pub fn check(&self, record: &Record) -> Verdict {
        check::check(&self.processes, record)
    }
}

/// What came of the check.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Activities in the record.
    pub activities: usize,
    /// Writes and creates that were acknowledged, each counted once however often it was sent.
    pub acknowledged: usize,
    /// Those that were sent and neither acknowledged nor refused.
    pub open: usize,
    /// Those of the open ones that turned out to be carried out.
    pub carried_out: usize,
    /// Those of the carried out ones of which the store had said, each time, that it failed.
    pub failed_and_carried_out: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Acknowledged entries that are trimmed progress.
    pub trimmed: usize,
    /// Activities that were marked as lost, with the process that held them.
    pub lost: BTreeMap<AgentId, String>,
    /// How many of these were queued again.
    pub requeued: usize,
    /// What must not be.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// The same, when there is no violation.
    ///
    /// # Panics
    /// When there is one; the message names the first of them.
    pub fn clean(self) -> Self {
        let shown: Vec<String> = self.violations.iter().take(SHOWN).map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{} violations:\n{}", self.violations.len(), shown.join("\n"));
        self
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { activities, acknowledged, open, carried_out, refused, lost, requeued, .. } = self;
        write!(
            f,
            "{activities} activities, {acknowledged} writes acknowledged, {open} left open ({carried_out} carried \
             out), {refused} refused, {} lost runs ({requeued} queued again)",
            lost.len()
        )
    }
}
