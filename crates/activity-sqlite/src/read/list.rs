//! Lists and counts.

use std::ops::ControlFlow;

use agentexec_activity_core::{
    Counts, ListCursor, ListQuery, Order, Page, SCAN_LIMIT, Scope, Status, Timestamp,
};
use rusqlite::Connection;

use super::activity::by_no;
use super::walk::{Place, Walk};
use crate::label::{Name, Selection};

pub(crate) fn list(conn: &Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    let statuses = match query.statuses.as_slice() {
        [] => Status::ALL.to_vec(),
        some => some.to_vec(),
    };
    let types = query.activity_type.iter().map(|wanted| Name::of_type(wanted));
    let names = Name::of_scope(&query.scope).chain(Name::of_metadata(&query.metadata)).chain(types);
    let Some(selection) = Selection::of(conn, names, &statuses)? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let walk = Walk {
        label: selection.narrowest.no,
        statuses,
        order: query.order,
        from: query.created_from.unwrap_or_default(),
        before: query.created_before,
        after: query.cursor,
    };
    let mut items = Vec::new();
    let (mut looked_at, mut last, mut goes_on) = (0, None, false);
    walk.run(conn, |place| {
        if items.len() == query.limit || looked_at == SCAN_LIMIT {
            goes_on = true;
            return Ok(ControlFlow::Break(()));
        }
        (looked_at, last) = (looked_at + 1, Some(place));
        if place.has_all(conn, &selection.others)? {
            items.push(by_no(conn, place.activity)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let next = last.filter(|_| goes_on).map(|place| behind(conn, place, query.order)).transpose()?;
    Ok(Page { items, next })
}

/// The cursor behind a place.
pub(crate) fn behind(conn: &Connection, place: Place, order: Order) -> rusqlite::Result<ListCursor> {
    Ok(ListCursor::behind(&by_no(conn, place.activity)?, order))
}

pub(crate) fn counts(conn: &Connection, scope: &Scope) -> rusqlite::Result<Counts> {
    let Some(selection) = Selection::of(conn, Name::of_scope(scope), &Status::ALL)? else {
        return Ok(Counts::default());
    };
    if selection.others.is_empty() {
        return Ok(selection.narrowest.counts);
    }
    let walk = Walk {
        label: selection.narrowest.no,
        statuses: Status::ALL.to_vec(),
        order: Order::Created,
        from: Timestamp::default(),
        before: None,
        after: None,
    };
    let mut counts = Counts::default();
    walk.run(conn, |place| {
        *counts.of_mut(place.status) += u64::from(place.has_all(conn, &selection.others)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}
