//! The file on the disk: how it is made, opened and recognized.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use agentexec_activity_core::Error;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Failure, FailureKind};
use crate::schema::{self, Found, SCHEMA_VERSION};

/// The pause between two looks at a lock that is waited for.
const LOCK_STEP: Duration = Duration::from_millis(1);
/// After how many pages (of 4 KB) the write-ahead log is carried over into the file.
const WAL_PAGES: u32 = 2000;
/// How large the write-ahead log may stay on the disk when it is not needed: 32 MB.
const WAL_KEPT: u32 = 32 << 20;
/// Prepared statements of one connection; there are fewer.
const STATEMENTS: usize = 64;
/// Memory for pages at the most, in KB: of the connection that writes, and of each that reads.
const WRITER_CACHE_KB: i32 = 16 * 1024;
const READER_CACHE_KB: i32 = 4 * 1024;

/// Held while a file is made. A process that closes a file loses all its locks on it, those of SQLite too (as POSIX has
/// it); so a file is never opened here that a store of this process may have open.
static MAKING: Mutex<()> = Mutex::new(());

/// The file of a store, by its absolute path.
#[derive(Clone, Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// How long a lock of another process is waited for.
    lock_wait: Duration,
}

/// What a lock is waited for with: SQLite's own handler sleeps up to 100 ms between two looks, and then a process
/// that writes all the time hardly ever lets another in.
fn wait_for_lock(longest: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |looks| {
        if looks == 0 {
            since = Instant::now();
        }
        std::thread::sleep(LOCK_STEP);
        since.elapsed() < longest
    }
}

impl File {
    /// The file at `path`, which is made, with its folder, when it is not there.
    pub(crate) fn prepare(path: &Path, lock_wait: Duration) -> Result<Self, Failure> {
        // An absolute path is never taken for one of SQLite's special names, as `:memory:`.
        let path = std::path::absolute(path).map_err(|error| Failure::io(path, error))?;
        let file = Self { path, lock_wait };
        file.make().map_err(|error| Failure::io(&file.path, error))?;
        Ok(file)
    }

    fn make(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent()
            && !folder.exists()
        {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
        }
        let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn error(&self, error: rusqlite::Error) -> Failure {
        Failure::sqlite(&self.path, error)
    }

    pub(crate) fn failure(&self, kind: FailureKind) -> Failure {
        Failure::new(kind, &self.path)
    }

    /// The connection that writes, with the file brought up to date.
    pub(crate) fn writer(&self) -> Result<Connection, Error> {
        let mut conn =
            self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| self.unopened(error))?;
        self.recognize(&mut conn)?;
        self.become_wal(&conn)?;
        self.set_up(&mut conn).map_err(|error| self.error(error))?;
        // Another process may have had it first.
        self.recognize(&mut conn)?;
        Ok(conn)
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, Failure> {
        let conn = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY);
        conn.and_then(|conn| {
            conn.pragma_update(None, "cache_size", -READER_CACHE_KB)?;
            Ok(conn)
        })
        .map_err(|error| self.error(error))
    }

    fn wal(&self) -> PathBuf {
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        wal.into()
    }

    /// The size of the write-ahead log on the disk.
    pub(crate) fn wal_bytes(&self) -> u64 {
        fs::metadata(self.wal()).map_or(0, |wal| wal.len())
    }

    /// Waits for readers, so that the write-ahead log begins anew; says whether all of them have left it.
    pub(crate) fn restart_wal(&self, conn: &mut Connection, wait: Duration) -> rusqlite::Result<bool> {
        conn.busy_handler(Some(wait_for_lock(wait)))?;
        let is_busy = conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, bool>(0));
        conn.busy_handler(Some(wait_for_lock(self.lock_wait)))?;
        is_busy.map(|is_busy| !is_busy)
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        // Each connection stays with one thread.
        let mut conn = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_handler(Some(wait_for_lock(self.lock_wait)))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a statement is compiled anew for each value that is bound to it, since the plan might depend on it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(conn)
    }

    fn set_up(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        conn.pragma_update(None, "cache_size", -WRITER_CACHE_KB)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        // On Apple's systems a flush else stops at the disk's own memory.
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        // Answers with the limit.
        conn.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT, |_| Ok(()))?;
        schema::migrate(conn)
    }

    /// Refuses a file that is not ours, before anything in it is touched.
    fn recognize(&self, conn: &mut Connection) -> Result<(), Error> {
        let path = self.path.display();
        match schema::find(conn) {
            Ok(Found::Empty | Found::Ours(_)) => Ok(()),
            Ok(Found::Newer(version)) => Err(Error::invalid(
                "store",
                format!(
                    "{path} has schema {version}, made by a newer version of agentexec; this one knows \
                     {SCHEMA_VERSION}: upgrade it, or name another file"
                ),
            )),
            Ok(Found::Foreign) => Err(Error::invalid(
                "store",
                format!("{path} is the database of another program: name another file"),
            )),
            Err(error) => Err(self.unopened(error)),
        }
    }

    fn unopened(&self, error: rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            let path = self.path.display();
            return Error::invalid("store", format!("{path} is not an SQLite database: name another file"));
        }
        self.error(error).into()
    }

    /// Switches to the write-ahead log, for good. While another process does the same SQLite refuses without asking the
    /// busy handler.
    fn become_wal(&self, conn: &Connection) -> Result<(), Error> {
        let mut wait = wait_for_lock(self.lock_wait);
        let mut looks = 0;
        let mode = loop {
            match conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
                Ok(mode) => break mode,
                Err(error) if is_busy(&error) && wait(looks) => looks += 1,
                Err(error) => return Err(self.error(error).into()),
            }
        };
        if mode != "wal" {
            return Err(Error::invalid(
                "store",
                format!(
                    "{} is on a file system without shared memory: name a local file",
                    self.path.display()
                ),
            ));
        }
        Ok(())
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_begins_anew_once_no_reader_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::prepare(&folder.path().join("activities.db"), Duration::from_secs(1)).unwrap();
        let (mut writer, reader) = (file.writer().unwrap(), file.reader().unwrap());
        reader.execute_batch("BEGIN; SELECT count(*) FROM event").unwrap();
        let write = |writer: &Connection| {
            for number in 0..10 {
                writer.execute("INSERT OR REPLACE INTO meta VALUES ('test', ?1)", [number]).unwrap();
            }
        };
        write(&writer);
        assert!(!file.restart_wal(&mut writer, Duration::from_millis(5)).unwrap());
        reader.execute_batch("COMMIT").unwrap();
        assert!(file.restart_wal(&mut writer, Duration::from_millis(5)).unwrap());
        let before = file.wal_bytes();
        write(&writer);
        assert_eq!(file.wal_bytes(), before);
    }
}
