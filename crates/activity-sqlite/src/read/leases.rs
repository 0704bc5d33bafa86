//! Leases that were not renewed in time.

use agentexec_activity_core::ExpiredLease;
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::{Boot, Clock};
use crate::value::{Db, signed};

/// Expired leases, those of earlier boots of the machine first, then those that expired first.
pub(crate) fn expired(conn: &Connection, clock: &Clock, limit: usize) -> rusqlite::Result<Vec<ExpiredLease>> {
    let mut expired = Vec::new();
    let mut boots = boots(conn)?;
    boots.sort_unstable_by_key(|boot| std::cmp::Reverse(clock.passed_in(boot)));
    for boot in boots {
        let room = signed((limit - expired.len()) as u64);
        let mut statement = conn.prepare_cached(
            "SELECT a.id, a.attempt, l.owner, l.renewed FROM lease l JOIN activity a ON a.no = l.activity \
             WHERE l.boot = ?1 AND l.expires <= ?2 ORDER BY l.expires LIMIT ?3",
        )?;
        let found = statement.query_map(params![boot, clock.passed_in(&boot), room], |row| {
            let (id, attempt) = (row.get::<_, Db<_>>(0)?.0, row.get::<_, Db<_>>(1)?.0);
            Ok(ExpiredLease::new(id, attempt, row.get(2)?, row.get::<_, Db<_>>(3)?.0))
        })?;
        for lease in found {
            expired.push(lease?);
        }
    }
    Ok(expired)
}

/// The boots that there are leases of: normally one. Each is found by one look into the index.
fn boots(conn: &Connection) -> rusqlite::Result<Vec<Boot>> {
    let mut boots: Vec<Boot> = Vec::new();
    let mut statement =
        conn.prepare_cached("SELECT boot FROM lease WHERE boot > ?1 ORDER BY boot LIMIT 1")?;
    loop {
        let last = boots.last().map_or(&[][..], |boot| &boot[..]);
        let next = statement.query_one([last], |row| row.get(0)).optional()?;
        match next {
            Some(boot) => boots.push(boot),
            None => return Ok(boots),
        }
    }
}
