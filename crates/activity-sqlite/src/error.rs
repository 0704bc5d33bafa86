//! What can go wrong with the file, told so that whoever reads it knows what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentexec_activity_core::Error;
use rusqlite::ErrorCode;

/// The name of the store in [`Error::Unavailable`].
const STORE: &str = "SQLite";

/// What failed, with which file: the source of [`Error::Unavailable`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::error::Error as _;
///
/// use agentexec_activity_sqlite::{Failure, FailureKind, SqliteStore};
///
/// let below_a_file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/activities.db");
/// let error = SqliteStore::open(below_a_file).await.unwrap_err();
/// let cause = error.source().and_then(|source| source.downcast_ref::<Failure>());
/// assert_eq!(cause.map(Failure::kind), Some(FailureKind::Access));
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.kind.told(&self.path))]
pub struct Failure {
    kind: FailureKind,
    path: PathBuf,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of failures that call for different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// There is no room on the disk. It works again as soon as there is.
    Full,
    /// Another process held the write lock for longer than [`lock_wait`](crate::SqliteStoreBuilder::lock_wait).
    Busy,
    /// The file or its folder may not be read or written, or cannot be made.
    Access,
    /// The disk failed to read or write.
    Io,
    /// What the file holds is not what was written.
    Corrupt,
    /// A newer version has brought the file up to date while this process had it open.
    Upgraded,
    /// The threads of the store have ended.
    Closed,
    /// The operation hit a bug of this crate. It was rolled back.
    Panicked,
    /// Anything else; the source tells.
    Other,
}

impl FailureKind {
    fn told(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Full => format!("the disk of {path} is full: make room, then it works again"),
            Self::Busy => format!(
                "another process has kept {path} locked for too long: see which programs have it open, \
                 then try again"
            ),
            Self::Access => {
                format!(
                    "{path} cannot be opened or written: check that it and its folder belong to this user"
                )
            }
            Self::Io => format!("reading or writing {path} failed: check its disk, then try again"),
            Self::Corrupt => {
                format!("{path} is damaged: look at it with `agentexec doctor`, and restore a copy of it")
            }
            Self::Upgraded => format!(
                "{path} was brought up to date by a newer version of agentexec: restart this program in \
                 that version"
            ),
            Self::Closed => format!("the store on {path} has ended: open it again"),
            Self::Panicked => {
                format!("an operation on {path} panicked and was rolled back: please report it")
            }
            Self::Other => format!("an operation on {path} failed"),
        }
    }

    fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied => Self::Access,
            ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => Self::Io,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt,
            _ => Self::Other,
        }
    }
}

impl Failure {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn new(kind: FailureKind, path: &Path) -> Self {
        Self { kind, path: path.to_owned(), source: None }
    }

    /// A file or a folder that could not be made or opened.
    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull => FailureKind::Full,
            _ => FailureKind::Access,
        };
        Self { kind, path: path.to_owned(), source: Some(Arc::new(error)) }
    }

    /// A thread that could not be started.
    pub(crate) fn thread(path: &Path, error: std::io::Error) -> Self {
        Self { kind: FailureKind::Other, path: path.to_owned(), source: Some(Arc::new(error)) }
    }

    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let kind = match (error.sqlite_error_code(), &error) {
            (Some(code), _) => FailureKind::of(code),
            // A value of another type or range than was ever written.
            (
                None,
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows,
            ) => FailureKind::Corrupt,
            (None, _) => FailureKind::Other,
        };
        Self { kind, path: path.to_owned(), source: Some(Arc::new(error)) }
    }
}

impl From<Failure> for Error {
    fn from(error: Failure) -> Self {
        Self::unavailable(STORE, error)
    }
}

/// Why a step of the writer was not carried out.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The rules refuse it. It has changed nothing.
    Refused(Error),
    /// SQLite failed, so that nobody knows what it has changed.
    Sqlite(rusqlite::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
