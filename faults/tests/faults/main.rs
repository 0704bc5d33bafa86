//! Faults, and what must be left of the truth behind them: a file for each kind.
//!
//! What takes minutes is ignored here and run by `cargo xtask faults`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cancel;
mod clock;
mod full;
mod kill;
mod locked;
mod network;
mod pause;
mod replies;
mod restart;
mod sizes;
mod soak;
mod support;
