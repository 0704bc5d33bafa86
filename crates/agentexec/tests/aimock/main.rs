//! Whole runs against a server that is not ours: aimock, which speaks the three protocols from a script.
//!
//! `cargo xtask interop` installs it and runs these; elsewhere they are ignored, since they need Node.js.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ends;
mod faults;
mod world;
