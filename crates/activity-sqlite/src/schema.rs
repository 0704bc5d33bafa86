//! The tables of the file, and how a file of an older version is brought up to date.
//!
//! | table | holds |
//! |---|---|
//! | `meta` | the life of the file: a random number, by which a place in the events of another file is known |
//! | `subject` | what never changes of an activity: id, type, metadata; it outlives its activity until no event speaks of it any more |
//! | `activity` | what changes of it, the last requests with their answers included |
//! | `lease` | the claims on running activities, apart so that a heartbeat rewrites little |
//! | `log` | the entries of all logs, each log in one place |
//! | `label` | what activities are found by (that they exist, their type, each metadata pair), with counts by status |
//! | `place` | under each label, the activities by status and time of creation: every list is read from here |
//! | `event` | the newest changes, for watchers |

use rusqlite::{Connection, TransactionBehavior};

/// Marks the file as one of ours: "axac".
pub(crate) const APPLICATION_ID: i32 = 0x6178_6163;

/// Each brings the file from the version of its place in this list to the next one.
const MIGRATIONS: &[&str] = &[FIRST];

/// The version that this crate writes.
pub(crate) const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

const FIRST: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('life', random());

CREATE TABLE subject (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    labels BLOB NOT NULL
) STRICT;

CREATE TABLE activity (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    percentage INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    next_seq INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    trimmed_before INTEGER NOT NULL,
    requests BLOB NOT NULL,
    cancel_requested TEXT,
    message TEXT NOT NULL
) STRICT;

CREATE TABLE lease (
    activity INTEGER PRIMARY KEY,
    boot BLOB NOT NULL,
    expires INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    last_attempt INTEGER NOT NULL,
    owner TEXT NOT NULL
) STRICT;
CREATE INDEX lease_by_expiry ON lease (boot, expires);

CREATE TABLE log (
    activity INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    percentage INTEGER NOT NULL,
    progress INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (activity, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE label (
    no INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    queued INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0,
    error INTEGER NOT NULL DEFAULT 0,
    canceled INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, key, value)
) STRICT;
INSERT INTO label (no, kind, key, value) VALUES (0, 0, '', '');

CREATE TABLE place (
    label INTEGER NOT NULL,
    status INTEGER NOT NULL,
    created INTEGER NOT NULL,
    id BLOB NOT NULL,
    activity INTEGER NOT NULL,
    PRIMARY KEY (label, status, created, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    n INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    percentage INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
";

/// What a file is, before anything in it is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// A store of this version, 1 to [`SCHEMA_VERSION`].
    Ours(u32),
    /// A store of a version that this crate does not know.
    Newer(i64),
    /// A database of another program.
    Foreign,
}

pub(crate) fn find(conn: &mut Connection) -> rusqlite::Result<Found> {
    // Of one moment: another process may be making the tables.
    find_in(&*conn.transaction()?)
}

fn find_in(conn: &Connection) -> rusqlite::Result<Found> {
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application == APPLICATION_ID {
        let known = u32::try_from(version).ok().filter(|version| (1..=SCHEMA_VERSION).contains(version));
        return Ok(known.map_or(Found::Newer(version), Found::Ours));
    }
    let tables: i64 = conn.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_empty = application == 0 && version == 0 && tables == 0;
    Ok(if is_empty { Found::Empty } else { Found::Foreign })
}

/// Brings the file up to date, all at once or not at all.
pub(crate) fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it in between.
    let done = match find_in(&tx)? {
        Found::Empty => 0,
        Found::Ours(version) => version,
        Found::Newer(_) | Found::Foreign => return Ok(()),
    };
    for migration in MIGRATIONS.iter().skip(done as usize) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()
}

pub(crate) fn life(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_one("SELECT value FROM meta WHERE key = 'life'", [], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}
