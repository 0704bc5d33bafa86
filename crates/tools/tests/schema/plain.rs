//! Schemas as they come, and the dialect that changes nothing but the root.

use agentexec_tools::schema::{Dialect, Schema, SchemaError, schema_of};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::types::{self, samples};

#[derive(JsonSchema)]
struct Unit;

/// Find something.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only the schema is of interest")]
struct Search {
    /// What to look for.
    query: String,
}

#[test]
fn a_struct_gives_an_object_with_its_doc_comments_and_no_noise() {
    assert_eq!(
        serde_json::to_value(schema_of::<Search>()).unwrap(),
        json!({
            "type": "object",
            "description": "Find something.",
            "properties": {"query": {"type": "string", "description": "What to look for."}},
            "required": ["query"],
        })
    );
}

#[test]
fn what_has_no_fields_gives_an_empty_object() {
    let empty = json!({"type": "object", "properties": {}});
    assert_eq!(schema_of::<()>().as_value(), &empty);
    assert_eq!(schema_of::<Unit>().as_value(), &empty);
    assert_eq!(schema_of::<types::Nothing>().as_value(), &empty);
}

#[test]
fn a_newtype_gives_the_object_that_it_wraps() {
    assert_eq!(
        schema_of::<types::Newtype>().as_value()["properties"],
        schema_of::<types::Point>().as_value()["properties"]
    );
}

#[test]
fn nothing_is_changed_but_a_root_that_is_no_object() {
    for sample in samples() {
        let converted = sample.schema.in_dialect(Dialect::Plain);
        assert!(converted.report.is_expressible(), "{}: {}", sample.name, converted.report);
        assert_eq!(converted.schema["type"], "object", "{}", sample.name);
        for keyword in ["oneOf", "anyOf", "allOf", "$ref", "enum", "not"] {
            assert!(converted.schema.get(keyword).is_none(), "{} has {keyword} at the root", sample.name);
        }
        if sample.schema.as_value()["type"] == "object" && converted.report.is_empty() {
            assert_eq!(&converted.schema, sample.schema.as_value(), "{}", sample.name);
        }
    }
}

#[test]
fn a_root_that_cannot_be_an_object_is_unsupported_in_every_dialect() {
    for schema in [
        schema_of::<String>(),
        schema_of::<Vec<u8>>(),
        schema_of::<types::Plain>(),
        schema_of::<types::External>(),
    ] {
        for dialect in [Dialect::Plain, Dialect::OpenAiStrict, Dialect::Anthropic, Dialect::AnthropicStrict] {
            let report = schema.in_dialect(dialect).report;
            assert!(!report.is_expressible(), "{dialect:?}");
            assert_eq!(report.entries().next().unwrap().pointer, "");
        }
    }
}

#[test]
fn the_same_type_gives_the_same_bytes_each_time() {
    let dialects = [Dialect::Plain, Dialect::OpenAiStrict, Dialect::Anthropic, Dialect::AnthropicStrict];
    let all = || -> Vec<String> {
        samples()
            .iter()
            .flat_map(|sample| dialects.map(|dialect| sample.schema.in_dialect(dialect).schema.to_string()))
            .collect()
    };
    let first = all();
    assert!((0..3).all(|_| all() == first));
}

#[test]
fn a_handwritten_schema_is_an_object_schema() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(Schema::from_value(schema.clone()).unwrap().as_value(), &schema);
    for other in
        [json!({"type": "string"}), json!({}), json!(true), json!([]), json!({"type": ["object", "null"]})]
    {
        let error = Schema::from_value(other).unwrap_err();
        assert!(matches!(error, SchemaError::NotAnObject { .. }), "{error}");
        assert!(error.to_string().contains("\"type\": \"object\""), "{error}");
    }
}

/// Generators of schemas put every type under `$defs`, that of the root too.
#[test]
fn a_root_that_refers_to_an_object_is_that_object() {
    let definitions = json!({
        "Alias": {"$ref": "#/$defs/Tree"},
        "Tree": {
            "type": "object",
            "description": "A tree.",
            "properties": {"size": {"$ref": "#/$defs/Size"}, "children": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["size", "children"],
        },
        "Size": {"type": "integer"},
    });
    for root in ["#/$defs/Tree", "#/$defs/Alias"] {
        let schema = Schema::from_value(json!({"$ref": root, "$defs": definitions})).unwrap();
        let mut inlined = definitions["Tree"].clone();
        inlined["$defs"] = definitions.clone();
        for dialect in [Dialect::Plain, Dialect::Anthropic] {
            let plain = schema.in_dialect(dialect);
            assert!(plain.report.is_expressible(), "{}", plain.report);
            assert_eq!(plain.schema, inlined);
        }
        let strict = schema.in_dialect(Dialect::OpenAiStrict);
        assert!(strict.report.is_expressible(), "{}", strict.report);
        assert_eq!(strict.schema["properties"]["children"]["items"], json!({"$ref": "#"}));
        assert_eq!(strict.schema["$defs"], json!({"Size": {"type": "integer"}}));
    }
}

#[test]
fn a_root_that_refers_to_no_object_is_refused() {
    let definitions = json!({"List": {"type": "array"}, "Circle": {"$ref": "#/$defs/Circle"}});
    for root in ["#/$defs/List", "#/$defs/Circle", "#/$defs/Missing", "#", "other.json"] {
        let error = Schema::from_value(json!({"$ref": root, "$defs": definitions})).unwrap_err();
        assert!(matches!(error, SchemaError::NotAnObject { .. }), "{root}: {error}");
    }
}

#[test]
fn conditions_at_the_root_become_words() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        "not": {"required": ["a", "b"]},
    });
    let converted = Schema::from_value(schema).unwrap().in_dialect(Dialect::Plain).schema;
    assert_eq!(
        converted,
        json!({
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "required": [],
            "description": "One of these forms:\n- with `a`\n- with `b`\nJSON Schema `not`: {\"required\":[\"a\",\"b\"]}.",
        })
    );
}

#[test]
fn only_two_dialects_are_strict() {
    assert!(Dialect::OpenAiStrict.is_strict() && Dialect::AnthropicStrict.is_strict());
    assert!(!Dialect::Plain.is_strict() && !Dialect::Anthropic.is_strict());
}

#[test]
fn a_recursive_union_keeps_its_references() {
    let converted = schema_of::<types::Expr>().in_dialect(Dialect::Plain).schema;
    let left: &Value = &converted["properties"]["Add"]["properties"]["left"];
    assert_eq!(left["$ref"], "#");
}
