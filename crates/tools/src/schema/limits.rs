//! What providers limit, and what they demand of a schema as a whole.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::{Action, Report, Size};
use super::rules::Rules;
use super::{Map, refs};

/// The longest property name that Anthropic takes.
const MAX_KEY: usize = 64;

/// Keywords whose value is a schema, a list of schemas, or an object with schemas as its values.
const ONE: [&str; 12] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "contains",
    "propertyNames",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
];
const LIST: [&str; 5] = ["anyOf", "oneOf", "allOf", "prefixItems", "items"];
const NAMED: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// Calls `visit` with each schema in a document, its pointer, and how many objects and arrays are around it.
/// Never goes deep on the stack, and never takes a property called `items` for the keyword.
fn walk<'a>(document: &'a Value, mut visit: impl FnMut(&'a Map, &str, usize)) {
    let mut waiting = vec![(document, String::new(), 0)];
    while let Some((schema, at, around)) = waiting.pop() {
        let Value::Object(map) = schema else { continue };
        visit(map, &at, around);
        let inside = around + usize::from(is_container(map));
        for key in ONE {
            if let Some(child @ Value::Object(_)) = map.get(key) {
                waiting.push((child, format!("{at}/{key}"), inside));
            }
        }
        for key in LIST {
            for (index, child) in map.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
                waiting.push((child, format!("{at}/{key}/{index}"), inside));
            }
        }
        for key in NAMED {
            let inside = if matches!(key, "$defs" | "definitions") { 0 } else { inside };
            for (name, child) in map.get(key).and_then(Value::as_object).into_iter().flatten() {
                waiting.push((child, format!("{at}/{key}/{}", refs::segment(name)), inside));
            }
        }
    }
}

fn is_container(map: &Map) -> bool {
    map.get("type").is_some_and(|kind| kind == "object" || kind == "array")
}

/// Measures a converted schema and reports what is over a limit of its dialect.
pub(super) fn check(output: &Value, rules: &Rules, report: &mut Report) {
    let size = measure(output, rules, report);
    report.set_size(size);
    let limits = &rules.limits;
    let mut hold = |count: usize, limit: Option<usize>, keyword: &str, what: &str| {
        if let Some(limit) = limit.filter(|limit| count > *limit) {
            let reason = format!("{count} {what}, where the dialect takes {limit}");
            report.add(Action::Unsupported, "", keyword, reason);
        }
    };
    hold(size.properties, limits.properties, "properties", "properties in all");
    hold(size.optional, limits.optional, "required", "optional properties");
    hold(size.unions, limits.unions, "anyOf", "unions");
    hold(size.enum_values, limits.enum_values, "enum", "enum values in all");
    hold(size.name_chars, limits.name_chars, "properties", "characters of names and fixed values in all");
    hold(size.depth, limits.depth, "type", "objects and arrays within each other");
    if has_circle(output, true) {
        report.add(
            Action::Unsupported,
            "",
            "$ref",
            "a definition stands for itself, so it describes no value",
        );
    }
    if !rules.recursive && has_circle(output, false) {
        report.add(Action::Unsupported, "", "$ref", "the schema contains itself");
    }
}

fn measure(output: &Value, rules: &Rules, report: &mut Report) -> Size {
    let mut size = Size::default();
    walk(output, |map, at, around| {
        size.depth = size.depth.max(around + usize::from(is_container(map)));
        let properties = map.get("properties").and_then(Value::as_object);
        let required = map.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        let count = properties.map_or(0, Map::len);
        size.properties += count;
        size.optional += count.saturating_sub(required);
        size.unions += usize::from(map.contains_key("anyOf") || map.get("type").is_some_and(Value::is_array));
        let definitions = map.get("$defs").and_then(Value::as_object);
        for name in properties.into_iter().chain(definitions).flat_map(Map::keys) {
            size.name_chars += name.chars().count();
        }
        size.name_chars += map.get("const").and_then(Value::as_str).map_or(0, |value| value.chars().count());
        if let Some(Value::Array(values)) = map.get("enum") {
            let chars: usize =
                values.iter().filter_map(Value::as_str).map(|value| value.chars().count()).sum();
            size.enum_values += values.len();
            size.name_chars += chars;
            if rules.limits.long_enum.is_some_and(|(many, most)| values.len() > many && chars > most) {
                report.add(Action::Unsupported, at, "enum", "so many values with so many characters in all");
            }
        }
    });
    size
}

/// Whether the root or a definition contains itself: whether they cannot be put in an order in which each comes
/// before what it refers to. With `bare`, whether it does so with nothing but unions around: then it is no
/// recursive type, whose values are within each other, but a definition that goes in a circle.
fn has_circle(output: &Value, bare: bool) -> bool {
    let mut refers_to: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    walk(output, |map, at, _| {
        let (owner, inside) = match at.strip_prefix("/$defs/") {
            Some(rest) => {
                let (name, inside) = rest.split_once('/').unwrap_or((rest, ""));
                (format!("#/$defs/{name}"), inside)
            }
            None => ("#".to_owned(), at.trim_start_matches('/')),
        };
        let targets = refers_to.entry(owner).or_default();
        let within = inside.split('/').any(|step| matches!(step, "properties" | "items"));
        targets.extend(refs::reference_of(map).filter(|_| !(bare && within)));
    });
    let mut referred: BTreeMap<&str, usize> = refers_to.keys().map(|name| (name.as_str(), 0)).collect();
    for target in refers_to.values().flatten() {
        *referred.entry(target).or_default() += 1;
    }
    let mut free: Vec<&str> =
        referred.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut ordered = 0;
    while let Some(name) = free.pop() {
        ordered += 1;
        for target in refers_to.get(name).into_iter().flatten() {
            if let Some(count) = referred.get_mut(target) {
                *count -= 1;
                if *count == 0 {
                    free.push(target);
                }
            }
        }
    }
    ordered < referred.len()
}

/// Reports property names that Anthropic refuses, strict or not: its API answers "Property keys should match
/// pattern '^[a-zA-Z0-9_.-]{1,64}$'".
pub(super) fn check_keys(output: &Value, report: &mut Report) {
    walk(output, |map, at, _| {
        for name in map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
            if !plain || name.is_empty() || name.len() > MAX_KEY {
                let at = format!("{at}/properties/{}", refs::segment(name));
                let reason =
                    "its name has other characters than letters, digits, `_`, `.` and `-`, or over 64";
                report.add(Action::Unsupported, &at, "properties", reason);
            }
        }
    });
}
