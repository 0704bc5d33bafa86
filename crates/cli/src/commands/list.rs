//! `agentexec list`.

use agentexec::activity::{
    Activities, Activity, ListCursor, ListQuery, Metadata, Order, PAGE_LIMIT, PAGE_SIZE, Scope, Status,
    Timestamp,
};
use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::record::{self, Record};
use crate::exit::Exit;
use crate::store::Place;
use crate::table::{Cell, Column, Table};
use crate::terminal::{self, Unwritten};

/// How many pages are read until there are as many activities as were asked for. A store looks at a bounded number
/// of records for each.
const STEPS: usize = 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done, also when there are none
  2  the command line or the file is wrong
  4  the store could not be used")]
pub(crate) struct List {
    /// Only this status: queued, running, complete, error or canceled; may be given several times.
    #[arg(long = "status", value_name = "STATUS")]
    statuses: Vec<Status>,

    /// Only this type; those of this program are of the type `run`.
    #[arg(long = "type", value_name = "TYPE")]
    activity_type: Option<String>,

    /// Only those with this metadata; may be given several times, and all must match.
    ///
    /// A value that is JSON (a number, true, false, null, an array, an object, a string in quotes) is taken as such,
    /// anything else as a string: plan=3 finds the number, plan='"3"' the string, org=acme the string.
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, Value)>,

    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = PAGE_SIZE as u64)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=PAGE_LIMIT as u64))]
    limit: u64,

    /// Where the list before this one ended, as it said.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<ListCursor>,

    /// The order: running, queued, then the rest; or all by the time of their creation. Newest first in both.
    #[arg(long, value_name = "ORDER", default_value = "status")]
    order: By,

    /// Print one JSON document: the records in `items`, and in `next` the cursor of the next page or null.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Status,
    Created,
}

/// A part of a list, as it is printed.
#[derive(Serialize)]
struct Listed<'a> {
    items: Vec<Record<'a>>,
    next: Option<ListCursor>,
}

pub(crate) async fn list(args: &List, place: &Place) -> anyhow::Result<Exit> {
    let query = args.query()?;
    let activities = super::activities(place).await?;
    let (items, next) = read(&activities, query).await?;
    if args.json {
        terminal::json(&Listed { items: items.iter().map(Record::new).collect(), next })?;
        return Ok(Exit::Complete);
    }
    if !items.is_empty() {
        let now = activities.store().now().await?;
        print(&items, now)?;
    }
    match next {
        Some(next) => terminal::err("more: ", &format!("--cursor {next}")),
        None if items.is_empty() => {
            let which = if args.is_filtered() { "no activity in it matches" } else { "no activities yet" };
            terminal::err("", &format!("{place}: {which}"));
        }
        None => {}
    }
    Ok(Exit::Complete)
}

impl List {
    fn is_filtered(&self) -> bool {
        let Self { statuses, activity_type, metadata, cursor, .. } = self;
        !statuses.is_empty() || activity_type.is_some() || !metadata.is_empty() || cursor.is_some()
    }

    fn query(&self) -> anyhow::Result<ListQuery> {
        let mut metadata = Metadata::new();
        for (key, value) in &self.metadata {
            let is_known = metadata.get(key).is_some_and(|known| known != value);
            ensure!(!is_known, "--meta {key}: an activity has one value of a key, never two");
            metadata = metadata.with(key, value.clone())?;
        }
        let mut query = ListQuery::new(Scope::all()).metadata(metadata).order(match self.order {
            By::Status => Order::Status,
            By::Created => Order::Created,
        });
        query.limit = usize::try_from(self.limit).unwrap_or(PAGE_LIMIT);
        query.statuses.clone_from(&self.statuses);
        query.activity_type.clone_from(&self.activity_type);
        query.cursor = self.cursor;
        query.check()?;
        Ok(query)
    }
}

/// As many as were asked for, if the store finds them in a bounded number of pages, and where to go on.
async fn read(
    activities: &Activities,
    mut query: ListQuery,
) -> Result<(Vec<Activity>, Option<ListCursor>), agentexec::activity::Error> {
    let limit = query.limit;
    let mut items = Vec::new();
    for _ in 0..STEPS {
        let page = activities.list(&query).await?;
        items.extend(page.items);
        query.limit = limit.saturating_sub(items.len());
        query.cursor = page.next;
        if query.limit == 0 || query.cursor.is_none() {
            break;
        }
    }
    Ok((items, query.cursor))
}

fn print(items: &[Activity], now: Timestamp) -> Result<(), Unwritten> {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::whole("STATUS"),
        Column::whole("%"),
        Column::whole("AGE"),
        Column::cut("TYPE", 4),
        Column::cut("MESSAGE", 8),
    ]);
    for activity in items {
        table.row([
            Cell::new(activity.id.to_string()),
            record::status(activity.status),
            record::percentage(activity.percentage),
            Cell::new(record::age(now.since(activity.created))),
            Cell::new(&activity.activity_type),
            Cell::new(activity.message.as_str()),
        ]);
    }
    table.print()
}

fn pair(text: &str) -> Result<(String, Value), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write it like org=acme")?;
    if key.is_empty() {
        return Err("the key is missing; write it like org=acme");
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_where_it_can_be() {
        for (text, value) in [
            ("k=3", json!(3)),
            ("k=-0.5", json!(-0.5)),
            ("k=true", json!(true)),
            ("k=null", json!(null)),
            ("k=\"3\"", json!("3")),
            ("k=[1,\"a\"]", json!([1, "a"])),
            ("k={\"a\":1}", json!({"a": 1})),
            ("k=acme", json!("acme")),
            ("k=", json!("")),
            ("k=a=b", json!("a=b")),
            ("k=3 apples", json!("3 apples")),
            ("k={a}", json!("{a}")),
            ("k=1e999", json!("1e999")),
        ] {
            assert_eq!(pair(text).unwrap(), ("k".to_owned(), value), "{text}");
        }
        assert!(pair("acme").is_err() && pair("=acme").is_err());
    }
}
