//! Both protocols over real HTTP, on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod azure;
mod chat;
mod corpus;
mod errors;
mod previous;
mod responses;
mod retries;
mod step_down;
mod support;
mod thoughts;
mod turns;
mod wire;
