//! What changes of an activity, read and written as one row.

use agentexec_activity_core::{
    AgentId, Attempt, Message, Next, PROGRESS_KEPT, Percent, State, Status, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::requests::Requests;
use crate::clock::{Boot, Clock, Expiry};
use crate::value::{Db, signed};

/// How many more reports than [`PROGRESS_KEPT`] a log may have, so that it is not trimmed at each of them.
const REPORTS_MORE: i64 = 32;

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) no: i64,
    pub(crate) id: AgentId,
    pub(crate) status: Status,
    pub(crate) percentage: Percent,
    pub(crate) attempt: Attempt,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cancel_requested: Option<Message>,
    pub(crate) requests: Requests,
    pub(crate) lease: Option<Lease>,
    next_seq: i64,
    /// How many entries that only report progress the log has.
    reports: i64,
    trimmed_before: i64,
}

/// What decides of a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    expiry: Expiry,
    last_attempt: Attempt,
}

impl Record {
    pub(crate) fn find(conn: &Connection, id: AgentId) -> rusqlite::Result<Option<Self>> {
        let mut statement = conn.prepare_cached(
            "SELECT a.no, a.status, a.percentage, a.attempt, a.created, a.updated, a.started, a.ended, \
             a.cancel_requested, a.requests, a.next_seq, a.reports, a.trimmed_before, \
             l.boot, l.expires, l.last_attempt \
             FROM activity a LEFT JOIN lease l ON l.activity = a.no WHERE a.id = ?1",
        )?;
        statement.query_one([Db(id)], |row| Self::read(row, id)).optional()
    }

    fn read(row: &Row<'_>, id: AgentId) -> rusqlite::Result<Self> {
        let lease = match row.get::<_, Option<Boot>>(13)? {
            Some(boot) => Some(Lease {
                expiry: Expiry { boot, at: row.get(14)? },
                last_attempt: row.get::<_, Db<_>>(15)?.0,
            }),
            None => None,
        };
        Ok(Self {
            no: row.get(0)?,
            id,
            status: row.get::<_, Db<_>>(1)?.0,
            percentage: row.get::<_, Db<_>>(2)?.0,
            attempt: row.get::<_, Db<_>>(3)?.0,
            created: row.get::<_, Db<_>>(4)?.0,
            updated: row.get::<_, Db<_>>(5)?.0,
            started: row.get::<_, Option<Db<_>>>(6)?.map(|started| started.0),
            ended: row.get::<_, Option<Db<_>>>(7)?.map(|ended| ended.0),
            cancel_requested: row.get::<_, Option<Db<_>>>(8)?.map(|reason| reason.0),
            requests: Requests::from_bytes(row.get(9)?),
            next_seq: row.get(10)?,
            reports: row.get(11)?,
            trimmed_before: row.get(12)?,
            lease,
        })
    }

    /// What decides the next change.
    pub(crate) fn state(&self, clock: &Clock) -> State {
        State {
            status: self.status,
            percentage: self.percentage,
            attempt: self.attempt,
            cancel_requested: self.cancel_requested.is_some(),
            lease_expired: self.lease.is_some_and(|lease| clock.has_passed(lease.expiry)),
            last_attempt: self.lease.map_or(Attempt::FIRST, |lease| lease.last_attempt),
        }
    }

    /// Takes over what a change makes of it, and writes its log entry; answers with the number of that.
    pub(crate) fn log(
        &mut self,
        conn: &Connection,
        next: Next,
        message: &Message,
        at: Timestamp,
    ) -> rusqlite::Result<u64> {
        (self.status, self.percentage, self.attempt) = (next.status, next.percentage, next.attempt);
        self.updated = at;
        let seq = self.next_seq;
        self.next_seq += 1;
        insert_entry(conn, self.no, seq, next, message, at)?;
        if next.progress {
            self.reports += 1;
            self.trim(conn)?;
        }
        Ok(seq.cast_unsigned())
    }

    /// Removes the oldest reports, some at a time.
    fn trim(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let most = signed(PROGRESS_KEPT as u64);
        if self.reports <= most + REPORTS_MORE {
            return Ok(());
        }
        let mut statement = conn.prepare_cached(
            "SELECT seq FROM log WHERE activity = ?1 AND seq >= ?2 AND progress ORDER BY seq LIMIT 1 OFFSET ?3",
        )?;
        let surplus = self.reports - most;
        let first_kept: i64 =
            statement.query_one([self.no, self.trimmed_before, surplus], |row| row.get(0))?;
        let mut statement = conn
            .prepare_cached("DELETE FROM log WHERE activity = ?1 AND seq BETWEEN ?2 AND ?3 AND progress")?;
        let trimmed = statement.execute([self.no, self.trimmed_before, first_kept - 1])?;
        self.reports -= signed(trimmed as u64);
        self.trimmed_before = first_kept;
        Ok(())
    }

    /// Writes it back after a change whose log entry says `message`.
    pub(crate) fn save(&self, conn: &Connection, message: &Message) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(
            "UPDATE activity SET status = ?2, percentage = ?3, attempt = ?4, updated = ?5, started = ?6, \
             ended = ?7, cancel_requested = ?8, requests = ?9, next_seq = ?10, reports = ?11, \
             trimmed_before = ?12, message = ?13 WHERE no = ?1",
        )?;
        statement.execute(params![
            self.no,
            Db(self.status),
            Db(self.percentage),
            Db(self.attempt),
            Db(self.updated),
            self.started.map(Db),
            self.ended.map(Db),
            self.cancel_requested.as_ref().map(Db),
            self.requests.as_bytes(),
            self.next_seq,
            self.reports,
            self.trimmed_before,
            Db(message),
        ])?;
        Ok(())
    }

    /// Writes back what a request to cancel changes.
    pub(crate) fn save_request(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement =
            conn.prepare_cached("UPDATE activity SET cancel_requested = ?2, requests = ?3 WHERE no = ?1")?;
        statement.execute(params![
            self.no,
            self.cancel_requested.as_ref().map(Db),
            self.requests.as_bytes()
        ])?;
        Ok(())
    }
}

/// Writes an entry of the log of the activity with this number.
pub(crate) fn insert_entry(
    conn: &Connection,
    no: i64,
    seq: i64,
    next: Next,
    message: &Message,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO log (activity, seq, at, attempt, status, percentage, progress, message) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        no,
        seq,
        Db(at),
        Db(next.attempt),
        Db(next.status),
        Db(next.percentage),
        next.progress,
        Db(message),
    ])?;
    Ok(())
}
