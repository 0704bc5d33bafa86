//! Carrying out a change of an activity.

use agentexec_activity_core::{Change, Error, Status, Timestamp, Write, Written};
use rusqlite::params;

use super::events::Event;
use super::record::Record;
use super::requests::Answer;
use super::{Tx, leases};
use crate::error::Failed;
use crate::label::Labels;
use crate::value::Db;

pub(crate) fn write(tx: &mut Tx<'_>, write: &Write) -> Result<Written, Failed> {
    let id = write.id;
    let record = Record::find(tx.conn, id)?.ok_or(Error::NotFound { id })?;
    carry_out(tx, record, write)
}

/// The same for a record that was read in this transaction.
pub(crate) fn carry_out(tx: &mut Tx<'_>, mut record: Record, write: &Write) -> Result<Written, Failed> {
    if let Some(Answer::Written(written)) = record.requests.find(write.request) {
        return Ok(written);
    }
    let next = write.decide(record.state(tx.clock))?;
    let (from, at) = (record.status, tx.clock.now().max(record.updated));
    let seq = record.log(tx.conn, next, &write.message, at)?;
    if !next.progress {
        enter(tx, &mut record, from, &write.change, at)?;
    }
    let written = Written::new(seq, next);
    record.requests.remember(write.request, Answer::Written(written));
    record.save(tx.conn, &write.message)?;
    Event::logged(record.no, seq, next, &write.message, at).add(tx.conn)?;
    Ok(written)
}

/// What a new status brings with it: times, the lease, and other places in lists.
fn enter(
    tx: &mut Tx<'_>,
    record: &mut Record,
    from: Status,
    change: &Change,
    at: Timestamp,
) -> rusqlite::Result<()> {
    if record.lease.take().is_some() {
        leases::release(tx.conn, record.no)?;
    }
    match record.status {
        Status::Running => {
            record.started = Some(at);
            if let Change::Start { lease: Some(terms), .. } = change {
                leases::grant(tx, record.no, terms, at)?;
            }
        }
        Status::Queued => {
            (record.started, record.ended, record.cancel_requested) = (None, None, None);
        }
        Status::Complete | Status::Error | Status::Canceled => record.ended = Some(at),
    }
    let mut statement = tx.conn.prepare_cached(
        "UPDATE place SET status = ?5 WHERE label = ?1 AND status = ?2 AND created = ?3 AND id = ?4",
    )?;
    for label in Labels::of_subject(tx.conn, record.no)?.iter() {
        statement.execute(params![label, Db(from), Db(record.created), Db(record.id), Db(record.status)])?;
        tx.tally.add(label, from, -1);
        tx.tally.add(label, record.status, 1);
    }
    Ok(())
}
