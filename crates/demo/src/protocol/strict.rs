//! OpenAI's rules for the schema of a function: those for every one, and those of strict mode.
//!
//! Source of the rules: the "Supported schemas" section of OpenAI's guide to structured outputs.

use serde_json::{Map, Value};

/// Keywords that strict mode does not know.
const UNSUPPORTED: &[&str] =
    &["oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "patternProperties"];

/// Why a schema is refused for a function, if it is.
pub(super) fn objection(schema: &Value, is_strict: bool) -> Option<String> {
    let kind = schema.get("type");
    if kind.is_none_or(|kind| kind != "object") {
        let kind = kind.and_then(Value::as_str).unwrap_or("None");
        return Some(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."));
    }
    if is_strict { check(schema, &mut Vec::new()) } else { None }
}

/// The first offence against strict mode in this schema or below, with its place.
fn check(schema: &Value, place: &mut Vec<String>) -> Option<String> {
    let schema = schema.as_object()?;
    if let Some(rule) = offence(schema) {
        let place: Vec<String> = place.iter().map(|step| format!("'{step}'")).collect();
        return Some(format!("In context=({}), {rule}", place.join(", ")));
    }
    let named =
        ["properties", "$defs", "definitions"].into_iter().filter_map(|key| Some((key, schema.get(key)?)));
    for (key, members) in named {
        for (name, member) in members.as_object().into_iter().flatten() {
            let found = below(member, [key, name.as_str()], place);
            if found.is_some() {
                return found;
            }
        }
    }
    let branches = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate();
    let branch = branches
        .map(|(at, branch)| below(branch, ["anyOf", at.to_string().as_str()], place))
        .find(Option::is_some);
    branch.flatten().or_else(|| schema.get("items").and_then(|items| below(items, ["items"], place)))
}

fn below<const N: usize>(schema: &Value, steps: [&str; N], place: &mut Vec<String>) -> Option<String> {
    let depth = place.len();
    place.extend(steps.map(str::to_owned));
    let found = check(schema, place);
    place.truncate(depth);
    found
}

fn offence(schema: &Map<String, Value>) -> Option<String> {
    if let Some(keyword) = UNSUPPORTED.iter().find(|keyword| schema.contains_key(**keyword)) {
        return Some(format!("'{keyword}' is not permitted."));
    }
    if schema.contains_key("$ref") {
        let others: Vec<&str> = schema.keys().map(String::as_str).filter(|key| *key != "$ref").collect();
        return (!others.is_empty())
            .then(|| format!("$ref cannot have keywords {{'{}'}}.", others.join("', '")));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_object = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None if schema.contains_key("anyOf") => false,
        None => {
            return Some("schema must have a 'type' key.".into()).filter(|_| !schema.contains_key("enum"));
        }
    };
    if !is_object {
        return None;
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Some("'additionalProperties' is required to be supplied and to be false.".into());
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|required| required.iter().any(|known| known == name));
    let missing = properties?.keys().find(|name| !is_required(name))?;
    Some(format!(
        "'required' is required to be supplied and to be an array including every key in properties. Missing \
         '{missing}'."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strict(schema: Value) -> Option<String> {
        objection(&schema, true)
    }

    #[test]
    fn a_function_takes_an_object() {
        assert_eq!(
            objection(&json!({}), false).unwrap(),
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."
        );
        assert_eq!(objection(&json!({"type": "object"}), false), None);
    }

    #[test]
    fn strict_mode_wants_every_object_closed_and_every_property_required() {
        let open = strict(json!({"type": "object", "properties": {}})).unwrap();
        assert!(open.starts_with("In context=(), 'additionalProperties' is required"), "{open}");

        let nested = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "array", "items": {
                "type": "object", "additionalProperties": false, "properties": {"b": {"type": "string"}},
            }}},
        });
        let nested = strict(nested).unwrap();
        assert!(nested.starts_with("In context=('properties', 'a', 'items'), 'required'"), "{nested}");
        assert!(nested.ends_with("Missing 'b'."), "{nested}");
    }

    #[test]
    fn strict_mode_refuses_what_schema_generators_like_to_write() {
        let with = |property: Value| {
            strict(json!({
                "type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": property},
            }))
        };
        let place = "In context=('properties', 'a'), ";
        assert_eq!(with(json!({"oneOf": []})).unwrap(), format!("{place}'oneOf' is not permitted."));
        assert_eq!(
            with(json!({"$ref": "#/$defs/A", "description": "d"})).unwrap(),
            format!("{place}$ref cannot have keywords {{'description'}}.")
        );
        assert_eq!(
            with(json!({"description": "d"})).unwrap(),
            format!("{place}schema must have a 'type' key.")
        );
        assert_eq!(with(json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"})), None);
        assert_eq!(with(json!({"$ref": "#/$defs/A"})), None);
        assert_eq!(with(json!({"type": ["string", "null"], "enum": ["x", null]})), None);
    }
}
