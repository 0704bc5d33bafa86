//! Schemas that were made to break something, and a great many that were made by chance.

use agentexec_tools::schema::{Dialect, MAX_DEPTH, MAX_VALUES, Schema, SchemaError};
use serde_json::{Value, json};

use crate::support::{Rules, violations};

const DIALECTS: [Dialect; 4] =
    [Dialect::Plain, Dialect::OpenAiStrict, Dialect::Anthropic, Dialect::AnthropicStrict];

fn nested(levels: usize) -> Value {
    let mut schema = json!({"type": "string"});
    for _ in 0..levels {
        let mut object = json!({"type": "object", "properties": {}, "required": ["p"]});
        object["properties"]["p"] = schema;
        schema = object;
    }
    schema
}

#[test]
fn a_schema_ten_thousand_levels_deep_is_an_error() {
    assert_eq!(Schema::from_value(nested(10_000)).unwrap_err(), SchemaError::TooDeep);
    let mut list = json!([]);
    for _ in 0..10_000 {
        list = Value::Array(vec![list]);
    }
    assert_eq!(Schema::from_value(list).unwrap_err(), SchemaError::TooDeep);
}

#[test]
fn the_deepest_schema_that_is_accepted_is_converted() {
    let schema = Schema::from_value(nested(MAX_DEPTH / 2 - 1)).unwrap();
    for dialect in DIALECTS {
        let report = schema.in_dialect(dialect).report;
        assert_eq!(report.is_expressible(), dialect != Dialect::OpenAiStrict, "{dialect:?}: {report}");
    }
}

#[test]
fn a_schema_of_too_many_values_is_an_error() {
    let values = vec![json!("a"); MAX_VALUES];
    let schema = json!({"type": "object", "properties": {"p": {"enum": values}}});
    assert_eq!(Schema::from_value(schema).unwrap_err(), SchemaError::TooLarge);
}

#[test]
fn references_in_circles_end() {
    let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let described =
        |name: &str| json!({"$ref": format!("#/$defs/{name}"), "description": "Round and round."});
    let constrained = |name: &str| json!({"$ref": format!("#/$defs/{name}"), "minProperties": 1});
    let circles = [
        json!({"A": reference("A")}),
        json!({"A": reference("B"), "B": reference("A")}),
        json!({"A": described("B"), "B": described("A")}),
        json!({"A": constrained("B"), "B": constrained("A")}),
        json!({"A": {"allOf": [reference("A")]}}),
        json!({"A": {"anyOf": [reference("A"), {"type": "null"}]}}),
        json!({"A": {"oneOf": [described("A"), constrained("A")]}}),
        json!({"A": {"type": "object", "properties": {"next": constrained("A")}}}),
    ];
    for definitions in circles {
        let schema = json!({"type": "object", "$defs": definitions, "properties": {"a": reference("A")}});
        let schema = Schema::from_value(schema).unwrap();
        for dialect in [Dialect::OpenAiStrict, Dialect::AnthropicStrict] {
            assert!(!schema.in_dialect(dialect).report.is_expressible(), "{dialect:?}: {schema:?}");
        }
        let mut args = json!({"a": {"next": {"next": null}}});
        schema.drop_nulls(&mut args);
    }
}

#[test]
fn references_to_nothing_are_reported_where_they_stand() {
    for reference in ["#/$defs/Missing", "#/properties/q/items", "other.json", "#%zz", ""] {
        let schema = json!({"type": "object", "properties": {"p": {"$ref": reference}}, "required": ["p"]});
        let report = Schema::from_value(schema).unwrap().in_dialect(Dialect::OpenAiStrict).report;
        let entry = report.entries().next().unwrap();
        assert_eq!(
            (entry.pointer.as_str(), entry.keyword.as_str()),
            ("/properties/p", "$ref"),
            "{reference}"
        );
        assert!(!report.is_expressible());
    }
}

#[test]
fn schemas_that_accept_nothing_are_unsupported() {
    let nothing = [
        json!({"anyOf": []}),
        json!({"oneOf": [false, false]}),
        json!({"type": "array", "prefixItems": []}),
        json!({"type": "string", "enum": [1]}),
        json!({"type": "null", "const": 1}),
        json!({"allOf": [false]}),
        json!(false),
    ];
    for schema in nothing {
        let schema = json!({"type": "object", "properties": {"p": schema}, "required": ["p"]});
        let report = Schema::from_value(schema.clone()).unwrap().in_dialect(Dialect::OpenAiStrict).report;
        assert!(!report.is_expressible(), "{schema}");
    }
}

