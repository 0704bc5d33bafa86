//! Arguments that fit the schema of a tool which somebody else wrote.

use serde_json::{Map, Value};

/// Arguments for a tool with this schema, out of what the brain has to say.
///
/// A value goes in where the schema has a property of that name (or declares none at all); a required
/// property that the brain knows nothing of gets its default, or null where null is allowed. `None` when a
/// required one remains: that tool cannot be called sensibly.
pub(super) fn fill(schema: &Value, known: &[(&str, Value)]) -> Option<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut arguments = Map::new();
    for (name, value) in known {
        if properties.is_none_or(|all| all.contains_key(*name)) {
            arguments.insert((*name).to_owned(), value.clone());
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            let value = neutral(properties?.get(name)?)?;
            arguments.insert(name.to_owned(), value);
        }
    }
    Some(Value::Object(arguments))
}

/// What leaves a property as if it had not been given.
fn neutral(property: &Value) -> Option<Value> {
    property.get("default").cloned().or_else(|| is_nullable(property).then_some(Value::Null))
}

fn is_nullable(property: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_null),
        Some(kind) => is_null(kind),
        None => property
            .get("anyOf")
            .and_then(Value::as_array)
            .is_some_and(|branches| branches.iter().any(is_nullable)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_properties_of_the_schema_are_filled() {
        let schema =
            json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
        let known = [("path", json!(".")), ("recursive", json!(true))];
        assert_eq!(fill(&schema, &known), Some(json!({"path": "."})));
        assert_eq!(fill(&json!({}), &known), Some(json!({"path": ".", "recursive": true})));
    }

    #[test]
    fn a_required_property_without_a_value_gets_a_neutral_one() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "limit": {"type": ["integer", "null"]},
                "depth": {"type": "integer", "default": 3},
                "filter": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["path", "limit", "depth", "filter"],
        });
        let expected = json!({"path": ".", "limit": null, "depth": 3, "filter": null});
        assert_eq!(fill(&schema, &[("path", json!("."))]), Some(expected));
    }

    #[test]
    fn a_tool_that_needs_something_unknown_is_not_called() {
        let schema = json!({"properties": {"branch": {"type": "string"}}, "required": ["branch"]});
        assert_eq!(fill(&schema, &[("path", json!("."))]), None);
    }
}
