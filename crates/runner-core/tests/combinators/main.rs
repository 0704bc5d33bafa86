//! The combinators: retry, fallback, timeout, in any order, and runners inside runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fallback;
mod nesting;
mod order;
mod retry;
mod support;
mod timeout;
