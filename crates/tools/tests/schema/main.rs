//! Schemas of tool arguments, and what each dialect makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod anthropic;
mod hostile;
mod nulls;
mod openai;
mod order;
mod plain;
mod support;
mod types;
