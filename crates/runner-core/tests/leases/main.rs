//! Runs in a durable store: held by leases, renewed by one heartbeat, reaped when their process is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod dropped;
mod durable;
mod held;
mod lost;
mod runtimes;
mod strict;
