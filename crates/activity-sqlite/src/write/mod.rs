//! Writing. Each of these is one step of a transaction of the writer: it looks first and changes then, so that what
//! it refuses has changed nothing.

pub(crate) mod bulk;
pub(crate) mod cancel;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod leases;
pub(crate) mod record;
pub(crate) mod requests;

use rusqlite::Connection;

use crate::clock::Clock;
use crate::label::Tally;

/// A transaction that is under way.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) clock: &'a Clock,
    /// Counts that are written when the transaction ends.
    pub(crate) tally: &'a mut Tally,
}
