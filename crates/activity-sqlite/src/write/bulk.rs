//! Commands over many activities, a bounded number of them in each step.
//!
//! A step shares its transaction with whatever else waits, so it is kept short: the next one lets others go first.

use std::ops::ControlFlow;

use agentexec_activity_core::{
    Batch, Change, ListCursor, Message, Next, Order, RequestId, SCAN_LIMIT, Scope, Status, Timestamp, Write,
};
use rusqlite::{Connection, params};

use super::Tx;
use super::change::write;
use super::events::Event;
use super::record::Record;
use crate::error::Failed;
use crate::label::{Labels, Name, Selection};
use crate::read::events::kind;
use crate::read::list::behind;
use crate::read::walk::{Place, Walk};
use crate::value::Db;

/// How many activities one step changes at the most.
const STEP: usize = 200;
/// After how many log entries a step of a purge stops.
const ENTRIES: i64 = 5_000;

/// What a step is about.
struct Step<'a> {
    scope: &'a Scope,
    statuses: &'a [Status],
    created_before: Option<Timestamp>,
    after: Option<ListCursor>,
}

impl Step<'_> {
    /// The places of the step, and where the next one begins. `weigh` says how much of the step a place uses up, of
    /// `most` in all, and nothing when it is not wanted.
    fn places(
        &self,
        conn: &Connection,
        most: i64,
        weigh: impl Fn(Place) -> rusqlite::Result<Option<i64>>,
    ) -> rusqlite::Result<(Vec<Place>, Option<ListCursor>)> {
        let names = Name::of_scope(self.scope);
        let Some(selection) = Selection::of(conn, names, self.statuses)? else {
            return Ok((Vec::new(), None));
        };
        let walk = Walk {
            label: selection.narrowest.no,
            statuses: self.statuses.to_vec(),
            order: Order::Created,
            from: Timestamp::default(),
            before: self.created_before,
            after: self.after,
        };
        let mut places = Vec::new();
        let (mut looked_at, mut weight, mut last, mut goes_on) = (0, 0, None, false);
        walk.run(conn, |place| {
            if places.len() == STEP || looked_at == SCAN_LIMIT || weight >= most {
                goes_on = true;
                return Ok(ControlFlow::Break(()));
            }
            (looked_at, last) = (looked_at + 1, Some(place));
            if place.has_all(conn, &selection.others)?
                && let Some(more) = weigh(place)?
            {
                weight += more;
                places.push(place);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let next = last.filter(|_| goes_on).map(|place| behind(conn, place, Order::Created)).transpose()?;
        Ok((places, next))
    }
}

pub(crate) fn cancel_queued(
    tx: &mut Tx<'_>,
    scope: &Scope,
    reason: &Message,
    after: Option<ListCursor>,
) -> Result<Batch, Failed> {
    let step = Step { scope, statuses: &[Status::Queued], created_before: None, after };
    let (places, next) = step.places(tx.conn, 1, |_| Ok(Some(0)))?;
    for place in &places {
        write(tx, &Write::new(place.id(), RequestId::new(), Change::Cancel, reason.clone()))?;
    }
    Ok(Batch::new(places.len() as u64, next))
}

/// What ended before a moment was created before it, so the newer ones are not even looked at.
pub(crate) fn purge(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ended_before: Timestamp,
    after: Option<ListCursor>,
) -> Result<Batch, Failed> {
    let statuses = &[Status::Complete, Status::Error, Status::Canceled];
    let step = Step { scope, statuses, created_before: Some(ended_before), after };
    let (places, next) = step.places(tx.conn, ENTRIES, |place| {
        // An attempt has three entries at the most besides its reports: queued, started, ended.
        let mut statement =
            tx.conn.prepare_cached("SELECT ended, reports + 3 * attempt FROM activity WHERE no = ?1")?;
        let (ended, entries): (Option<Db<Timestamp>>, i64) =
            statement.query_one([place.activity], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(ended.is_some_and(|ended| ended.0 < ended_before).then_some(entries))
    })?;
    for place in &places {
        remove(tx, *place)?;
    }
    Ok(Batch::new(places.len() as u64, next))
}

/// Removes an activity that has ended. Its subject stays until no event speaks of it.
fn remove(tx: &mut Tx<'_>, place: Place) -> Result<(), Failed> {
    let Some(record) = Record::find(tx.conn, place.id())? else { return Ok(()) };
    let Record { no, id, status, percentage, attempt, created, .. } = record;
    let mut statement = tx
        .conn
        .prepare_cached("DELETE FROM place WHERE label = ?1 AND status = ?2 AND created = ?3 AND id = ?4")?;
    for label in Labels::of_subject(tx.conn, no)?.iter() {
        statement.execute(params![label, Db(status), Db(created), Db(id)])?;
        tx.tally.add(label, status, -1);
    }
    tx.conn.prepare_cached("DELETE FROM log WHERE activity = ?1")?.execute([no])?;
    tx.conn.prepare_cached("DELETE FROM activity WHERE no = ?1")?.execute([no])?;
    let next = Next { status, percentage, attempt, progress: false };
    let at = tx.clock.now();
    Event { kind: kind::PURGED, subject: no, seq: 0, next, at, message: "" }.add(tx.conn)?;
    Ok(())
}
