//! The store of activities in one SQLite file: the embedded default.
//!
//! [`SqliteStore`] is an [`ActivityStore`](agentexec_activity_core::ActivityStore) whose records outlive the process.
//! It needs no server: SQLite is compiled in.

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
