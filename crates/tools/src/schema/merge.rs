//! The conjunction of schemas: what `allOf` means, and what a `$ref` beside other keywords means.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Map, refs, rules};

/// The bytes of a string that weigh as much as one JSON value.
const STRING_BYTES: usize = 64;

/// Why two schemas do not merge into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) keyword: String,
    pub(super) reason: &'static str,
}

impl Conflict {
    pub(super) fn new(keyword: &str, reason: &'static str) -> Self {
        Self { keyword: keyword.to_owned(), reason }
    }
}

/// How much a conversion may still copy, in JSON values: what bounds it on schemas that were made to explode.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    total: usize,
}

impl Budget {
    pub(super) fn new(total: usize) -> Self {
        Self { left: total, total }
    }

    /// Takes `values` from the budget. The keyword is the one to blame when they are not there.
    pub(super) fn spend(&mut self, values: usize, keyword: &str) -> Result<(), Conflict> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            self.left = 0;
            Conflict::new(
                keyword,
                "the schema grows too large when its references and unions are written out",
            )
        })?;
        Ok(())
    }

    /// Whether most of it is left, so that copies that can be avoided are still fine.
    pub(super) fn is_ample(&self) -> bool {
        self.left > self.total / 2
    }
}

/// How many JSON values a value is made of, a long string counting as several.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(entries) => 1 + weight_of(entries),
        Value::String(text) => 1 + text.len() / STRING_BYTES,
        _ => 1,
    }
}

pub(super) fn weight_of(map: &Map) -> usize {
    map.iter().map(|(key, value)| key.len() / STRING_BYTES + weight(value)).sum()
}

/// The schema without `$ref` and `allOf`: what they stand for is merged in. Also the references that it took,
/// so that the caller can refuse to take them again further down; those in `active` are refused here.
pub(super) fn expand(
    root: &Value,
    map: &Map,
    active: &[String],
    budget: &mut Budget,
) -> Result<(Map, Vec<String>), Conflict> {
    budget.spend(weight_of(map), "$ref")?;
    let mut map = map.clone();
    let mut taken: Vec<String> = Vec::new();
    loop {
        if let Some(reference) = map.remove("$ref") {
            let reference = reference.as_str().unwrap_or_default();
            if taken.iter().any(|known| known == reference) {
                continue;
            }
            if active.iter().any(|known| known == reference) {
                return Err(Conflict::new("$ref", "a recursive reference has further constraints beside it"));
            }
            let target = refs::resolve(root, reference)
                .ok_or_else(|| Conflict::new("$ref", "it points at nothing in this schema"))?;
            budget.spend(weight(target), "$ref")?;
            taken.push(reference.to_owned());
            map = conjoin(map, target)?;
        } else if let Some(members) = map.remove("allOf") {
            for member in members.as_array().into_iter().flatten() {
                map = conjoin(map, member)?;
            }
        } else {
            return Ok((map, taken));
        }
    }
}

fn conjoin(map: Map, schema: &Value) -> Result<Map, Conflict> {
    match schema {
        Value::Bool(true) => Ok(map),
        Value::Object(other) => intersect(map, other),
        _ => Err(Conflict::new("allOf", "a part of it accepts no value")),
    }
}

/// A schema that accepts what both accept. Where both describe something, the first comes first.
pub(super) fn intersect(left: Map, right: &Map) -> Result<Map, Conflict> {
    let is_tuple = |map: &Map| map.contains_key("prefixItems");
    if is_tuple(&left) != is_tuple(right) && left.contains_key("items") && right.contains_key("items") {
        return Err(Conflict::new("items", "one part is a tuple and another a list"));
    }
    let limited_right = limited(right.clone(), &left);
    let mut left = limited(left, right);
    for (keyword, theirs) in &limited_right {
        if rules::is_bookkeeping(keyword) {
            continue;
        }
        match left.get_mut(keyword) {
            None => {
                left.insert(keyword.clone(), theirs.clone());
            }
            Some(ours) if ours == theirs => {}
            Some(ours) => match merge_keyword(keyword, ours, theirs)? {
                Merged::Done => {}
                Merged::Elsewhere(keyword, value) => place(&mut left, keyword, value)?,
            },
        }
    }
    Ok(left)
}

