//! What the tests of agentexec run against: real Redis servers, a network that fails on request, and child
//! processes that can be killed and paused.
//!
//! - [`RedisServer`] and [`RedisCluster`]: servers on loopback, on ports of their own, gone with the test.
//! - [`Proxy`]: a TCP proxy before a server, whose [`Fault`] is switched while it runs.
//! - [`Process`]: a child program, its output by lines, and the signals that faults are made of.
//!
//! Everything here blocks the calling thread for the milliseconds that it takes (tens of them for a server),
//! so that plain and async tests use the same calls. Where an async test must stay awake meanwhile, it wraps
//! the call in `tokio::task::spawn_blocking`. The proxy has a thread and a runtime of its own and goes on
//! whatever the test's runtime does, also under a paused clock.
//!
//! What goes wrong here panics with a sentence that says what to do: this is test support, never part of a
//! program. It works where signals do, so on Unix; elsewhere the crate is empty.
//!
//! ```
//! # #[cfg(unix)] {
//! use agentexec_testbed::{Fault, Proxy, RedisServer};
//!
//! let server = RedisServer::start();
//! let proxy = Proxy::start(server.addr());
//! let url = server.url_at(proxy.addr());
//! assert!(url.starts_with("redis://127.0.0.1:"));
//! proxy.set(Fault::DropReplies);
//! // … a client at `url` asks, the server acts, and the answer never comes.
//! # }
//! ```

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "support of tests speaks by panicking"
)]

mod certificates;
mod cluster;
mod leash;
mod port;
mod process;
mod proxy;
mod redis;
mod signal;

pub use cluster::RedisCluster;
pub use process::Process;
pub use proxy::{Fault, Proxy};
pub use redis::{RedisServer, RedisServerBuilder};
