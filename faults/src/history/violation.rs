//! What must not be.

use agentexec::activity::{AgentId, Status};

use crate::line::Entry;

/// Something that a store, or a lifecycle, has got wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A create was acknowledged, and the activity is not there.
    #[error("{id}: created by {process}, and not there")]
    LostActivity {
        /// The activity.
        id: AgentId,
        /// Who created it.
        process: String,
    },
    /// There is an activity that nobody created.
    #[error("{id}: nobody created it")]
    UnknownActivity {
        /// The activity.
        id: AgentId,
    },
    /// A write was acknowledged, and its entry is not there.
    #[error("{id}: entry {seq} was acknowledged to {process}, and is not there")]
    LostWrite {
        /// The activity.
        id: AgentId,
        /// The number that was acknowledged.
        seq: u64,
        /// Who was told.
        process: String,
    },
    /// An entry says something else than its writer asked for or was told.
    #[error("{id}: entry {seq} of {process} should say {said:?}, and says {found:?}")]
    Differs {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
        /// Who wrote it.
        process: String,
        /// What was asked and told.
        said: String,
        /// What the record says.
        found: String,
    },
    /// The same write was acknowledged in two ways.
    #[error("{id}: the same write of {process} was acknowledged as {first:?} and as {second:?}")]
    TwoAnswers {
        /// The activity.
        id: AgentId,
        /// Who wrote.
        process: String,
        /// The first answer.
        first: Entry,
        /// Another answer.
        second: Entry,
    },
    /// Two writes were acknowledged as the same entry.
    #[error("{id}: entry {seq} was acknowledged to two writes")]
    SharedEntry {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
    },
    /// There is an entry that no write explains: nobody asked for it, it was refused, or it is there twice.
    #[error("{id}: nothing explains entry {seq} ({status}, {message:?})")]
    Unexplained {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
        /// Its status.
        status: Status,
        /// What it says.
        message: String,
    },
    /// A write was acknowledged with a lower number than one that had been acknowledged before it was sent.
    #[error("{id}: {process} sent a write after entry {before} and it became entry {seq}")]
    OutOfOrder {
        /// The activity.
        id: AgentId,
        /// Who wrote.
        process: String,
        /// The number that was known before.
        before: u64,
        /// The number that it was given.
        seq: u64,
    },
    /// Numbers are missing in a log, and not as trimmed progress.
    #[error("{id}: after entry {after} comes entry {next}")]
    Gap {
        /// The activity.
        id: AgentId,
        /// The number before the gap; 0 at the beginning.
        after: u64,
        /// The number behind it.
        next: u64,
    },
    /// A step that the table of statuses does not have.
    #[error("{id}: entry {seq} goes from {from} to {to}")]
    ForbiddenStep {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
        /// The status before it.
        from: Status,
        /// The status after it.
        to: Status,
    },
    /// Something follows the end of an attempt that is no explicit retry.
    #[error("{id}: entry {seq} follows the end of its attempt and is no retry that somebody asked for")]
    AfterTheEnd {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
    },
    /// An entry does not fit to the one before it, within an allowed step.
    #[error("{id}: entry {seq} has {what}")]
    WrongEntry {
        /// The activity.
        id: AgentId,
        /// The number of the entry.
        seq: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The record of an activity and the last entry of its log disagree.
    #[error("{id}: the record says {record}, and the last entry {log}")]
    HeadDiffers {
        /// The activity.
        id: AgentId,
        /// What the record says.
        record: String,
        /// What the last entry says.
        log: String,
    },
    /// The count of a status and the length of its list, or the number of such records, disagree.
    #[error("{status}: {counted} are counted, {listed} are listed, and {found} have it")]
    CountDiffers {
        /// The status.
        status: Status,
        /// What the counts say.
        counted: u64,
        /// How many are listed.
        listed: u64,
        /// How many records say so.
        found: u64,
    },
    /// It says running, and the process that held it has been gone for longer than its lease.
    #[error("{id}: it says running, and {process} is gone")]
    StillRunning {
        /// The activity.
        id: AgentId,
        /// Who held it.
        process: String,
    },
}