/// The schema without the properties that another part, which does not name them, leaves no room for. Those that
/// it takes under a condition have to meet it.
fn limited(mut map: Map, other: &Map) -> Map {
    let named =
        |name: &String| other.get("properties").is_some_and(|properties| properties.get(name).is_some());
    let others = other.get("additionalProperties").filter(|others| **others != json!(true));
    if let (Some(Value::Object(properties)), Some(others)) = (map.get_mut("properties"), others) {
        if *others == json!(false) {
            properties.retain(|name, _| named(name));
        } else {
            for (_, schema) in properties.iter_mut().filter(|(name, _)| !named(name)) {
                *schema = both(schema.take(), others);
            }
        }
    }
    map
}

/// Whether a keyword was merged where it stood.
enum Merged {
    Done,
    /// The second value has to go under another keyword.
    Elsewhere(&'static str, Value),
}

fn merge_keyword(keyword: &str, ours: &mut Value, theirs: &Value) -> Result<Merged, Conflict> {
    match (keyword, ours, theirs) {
        ("description", Value::String(ours), Value::String(theirs)) => {
            ours.push('\n');
            ours.push_str(theirs);
        }
        ("properties", Value::Object(ours), Value::Object(theirs)) => merge_properties(ours, theirs),
        ("required", Value::Array(ours), Value::Array(theirs)) => {
            let known = as_set(ours);
            ours.extend(theirs.iter().filter(|name| !known.contains(&name.to_string())).cloned());
        }
        ("allOf", Value::Array(ours), Value::Array(theirs)) => ours.extend(theirs.iter().cloned()),
        ("type", ours, theirs) => *ours = common_types(ours, theirs)?,
        ("enum", Value::Array(ours), Value::Array(theirs)) => {
            let theirs = as_set(theirs);
            ours.retain(|value| theirs.contains(&value.to_string()));
        }
        ("additionalProperties" | "unevaluatedProperties", ours, theirs) => close(keyword, ours, theirs)?,
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", ours, theirs) => {
            if theirs.as_f64() > ours.as_f64() {
                *ours = theirs.clone();
            }
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", ours, theirs) => {
            if theirs.as_f64() < ours.as_f64() {
                *ours = theirs.clone();
            }
        }
        ("$ref", _, theirs) => return Ok(Merged::Elsewhere("allOf", json!([{"$ref": theirs}]))),
        ("oneOf", _, theirs) => return Ok(Merged::Elsewhere("anyOf", theirs.clone())),
        ("anyOf", _, theirs) => return Ok(Merged::Elsewhere("oneOf", theirs.clone())),
        (annotation, ..) if rules::is_annotation(annotation) => {}
        _ => return Err(Conflict::new(keyword, "two parts of one schema disagree on it")),
    }
    Ok(Merged::Done)
}

fn as_set(values: &[Value]) -> BTreeSet<String> {
    values.iter().map(Value::to_string).collect()
}

/// Puts a value under a keyword that may be there already.
fn place(map: &mut Map, keyword: &str, value: Value) -> Result<(), Conflict> {
    match (map.get_mut(keyword), value) {
        (None, value) => {
            map.insert(keyword.to_owned(), value);
        }
        (Some(Value::Array(ours)), Value::Array(theirs)) if keyword == "allOf" => ours.extend(theirs),
        _ => return Err(Conflict::new(keyword, "more than two unions describe one value")),
    }
    Ok(())
}

fn merge_properties(ours: &mut Map, theirs: &Map) {
    for (name, schema) in theirs {
        match ours.get_mut(name) {
            None => {
                ours.insert(name.clone(), schema.clone());
            }
            Some(known) if known == schema => {}
            Some(known) => *known = both(known.take(), schema),
        }
    }
}

/// What both schemas accept, left as `allOf` where they do not merge.
fn both(ours: Value, theirs: &Value) -> Value {
    if let (Value::Object(ours), Value::Object(theirs)) = (&ours, theirs)
        && let Ok(merged) = intersect(ours.clone(), theirs)
    {
        return Value::Object(merged);
    }
    json!({"allOf": [ours, theirs]})
}

