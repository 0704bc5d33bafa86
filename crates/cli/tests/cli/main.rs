//! The program as its users see it: exit codes, standard output, standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod arguments;
mod demo;
mod json;
mod keys;
mod provider_errors;
#[cfg(unix)]
mod signals;
mod support;
#[cfg(unix)]
mod terminal;
