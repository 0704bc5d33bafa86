//! Schemas of one type: objects, arrays, and scalars.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{refs, words};
use super::{Action, Body, Map, Node, Strict, Text, rules};

impl Strict<'_> {
    /// A schema that is no reference and no union.
    pub(super) fn typed(&mut self, map: &Map, at: &str) -> Node {
        let types = types_of(map);
        if !types.is_empty() && !["type", "enum", "const"].iter().any(|key| map.contains_key(*key)) {
            self.report.add(
                Action::Rewritten,
                at,
                "type",
                "it names no type; its keywords say which is meant",
            );
        }
        match types.as_slice() {
            [] => self.any(at),
            [only] => self.of_type(map, only, at),
            several => {
                let mut map = map.clone();
                let text = Text::of(map.remove("description").as_ref());
                let nodes = several.iter().map(|kind| self.of_type(&map, kind, at)).collect();
                self.any_of(nodes, text)
            }
        }
    }

    /// What a schema says about the values of one type.
    fn of_type(&mut self, map: &Map, kind: &str, at: &str) -> Node {
        let mut body = Map::new();
        let mut text = Text::of(map.get("description"));
        body.insert("type".to_owned(), json!(kind));
        if let Some(title) = map.get("title") {
            body.insert("title".to_owned(), title.clone());
        }
        self.fixed_values(map, kind, at, &mut body);
        match kind {
            "null" => return Node::schema(body, text),
            "object" => self.object(map, at, &mut body, &mut text),
            "array" => self.array(map, at, &mut body, &mut text),
            "string" | "number" | "integer" | "boolean" => {}
            _ => return self.unsupported(at, "type", "JSON has no such type"),
        }
        self.constraints(map, kind, at, &mut body, &mut text);
        Node::schema(body, text)
    }

    /// `enum` and `const`, which are taken for scalars. Values of other types are left to other branches.
    fn fixed_values(&mut self, map: &Map, kind: &str, at: &str, body: &mut Map) {
        let list = map.get("enum").and_then(Value::as_array);
        let listed =
            list.map(|values| values.iter().filter(|value| has_type(value, kind)).cloned().collect());
        let constant = map.get("const").cloned();
        for (keyword, value) in [("const", constant), ("enum", listed.map(Value::Array))] {
            let Some(value) = value else { continue };
            let is_void = value.as_array().is_some_and(|values| keyword == "enum" && values.is_empty());
            if is_void || (keyword == "const" && !has_type(&value, kind)) {
                self.report.add(
                    Action::Unsupported,
                    at,
                    keyword,
                    "no value of it has the type of the schema",
                );
            } else if matches!(kind, "object" | "array") {
                self.report.add(Action::Unsupported, at, keyword, "only scalars can be fixed values");
            } else if kind != "null" {
                body.insert(keyword.to_owned(), value);
            }
        }
    }

    /// The keywords that constrain or annotate a value of this type.
    fn constraints(&mut self, map: &Map, kind: &str, at: &str, body: &mut Map, text: &mut Text) {
        let mut keywords: Vec<(&String, &Value)> = map.iter().collect();
        keywords.sort_by_key(|(keyword, _)| words::rank(keyword));
        for (keyword, value) in keywords {
            let types = rules::types_of_keyword(keyword);
            if is_structural(keyword) || (!types.is_empty() && !types.contains(&kind)) {
                continue;
            }
            if self.rules.takes(keyword, value) {
                body.insert(keyword.clone(), value.clone());
            } else {
                self.say(keyword, value, at, text);
            }
        }
    }

    fn object(&mut self, map: &Map, at: &str, body: &mut Map, text: &mut Text) {
        self.refuse_open(map, at);
        let empty = Map::new();
        let properties = map.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let wanted: BTreeSet<&str> = map
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(missing) = wanted.iter().find(|name| !properties.contains_key(**name)) {
            let reason = format!("it wants `{missing}`, which `properties` does not describe");
            self.report.add(Action::Unsupported, at, "required", reason);
        }
        let mut converted = Map::new();
        let mut required = Vec::new();
        for (name, schema) in properties {
            let at = format!("{at}/properties/{}", refs::segment(name));
            let mut node = self.schema(schema, &at);
            let is_wanted = wanted.contains(name.as_str());
            if !is_wanted && self.wants_all_properties() {
                self.report.add(Action::Rewritten, &at, "required", "optional properties become nullable");
                node = self.nullable(node);
            }
            if is_wanted || self.wants_all_properties() {
                required.push(json!(name));
            }
            converted.insert(name.clone(), self.seal(node, Some(name), text));
        }
        body.insert("properties".to_owned(), Value::Object(converted));
        body.insert("required".to_owned(), Value::Array(required));
        body.insert("additionalProperties".to_owned(), json!(false));
    }

    /// Strict objects are closed. One that merely does not say so can be closed, since the properties that it
    /// names are those that it understands; one that is made for other keys cannot.
    fn refuse_open(&mut self, map: &Map, at: &str) {
        const MAP: &str = "a map with keys of its own choosing; use a list of key and value pairs";
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            if map.get(keyword).is_some_and(|others| *others != json!(false)) {
                self.report.add(Action::Unsupported, at, keyword, MAP);
            }
        }
        if map
            .get("patternProperties")
            .and_then(Value::as_object)
            .is_some_and(|patterns| !patterns.is_empty())
        {
            self.report.add(Action::Unsupported, at, "patternProperties", MAP);
        }
        if !map.contains_key("properties") && !map.contains_key("additionalProperties") {
            self.report.add(
                Action::Unsupported,
                at,
                "properties",
                "an object that names no properties takes any",
            );
        }
    }

    fn array(&mut self, map: &Map, at: &str, body: &mut Map, text: &mut Text) {
        // Up to draft 7 a tuple was a list under `items`.
        let tuple =
            ["prefixItems", "items"].into_iter().find_map(|key| Some((key, map.get(key)?.as_array()?)));
        let items = match tuple {
            Some((keyword, places)) => self.tuple(keyword, places, map, at, text),
            None => match map.get("items") {
                Some(items) => self.schema(items, &format!("{at}/items")),
                None => self.unsupported(at, "items", "a strict array says what its items are"),
            },
        };
        let items = self.seal(items, Some("items"), text);
        body.insert("items".to_owned(), items);
    }

    /// A tuple becomes a list of whatever may stand at any of its places. The length stays where the dialect
    /// takes it, so that only the order is left to words.
    fn tuple(&mut self, keyword: &str, places: &[Value], map: &Map, at: &str, text: &mut Text) -> Node {
        let mut labels = Vec::with_capacity(places.len());
        let mut nodes = Vec::with_capacity(places.len() + 1);
        for (index, place) in places.iter().enumerate() {
            let node = self.schema(place, &format!("{at}/{keyword}/{index}"));
            labels.push(label(place, &node));
            nodes.push(node);
        }
        let rest = map.get("items").filter(|_| keyword == "prefixItems");
        if let Some(rest @ Value::Object(_)) = rest {
            nodes.push(self.schema(rest, &format!("{at}/items")));
        }
        if nodes.is_empty() {
            return self.unsupported(at, keyword, "a tuple without places says nothing of its items");
        }
        let is_bounded = rest != Some(&json!(false)) || map.contains_key("maxItems");
        if is_bounded && nodes.windows(2).all(same_body) {
            self.report.add(Action::Rewritten, at, keyword, "all places are alike: it becomes a list");
        } else {
            let reason = "it becomes a list; the description says the order";
            self.report.add(Action::Dropped, at, keyword, reason);
            text.add(&format!("In this order: {}.", labels.join(", ")));
        }
        self.any_of(nodes, Text::default())
    }
}