#[test]
fn a_reference_to_any_place_becomes_a_definition() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"deep down": {"type": "string"}}, "required": ["deep down"]},
            "b": {"$ref": "#/properties/a/properties/deep%20down"},
        },
        "required": ["a", "b"],
    });
    let converted = Schema::from_value(schema).unwrap().in_dialect(Dialect::OpenAiStrict);
    assert_eq!(violations(&converted.schema, Rules::OpenAi), [""; 0]);
    assert_eq!(converted.schema["properties"]["b"], json!({"$ref": "#/$defs/deep_20down"}));
}

#[test]
fn definitions_that_double_at_each_step_do_not_explode() {
    let mut definitions = json!({"D40": {"type": "object", "properties": {}}});
    for level in 0..40 {
        let next =
            json!({"$ref": format!("#/$defs/D{}", level + 1), "description": format!("Level {level}.")});
        definitions[format!("D{level}")] =
            json!({"type": "object", "properties": {"l": next, "r": next}, "required": ["l", "r"]});
    }
    let schema = json!({"type": "object", "$defs": definitions, "properties": {"d": {"$ref": "#/$defs/D0"}}});
    let schema = Schema::from_value(schema).unwrap();
    let converted = schema.in_dialect(Dialect::OpenAiStrict);
    assert!(converted.report.is_expressible(), "{}", converted.report);
    assert!(converted.schema.to_string().len() < 1_000_000);
}

#[test]
fn definitions_that_go_ever_deeper_do_not_overflow_the_stack() {
    let mut definitions = json!({"D1000": {"type": "object", "properties": {}}});
    for level in 0..1_000 {
        let next = json!({"$ref": format!("#/$defs/D{}", level + 1), "minProperties": 0});
        definitions[format!("D{level}")] =
            json!({"type": "object", "properties": {"p": next}, "required": ["p"]});
    }
    let schema = json!({"type": "object", "$defs": definitions, "properties": {"p": {"$ref": "#/$defs/D0"}}});
    let schema = Schema::from_value(schema).unwrap();
    for dialect in [Dialect::OpenAiStrict, Dialect::AnthropicStrict] {
        let report = schema.in_dialect(dialect).report;
        assert!(report.to_string().contains("schemas are nested too deep"), "{dialect:?}");
    }
    let mut args = (0..1_000).fold(json!({"p": null}), |inner, _| json!({"p": inner}));
    schema.drop_nulls(&mut args);
}

#[test]
fn unions_that_multiply_do_not_explode() {
    let mut definitions = json!({"D8": {"type": "object", "properties": {}}});
    for level in 0..8 {
        let next = format!("#/$defs/D{}", level + 1);
        let forms: Vec<Value> =
            (0..10).map(|n| json!({"$ref": next, "required": [format!("p{n}")]})).collect();
        definitions[format!("D{level}")] = json!({"oneOf": forms});
    }
    let root = json!({"type": "object", "$defs": definitions, "allOf": [{"$ref": "#/$defs/D0"}]});
    let inside = json!({"type": "object", "$defs": definitions, "properties": {"p": {"$ref": "#/$defs/D0"}}});
    for dialect in DIALECTS {
        let report = Schema::from_value(root.clone()).unwrap().in_dialect(dialect).report;
        assert!(report.to_string().contains("grows too large"), "{report}");
        let report = Schema::from_value(inside.clone()).unwrap().in_dialect(dialect).report;
        assert_eq!(report.is_expressible(), !dialect.is_strict());
    }
}

#[test]
fn keywords_of_the_wrong_kind_are_no_panic() {
    for value in
        [json!(null), json!(1), json!("a"), json!([]), json!({}), json!([1]), json!({"a": 1}), json!(false)]
    {
        for keyword in KEYWORDS {
            let schema =
                json!({"type": "object", "properties": {"p": {"type": "object", keyword: value}}, "x": 1});
            check(schema);
            check(json!({"type": "object", keyword: value, "$defs": {"p": {keyword: value}}}));
        }
    }
}

