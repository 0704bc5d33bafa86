//! Ports for servers that cannot be told to listen on port 0 and say where.
//!
//! A port that the system handed out a moment ago may be handed to another process in the next. So these are
//! taken at random from a range out of which no system hands ports to connections (Linux starts at 32768,
//! macOS and Windows at 49152), whoever starts a server tries another port when it was taken, and a server
//! that restarts finds its port free.

use std::ops::Range;

/// A node of a cluster needs a second port, [`BUS_OFFSET`] above, which is out of that range as well.
const PORTS: Range<u16> = 12_000..22_000;

/// How far above its port the bus of a Redis node is.
pub(crate) const BUS_OFFSET: u16 = 10_000;

/// A port that is probably free.
pub(crate) fn candidate() -> u16 {
    fastrand::u16(PORTS)
}
