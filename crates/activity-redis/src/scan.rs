//! Walking over many activities: lists, and the candidates of commands over many.

use std::collections::HashSet;

use agentexec_activity_core::{
    AgentId, ListCursor, ListQuery, Order, Page, SCAN_LIMIT, Scope, Status, Timestamp,
};

use crate::codec::{Record, id_bytes};
use crate::failure::Failure;
use crate::link::Link;
use crate::reply::Reply;
use crate::rules;
use crate::script::SCAN;

/// What to find.
pub(crate) struct Scan<'a> {
    query: &'a ListQuery,
    limit: usize,
    most: usize,
    ended_before: Option<Timestamp>,
}

/// What was found, and where to go on.
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    pub(crate) next: Option<ListCursor>,
}

impl From<Found> for Page {
    fn from(found: Found) -> Self {
        let items = found.records.into_iter().map(|record| record.activity).collect();
        Self { items, next: found.next }
    }
}

/// Activities of one rank, and the digits of their statuses as the script takes them.
struct Group {
    rank: u8,
    statuses: String,
}

impl<'a> Scan<'a> {
    /// The page that a query asks for.
    pub(crate) fn of(query: &'a ListQuery) -> Self {
        Self { query, limit: query.limit, most: SCAN_LIMIT, ended_before: None }
    }

    /// Looks at no more than `most` activities and finds no more than that.
    pub(crate) fn step(mut self, most: usize) -> Self {
        (self.limit, self.most) = (most, most);
        self
    }

    /// Finds only what ended before a moment.
    pub(crate) fn ended_before(mut self, moment: Timestamp) -> Self {
        self.ended_before = Some(moment);
        self
    }

    pub(crate) async fn run(&self, link: &Link) -> Result<Found, Failure> {
        let groups = self.groups();
        let Some(first) = groups.first() else { return Ok(Found { records: Vec::new(), next: None }) };
        // A cursor whose group is shown no more goes on at the top of the next one.
        let place = self.query.cursor.filter(|cursor| cursor.rank == first.rank);
        let mut call = SCAN.call(&link.keys, &self.filters(link));
        call = call.arg(self.limit).arg(self.most);
        for bound in [self.query.created_from, self.query.created_before, self.ended_before] {
            call = call.arg(bound.map_or_else(String::new, |bound| bound.as_millis().to_string()));
        }
        call = match place {
            Some(place) => call.arg(place.created.as_millis()).bytes(&id_bytes(place.id)),
            None => call.arg("").arg(""),
        };
        for group in &groups {
            call = call.arg(&group.statuses);
        }
        self.read(Reply::of(link.call(call).await?)?, &groups)
    }

    fn read(&self, mut reply: Reply, groups: &[Group]) -> Result<Found, Failure> {
        let (group, created, id) = (reply.small::<usize>()?, reply.number()?, reply.some_bytes()?);
        let rank = group.checked_sub(1).and_then(|index| groups.get(index)).map(|group| group.rank);
        let next = rank.map(|rank| {
            let id = id.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
            ListCursor::new(self.query.order, rank, Timestamp::from_millis(created), AgentId::from_u128(id))
        });
        let mut records = Vec::new();
        while let Some(item) = reply.bytes()? {
            records.push(Record::read_item(&item)?);
        }
        Ok(Found { records, next })
    }

    /// The groups from the one of the cursor on.
    fn groups(&self) -> Vec<Group> {
        let wanted = |status: &Status| self.query.statuses.is_empty() || self.query.statuses.contains(status);
        let digits = |statuses: &mut dyn Iterator<Item = Status>| -> String {
            statuses.filter(wanted).map(|status| char::from(b'0' + rules::number(status))).collect()
        };
        if self.query.order == Order::Created {
            return vec![Group { rank: 0, statuses: digits(&mut Status::ALL.into_iter()) }];
        }
        let first = self.query.cursor.map_or(0, |cursor| cursor.rank);
        let groups = (first..=2).map(|rank| {
            let mut of_rank = Status::ALL.into_iter().filter(|status| status.rank() == rank);
            Group { rank, statuses: digits(&mut of_rank) }
        });
        groups.filter(|group| !group.statuses.is_empty()).collect()
    }

    /// The sets that everything must be in.
    fn filters(&self, link: &Link) -> Vec<String> {
        let of_scope = link.keys.of_scope(&self.query.scope);
        let of_type = self.query.activity_type.iter().map(|name| link.keys.of_type(name));
        let all = of_scope.into_iter().chain(link.keys.of_pairs(&self.query.metadata)).chain(of_type);
        let mut known = HashSet::new();
        all.filter(|key| known.insert(key.clone())).collect()
    }
}

/// The query behind a command over the activities of a scope in these statuses.
pub(crate) fn candidates(scope: &Scope, statuses: &[Status], after: Option<ListCursor>) -> ListQuery {
    let query = statuses.iter().fold(ListQuery::new(scope.clone()), |query, status| query.status(*status));
    match after {
        Some(cursor) => query.after(cursor),
        None => query,
    }
}
