//! The lifecycle: every way a run can end, and what the activity says then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod dropped;
mod endings;
mod grace;
mod panics;
mod refused;
mod store;
mod support;
