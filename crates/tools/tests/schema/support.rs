//! What the tests hold conversions against: the rules of the strict dialects written down a second time, and a
//! small validator for the schemas that keep to them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The dialects that have rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rules {
    OpenAi,
    Anthropic,
}

/// Every way in which a schema breaks the rules.
pub(crate) fn violations(schema: &Value, rules: Rules) -> Vec<String> {
    let mut checker = Checker { root: schema, rules, found: Vec::new(), unions: 0, optional: 0 };
    if schema["type"] != "object" {
        checker.report("", "the root is no object");
    }
    if schema.get("anyOf").is_some() || schema.get("$ref").is_some() {
        checker.report("", "the root is a union or a reference");
    }
    checker.schema(schema, "", 0, true);
    for (name, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        checker.schema(definition, &format!("/$defs/{name}"), 0, false);
        if rules == Rules::Anthropic && contains_itself(schema, &format!("#/$defs/{name}")) {
            checker.report(name, "it contains itself");
        }
    }
    if rules == Rules::Anthropic
        && (checker.unions > 16 || checker.optional > 24 || contains_itself(schema, "#"))
    {
        checker.report("", "too many unions or optional properties, or it contains itself");
    }
    checker.found
}

struct Checker<'a> {
    root: &'a Value,
    rules: Rules,
    found: Vec<String>,
    unions: usize,
    optional: usize,
}

