#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! What the store does beyond the rules: on servers of several kinds, through outages, beside other stores.

mod kinds;
mod outages;
mod scopes;
mod sharing;
mod support;
