//! The items of a response as its terminal event lists them, beside those that came one by one.

use agentexec_agent_core::transcript::{Item, Raw};
use serde_json::Value;

use super::item::ids;

/// What the list has and the items have not, each with its place. The items get theirs then too.
///
/// The list may be empty, and some servers make up new ids for it, so an item of it counts as known by its id, else by
/// what it says, else by being of the kind of one that is left over.
pub(super) fn missing(items: &mut [(Option<i64>, Item)], list: Vec<Value>) -> Vec<(i64, Value)> {
    let mut listed: Vec<(i64, Value)> = (0..).zip(list).collect();
    let mut left: Vec<usize> = (0..items.len()).collect();
    let mut places = Vec::new();
    for is_same in [has_id_of, says_the_same_as, is_of_the_kind_of] {
        listed.retain(|(place, value)| {
            let is_it = |at: &usize| {
                items.get(*at).and_then(|(_, item)| raw(item)).is_some_and(|raw| is_same(raw, value))
            };
            let Some(found) = left.iter().position(is_it) else { return true };
            places.push((left.remove(found), *place));
            false
        });
    }
    if !listed.is_empty() {
        for (at, place) in places {
            if let Some((known, _)) = items.get_mut(at) {
                *known = Some(place);
            }
        }
    }
    listed
}

fn raw(item: &Item) -> Option<&Value> {
    let raw: Option<&Raw> = match item {
        Item::Assistant(item) => item.raw.as_ref(),
        Item::Reasoning(item) => item.raw.as_ref(),
        Item::ToolCall(call) => call.raw.as_ref(),
        Item::Opaque(raw) => Some(raw),
        _ => None,
    };
    raw.map(|raw| &raw.value)
}

fn has_id_of(one: &Value, other: &Value) -> bool {
    let call = one.get("call_id").and_then(Value::as_str);
    let is_same_call = call.is_some() && other.get("call_id").and_then(Value::as_str) == call;
    is_same_call || ids(one).any(|id| ids(other).any(|other| other == id))
}

fn says_the_same_as(one: &Value, other: &Value) -> bool {
    let keys = ["arguments", "input", "content", "summary"];
    is_of_the_kind_of(one, other) && keys.iter().all(|key| one.get(key) == other.get(key))
}

fn is_of_the_kind_of(one: &Value, other: &Value) -> bool {
    ["type", "name"].iter().all(|key| one.get(key) == other.get(key))
}
