//! OpenAI's strict mode: each documented rule, and each way in which serde and schemars run into it.

use agentexec_tools::schema::{Action, Conversion, Dialect, Report, Schema, schema_of};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::support::{Rules, as_the_model_sends_it, sorted, violations};
use crate::types::{self, samples};

fn strict<T: JsonSchema>() -> Conversion {
    schema_of::<T>().in_dialect(Dialect::OpenAiStrict)
}

/// The property `p` of an object with this one property, which is required.
fn property(schema: Value) -> (Value, Report) {
    let schema = json!({"type": "object", "properties": {"p": schema}, "required": ["p"]});
    let converted = Schema::from_value(schema).unwrap().in_dialect(Dialect::OpenAiStrict);
    (converted.schema["properties"]["p"].clone(), converted.report)
}

fn actions(report: &Report) -> Vec<(&str, &str, Action)> {
    report.entries().map(|entry| (entry.pointer.as_str(), entry.keyword.as_str(), entry.action)).collect()
}

#[test]
fn every_type_keeps_to_the_rules_and_takes_its_arguments_back() {
    for sample in samples() {
        let converted = sample.schema.in_dialect(Dialect::OpenAiStrict);
        assert!(converted.report.is_expressible(), "{}: {}", sample.name, converted.report);
        assert_eq!(
            violations(&converted.schema, Rules::OpenAi),
            [""; 0],
            "{}: {:#}",
            sample.name,
            converted.schema
        );
        for args in &sample.args {
            let mut sent = as_the_model_sends_it(&converted.schema, &converted.schema, args)
                .unwrap_or_else(|| panic!("{} refuses {args}: {:#}", sample.name, converted.schema));
            sample.schema.drop_nulls(&mut sent);
            let read = (sample.read)(sent.clone())
                .unwrap_or_else(|error| panic!("{}: {error}: {sent}", sample.name));
            assert_eq!(read, (sample.read)(args.clone()).unwrap(), "{}", sample.name);
        }
    }
}

#[test]
fn every_property_is_required_and_optional_ones_take_null() {
    let converted = strict::<types::Options>();
    let point = json!({"$ref": "#/$defs/Point"});
    let nothing = json!({"type": "null"});
    assert_eq!(
        sorted(converted.schema),
        json!({
            "type": "object",
            "properties": {
                "scalar": {"type": ["string", "null"]},
                "nested": {"anyOf": [point, nothing]},
                "choice": {"anyOf": [{"$ref": "#/$defs/Plain"}, nothing]},
                "list": {"anyOf": [{"type": "array", "items": point}, nothing]},
                "twice": {"type": ["integer", "null"], "minimum": 0, "maximum": 255},
            },
            "required": ["choice", "list", "nested", "scalar", "twice"],
            "additionalProperties": false,
            "$defs": {
                "Plain": {"type": "string", "enum": ["Red", "Blue"]},
                "Point": {
                    "type": "object",
                    "properties": {
                        "x": {"type": "integer", "minimum": 0, "maximum": 255, "description": "How far to the right."},
                    },
                    "required": ["x"],
                    "additionalProperties": false,
                },
            },
        })
    );
    assert!(converted.report.is_lossless(), "{}", converted.report);
    assert!(actions(&converted.report).contains(&("/properties/scalar", "required", Action::Rewritten)));
}

#[test]
fn defaults_are_said_in_words() {
    let properties = strict::<types::Defaults>().schema["properties"].clone();
    assert_eq!(properties["really"], json!({"type": ["boolean", "null"], "description": "Default: true."}));
    assert_eq!(
        properties["tags"],
        json!({
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
            "description": "Default: [].",
        })
    );
    assert_eq!(
        properties["point"],
        json!({"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "description": "Default: {\"x\":0}."})
    );
    assert_eq!(properties["maybe"], json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255}));
}

#[test]
fn bounds_stay_and_the_number_types_of_rust_go() {
    let converted = strict::<types::Numbers>();
    assert_eq!(
        converted.schema["properties"],
        json!({
            "byte": {"type": "integer", "minimum": 0, "maximum": 255},
            "long": {"type": "integer"},
            "float": {"type": "number"},
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        })
    );
    assert!(actions(&converted.report).contains(&("/properties/long", "format", Action::Dropped)));
    assert!(converted.report.is_lossless(), "a format is an annotation: {}", converted.report);
}

