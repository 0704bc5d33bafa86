#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The server as its clients see it: raw HTTP on one side, a brain on the other.

mod chat;
mod client;
mod conversation;
mod explorer;
mod messages;
mod responses;
mod server;
