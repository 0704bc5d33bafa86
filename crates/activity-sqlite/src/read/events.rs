//! The events, as watchers read them.

use agentexec_activity_core::feed::{FeedChange, FeedEvent};
use agentexec_activity_core::{Error, WatchCursor, WatchFrom};
use rusqlite::{Connection, Row, params};

use super::activity::entry;
use crate::value::{Db, signed};

/// What an event is about, as a number in the file, which never changes.
pub(crate) mod kind {
    /// A log entry with a status.
    pub(crate) const ENTRY: i64 = 0;
    /// A log entry that only reports progress.
    pub(crate) const REPORT: i64 = 1;
    /// A request to cancel; the message is the reason.
    pub(crate) const CANCEL_REQUESTED: i64 = 2;
    /// A purge: the last event of its subject.
    pub(crate) const PURGED: i64 = 3;
}

/// The place of the event of this number in the file of this life.
pub(crate) fn cursor(life: u64, number: u64) -> WatchCursor {
    WatchCursor::new(u128::from(life) << 64 | u128::from(number))
}

/// The life of the file that a place is in, and the number there.
fn split(cursor: WatchCursor) -> (u64, u64) {
    let number = cursor.number();
    ((number >> 64) as u64, number as u64)
}

/// The numbers of the events that are kept: how many were before the first of them, and the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) before: u64,
    pub(crate) head: u64,
}

pub(crate) fn kept(conn: &Connection) -> rusqlite::Result<Kept> {
    let mut statement =
        conn.prepare_cached("SELECT (SELECT min(n) FROM event) - 1, (SELECT max(n) FROM event)")?;
    statement.query_one([], |row| {
        let number = |column| row.get::<_, Option<i64>>(column).map(|n| n.unwrap_or(0).cast_unsigned());
        Ok(Kept { before: number(0)?, head: number(1)? })
    })
}

/// The place that a watch begins behind.
pub(crate) fn position(life: u64, kept: Kept, from: WatchFrom) -> Result<WatchCursor, Error> {
    let WatchFrom::After(place) = from else { return Ok(cursor(life, kept.head)) };
    let (of, seen) = split(place);
    if of != life || seen < kept.before {
        return Err(Error::CursorExpired { cursor: place });
    }
    if seen > kept.head {
        return Err(Error::invalid("cursor", "this store has not given it yet; watch from now"));
    }
    Ok(place)
}

/// The events behind a number, oldest first.
pub(crate) fn after(
    conn: &Connection,
    life: u64,
    number: u64,
    limit: usize,
) -> rusqlite::Result<Vec<FeedEvent>> {
    let mut statement = conn.prepare_cached(
        "SELECT e.n, s.id, s.metadata, e.kind, e.seq, e.at, e.attempt, e.status, e.percentage, e.message \
         FROM event e JOIN subject s ON s.no = e.subject WHERE e.n > ?1 ORDER BY e.n LIMIT ?2",
    )?;
    let rows = statement.query_map(params![signed(number), signed(limit as u64)], |row| event(row, life))?;
    rows.collect()
}

fn event(row: &Row<'_>, life: u64) -> rusqlite::Result<FeedEvent> {
    let change = match row.get(3)? {
        kind::CANCEL_REQUESTED => FeedChange::CancelRequested(row.get::<_, Db<_>>(9)?.0),
        kind::PURGED => FeedChange::Purged,
        kind => FeedChange::Logged(entry(row, 4, kind == kind::REPORT)?),
    };
    Ok(FeedEvent {
        cursor: cursor(life, row.get::<_, i64>(0)?.cast_unsigned()),
        id: row.get::<_, Db<_>>(1)?.0,
        metadata: row.get::<_, Db<_>>(2)?.0,
        change,
    })
}

/// The events behind a place, which has to be one of this file. One that is ahead of the newest event was lost: a copy
/// of the file was put back.
pub(crate) fn after_place(
    conn: &Connection,
    life: u64,
    place: WatchCursor,
    limit: usize,
) -> rusqlite::Result<Result<Vec<FeedEvent>, Error>> {
    let (of, number) = split(place);
    if of != life || number > kept(conn)?.head {
        return Ok(Err(Error::CursorExpired { cursor: place }));
    }
    after(conn, life, number, limit).map(Ok)
}