impl Checker<'_> {
    fn report(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at}: {what}"));
    }

    fn schema(&mut self, schema: &Value, at: &str, depth: usize, is_root: bool) {
        let Some(map) = schema.as_object() else { return self.report(at, "it is no object") };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            if map.len() > 1 {
                self.report(at, "a reference has siblings");
            }
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            if target.is_none() {
                self.report(at, "a reference points at nothing");
            }
        } else if let Some(branches) = map.get("anyOf") {
            self.unions += 1;
            self.only(map, &["anyOf", "description", "title"], at);
            let branches = branches.as_array().unwrap();
            if branches.len() < 2 {
                self.report(at, "a union of less than two");
            }
            for (index, branch) in branches.iter().enumerate() {
                self.schema(branch, &format!("{at}/anyOf/{index}"), depth, false);
            }
        } else {
            self.typed(map, at, depth, is_root);
        }
    }

    fn typed(&mut self, map: &Map<String, Value>, at: &str, depth: usize, is_root: bool) {
        let kind = match &map.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds))
                if kinds.len() == 2 && kinds[1] == "null" && !map.contains_key("enum") =>
            {
                self.unions += 1;
                kinds[0].as_str().unwrap()
            }
            _ => return self.report(at, "it has no single type"),
        };
        let mut allowed = vec!["type", "description", "title"];
        match kind {
            "object" => {
                allowed.extend(["properties", "required", "additionalProperties"]);
                allowed.extend(is_root.then_some("$defs"));
                self.object(map, at, depth + 1);
            }
            "array" => {
                allowed.extend(["items", "minItems"]);
                self.schema(&map["items"], &format!("{at}/items"), depth + 1, false);
            }
            "string" => allowed.extend(["enum", "const", "format", "pattern"]),
            "integer" | "number" => allowed.extend(["enum", "const"]),
            "boolean" => allowed.extend(["enum", "const"]),
            "null" => {}
            other => self.report(at, &format!("no such type: {other}")),
        }
        match (self.rules, kind) {
            (Rules::Anthropic, _) => allowed.push("default"),
            (Rules::OpenAi, "array") => allowed.push("maxItems"),
            (Rules::OpenAi, "integer" | "number") => {
                allowed.extend(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]);
            }
            _ => {}
        }
        self.only(map, &allowed, at);
        self.values(map, kind, at);
        if self.rules == Rules::OpenAi && depth + usize::from(matches!(kind, "object" | "array")) > 10 {
            self.report(at, "nested too deep");
        }
    }

    fn object(&mut self, map: &Map<String, Value>, at: &str, depth: usize) {
        if map.get("additionalProperties") != Some(&json!(false)) {
            self.report(at, "the object is open");
        }
        let properties = map["properties"].as_object().unwrap();
        let required: BTreeSet<&str> =
            map["required"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        if !required.is_subset(&names) {
            self.report(at, "it requires what it does not describe");
        }
        if self.rules == Rules::OpenAi && required != names {
            self.report(at, "not every property is required");
        }
        self.optional += names.difference(&required).count();
        for (name, schema) in properties {
            self.schema(schema, &format!("{at}/properties/{name}"), depth, false);
        }
    }

    fn values(&mut self, map: &Map<String, Value>, kind: &str, at: &str) {
        let listed = map.get("enum").and_then(Value::as_array);
        for value in map.get("const").into_iter().chain(listed.into_iter().flatten()) {
            if !has_type(value, kind) {
                self.report(at, "a fixed value is not of the type");
            }
        }
        let mut formats =
            vec!["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
        formats.extend((self.rules == Rules::Anthropic).then_some("uri"));
        if map.get("format").is_some_and(|format| !formats.contains(&format.as_str().unwrap())) {
            self.report(at, "unknown format");
        }
        if self.rules == Rules::Anthropic
            && map.get("minItems").is_some_and(|least| *least != 0 && *least != 1)
        {
            self.report(at, "minItems over 1");
        }
        if map.get("pattern").is_some_and(|pattern| pattern.as_str().unwrap().contains("(?")) {
            self.report(at, "a pattern that looks around");
        }
    }

    fn only(&mut self, map: &Map<String, Value>, allowed: &[&str], at: &str) {
        for keyword in map.keys().filter(|keyword| !allowed.contains(&keyword.as_str())) {
            self.report(at, &format!("{keyword} is not permitted"));
        }
    }
}

fn contains_itself(root: &Value, reference: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = references(root.pointer(reference.trim_start_matches('#')).unwrap(), reference == "#");
    while let Some(next) = waiting.pop() {
        if next == reference {
            return true;
        }
        if let (true, Some(target)) = (seen.insert(next.clone()), root.pointer(next.trim_start_matches('#')))
        {
            waiting.extend(references(target, next == "#"));
        }
    }
    false
}

/// All references in a schema, those in the definitions of the root left out.
fn references(schema: &Value, is_root: bool) -> Vec<String> {
    match schema {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !(is_root && *key == "$defs"))
            .flat_map(|(key, value)| match value {
                Value::String(reference) if key == "$ref" => vec![reference.clone()],
                _ => references(value, false),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| references(item, false)).collect(),
        _ => Vec::new(),
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// The value with null at each property that the strict schema requires and the value leaves out. None if the
/// schema does not accept it even so: what a model that is held to the schema would send, if it can.
pub(crate) fn as_the_model_sends_it(root: &Value, schema: &Value, value: &Value) -> Option<Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return as_the_model_sends_it(root, root.pointer(reference.trim_start_matches('#'))?, value);
    }
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        return branches.iter().find_map(|branch| as_the_model_sends_it(root, branch, value));
    }
    let typed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|kind| has_type(value, kind.as_str().unwrap())),
        kind => has_type(value, kind.as_str()?),
    };
    let listed = schema.get("enum").is_none_or(|values| values.as_array().unwrap().contains(value));
    if !typed || !listed || schema.get("const").is_some_and(|fixed| fixed != value) {
        return None;
    }
    match value {
        Value::Array(items) => {
            items.iter().map(|item| as_the_model_sends_it(root, &schema["items"], item)).collect()
        }
        Value::Object(entries) => {
            let properties = schema["properties"].as_object()?;
            if entries.keys().any(|key| !properties.contains_key(key)) {
                return None;
            }
            let required = schema["required"].as_array()?;
            let mut sent = Map::new();
            for (name, property) in properties {
                match entries.get(name) {
                    Some(entry) => sent.insert(name.clone(), as_the_model_sends_it(root, property, entry)?),
                    None if required.contains(&json!(name)) => {
                        sent.insert(name.clone(), as_the_model_sends_it(root, property, &Value::Null)?)
                    }
                    None => None,
                };
            }
            Some(Value::Object(sent))
        }
        other => Some(other.clone()),
    }
}

/// The same schema with each `required` in alphabetical order, in which the order says nothing.
pub(crate) fn sorted(mut schema: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(sort),
            Value::Object(entries) => {
                for (key, entry) in entries {
                    match entry.as_array_mut() {
                        Some(names) if key == "required" => names.sort_by_key(Value::to_string),
                        _ => sort(entry),
                    }
                }
            }
            _ => {}
        }
    }
    sort(&mut schema);
    schema
}
