//! The root of a schema as every tool API wants it: an object, without unions.
//!
//! An enum as the arguments of a tool ("search for this, or fetch that") is a union at the root, which OpenAI
//! and Anthropic refuse, strict or not. Here the forms become one object: their common properties stay as they
//! are, a property that tells the forms apart takes any of its values, and what belongs to one form alone
//! becomes optional. Which properties go together is said in the description.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::merge::{self, Budget, Conflict};
use super::report::{Action, Report};
use super::words::{self, Text};
use super::{MAX_VALUES, Map};

/// How many unions may stand within each other at the root.
const MAX_UNIONS: usize = 8;

/// The root with what it refers to in its place: a newtype over a struct is that struct.
pub(super) fn without_reference(root: Value) -> Value {
    let expanded = match root.as_object() {
        Some(map) if map.contains_key("$ref") => merge::expand(&root, map, &[], &mut budget(&root)),
        _ => return root,
    };
    expanded.map_or(root, |(map, _)| Value::Object(map))
}

/// The root as an object without `$ref`, `allOf` and unions, definitions included. None if it cannot be one,
/// which the report then says.
pub(super) fn object(root: &Value, report: &mut Report) -> Option<Map> {
    let map = root.as_object()?;
    let mut object = match joined(root, map, report) {
        Ok(object) => object,
        Err(conflict) => {
            report.add(Action::Unsupported, "", &conflict.keyword, conflict.reason);
            return None;
        }
    };
    for keyword in ["$ref", "allOf"].into_iter().filter(|keyword| map.contains_key(*keyword)) {
        report.add(Action::Rewritten, "", keyword, "its parts are merged into one object");
    }
    for keyword in ["not", "enum", "const"] {
        if let Some(value) = object.remove(keyword) {
            let mut text = Text::of(object.get("description"));
            text.add_sentence(&words::sentence(keyword, &value).unwrap_or_default());
            describe(&mut object, text);
            report.add(Action::Dropped, "", keyword, "no tool API takes it at the root");
        }
    }
    Some(object)
}

/// The root without `$ref`, `allOf` and unions.
fn joined(root: &Value, map: &Map, report: &mut Report) -> Result<Map, Conflict> {
    let mut map = map.clone();
    let definitions: Vec<(String, Value)> = ["$defs", "definitions"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), map.remove(key)?)))
        .collect();
    let mut joining = Joining { root, budget: budget(root), text: Text::default(), union: None };
    let forms = joining.forms(&map, MAX_UNIONS)?;
    let keyword = joining.union.unwrap_or("type");
    let mut object = match forms.as_slice() {
        [] => return Err(Conflict::new(keyword, "no form of it is an object")),
        [only] => {
            let mut only = only.clone();
            joining.text.add_text(Text::of(only.get("description")));
            describe(&mut only, joining.text);
            only
        }
        forms => {
            let reason = "its forms are merged into one object; the description says what goes together";
            report.add(Action::Dropped, "", keyword, reason);
            join(forms, joining.text)
        }
    };
    object.extend(definitions);
    Ok(object)
}

fn budget(root: &Value) -> Budget {
    Budget::new(MAX_VALUES.saturating_add(merge::weight(root)))
}

fn describe(object: &mut Map, text: Text) {
    object.extend(text.into_value().map(|text| ("description".to_owned(), text)));
}

struct Joining<'a> {
    root: &'a Value,
    budget: Budget,
    /// What the unions say of themselves.
    text: Text,
    /// The keyword of the first union.
    union: Option<&'static str>,
}

impl Joining<'_> {
    /// The objects that a schema may be, in which up to `unions` unions may stand within each other.
    fn forms(&mut self, map: &Map, unions: usize) -> Result<Vec<Map>, Conflict> {
        let (mut map, _) = merge::expand(self.root, map, &[], &mut self.budget)?;
        let union = ["oneOf", "anyOf"].into_iter().find_map(|key| Some((key, map.remove(key)?)));
        let Some((keyword, forms)) = union else {
            return as_object(map).map(|object| vec![object]);
        };
        if unions == 0 {
            return Err(Conflict::new(keyword, "unions are nested too deep"));
        }
        self.union.get_or_insert(keyword);
        self.text.add_text(Text::of(map.remove("description").as_ref()));
        let mut objects = Vec::new();
        for form in forms.as_array().into_iter().flatten() {
            let form = match form {
                Value::Object(form) if form.get("type").is_some_and(|kind| kind == "null") => continue,
                Value::Object(form) => form,
                Value::Bool(true) => &Map::new(),
                _ => continue,
            };
            self.budget.spend(merge::weight_of(&map), keyword)?;
            let form = merge::intersect(map.clone(), form)?;
            objects.extend(self.forms(&form, unions - 1)?);
        }
        Ok(objects)
    }
}

fn as_object(mut map: Map) -> Result<Map, Conflict> {
    match map.get("type") {
        Some(kind) if kind == "object" => Ok(map),
        None if map.contains_key("properties") => {
            map.insert("type".to_owned(), json!("object"));
            Ok(map)
        }
        _ => Err(Conflict::new("type", "the arguments of a tool are an object")),
    }
}

