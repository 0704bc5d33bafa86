//! The items of a response as its terminal event lists them, beside those that came one by one.

use std::collections::HashMap;

use agentexec_agent_core::transcript::Item;
use serde_json::Value;
use serde_json::value::RawValue;

use super::item::{self, Output};
use super::open::{Done, Likeness, Open, OpenItems, meaning};

/// An item of the list that is none of those that came before.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where the list has it.
    pub(super) place: i64,
    /// How many bytes it is long.
    pub(super) size: usize,
    pub(super) output: Output,
    /// What has begun as this item.
    pub(super) begun: Option<Open>,
}

/// What the list has and the items have not. The items get their places in it then too.
///
/// The list may be empty, and some servers make up new ids for it, so an item of it counts as known by its ids, else by
/// what it says, else by being of the kind of one that is left over; and so do items that have begun and are not done.
/// Their places say nothing: a list that leaves items out, or has more than were told of, counts otherwise.
pub(super) fn missing(
    items: &mut [(Option<i64>, Item)],
    open: &mut OpenItems,
    list: &[&RawValue],
    origin: &str,
) -> Result<Vec<Listed>, serde_json::Error> {
    let read = |(place, raw): (i64, &&RawValue)| {
        let value = serde_json::from_str(raw.get())?;
        Ok(Listed { place, size: raw.get().len(), output: item::read(value, origin), begun: None })
    };
    let mut listed = (0..).zip(list).map(read).collect::<Result<Vec<_>, _>>()?;
    let mut known = Known { items, places: vec![None; items.len()] };
    for keys in [ids, item_ids, call_id, words] {
        known.leave_out(&mut listed, keys);
    }
    begun(&mut listed, |done| open.end(done, Likeness::Part(1)));
    known.leave_out(&mut listed, kind);
    begun(&mut listed, |done| open.end_of_the_kind(done));
    let places = known.places;
    if !listed.is_empty() {
        for ((known, _), place) in items.iter_mut().zip(places) {
            *known = place.or(*known);
        }
    }
    Ok(listed)
}

/// Finds what has begun as each of them, in their order.
fn begun(listed: &mut [Listed], mut find: impl FnMut(&Done<'_>) -> Option<Open>) {
    for listed in listed.iter_mut().filter(|listed| listed.begun.is_none()) {
        listed.begun = Done::of(&listed.output.item).and_then(|done| find(&done));
    }
}

/// The items that came before.
struct Known<'a> {
    items: &'a [(Option<i64>, Item)],
    /// Where the list has them, as far as they were found in it.
    places: Vec<Option<i64>>,
}

impl Known<'_> {
    /// Leaves out of `listed` what shares a key with an item that was not found yet, the oldest first.
    fn leave_out(&mut self, listed: &mut Vec<Listed>, keys: fn(&Item) -> Vec<Key<'_>>) {
        if listed.is_empty() {
            return;
        }
        let mut by_key: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
        for (at, (_, item)) in self.items.iter().enumerate() {
            for key in keys(item) {
                by_key.entry(key).or_default().push(at);
            }
        }
        listed.retain(|listed| {
            if listed.begun.is_some() {
                return true;
            }
            let keys = keys(&listed.output.item);
            let mut known = keys.iter().filter_map(|key| by_key.get(key)).flatten();
            let free = known.find(|at| self.places.get(**at).is_some_and(Option::is_none));
            let Some(place) = free.and_then(|at| self.places.get_mut(*at)) else { return true };
            *place = Some(listed.place);
            false
        });
    }
}

/// What two items have in common that are the same.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    /// Of the call and of the item.
    Ids(Option<&'a str>, Option<&'a str>),
    Text(&'a str),
    Thought(&'a str),
    /// The name, and what the arguments mean or else how they are written.
    Call(&'a str, Result<u64, &'a str>),
    Fields(Vec<Option<&'a Value>>),
}

/// Both ids: two calls may have one of them in common.
fn ids(item: &Item) -> Vec<Key<'_>> {
    of_ids(item, |call_id, id| Key::Ids(call_id, Some(id)))
}

fn item_ids(item: &Item) -> Vec<Key<'_>> {
    of_ids(item, |_, id| Key::Ids(None, Some(id)))
}

fn of_ids<'a>(item: &'a Item, key: fn(Option<&'a str>, &'a str) -> Key<'a>) -> Vec<Key<'a>> {
    let ids = item::raw(item).into_iter().flat_map(item::ids);
    ids.map(|id| key(call_id_of(item), id)).collect()
}

fn call_id(item: &Item) -> Vec<Key<'_>> {
    call_id_of(item).map(|id| Key::Ids(Some(id), None)).into_iter().collect()
}

fn call_id_of(item: &Item) -> Option<&str> {
    item::raw(item)?.get("call_id")?.as_str()
}

fn words(item: &Item) -> Vec<Key<'_>> {
    match item {
        Item::Assistant(said) => vec![Key::Text(said.text.trim())],
        Item::Reasoning(reasoning) => vec![Key::Thought(&reasoning.text)],
        Item::ToolCall(call) => {
            vec![Key::Call(&call.name, meaning(&call.arguments).ok_or(&call.arguments))]
        }
        _ => fields(item, &["type", "name", "arguments", "input", "content", "summary"]),
    }
}

fn kind(item: &Item) -> Vec<Key<'_>> {
    fields(item, &["type", "name"])
}

fn fields<'a>(item: &'a Item, names: &[&str]) -> Vec<Key<'a>> {
    let key = |value: &'a Value| Key::Fields(names.iter().map(|name| value.get(name)).collect());
    item::raw(item).map(key).into_iter().collect()
}