fn common_types(ours: &Value, theirs: &Value) -> Result<Value, Conflict> {
    let list = |value: &Value| -> Vec<String> {
        let one = value.as_str().into_iter();
        let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        one.chain(many).map(str::to_owned).collect()
    };
    let (ours, theirs) = (list(ours), list(theirs));
    let has = |types: &[String], wanted: &str| types.iter().any(|name| name == wanted);
    let mut common: Vec<String> = ours.iter().filter(|name| has(&theirs, name)).cloned().collect();
    let one_is_integer = has(&ours, "integer") != has(&theirs, "integer");
    if one_is_integer && (has(&ours, "number") || has(&theirs, "number")) && !has(&common, "number") {
        common.push("integer".to_owned());
    }
    match common.as_slice() {
        [] => Err(Conflict::new("type", "two parts of one schema have no type in common")),
        [one] => Ok(json!(one)),
        _ => Ok(json!(common)),
    }
}

fn close(keyword: &str, ours: &mut Value, theirs: &Value) -> Result<(), Conflict> {
    match (&*ours, theirs) {
        (Value::Bool(false), _) | (_, Value::Bool(true)) => Ok(()),
        (_, Value::Bool(false)) | (Value::Bool(true), _) => {
            *ours = theirs.clone();
            Ok(())
        }
        _ => Err(Conflict::new(keyword, "two parts of one schema disagree on it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(left: Value, right: Value) -> Result<Value, Conflict> {
        let (Value::Object(left), Value::Object(right)) = (left, right) else {
            panic!("two objects are wanted")
        };
        intersect(left, &right).map(Value::Object)
    }

    #[test]
    fn two_parts_of_an_object_become_one() {
        let left = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        let right = json!({"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]});
        assert_eq!(
            both(left, right).unwrap(),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["a", "b"]})
        );
    }

    #[test]
    fn a_closed_part_leaves_no_room_for_what_it_does_not_name() {
        let open = json!({"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}});
        let closed = json!({"properties": {"b": {"minimum": 1}}, "additionalProperties": false});
        let merged =
            json!({"properties": {"b": {"type": "integer", "minimum": 1}}, "additionalProperties": false});
        assert_eq!(both(open.clone(), closed.clone()).unwrap(), merged);
        assert_eq!(both(closed, open).unwrap(), merged);
    }

    #[test]
    fn bounds_take_the_narrower_and_types_what_is_common() {
        let left = json!({"type": ["number", "null"], "minimum": 1, "maximum": 9, "enum": [1, 2, 3]});
        let right = json!({"type": "integer", "minimum": 2, "maximum": 10, "enum": [2, 3, 4]});
        let merged = both(left, right).unwrap();
        assert_eq!(merged, json!({"type": "integer", "minimum": 2, "maximum": 9, "enum": [2, 3]}));
    }

    #[test]
    fn what_cannot_be_merged_names_the_keyword() {
        let clash = both(json!({"type": "string"}), json!({"type": "object"})).unwrap_err();
        assert_eq!(clash.keyword, "type");
        let clash = both(json!({"pattern": "^a"}), json!({"pattern": "b$"})).unwrap_err();
        assert_eq!(clash.keyword, "pattern");
    }

    #[test]
    fn a_reference_into_itself_is_refused_and_one_met_twice_is_taken_once() {
        let root = json!({"$defs": {
            "A": {"$ref": "#/$defs/A", "minLength": 1},
            "B": {"allOf": [{"$ref": "#/$defs/C"}, {"$ref": "#/$defs/C"}]},
            "C": {"type": "string"},
        }});
        let expand = |name: &str, active: &[String]| {
            let map = json!({"$ref": format!("#/$defs/{name}"), "maxLength": 5});
            let Value::Object(map) = map else { panic!("an object is wanted") };
            super::expand(&root, &map, active, &mut Budget::new(1_000))
        };
        let (map, taken) = expand("A", &[]).unwrap();
        assert_eq!(Value::Object(map), json!({"minLength": 1, "maxLength": 5}));
        assert_eq!(taken, ["#/$defs/A"]);
        assert_eq!(expand("A", &["#/$defs/A".to_owned()]).unwrap_err().keyword, "$ref");
        let (map, _) = expand("B", &[]).unwrap();
        assert_eq!(Value::Object(map), json!({"type": "string", "maxLength": 5}));
        assert_eq!(expand("Missing", &[]).unwrap_err().keyword, "$ref");
    }
}
