//! Walking the places under a label, newest first.

use std::ops::ControlFlow;

use agentexec_activity_core::{AgentId, ListCursor, Order, Status, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Rows, params};

use crate::value::{Db, signed};

/// Which places are walked.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) label: i64,
    pub(crate) statuses: Vec<Status>,
    pub(crate) order: Order,
    /// Created at or after this moment.
    pub(crate) from: Timestamp,
    /// Created before this moment.
    pub(crate) before: Option<Timestamp>,
    /// Behind this place.
    pub(crate) after: Option<ListCursor>,
}

/// A place: the activity that stands there, and what it is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    created: i64,
    id: [u8; 16],
    pub(crate) activity: i64,
    pub(crate) status: Status,
}

/// Before this place, by time of creation and id, a stream begins.
type Top = (i64, [u8; 16]);

/// One statement for each status: the same text five times would be prepared anew for each.
macro_rules! of_status {
    ($code:literal) => {
        concat!(
            "SELECT created, id, activity FROM place WHERE label = ?1 AND status = ",
            $code,
            " AND (created, id) < (?2, ?3) AND created >= ?4 ORDER BY created DESC, id DESC"
        )
    };
}

const fn statement(status: Status) -> &'static str {
    match status {
        Status::Queued => of_status!(0),
        Status::Running => of_status!(1),
        Status::Complete => of_status!(2),
        Status::Error => of_status!(3),
        Status::Canceled => of_status!(4),
    }
}

impl Walk {
    /// Shows each place to `visit`, in order, until it breaks.
    pub(crate) fn run(
        &self,
        conn: &Connection,
        mut visit: impl FnMut(Place) -> rusqlite::Result<ControlFlow<()>>,
    ) -> rusqlite::Result<()> {
        for (rank, statuses) in self.groups() {
            let Some(top) = self.top(rank) else { continue };
            let mut statements = statuses
                .iter()
                .map(|status| conn.prepare_cached(statement(*status)))
                .collect::<Result<Vec<_>, _>>()?;
            let mut streams = Vec::new();
            for (prepared, status) in statements.iter_mut().zip(statuses) {
                streams.push(self.stream(prepared, status, top)?);
            }
            while let Some(newest) = streams.iter_mut().max_by_key(|stream| stream.next)
                && let Some(place) = newest.next
            {
                if visit(place)?.is_break() {
                    return Ok(());
                }
                newest.advance()?;
            }
        }
        Ok(())
    }

    /// The statuses that are walked together, and their rank.
    fn groups(&self) -> impl Iterator<Item = (u8, Vec<Status>)> {
        let ranks = match self.order {
            Order::Created => 0..=0,
            _ => 0..=2,
        };
        ranks.map(|rank| {
            let together = |status: &Status| self.order == Order::Created || status.rank() == rank;
            (rank, Status::ALL.into_iter().filter(together).filter(|s| self.statuses.contains(s)).collect())
        })
    }

    /// Where the places of this rank begin; nothing when all of them were walked before.
    fn top(&self, rank: u8) -> Option<Top> {
        let newest =
            self.before.map_or((i64::MAX, [u8::MAX; 16]), |before| (signed(before.as_millis()), [0; 16]));
        match self.after {
            Some(after) if after.rank > rank => None,
            Some(after) if after.rank == rank => {
                Some(newest.min((signed(after.created.as_millis()), after.id.as_u128().to_be_bytes())))
            }
            _ => Some(newest),
        }
    }

    fn stream<'s>(
        &self,
        prepared: &'s mut CachedStatement<'_>,
        status: Status,
        (created, id): Top,
    ) -> rusqlite::Result<Stream<'s>> {
        let rows = prepared.query(params![self.label, created, id, Db(self.from)])?;
        let mut stream = Stream { rows, status, next: None };
        stream.advance()?;
        Ok(stream)
    }
}

/// The places of one status.
struct Stream<'s> {
    rows: Rows<'s>,
    status: Status,
    next: Option<Place>,
}

impl Stream<'_> {
    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some(Place {
                created: row.get(0)?,
                id: row.get(1)?,
                activity: row.get(2)?,
                status: self.status,
            }),
            None => None,
        };
        Ok(())
    }
}

impl Place {
    /// Whether the activity has all these labels too.
    pub(crate) fn has_all(&self, conn: &Connection, labels: &[i64]) -> rusqlite::Result<bool> {
        for label in labels {
            let mut statement = conn.prepare_cached(
                "SELECT 1 FROM place WHERE label = ?1 AND status = ?2 AND created = ?3 AND id = ?4",
            )?;
            let found =
                statement.query_one(params![label, Db(self.status), self.created, self.id], |_| Ok(()));
            if found.optional()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn id(&self) -> AgentId {
        AgentId::from_u128(u128::from_be_bytes(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn a_walk_begins_where_it_is_to_and_sorts_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn).unwrap();
        for status in Status::ALL {
            let explained = format!("EXPLAIN QUERY PLAN {}", statement(status));
            let mut prepared = conn.prepare(&explained).unwrap();
            let plan =
                prepared.query_map(params![0, 0, [0_u8; 16], 0], |row| row.get::<_, String>(3)).unwrap();
            let plan = plan.collect::<rusqlite::Result<Vec<_>>>().unwrap();
            assert_eq!(plan.len(), 1, "{plan:?}");
            let by_place = "(label=? AND status=? AND created>? AND (created,id)<(?,?))";
            assert!(plan[0].starts_with("SEARCH place") && plan[0].ends_with(by_place), "{plan:?}");
        }
    }
}
