#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! One feed serves every watcher and every waiting run, whatever its tail and its store go through.

mod interleavings;
mod rest;
mod source;
mod stops;
mod watches;
