//! The store of activities in one SQLite file: the embedded default.
//!
//! [`SqliteStore`] is an [`ActivityStore`](agentexec_activity_core::ActivityStore) whose records outlive the process.
//! It needs no server: SQLite is compiled in. Several processes of one machine may have the file open, so a program
//! can look at, watch and cancel what another one runs.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec_activity_core::{Activities, Scope, Status};
//! use agentexec_activity_sqlite::SqliteStore;
//! use futures_util::StreamExt;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("activities.db");
//! // Two stores on one file, as two processes have them.
//! let service = Activities::new(SqliteStore::open(&path).await?);
//! let operator = Activities::new(SqliteStore::open(&path).await?);
//! let mut watch = operator.watch(&Scope::all()).await?;
//!
//! let id = service.create("research").metadata("org", "acme").await?;
//! let attempt = service.start(id).await?;
//! assert_eq!(watch.next().await.unwrap()?.id(), Some(id));
//!
//! operator.request_cancel(&Scope::all(), id, "not needed any more").await?;
//! service.stop_requested(id, attempt).await;
//! # Ok(()) }
//! ```
//!
//! # What it promises
//! - A write that was answered is on the disk: it outlasts a crash of the process and of the machine, if the disk keeps
//!   what it says it has. Whoever writes at the same time shares a flush of the disk.
//! - An operation that failed or was refused has changed nothing. When the disk is full writes fail with
//!   [`FailureKind::Full`], reads go on, and it works again when there is room.
//! - Lists with at most one filter, and counts of everything, of one type or of one metadata pair, cost the same
//!   however many activities there are.
//! - A watch sees what other processes write within 100 ms.
//! - Leases do not depend on the time of day, which may jump, or be off in one process: on Linux they are counted by
//!   the machine's monotonic clock, and end with its boot. On other systems, which do not tell all processes the same
//!   boot, the time of day has to serve.
//!
//! # What it needs
//! - A local disk: SQLite's locks and shared memory do not work on network file systems.
//! - A tokio runtime with its timers for watches and for waiting to be stopped; the rest works on any.
//!
//! The file is readable and writable by its owner only. It does not shrink when activities are purged: the room is used
//! again. To copy it while it is in use, use `sqlite3 FILE ".backup COPY"`.
//!
//! # How it works
//! One thread writes. It carries out whatever waits in one transaction, and answers when that is durable. Three threads
//! read, on connections of their own, and wait for nobody. One more follows the changes of all processes while
//! somebody watches or waits to be stopped.

mod builder;
mod clock;
mod error;
mod file;
mod health;
mod label;
mod read;
mod readers;
mod schema;
mod store;
mod tail;
mod threads;
mod value;
mod write;
mod writer;

pub use builder::{DEFAULT_LOCK_WAIT, SqliteStoreBuilder};
pub use error::{Failure, FailureKind};
pub use health::Health;
pub use store::SqliteStore;
