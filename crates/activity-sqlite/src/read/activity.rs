//! One activity: its record and its log.

use agentexec_activity_core::{
    Activity, AgentId, Detail, LOG_PAGE_LIMIT, LogEntry, LogQuery, NewActivity, Scope,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::value::{Db, signed};

/// A record with what else is known of it.
pub(crate) struct Found {
    pub(crate) no: i64,
    pub(crate) activity: Activity,
    trimmed_before: u64,
}

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let new = NewActivity {
            id: row.get::<_, Db<_>>(1)?.0,
            activity_type: row.get(2)?,
            metadata: row.get::<_, Db<_>>(3)?.0,
            message: row.get::<_, Db<_>>(4)?.0,
        };
        let mut activity = Activity::queued(&new, row.get::<_, Db<_>>(5)?.0);
        activity.updated = row.get::<_, Db<_>>(6)?.0;
        activity.started = row.get::<_, Option<Db<_>>>(7)?.map(|started| started.0);
        activity.ended = row.get::<_, Option<Db<_>>>(8)?.map(|ended| ended.0);
        activity.status = row.get::<_, Db<_>>(9)?.0;
        activity.percentage = row.get::<_, Db<_>>(10)?.0;
        activity.attempt = row.get::<_, Db<_>>(11)?.0;
        activity.cancel_requested = row.get::<_, Option<Db<_>>>(12)?.map(|reason| reason.0);
        Ok(Self { no: row.get(0)?, activity, trimmed_before: row.get::<_, i64>(13)?.cast_unsigned() })
    }
}

/// The columns that a [`Found`] is read from.
macro_rules! select {
    ($wanted:literal) => {
        concat!(
            "SELECT a.no, a.id, s.type, s.metadata, a.message, a.created, a.updated, a.started, a.ended, \
             a.status, a.percentage, a.attempt, a.cancel_requested, a.trimmed_before \
             FROM activity a JOIN subject s ON s.no = a.no WHERE ",
            $wanted
        )
    };
}

pub(crate) fn by_id(conn: &Connection, id: AgentId) -> rusqlite::Result<Option<Found>> {
    conn.prepare_cached(select!("a.id = ?1"))?.query_one([Db(id)], Found::read).optional()
}

pub(crate) fn by_no(conn: &Connection, no: i64) -> rusqlite::Result<Activity> {
    conn.prepare_cached(select!("a.no = ?1"))?.query_one([no], Found::read).map(|found| found.activity)
}

pub(crate) fn detail(
    conn: &Connection,
    scope: &Scope,
    id: AgentId,
    query: LogQuery,
) -> rusqlite::Result<Option<Detail>> {
    let found = by_id(conn, id)?.filter(|found| scope.admits(&found.activity.metadata));
    let Some(Found { no, activity, trimmed_before }) = found else { return Ok(None) };
    let limit = query.limit.min(LOG_PAGE_LIMIT);
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, attempt, status, percentage, message, progress FROM log \
         WHERE activity = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
    )?;
    // One more, to know whether the log goes on.
    let rows = statement.query_map(params![no, signed(query.from), signed(limit as u64) + 1], |row| {
        entry(row, 0, row.get(6)?)
    })?;
    let mut log = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = log.get(limit).map(|entry| entry.seq);
    log.truncate(limit);
    Ok(Some(Detail::new(activity, log, trimmed_before, next)))
}

/// The entry in six columns from `first` on: its number, moment, attempt, status, percentage and message.
pub(crate) fn entry(row: &Row<'_>, first: usize, progress: bool) -> rusqlite::Result<LogEntry> {
    let seq = row.get::<_, i64>(first)?.cast_unsigned();
    let at = row.get::<_, Db<_>>(first + 1)?.0;
    let status = row.get::<_, Db<_>>(first + 3)?.0;
    let mut entry = LogEntry::new(seq, at, status, row.get::<_, Db<_>>(first + 5)?.0);
    entry.attempt = row.get::<_, Db<_>>(first + 2)?.0;
    entry.percentage = row.get::<_, Db<_>>(first + 4)?.0;
    entry.progress = progress;
    Ok(entry)
}
