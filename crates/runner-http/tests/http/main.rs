//! The transport against real HTTP on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod broken;
mod errors;
mod http2;
mod packed;
mod replies;
mod retries;
mod secrets;
mod support;
mod tls;
