//! Anthropic's dialects, strict and not.

use agentexec_tools::schema::{Action, Dialect, Report, Schema, schema_of};
use serde_json::{Value, json};

use crate::support::{Rules, as_the_model_sends_it, sorted, violations};
use crate::types::{self, samples};

fn property(schema: Value) -> (Value, Report) {
    let schema = json!({"type": "object", "properties": {"p": schema}, "required": ["p"]});
    let converted = Schema::from_value(schema).unwrap().in_dialect(Dialect::AnthropicStrict);
    (converted.schema["properties"]["p"].clone(), converted.report)
}

#[test]
fn every_type_that_is_not_recursive_keeps_to_the_rules_and_takes_its_arguments_back() {
    for sample in samples() {
        let converted = sample.schema.in_dialect(Dialect::AnthropicStrict);
        assert_eq!(
            converted.report.is_expressible(),
            !sample.is_recursive,
            "{}: {}",
            sample.name,
            converted.report
        );
        if sample.is_recursive {
            assert!(
                converted.report.to_string().contains("the schema contains itself"),
                "{}",
                converted.report
            );
            continue;
        }
        assert_eq!(
            violations(&converted.schema, Rules::Anthropic),
            [""; 0],
            "{}: {:#}",
            sample.name,
            converted.schema
        );
        for args in &sample.args {
            let mut sent = as_the_model_sends_it(&converted.schema, &converted.schema, args)
                .unwrap_or_else(|| panic!("{} refuses {args}: {:#}", sample.name, converted.schema));
            sample.schema.drop_nulls(&mut sent);
            assert_eq!((sample.read)(sent).unwrap(), (sample.read)(args.clone()).unwrap(), "{}", sample.name);
        }
    }
}

#[test]
fn optional_properties_stay_optional_and_defaults_stay() {
    let converted = schema_of::<types::Defaults>().in_dialect(Dialect::AnthropicStrict);
    assert_eq!(converted.schema["required"], json!([]));
    assert_eq!(converted.schema["properties"]["really"], json!({"type": "boolean", "default": true}));
    assert_eq!(converted.report.size().optional, 5);
}

#[test]
fn bounds_and_lengths_become_words() {
    let numbers = schema_of::<types::Numbers>().in_dialect(Dialect::AnthropicStrict).schema;
    assert_eq!(
        numbers["properties"]["stars"],
        json!({"type": "integer", "description": "At least 1. At most 5."})
    );
    let strings = schema_of::<types::Strings>().in_dialect(Dialect::AnthropicStrict).schema;
    assert_eq!(
        strings["properties"]["short"],
        json!({"type": "string", "pattern": "^a", "description": "At least 1 character. At most 5 characters."})
    );
    assert_eq!(strings["properties"]["page"], json!({"type": "string", "format": "uri"}));
    let list =
        |least: u8| property(json!({"type": "array", "items": {"type": "string"}, "minItems": least})).0;
    assert_eq!(list(1), json!({"type": "array", "items": {"type": "string"}, "minItems": 1}));
    assert_eq!(
        list(2),
        json!({"type": "array", "items": {"type": "string"}, "description": "At least 2 items."})
    );
}

#[test]
fn optional_and_union_properties_are_limited() {
    let many = |count: usize, kind: Value, required: bool| {
        let properties: Value = (0..count).map(|n| (format!("p{n}"), json!({"type": kind}))).collect();
        let names: Vec<String> = (0..count).filter(|_| required).map(|n| format!("p{n}")).collect();
        let schema = json!({"type": "object", "properties": properties, "required": names});
        Schema::from_value(schema).unwrap().in_dialect(Dialect::AnthropicStrict).report
    };
    assert!(many(24, json!("string"), false).is_expressible());
    assert!(!many(25, json!("string"), false).is_expressible());
    let unions = many(16, json!(["string", "null"]), true);
    assert!(unions.is_expressible());
    assert_eq!(unions.size().unions, 16, "so that a caller can add up all tools of a request");
    assert!(!many(17, json!(["string", "null"]), true).is_expressible());
}

#[test]
fn references_out_of_the_schema_and_fixed_objects_are_not_taken() {
    let (_, report) = property(json!({"$ref": "https://example.com/schema"}));
    assert!(report.to_string().contains("`$ref` at /properties/p unsupported"), "{report}");
    for fixed in
        [json!({"const": {"a": 1}, "properties": {}}), json!({"enum": [["a"]], "items": {"type": "string"}})]
    {
        let (_, report) = property(fixed);
        assert!(report.to_string().contains("only scalars can be fixed values"), "{report}");
    }
}

#[test]
fn without_strict_mode_only_the_root_and_the_names_matter() {
    let schema = schema_of::<types::Enums>();
    let converted = schema.in_dialect(Dialect::Anthropic);
    assert_eq!(&converted.schema, schema.as_value(), "below the root everything is taken as it is");
    assert!(converted.report.is_empty());

    let odd = json!({"type": "object", "properties": {"a b": {"type": "string"}}});
    let converted = Schema::from_value(odd.clone()).unwrap().in_dialect(Dialect::Anthropic);
    let entry = converted.report.entries().next().unwrap();
    assert_eq!((entry.pointer.as_str(), entry.action), ("/properties/a b", Action::Unsupported));
    assert!(Schema::from_value(odd).unwrap().in_dialect(Dialect::Plain).report.is_empty());
}

#[test]
fn a_union_at_the_root_becomes_one_object() {
    let converted = schema_of::<types::Internal>().in_dialect(Dialect::Anthropic);
    let mut schema = sorted(converted.schema);
    assert!(schema.as_object_mut().unwrap().remove("$defs").is_some());
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "description": "What to do.\nOne of these forms:\n\
                - `kind` is \"stay\": Stay where you are.\n\
                - `kind` is \"go\", with `x`: Go somewhere.\n\
                - `kind` is \"say\", with `loudness` (optional), `text`",
            "properties": {
                "kind": {"type": "string", "enum": ["stay", "go", "say"]},
                "x": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255,
                    "description": "How far to the right."},
                "text": {"type": "string"},
                "loudness": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255, "default": 0},
            },
            "required": ["kind"],
        })
    );
    let lost: Vec<&str> = converted.report.entries().map(|entry| entry.keyword.as_str()).collect();
    assert_eq!(lost, ["oneOf"]);
    assert!(converted.report.is_expressible() && !converted.report.is_lossless());
}
