//! Reading many activities: filters, order and pages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Activity, AgentId, Error, Metadata, Scope, Status, TYPE_LIMIT, Timestamp};

/// The default number of activities of a page.
pub const PAGE_SIZE: usize = 50;
/// The most activities of a page.
pub const PAGE_LIMIT: usize = 500;
/// The most records that a store looks at for one page. A page that a filter leaves short carries a cursor.
pub const SCAN_LIMIT: usize = 10_000;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Order {
    /// Running, then queued, then the rest; newest first within each. An activity whose status did not change
    /// while the pages were read appears exactly once.
    #[default]
    Status,
    /// Newest first, whatever the status: stable while pages are read.
    Created,
}

/// Which activities a list shows.
///
/// ```
/// use agentexec_activity_core::{ListQuery, Scope, Status};
///
/// let query = ListQuery::new(Scope::all()).status(Status::Running).limit(10);
/// # assert_eq!(query.statuses, [Status::Running]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListQuery {
    /// What the caller may see.
    pub scope: Scope,
    /// Only these statuses; none means any.
    pub statuses: Vec<Status>,
    /// Only this type, at most [`TYPE_LIMIT`] bytes.
    pub activity_type: Option<String>,
    /// Only those whose metadata contain these pairs.
    pub metadata: Metadata,
    /// Only those created at or after this moment.
    pub created_from: Option<Timestamp>,
    /// Only those created before this moment.
    pub created_before: Option<Timestamp>,
    /// The order.
    pub order: Order,
    /// How many, 1 to [`PAGE_LIMIT`].
    pub limit: usize,
    /// Where the page before this one ended.
    pub cursor: Option<ListCursor>,
}

impl ListQuery {
    /// Everything in `scope`, [`PAGE_SIZE`] at a time, in the order of [`Order::Status`].
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            statuses: Vec::new(),
            activity_type: None,
            metadata: Metadata::new(),
            created_from: None,
            created_before: None,
            order: Order::default(),
            limit: PAGE_SIZE,
            cursor: None,
        }
    }

    /// Also shows activities in `status`; without any call, every status is shown.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.statuses.push(status);
        self
    }

    /// Shows only activities of this type.
    #[must_use]
    pub fn activity_type(mut self, activity_type: impl Into<String>) -> Self {
        self.activity_type = Some(activity_type.into());
        self
    }

    /// Shows only activities whose metadata contain these pairs.
    #[must_use]
    pub fn metadata(mut self, pairs: Metadata) -> Self {
        self.metadata = pairs;
        self
    }

    /// Shows only activities created at or after `moment`.
    #[must_use]
    pub fn created_from(mut self, moment: Timestamp) -> Self {
        self.created_from = Some(moment);
        self
    }

    /// Shows only activities created before `moment`.
    #[must_use]
    pub fn created_before(mut self, moment: Timestamp) -> Self {
        self.created_before = Some(moment);
        self
    }

    /// Sets the order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets the size of the page, 1 to [`PAGE_LIMIT`]; the list refuses others.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on where a page ended.
    #[must_use]
    pub fn after(mut self, cursor: ListCursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// An error when a value is out of range. Stores call it before they read.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=PAGE_LIMIT).contains(&self.limit) {
            return Err(Error::invalid("limit", format!("{} is not between 1 and {PAGE_LIMIT}", self.limit)));
        }
        if self.activity_type.as_ref().is_some_and(|wanted| wanted.len() > TYPE_LIMIT) {
            return Err(Error::invalid("type", format!("an activity's type has at most {TYPE_LIMIT} bytes")));
        }
        if self.cursor.is_some_and(|cursor| cursor.order != self.order) {
            return Err(Error::invalid(
                "cursor",
                "it comes from a list in another order; start from the top",
            ));
        }
        Ok(())
    }

    /// Whether the list shows this activity.
    #[must_use]
    pub fn admits(&self, activity: &Activity) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&activity.status))
            && self.activity_type.as_ref().is_none_or(|wanted| *wanted == activity.activity_type)
            && self.created_from.is_none_or(|from| activity.created >= from)
            && self.created_before.is_none_or(|before| activity.created < before)
            && self.scope.admits(&activity.metadata)
            && activity.metadata.contains_all(&self.metadata)
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The activities, in the order that was asked for.
    pub items: Vec<Activity>,
    /// Where the next page begins; nothing when this is the last. A page may be short, even empty, and still
    /// have one: the store stops looking after [`SCAN_LIMIT`] records.
    pub next: Option<ListCursor>,
}

