//! What there is to know of a store's file.

use std::path::PathBuf;

use agentexec_activity_core::Scope;
use rusqlite::Connection;

use crate::file::File;
use crate::read::list::counts;

/// How many damages are told at the most.
const PROBLEMS: u32 = 10;

/// What there is to know of a store's file: how it is kept, and whether it is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The file, by its absolute path.
    pub path: PathBuf,
    /// The version of its tables.
    pub schema_version: u32,
    /// The version of SQLite that is compiled in.
    pub sqlite_version: &'static str,
    /// The journal mode: `wal`.
    pub journal_mode: String,
    /// The synchronous setting of the writer: 2 is FULL, a flush at each commit.
    pub synchronous: u8,
    /// Who may read and write the file, as in `0o600`; nothing where files have no such mode.
    pub mode: Option<u32>,
    /// The size of the file in bytes.
    pub file_bytes: u64,
    /// The size of the write-ahead log beside it in bytes.
    pub wal_bytes: u64,
    /// Bytes within the file that are free to be used again.
    pub free_bytes: u64,
    /// How many activities there are.
    pub activities: u64,
    /// What is damaged, at most ten; none when the file is whole.
    pub problems: Vec<String>,
}

/// What a reader knows; `synchronous` is of the writer.
pub(crate) fn look(conn: &Connection, file: &File, synchronous: u8) -> rusqlite::Result<Health> {
    let number = |pragma: &str| -> rusqlite::Result<u64> {
        conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    let metadata = std::fs::metadata(file.path()).ok();
    #[cfg(unix)]
    let mode = metadata.as_ref().map(|file| std::os::unix::fs::MetadataExt::mode(file) & 0o777);
    #[cfg(not(unix))]
    let mode = None;
    Ok(Health {
        path: file.path().to_owned(),
        schema_version: conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
        sqlite_version: rusqlite::version(),
        journal_mode: conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
        synchronous,
        mode,
        file_bytes: metadata.map_or(0, |file| file.len()),
        wal_bytes: file.wal_bytes(),
        free_bytes: number("freelist_count")? * number("page_size")?,
        activities: counts(conn, &Scope::all())?.total(),
        problems: problems(conn)?,
    })
}

/// Reads the whole file.
fn problems(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("PRAGMA quick_check({PROBLEMS})"))?;
    let lines = statement.query_map([], |row| row.get(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