const KEYWORDS: [&str; 24] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "format",
    "pattern",
    "minItems",
    "minimum",
    "default",
    "examples",
    "not",
    "if",
    "patternProperties",
    "unevaluatedProperties",
    "description",
];

/// Converts a schema that may be anything. What is called expressible has to keep to the rules. Gives the number
/// of strict dialects that can express it.
fn check(schema: Value) -> usize {
    let Ok(schema) = Schema::from_value(schema) else { return 0 };
    let mut expressible = 0;
    for dialect in DIALECTS {
        let converted = schema.in_dialect(dialect);
        assert_eq!(converted, schema.in_dialect(dialect));
        let rules = match dialect {
            Dialect::OpenAiStrict => Rules::OpenAi,
            Dialect::AnthropicStrict => Rules::Anthropic,
            _ => continue,
        };
        if converted.report.is_expressible() {
            expressible += 1;
            let found = violations(&converted.schema, rules);
            assert!(
                found.is_empty(),
                "{dialect:?}: {found:?}\n{:#}\n{:#}",
                schema.as_value(),
                converted.schema
            );
        }
    }
    let mut args = json!({"a": null, "b": {"a": null, "b": [null, {"a": null}]}, "c": [1, "x", null]});
    schema.drop_nulls(&mut args);
    let once = args.clone();
    schema.drop_nulls(&mut args);
    assert_eq!(args, once, "the second time finds nothing more in {:#}", schema.as_value());
    expressible
}

/// Schemas by chance, the same ones each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick(&mut self, choices: &[Value]) -> Value {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()].clone()
    }

    fn schemas(&mut self, depth: usize) -> Vec<Value> {
        (0..=self.below(3)).map(|_| self.schema(depth)).collect()
    }

    fn named(&mut self, depth: usize) -> Value {
        ["a", "b", "c"]
            .into_iter()
            .take(1 + self.below(3) as usize)
            .map(|name| (name, self.schema(depth)))
            .collect()
    }

    fn schema(&mut self, depth: usize) -> Value {
        let mut schema = match self.below(if depth == 0 { 5 } else { 12 }) {
            0 => {
                json!({"type": self.pick(&[json!("string"), json!("integer"), json!(["string", "null"]), json!("null")])})
            }
            1 => {
                json!({"$ref": self.pick(&[json!("#"), json!("#/$defs/a"), json!("#/$defs/b"), json!("#/$defs/q")])})
            }
            2 => json!({"type": "string", "enum": ["x", "y"]}),
            3 => json!({"const": self.pick(&[json!("x"), json!(1), json!(null), json!({"a": 1})])}),
            4 => {
                return self.pick(&[
                    json!(true),
                    json!({}),
                    json!({"type": "boolean"}),
                    json!({"type": "number"}),
                ]);
            }
            5 | 6 => json!({"type": "object", "properties": self.named(depth - 1), "required": ["a"]}),
            7 => json!({"type": "array", "items": self.schema(depth - 1), "minItems": self.below(3)}),
            8 => json!({"type": "array", "prefixItems": self.schemas(depth - 1)}),
            9 => json!({"anyOf": self.schemas(depth - 1)}),
            10 => json!({"oneOf": self.schemas(depth - 1)}),
            _ => json!({"allOf": self.schemas(depth - 1)}),
        };
        for (keyword, value) in [
            ("description", json!("Some text.")),
            ("default", json!(1)),
            ("minimum", json!(3)),
            ("pattern", json!("^a")),
            ("additionalProperties", json!(false)),
            ("properties", json!({"b": {"type": "string"}})),
            ("title", json!("A title")),
        ] {
            if self.below(6) == 0 {
                schema[keyword] = value;
            }
        }
        schema
    }
}

#[test]
fn whatever_is_called_expressible_keeps_to_the_rules() {
    const SCHEMAS: usize = 1_000;
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut expressible = 0;
    for _ in 0..SCHEMAS {
        let mut schema = json!({"type": "object", "properties": chance.named(3), "required": ["a"]});
        schema["$defs"] = json!({"a": chance.schema(2), "b": chance.schema(2)});
        if chance.below(4) == 0 {
            schema["oneOf"] = json!(chance.schemas(2));
        }
        expressible += check(schema);
    }
    assert!(expressible > SCHEMAS / 10, "only {expressible}: the rest shows little");
}
