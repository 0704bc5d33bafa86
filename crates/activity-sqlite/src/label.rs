//! Labels: what activities are found by, and how many there are under each.
//!
//! That an activity exists, its type and each of its metadata pairs are labels. Under each label stand the places of
//! its activities, so that what is asked of one tenant does not cost what all the others have.

use std::collections::{BTreeSet, HashMap};

use agentexec_activity_core::{Counts, Metadata, NewActivity, Scope, Status};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use crate::value::code;

/// The label that every activity has.
pub(crate) const ALL: i64 = 0;

/// What a label says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    kind: i64,
    key: String,
    value: String,
}

impl Name {
    pub(crate) fn of_type(activity_type: &str) -> Self {
        Self { kind: 1, key: String::new(), value: activity_type.to_owned() }
    }

    fn of_pair(key: &str, value: &Value) -> Self {
        Self { kind: 2, key: key.to_owned(), value: value.to_string() }
    }

    pub(crate) fn of_metadata(metadata: &Metadata) -> impl Iterator<Item = Self> {
        metadata.iter().map(|(key, value)| Self::of_pair(key, value))
    }

    pub(crate) fn of_scope(scope: &Scope) -> impl Iterator<Item = Self> {
        scope.pairs().into_iter().flat_map(Self::of_metadata)
    }
}

/// A label with the counts of its activities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) no: i64,
    pub(crate) counts: Counts,
}

impl Label {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut counts = Counts::default();
        for (column, status) in (1..).zip(Status::ALL) {
            *counts.of_mut(status) = row.get::<_, i64>(column)?.max(0).cast_unsigned();
        }
        Ok(Self { no: row.get(0)?, counts })
    }

    fn all(conn: &Connection) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare_cached(
            "SELECT no, queued, running, complete, error, canceled FROM label WHERE no = ?1",
        )?;
        statement.query_one([ALL], Self::read)
    }

    fn find(conn: &Connection, name: &Name) -> rusqlite::Result<Option<Self>> {
        let mut statement = conn.prepare_cached(
            "SELECT no, queued, running, complete, error, canceled FROM label \
             WHERE kind = ?1 AND key = ?2 AND value = ?3",
        )?;
        statement.query_one(params![name.kind, name.key, name.value], Self::read).optional()
    }

    /// The number of the label, which is made when it is not there.
    fn find_or_make(conn: &Connection, name: &Name) -> rusqlite::Result<i64> {
        if let Some(label) = Self::find(conn, name)? {
            return Ok(label.no);
        }
        let mut statement =
            conn.prepare_cached("INSERT INTO label (kind, key, value) VALUES (?1, ?2, ?3)")?;
        statement.insert(params![name.kind, name.key, name.value])
    }

    fn among(&self, statuses: &[Status]) -> u64 {
        statuses.iter().map(|status| self.counts.of(*status)).sum()
    }
}

/// The activities that have all of some labels.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The label with the fewest activities: the one to walk.
    pub(crate) narrowest: Label,
    /// The others.
    pub(crate) others: Vec<i64>,
}

impl Selection {
    /// Those that have all these labels; nothing when nobody has one of them. The narrowest label is the one with the
    /// fewest activities in `statuses`.
    pub(crate) fn of(
        conn: &Connection,
        names: impl Iterator<Item = Name>,
        statuses: &[Status],
    ) -> rusqlite::Result<Option<Self>> {
        let names: BTreeSet<Name> = names.collect();
        let mut labels = Vec::new();
        for name in names {
            match Label::find(conn, &name)? {
                Some(label) => labels.push(label),
                None => return Ok(None),
            }
        }
        let Some(narrowest) = labels.iter().copied().min_by_key(|label| label.among(statuses)) else {
            return Ok(Some(Self { narrowest: Label::all(conn)?, others: Vec::new() }));
        };
        let others = labels.iter().map(|label| label.no).filter(|no| *no != narrowest.no).collect();
        Ok(Some(Self { narrowest, others }))
    }
}

/// The labels of one activity, besides [`ALL`], as they stand in its subject.
#[derive(Debug)]
pub(crate) struct Labels(Vec<u8>);

impl Labels {
    /// Those of an activity that is created: its type and its metadata pairs.
    pub(crate) fn of_new(conn: &Connection, new: &NewActivity) -> rusqlite::Result<Self> {
        let mut labels = Vec::new();
        for name in [Name::of_type(&new.activity_type)].into_iter().chain(Name::of_metadata(&new.metadata)) {
            labels.extend(Label::find_or_make(conn, &name)?.to_le_bytes());
        }
        Ok(Self(labels))
    }

    pub(crate) fn of_subject(conn: &Connection, no: i64) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare_cached("SELECT labels FROM subject WHERE no = ?1")?;
        statement.query_one([no], |row| row.get(0)).map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All of them, [`ALL`] first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        let (numbers, _) = self.0.as_chunks();
        std::iter::once(ALL).chain(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)))
    }
}

/// By how much the counts of labels have changed in a transaction. They are written once, before it ends: many of its
/// changes are about the same few labels.
#[derive(Debug, Default)]
pub(crate) struct Tally(HashMap<i64, [i64; 5]>);

impl Tally {
    pub(crate) fn add(&mut self, label: i64, status: Status, by: i64) {
        let changes = self.0.entry(label).or_default();
        if let Some(change) = changes.get_mut(usize::from(code(status))) {
            *change += by;
        }
    }

    /// Writes the changes, and removes labels that nobody has any more.
    pub(crate) fn write(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for (label, [queued, running, complete, error, canceled]) in self.0.drain() {
            let mut statement = conn.prepare_cached(
                "UPDATE label SET queued = queued + ?2, running = running + ?3, complete = complete + ?4, \
                 error = error + ?5, canceled = canceled + ?6 WHERE no = ?1",
            )?;
            statement.execute([label, queued, running, complete, error, canceled])?;
            if queued + running + complete + error + canceled < 0 && label != ALL {
                let mut statement = conn.prepare_cached(
                    "DELETE FROM label WHERE no = ?1 AND queued + running + complete + error + canceled = 0",
                )?;
                statement.execute([label])?;
            }
        }
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