#[test]
fn string_constraints_stay_where_they_are_documented_and_become_words_elsewhere() {
    let converted = strict::<types::Strings>();
    assert_eq!(
        converted.schema["properties"],
        json!({
            "short": {"type": "string", "pattern": "^a", "description": "At least 1 character. At most 5 characters."},
            "odd": {"type": "string", "description": "Matches the regular expression \"^(?!b)\"."},
            "page": {"type": "string", "description": "Format: uri."},
            "mail": {"type": "string", "format": "email"},
            "letter": {"type": "string", "description": "At least 1 character. At most 1 character."},
        })
    );
    assert!(converted.report.is_expressible());
    assert!(!converted.report.is_lossless());
}

#[test]
fn tuples_become_lists_that_name_their_order() {
    let properties = strict::<types::Lists>().schema["properties"].clone();
    assert_eq!(
        properties["pair"],
        json!({
            "type": "array",
            "items": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "string"}]},
            "minItems": 2,
            "maxItems": 2,
            "description": "In this order: integer, string.",
        })
    );
    assert_eq!(
        properties["alike"],
        json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2})
    );
    assert_eq!(
        properties["set"],
        json!({"type": "array", "items": {"type": "string"}, "description": "No item twice."})
    );
}

#[test]
fn enums_are_unions_without_one_of_and_documented_values_one_enum() {
    let definitions = sorted(strict::<types::Enums>().schema["$defs"].clone());
    assert_eq!(
        definitions["Documented"],
        json!({"type": "string", "enum": ["blue", "red"], "description": "What to paint with.\n- `red`: As blood."})
    );
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let or_null = json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255});
    let tag = |value: &str| json!({"type": "string", "const": value});
    let point = json!({"$ref": "#/$defs/Point"});
    let pair = json!({"type": "array", "items": {"anyOf": [byte, {"type": "string"}]}, "minItems": 2, "maxItems": 2,
        "description": "In this order: integer, string."});
    assert_eq!(
        definitions["External"],
        json!({"anyOf": [
            {"type": "string", "enum": ["Nothing"]},
            object(json!({"Struct": object(json!({"size": or_null}), json!(["size"]))}), json!(["Struct"])),
            object(json!({"Newtype": point}), json!(["Newtype"])),
            object(json!({"Tuple": pair}), json!(["Tuple"])),
        ]})
    );
    assert_eq!(
        definitions["Adjacent"],
        json!({"anyOf": [
            object(json!({"t": tag("Unit")}), json!(["t"])),
            object(json!({"t": tag("Newtype"), "c": point}), json!(["c", "t"])),
            object(json!({"t": tag("Struct"), "c": object(json!({"a": {"type": ["integer", "null"], "minimum": 0,
                "maximum": 255, "description": "Default: 0."}}), json!(["a"]))}), json!(["c", "t"])),
        ]})
    );
    let internal = definitions["Internal"]["anyOf"].as_array().unwrap();
    assert_eq!(internal[1]["description"], "Go somewhere.");
    assert_eq!(internal[1]["required"], json!(["kind", "x"]), "the newtype is merged with its tag");
    assert_eq!(definitions["Untagged"]["anyOf"].as_array().unwrap().len(), 3);
}

#[test]
fn a_reference_stands_alone_and_its_description_goes_with_the_target() {
    let schema = strict::<types::References>().schema;
    assert_eq!(
        sorted(schema["properties"]["from"].clone()),
        json!({
            "type": "object",
            "properties": {
                "x": {"type": "integer", "minimum": 0, "maximum": 255, "description": "How far to the right."},
            },
            "required": ["x"],
            "additionalProperties": false,
            "description": "Where to begin.",
        })
    );
    assert_eq!(schema["properties"]["to"], json!({"$ref": "#/$defs/Point"}));
    assert_eq!(
        schema["properties"]["via"],
        json!({"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "description": "Where to rest."})
    );
}

#[test]
fn recursive_types_refer_to_themselves() {
    let tree = strict::<types::Tree>();
    assert!(tree.report.is_expressible());
    assert_eq!(tree.schema["properties"]["children"]["items"], json!({"$ref": "#"}));
    assert_eq!(tree.schema["properties"]["parent"]["anyOf"][0], json!({"$ref": "#"}));

    let add = strict::<types::Formula>().schema["$defs"]["Expr"]["anyOf"][1]["properties"]["Add"].clone();
    assert_eq!(add["properties"]["left"], json!({"$ref": "#/$defs/Expr"}));
    assert_eq!(add["description"], "`left`: The left side.", "what cannot stand there is said around it");
}

#[test]
fn flattened_structs_and_enums_are_merged() {
    let flat = strict::<types::Flat>();
    assert_eq!(sorted(flat.schema)["required"], json!(["own", "x"]));
    let one = sorted(strict::<types::HoldsFlat>().schema["$defs"]["FlatEnum"].clone());
    let required: Vec<&Value> =
        one["anyOf"].as_array().unwrap().iter().map(|form| &form["required"]).collect();
    assert_eq!(
        required,
        [&json!(["kind", "own"]), &json!(["kind", "own", "x"]), &json!(["kind", "loudness", "own", "text"])]
    );
}

#[test]
fn maps_and_any_value_cannot_be_strict() {
    let report = strict::<types::Maps>().report;
    assert!(!report.is_expressible());
    let unsupported: Vec<_> =
        actions(&report).into_iter().filter(|(.., action)| *action == Action::Unsupported).collect();
    assert_eq!(
        unsupported,
        [
            ("/properties/any", "type", Action::Unsupported),
            ("/properties/hash", "additionalProperties", Action::Unsupported),
            ("/properties/numbered", "patternProperties", Action::Unsupported),
            ("/properties/object", "additionalProperties", Action::Unsupported),
        ]
    );
    assert!(report.to_string().contains("/properties/hash unsupported: a map with keys"), "{report}");
}

#[test]
fn what_has_no_properties_is_empty_if_derived_and_open_if_written_so() {
    let schema = strict::<types::HoldsNothing>().schema;
    assert_eq!(
        schema["$defs"]["Nothing"],
        json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false})
    );
    let (_, report) = property(json!({"type": "object"}));
    assert_eq!(actions(&report), [("/properties/p", "properties", Action::Unsupported)]);
}

