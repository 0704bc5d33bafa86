//! Adding events, and dropping old ones.

use agentexec_activity_core::{Message, Next, Timestamp};
use rusqlite::{Connection, params};

use crate::read::events::{Kept, kept, kind};
use crate::value::{Db, signed};

/// By which share of those to keep there may be more events, so that not each transaction has to drop some.
const SURPLUS: u64 = 16;

/// What the event is about; everything but the kind and the subject is only read where the kind has it.
pub(crate) struct Event<'a> {
    pub(crate) kind: i64,
    pub(crate) subject: i64,
    pub(crate) seq: u64,
    pub(crate) next: Next,
    pub(crate) at: Timestamp,
    pub(crate) message: &'a str,
}

impl<'a> Event<'a> {
    /// A log entry was written.
    pub(crate) fn logged(subject: i64, seq: u64, next: Next, message: &'a Message, at: Timestamp) -> Self {
        let kind = if next.progress { kind::REPORT } else { kind::ENTRY };
        Self { kind, subject, seq, next, at, message: message.as_str() }
    }

    pub(crate) fn add(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(
            "INSERT INTO event (subject, kind, seq, at, attempt, status, percentage, message) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        statement.execute(params![
            self.subject,
            self.kind,
            signed(self.seq),
            Db(self.at),
            Db(self.next.attempt),
            Db(self.next.status),
            Db(self.next.percentage),
            self.message,
        ])?;
        Ok(())
    }
}

/// Drops the oldest events when there are too many more than `keep`, and the subjects that nothing speaks of any more.
pub(crate) fn trim(conn: &Connection, keep: u64) -> rusqlite::Result<()> {
    let Kept { before, head } = kept(conn)?;
    if head - before <= keep + keep / SURPLUS {
        return Ok(());
    }
    let last = signed(head - keep);
    // A purge is the last event of its subject.
    let mut statement = conn.prepare_cached(
        "DELETE FROM subject WHERE no IN (SELECT subject FROM event WHERE n <= ?1 AND kind = ?2)",
    )?;
    statement.execute([last, kind::PURGED])?;
    conn.prepare_cached("DELETE FROM event WHERE n <= ?1")?.execute([last])?;
    Ok(())
}
