//! `Messages` and `ClaudeRunner` against a server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod broken;
mod ends;
mod errors;
mod fixtures;
mod messages;
mod pauses;
mod runner;
mod shown;
mod stepdown;
mod support;
mod tools;
mod turns;
