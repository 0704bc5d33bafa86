//! What happens to a call of a tool, as a model and as the tool see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod arguments;
mod effects;
mod failures;
mod functions;
mod limits;
mod outputs;
mod parts;
mod report;
mod sets;
mod support;
