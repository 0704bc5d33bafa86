//! Granting, renewing and releasing leases.

use std::time::Duration;

use agentexec_activity_core::{AgentId, Attempt, LeaseTerms, Timestamp};
use rusqlite::{Connection, params};

use super::Tx;
use crate::error::Failed;
use crate::value::Db;

pub(super) fn grant(tx: &Tx<'_>, no: i64, terms: &LeaseTerms, at: Timestamp) -> rusqlite::Result<()> {
    let expiry = tx.clock.expiry(terms.ttl);
    let mut statement = tx.conn.prepare_cached(
        "INSERT INTO lease (activity, boot, expires, renewed, last_attempt, owner) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![no, expiry.boot, expiry.at, Db(at), Db(terms.last_attempt), terms.owner])?;
    Ok(())
}

pub(super) fn release(conn: &Connection, no: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM lease WHERE activity = ?1")?.execute([no])?;
    Ok(())
}

/// Renews what is still held. Only a running activity has a lease, so nothing else is to be looked at.
pub(crate) fn renew(tx: &Tx<'_>, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Failed> {
    let (expiry, at) = (tx.clock.expiry(ttl), tx.clock.now());
    let mut statement = tx.conn.prepare_cached(
        "UPDATE lease SET boot = ?3, expires = ?4, renewed = max(renewed, ?5) \
         WHERE activity = (SELECT no FROM activity WHERE id = ?1 AND attempt = ?2)",
    )?;
    let mut renewed = Vec::with_capacity(held.len());
    for (id, attempt) in held {
        let changed = statement.execute(params![Db(*id), Db(*attempt), expiry.boot, expiry.at, Db(at)])?;
        renewed.push(changed == 1);
    }
    Ok(renewed)
}
