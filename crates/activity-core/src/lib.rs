//! Truthful records of background work.
//!
//! An [`Activity`] is the record of one piece of work: it is queued, then running with messages and a
//! percentage, then exactly one of complete, error or canceled. [`Activities`] is the handle that a service
//! holds; behind it stands any [`ActivityStore`]. This crate does no IO: it holds the model, the rules that
//! every store follows ([`Write::decide`]), the store in memory, and the suite that holds a store against the
//! rules (feature `conformance`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), agentexec_activity_core::Error> {
//! use agentexec_activity_core::{Activities, ListQuery, MemoryStore, Metadata, Scope, Status};
//!
//! let activities = Activities::new(MemoryStore::new());
//! let id = activities.create("research").metadata("org", "acme").await?;
//! activities.update(id, "Reading sources").percentage(30).await?;
//!
//! let acme = Scope::metadata(Metadata::new().with("org", "acme")?)?;
//! let page = activities.list(&ListQuery::new(acme)).await?;
//! assert_eq!(page.items[0].status, Status::Running);
//!
//! activities.complete(id).await?;
//! // A terminal status is final: a late update is refused.
//! assert!(activities.update(id, "Still reading").await.is_err());
//! # Ok(()) }
//! ```

mod activities;
mod activity;
mod answer;
mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod feed;
mod id;
mod lease;
mod memory;
mod message;
mod messages;
mod metadata;
mod percent;
mod query;
mod request;
mod scope;
mod status;
mod store;
mod time;
mod watch;

pub use activities::{Activities, ActivitiesBuilder, SHUTDOWN_WAIT, WriteUnderWay};
pub use activity::{Activity, Counts, Detail, LogEntry, NewActivity, TYPE_LIMIT};
pub use change::{
    CancelOutcome, CancelRequest, Change, LeaseTerms, Next, OWNER_LIMIT, REMEMBERED_REQUESTS, State,
    StopRequest, Write, Written,
};
pub use error::Error;
pub use id::{AgentId, Attempt, RequestId};
pub use lease::{Heartbeat, HeldLease, LEASE_TTL, LEASE_TTL_MAX, LEASE_TTL_MIN, REAP_EVERY};
pub use memory::{EVENTS_KEPT, MemoryStore, PROGRESS_KEPT};
pub use message::{MESSAGE_LIMIT, Message};
pub use messages::Messages;
pub use metadata::{METADATA_DEPTH, METADATA_KEY_LIMIT, METADATA_PAIRS, METADATA_VALUE_LIMIT, Metadata};
pub use percent::Percent;
pub use query::{
    Batch, LOG_PAGE_LIMIT, ListCursor, ListQuery, LogQuery, Order, PAGE_LIMIT, PAGE_SIZE, Page, SCAN_LIMIT,
};
pub use request::{CreateActivity, UpdateActivity};
pub use scope::Scope;
pub use status::Status;
pub use store::{ActivityStore, ExpiredLease};
pub use time::Timestamp;
pub use watch::{WatchCursor, WatchEvent, WatchFrom, WatchStream};