/// Closed, it would take `{}` and nothing else.
#[test]
fn a_root_that_takes_any_properties_cannot_be_strict() {
    let a = json!({"a": {"type": "string"}});
    let b = json!({"type": "object", "properties": {"b": {"type": "string"}}});
    let open = [
        json!({"type": "object"}),
        json!({"type": "object", "description": "Anything."}),
        json!({"type": "object", "additionalProperties": true}),
        json!({"type": "object", "properties": a, "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": a, "unevaluatedProperties": true}),
        json!({"type": "object", "patternProperties": {"^a": {"type": "string"}}}),
        json!({"type": "object", "allOf": [{"type": "object"}]}),
        json!({"type": "object", "anyOf": [b, {"type": "object"}]}),
        json!({"type": "object", "anyOf": [b, {"properties": a, "patternProperties": {"^c": {}}}]}),
        json!({"type": "object", "anyOf": [b, {"properties": a, "unevaluatedProperties": {}}]}),
    ];
    for schema in open {
        let schema = Schema::from_value(schema).unwrap();
        for dialect in [Dialect::OpenAiStrict, Dialect::AnthropicStrict] {
            let report = schema.in_dialect(dialect).report;
            assert!(!report.is_expressible(), "{dialect:?}: {schema:?}");
        }
        for dialect in [Dialect::Plain, Dialect::Anthropic] {
            let plain = schema.in_dialect(dialect);
            assert!(plain.report.is_expressible(), "{dialect:?}: {schema:?}");
            assert!(plain.schema["properties"].is_object(), "OpenAI refuses an object without them");
        }
    }
    let empty = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
    for schema in [
        json!({"type": "object", "properties": {}}),
        json!({"type": "object", "additionalProperties": false}),
        schema_of::<types::Nothing>().as_value().clone(),
    ] {
        let converted = Schema::from_value(schema).unwrap().in_dialect(Dialect::OpenAiStrict);
        assert!(converted.report.is_expressible(), "{}", converted.report);
        assert_eq!(converted.schema, empty);
    }
}

#[test]
fn intersections_are_merged() {
    let part =
        |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let (merged, report) = property(json!({"allOf": [part("a"), part("b")], "description": "Both."}));
    assert_eq!(
        merged,
        json!({
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "required": ["a", "b"],
            "additionalProperties": false,
            "description": "Both.",
        })
    );
    assert_eq!(actions(&report), [("/properties/p", "allOf", Action::Rewritten)]);
    let (single, _) = property(json!({"allOf": [{"type": "string"}]}));
    assert_eq!(single, json!({"type": "string"}));
    let (_, report) = property(json!({"allOf": [{"type": "string"}, {"type": "integer"}]}));
    assert_eq!(actions(&report), [("/properties/p", "type", Action::Unsupported)]);
}

