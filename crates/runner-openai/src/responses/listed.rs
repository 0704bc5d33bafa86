//! The items of a response as its terminal event lists them, beside those that came one by one.

use std::collections::HashMap;

use agentexec_agent_core::transcript::Item;
use serde_json::Value;
use serde_json::value::RawValue;

use super::item::{self, Output};

/// An item of the list that is none of those that came before.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where the list has it.
    pub(super) place: i64,
    /// How many bytes it is long.
    pub(super) size: usize,
    pub(super) output: Output,
}

/// What the list has and the items have not. The items get their places in it then too.
///
/// The list may be empty, and some servers make up new ids for it, so an item of it counts as known by its ids, else by
/// what it says, else by being of the kind of one that is left over.
pub(super) fn missing(
    items: &mut [(Option<i64>, Item)],
    list: &[&RawValue],
    origin: &str,
) -> Result<Vec<Listed>, serde_json::Error> {
    let read = |(place, raw): (i64, &&RawValue)| {
        let value = serde_json::from_str(raw.get())?;
        Ok(Listed { place, size: raw.get().len(), output: item::read(value, origin) })
    };
    let mut listed = (0..).zip(list).map(read).collect::<Result<Vec<_>, _>>()?;
    let mut known = Known { items, places: vec![None; items.len()] };
    for keys in [ids, item_ids, call_id, words, kind] {
        known.leave_out(&mut listed, keys);
    }
    let places = known.places;
    if !listed.is_empty() {
        for ((known, _), place) in items.iter_mut().zip(places) {
            *known = place.or(*known);
        }
    }
    Ok(listed)
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
        let mut by_key: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
        for (at, (_, item)) in self.items.iter().enumerate() {
            for key in keys(item) {
                by_key.entry(key).or_default().push(at);
            }
        }
        listed.retain(|listed| {
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
    Ids(Option<&'a str>, Option<&'a str>),
    Said(Vec<Option<&'a Value>>),
}

/// Two calls may have the same id of one sort.
fn ids(item: &Item) -> Vec<Key<'_>> {
    let Some(value) = item::raw(item) else { return Vec::new() };
    item::ids(value).map(|id| Key::Ids(call_id_of(item), Some(id))).collect()
}

fn item_ids(item: &Item) -> Vec<Key<'_>> {
    let Some(value) = item::raw(item) else { return Vec::new() };
    item::ids(value).map(|id| Key::Ids(None, Some(id))).collect()
}

fn call_id(item: &Item) -> Vec<Key<'_>> {
    call_id_of(item).map(|id| Key::Ids(Some(id), None)).into_iter().collect()
}

fn call_id_of(item: &Item) -> Option<&str> {
    item::raw(item)?.get("call_id")?.as_str()
}

fn words(item: &Item) -> Vec<Key<'_>> {
    said(item, &["type", "name", "arguments", "input", "content", "summary"])
}

fn kind(item: &Item) -> Vec<Key<'_>> {
    said(item, &["type", "name"])
}

fn said<'a>(item: &'a Item, fields: &[&str]) -> Vec<Key<'a>> {
    let key = |value: &'a Value| Key::Said(fields.iter().map(|field| value.get(field)).collect());
    item::raw(item).map(key).into_iter().collect()
}