fn same_body(pair: &[Node]) -> bool {
    match pair {
        [Node { body: Body::Schema(one), .. }, Node { body: Body::Schema(other), .. }] => one == other,
        [Node { body: Body::Reference(one), .. }, Node { body: Body::Reference(other), .. }] => one == other,
        _ => false,
    }
}

/// What stands at a place of a tuple: its description, or else the name of its type.
fn label(place: &Value, node: &Node) -> String {
    match (place.get("description").and_then(Value::as_str), &node.body) {
        (Some(description), _) if !description.contains('\n') => description.trim_end_matches('.').to_owned(),
        (_, Body::Reference(target)) => refs::short_name(target),
        (_, Body::Schema(body)) => body.get("type").and_then(Value::as_str).unwrap_or("value").to_owned(),
    }
}

/// Keywords that are read elsewhere, whatever the dialect.
fn is_structural(keyword: &str) -> bool {
    matches!(
        keyword,
        "type"
            | "title"
            | "description"
            | "const"
            | "enum"
            | "properties"
            | "required"
            | "items"
            | "prefixItems"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "patternProperties"
            | "additionalItems"
            | "unevaluatedItems"
    )
}

/// The types that a schema names, without those that its fixed values rule out; or else the types that its fixed
/// values have; or else those that its keywords are about.
fn types_of(map: &Map) -> Vec<&str> {
    let listed = map.get("enum").and_then(Value::as_array);
    let fixed: Vec<&Value> = map.get("const").into_iter().chain(listed.into_iter().flatten()).collect();
    let mut types: Vec<&str> = match map.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ if !fixed.is_empty() => fixed.iter().map(|value| type_of(value)).collect(),
        _ => map.keys().filter_map(|keyword| rules::types_of_keyword(keyword).first().copied()).collect(),
    };
    // The integers beside fractions are numbers like the rest.
    let has_number = types.contains(&"number");
    let mut seen = BTreeSet::new();
    types.retain(|kind| !(has_number && *kind == "integer") && seen.insert(*kind));
    if types.len() > 1 && !fixed.is_empty() {
        types.retain(|kind| fixed.iter().any(|value| has_type(value, kind)));
    }
    types
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    let found = type_of(value);
    found == kind || (found == "integer" && kind == "number")
}
