//! The program as its users see it: exit codes, standard output, standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod arguments;
mod demo;
mod doctor;
mod json;
mod keys;
mod processes;
mod provider_errors;
mod records;
#[cfg(unix)]
mod signals;
mod stored;
#[cfg(unix)]
mod stores;
mod support;
#[cfg(unix)]
mod terminal;