/// One object that accepts what any of the forms accepts.
fn join(forms: &[Map], mut text: Text) -> Map {
    let required = common_required(forms);
    text.add("One of these forms:");
    for form in forms {
        text.add(&describe_form(form, forms, &required));
    }
    let mut seen = BTreeSet::new();
    let names = forms.iter().filter_map(properties).flat_map(Map::keys).filter(|name| seen.insert(*name));
    let merged: Map = names
        .map(|name| {
            let schemas = forms.iter().filter_map(|form| properties(form)?.get(name)).collect();
            (name.clone(), any_of(schemas))
        })
        .collect();
    let mut object = unanimous(forms);
    describe(&mut object, text);
    object.insert("properties".to_owned(), Value::Object(merged));
    object.insert("required".to_owned(), json!(required));
    object.extend(additional(forms).map(|value| ("additionalProperties".to_owned(), value)));
    object
}

fn properties(form: &Map) -> Option<&Map> {
    form.get("properties").and_then(Value::as_object)
}

fn required_of(form: &Map) -> BTreeSet<&str> {
    form.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The keywords on which all forms agree.
fn unanimous(forms: &[Map]) -> Map {
    let first = forms.first().into_iter().flatten();
    first
        .filter(|(keyword, value)| forms.iter().all(|form| form.get(*keyword) == Some(*value)))
        .map(|(keyword, value)| (keyword.clone(), value.clone()))
        .collect()
}

/// What every form requires.
fn common_required(forms: &[Map]) -> Vec<String> {
    let sets: Vec<BTreeSet<&str>> = forms.iter().map(required_of).collect();
    let everywhere = |name: &&&str| sets.iter().all(|set| set.contains(**name));
    sets.first().into_iter().flatten().filter(everywhere).map(|name| (*name).to_owned()).collect()
}

/// What `additionalProperties` becomes: closed if all forms are closed, open to what any form is open to.
fn additional(forms: &[Map]) -> Option<Value> {
    let shared = unanimous(forms);
    let values: Vec<Option<Value>> = forms.iter().map(|form| others(form, &shared)).collect();
    let open = values.iter().flatten().find(|value| **value != json!(false));
    match open {
        Some(open) => Some(open.clone()),
        None if values.iter().all(Option::is_some) => Some(json!(false)),
        None => None,
    }
}

/// What a form says of properties that it does not name, `shared` aside, which stays as it is.
fn others(form: &Map, shared: &Map) -> Option<Value> {
    let names_none = !form.contains_key("properties") && !form.contains_key("additionalProperties");
    let is_open_by = |keyword: &str| {
        let own = form.get(keyword).filter(|value| **value != json!(false));
        own.is_some() && own != shared.get(keyword)
    };
    if names_none || is_open_by("patternProperties") || is_open_by("unevaluatedProperties") {
        return Some(json!(true));
    }
    form.get("additionalProperties").cloned()
}

/// One schema for what a property is in several forms. Tags become one enum; schemas that differ in their
/// descriptions alone become one schema with all of these.
fn any_of(schemas: Vec<&Value>) -> Value {
    let tags = schemas
        .iter()
        .map(|schema| schema.get("const").filter(|tag| tag.is_string()))
        .collect::<Option<Vec<_>>>();
    if let Some(tags) = tags {
        return json!({"type": "string", "enum": distinct(tags)});
    }
    let mut descriptions = Text::default();
    let mut bare = Vec::with_capacity(schemas.len());
    for schema in &schemas {
        let mut schema = (*schema).clone();
        let description = schema.as_object_mut().and_then(|map| map.remove("description"));
        descriptions.add_text(Text::of(description.as_ref()));
        bare.push(schema);
    }
    match distinct(bare.iter().collect()).as_slice() {
        [Value::Object(only)] => {
            let mut only = only.clone();
            describe(&mut only, descriptions);
            Value::Object(only)
        }
        _ => json!({"anyOf": distinct(schemas)}),
    }
}

fn distinct(values: Vec<&Value>) -> Vec<&Value> {
    let mut seen = BTreeSet::new();
    values.into_iter().filter(|value| seen.insert(value.to_string())).collect()
}

/// A line that says how a form is recognized, and what it has or requires that others do not.
fn describe_form(form: &Map, forms: &[Map], common: &[String]) -> String {
    let empty = Map::new();
    let required = required_of(form);
    let everywhere =
        |name: &str| forms.iter().all(|form| properties(form).is_some_and(|all| all.contains_key(name)));
    let mut tags = Vec::new();
    let mut own = Vec::new();
    for (name, schema) in properties(form).unwrap_or(&empty) {
        let is_required = required.contains(name.as_str());
        match schema.get("const") {
            Some(tag) => tags.push(format!("`{name}` is {tag}")),
            None if is_required && common.contains(name) => {}
            None if is_required => own.push(format!("`{name}`")),
            None if everywhere(name) => {}
            None => own.push(format!("`{name}` (optional)")),
        }
    }
    let with = if own.is_empty() { Vec::new() } else { vec![format!("with {}", own.join(", "))] };
    let parts: Vec<String> = tags.into_iter().chain(with).collect();
    let parts = if parts.is_empty() { "nothing more".to_owned() } else { parts.join(", ") };
    match form.get("description").and_then(Value::as_str) {
        Some(description) => format!("- {parts}: {}", description.replace('\n', " ")),
        None => format!("- {parts}"),
    }
}