/// A place in a list. Its text form is opaque and safe in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListCursor {
    /// The order of the list.
    pub order: Order,
    /// The rank of the last activity's status as it was then; 0 in creation order.
    pub rank: u8,
    /// When the last activity was created.
    pub created: Timestamp,
    /// The last activity.
    pub id: AgentId,
}

impl ListCursor {
    /// The place behind an activity whose status has this [rank](Status::rank) and that was created then. In
    /// creation order the rank is 0.
    #[must_use]
    pub fn new(order: Order, rank: u8, created: Timestamp, id: AgentId) -> Self {
        Self { order, rank, created, id }
    }

    /// The place behind `activity` in a list of this order.
    #[must_use]
    pub fn behind(activity: &Activity, order: Order) -> Self {
        let rank = match order {
            Order::Status => activity.status.rank(),
            Order::Created => 0,
        };
        Self::new(order, rank, activity.created, activity.id)
    }
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::Status => 's',
            Order::Created => 'c',
        };
        write!(f, "{order}{}-{:x}-{:x}", self.rank, self.created.as_millis(), self.id.as_u128())
    }
}

impl FromStr for ListCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_cursor(text)
            .ok_or_else(|| Error::invalid("cursor", "it is not one that a list gave; start from the top"))
    }
}

fn parse_cursor(text: &str) -> Option<ListCursor> {
    let mut parts = text.splitn(3, '-');
    let place = parts.next()?;
    let order = match place.get(..1)? {
        "s" => Order::Status,
        "c" => Order::Created,
        _ => return None,
    };
    let rank = place.get(1..)?.parse().ok().filter(|rank| *rank <= 2)?;
    let created = Timestamp::from_millis(u64::from_str_radix(parts.next()?, 16).ok()?);
    let id = AgentId::from_u128(u128::from_str_radix(parts.next()?, 16).ok()?);
    Some(ListCursor { order, rank, created, id })
}

impl Serialize for ListCursor {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListCursor {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which part of a log a detail shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogQuery {
    /// The first number to show.
    pub from: u64,
    /// How many entries at the most; 0 shows none, more than [`LOG_PAGE_LIMIT`] shows that many.
    pub limit: usize,
}

/// The most log entries of one page.
pub const LOG_PAGE_LIMIT: usize = 1000;

impl Default for LogQuery {
    fn default() -> Self {
        Self { from: 0, limit: LOG_PAGE_LIMIT }
    }
}

impl LogQuery {
    /// From the beginning, [`LOG_PAGE_LIMIT`] entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins at this number.
    #[must_use]
    pub fn from(mut self, seq: u64) -> Self {
        self.from = seq;
        self
    }

    /// Shows at the most `limit` entries; 0 shows none, more than [`LOG_PAGE_LIMIT`] shows that many.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.min(LOG_PAGE_LIMIT);
        self
    }
}

/// What one step of a bounded bulk command has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// How many activities it changed.
    pub changed: u64,
    /// Where the next step begins; nothing when all is done.
    pub next: Option<ListCursor>,
}

impl Batch {
    /// So many changed, and where to go on.
    #[must_use]
    pub fn new(changed: u64, next: Option<ListCursor>) -> Self {
        Self { changed, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = ListCursor {
            order: Order::Created,
            rank: 0,
            created: Timestamp::from_millis(1_700_000_000_000),
            id: AgentId::from_u128(42),
        };
        assert_eq!(cursor.to_string().parse::<ListCursor>().unwrap(), cursor);
        for bad in ["", "s", "x1-0-0", "s9-0-0", "s1-zz-0", "s1-0", "é1-0-0"] {
            assert!(bad.parse::<ListCursor>().is_err(), "{bad:?} was taken");
        }
    }
}