#[test]
fn keywords_that_are_not_permitted_are_dropped_and_said() {
    for (keyword, value) in [
        ("not", json!({"const": "x"})),
        ("if", json!({"minLength": 2})),
        ("then", json!({"pattern": "^a"})),
        ("else", json!({"pattern": "^b"})),
        ("minLength", json!(1)),
        ("examples", json!(["a"])),
        ("deprecated", json!(true)),
        ("contentEncoding", json!("base64")),
    ] {
        let (converted, report) = property(json!({"type": "string", keyword: value}));
        assert_eq!(converted["type"], "string");
        assert!(converted["description"].is_string() && converted.get(keyword).is_none(), "{converted}");
        assert_eq!(actions(&report), [("/properties/p", keyword, Action::Dropped)]);
    }
    for (keyword, value) in [
        ("dependentRequired", json!({"a": ["b"]})),
        ("dependentSchemas", json!({"a": {"required": ["b"]}})),
        ("propertyNames", json!({"maxLength": 2})),
        ("minProperties", json!(1)),
    ] {
        let (converted, report) = property(json!({"type": "object", "properties": {}, keyword: value}));
        assert!(converted["description"].is_string() && converted.get(keyword).is_none(), "{converted}");
        assert_eq!(actions(&report), [("/properties/p", keyword, Action::Dropped)]);
    }
    let (converted, report) = property(json!({"type": "string", "$comment": "x", "$id": "y"}));
    assert_eq!(converted, json!({"type": "string"}));
    assert!(report.is_empty(), "{report}");
    let (_, report) =
        property(json!({"type": "object", "properties": {}, "patternProperties": {"^a": true}}));
    assert!(!report.is_expressible());
    let (converted, _) =
        property(json!({"type": "object", "properties": {}, "unevaluatedProperties": false}));
    assert_eq!(converted["additionalProperties"], false);
}

#[test]
fn fixed_values_get_the_type_that_strict_mode_wants() {
    let (converted, _) = property(json!({"const": "a"}));
    assert_eq!(converted, json!({"type": "string", "const": "a"}));
    let (converted, _) = property(json!({"enum": ["a", 1, null]}));
    assert_eq!(
        converted,
        json!({"anyOf": [
            {"type": "string", "enum": ["a"]}, {"type": "integer", "enum": [1]}, {"type": "null"},
        ]})
    );
    let (converted, _) = property(json!({"type": ["string", "integer", "null"], "minimum": 1}));
    assert_eq!(
        converted,
        json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "null"}]})
    );
}

#[test]
fn fixed_strings_are_one_enum_without_duplicates() {
    let (converted, _) = property(json!({"oneOf": [
        {"const": "a", "description": "First."}, {"enum": ["b", "a"]}, {"const": 1}, {"const": "c"},
    ]}));
    assert_eq!(
        converted,
        json!({"anyOf": [
            {"type": "string", "enum": ["a", "b", "c"], "description": "- `a`: First."},
            {"type": "integer", "const": 1},
        ]})
    );
}

#[test]
fn a_tuple_says_what_its_places_are_for() {
    let places = json!([{"type": "number", "description": "The latitude."}, {"type": "string"}]);
    let (converted, report) = property(json!({"type": "array", "prefixItems": places, "items": false}));
    assert_eq!(converted["description"], "In this order: The latitude, string.");
    assert!(!report.is_lossless());
    let alike = json!([{"type": "number"}, {"type": "number"}]);
    let lossless = |schema: Value| property(schema).1.is_lossless();
    assert!(lossless(json!({"type": "array", "prefixItems": alike, "maxItems": 2})));
    assert!(!lossless(json!({"type": "array", "prefixItems": alike, "items": false})), "its length is lost");
}

#[test]
fn sizes_over_the_limits_are_reported() {
    let wide = |count: usize| {
        let properties: Value = (0..count).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        property(json!({"type": "object", "properties": properties})).1
    };
    assert!(wide(4_999).is_expressible());
    assert_eq!(actions(&wide(5_000)).last().unwrap().2, Action::Rewritten);
    assert!(!wide(5_000).is_expressible(), "with the one around them they are 5,001");

    let nested = |levels: usize| {
        let leaf = json!({"type": "string"});
        property((0..levels).fold(leaf, |inner, _| json!({"type": "array", "items": inner}))).1
    };
    assert!(nested(9).is_expressible());
    assert!(!nested(10).is_expressible());
    assert_eq!(nested(10).size().depth, 11);

    let choice = |count: usize, length: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("{n:0length$}")).collect();
        property(json!({"type": "string", "enum": values})).1
    };
    assert!(choice(1_000, 4).is_expressible());
    assert!(!choice(1_001, 4).is_expressible(), "too many values");
    assert!(choice(250, 400).is_expressible());
    assert!(!choice(251, 60).is_expressible(), "a long enum of more than 15,000 characters");
    assert!(!choice(250, 480).is_expressible(), "more than 120,000 characters in all");
}
