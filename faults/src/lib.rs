//! What agentexec survives: processes that are killed, paused and cut off, servers that restart, disks and memories
//! that are full, each held against a history of everything that was ever acknowledged.
//!
//! A test starts worker processes ([`worker::Worker`], the program `faults-worker`) on a store ([`bed::Bed`]), lets
//! the fault happen, and reads the final record ([`record::Record`]). Every process says each call before it is sent
//! and each answer after it came ([`line::Line`]); the [`history`] holds all these lines against the record.
//!
//! The faults are those of Linux (`/proc`, preloaded libraries, mounts of one's own); elsewhere the crate is empty.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "support of tests speaks by panicking"
)]

pub mod bed;
pub mod history;
pub mod job;
pub mod journal;
pub mod line;
pub mod record;
pub mod store;
pub mod witness;
pub mod work;
pub mod worker;
