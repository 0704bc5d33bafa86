//! Whole runs over real HTTP: the facade, each provider's protocol, the turn loop, tools, and the record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod failures;
mod protocols;
mod takeover;
mod world;
