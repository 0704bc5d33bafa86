//! The store that a command works on: named by a URL, opened for writing or for reading.

mod folder;
mod open;
mod place;

pub(crate) use self::open::{Store, is_missing, open, open_existing};
pub(crate) use self::place::{FORMS, Place};
