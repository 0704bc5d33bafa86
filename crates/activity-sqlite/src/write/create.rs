//! Creating an activity.

use agentexec_activity_core::{Activity, Attempt, Error, NewActivity, Next, Percent, Status};
use rusqlite::params;

use super::Tx;
use super::events::Event;
use super::record::insert_entry;
use crate::error::Failed;
use crate::label::Labels;
use crate::read::activity::by_id;
use crate::value::{Db, metadata_json};

/// What the first entry of a log says, besides its message.
const QUEUED: Next =
    Next { status: Status::Queued, percentage: Percent::ZERO, attempt: Attempt::FIRST, progress: false };

pub(crate) fn create(tx: &mut Tx<'_>, new: &NewActivity) -> Result<Activity, Failed> {
    if let Some(known) = by_id(tx.conn, new.id)? {
        let known = known.activity;
        if known.activity_type != new.activity_type || known.metadata != new.metadata {
            return Err(Error::IdTaken { id: new.id }.into());
        }
        return Ok(known);
    }
    let activity = Activity::queued(new, tx.clock.now());
    let at = activity.created;
    let labels = Labels::of_new(tx.conn, new)?;
    let no = insert_subject(tx, new, &labels)?;
    let mut statement = tx.conn.prepare_cached(
        "INSERT INTO activity (no, id, status, percentage, attempt, created, updated, next_seq, reports, \
         trimmed_before, requests, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 2, 0, 0, x'', ?7)",
    )?;
    statement.execute(params![
        no,
        Db(new.id),
        Db(QUEUED.status),
        Db(QUEUED.percentage),
        Db(QUEUED.attempt),
        Db(at),
        Db(&new.message)
    ])?;
    insert_entry(tx.conn, no, 1, QUEUED, &new.message, at)?;
    Event::logged(no, 1, QUEUED, &new.message, at).add(tx.conn)?;
    let mut statement = tx.conn.prepare_cached(
        "INSERT INTO place (label, status, created, id, activity) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for label in labels.iter() {
        statement.execute(params![label, Db(QUEUED.status), Db(at), Db(new.id), no])?;
        tx.tally.add(label, QUEUED.status, 1);
    }
    Ok(activity)
}

fn insert_subject(tx: &Tx<'_>, new: &NewActivity, labels: &Labels) -> rusqlite::Result<i64> {
    let mut statement =
        tx.conn.prepare_cached("INSERT INTO subject (id, type, metadata, labels) VALUES (?1, ?2, ?3, ?4)")?;
    let metadata = metadata_json(&new.metadata)?;
    statement.insert(params![Db(new.id), new.activity_type, metadata, labels.as_bytes()])
}
