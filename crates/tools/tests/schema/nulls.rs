//! Nulls that strict mode makes a model say, taken out before serde reads the arguments.

use agentexec_tools::schema::{Schema, schema_of};
use serde_json::{Value, json};

use crate::types;

fn dropped<T: schemars::JsonSchema>(mut args: Value) -> Value {
    schema_of::<T>().drop_nulls(&mut args);
    args
}

#[test]
fn a_null_goes_where_a_default_is_and_stays_where_an_option_is() {
    let args = dropped::<types::Defaults>(
        json!({"count": null, "really": null, "tags": null, "point": null, "maybe": null}),
    );
    assert_eq!(args, json!({"maybe": null}));
    let read: types::Defaults = serde_json::from_value(args).unwrap();
    assert_eq!((read.count, read.really, read.point.x), (0, true, 0));
}

#[test]
fn a_null_at_a_required_property_stays_for_serde_to_refuse() {
    assert_eq!(dropped::<types::Closed>(json!({"name": null, "size": null})), json!({"name": null}));
}

#[test]
fn nulls_in_lists_and_forms_of_enums_go_too() {
    let args = dropped::<types::Enums>(json!({
        "external": [{"Struct": {"size": null}}],
        "internal": [{"kind": "say", "text": "hi", "loudness": null}, {"kind": "go", "x": null}],
        "adjacent": [{"t": "Struct", "c": {"a": null}}, {"t": "Newtype", "c": {"x": null}}],
        "untagged": [{"name": "n", "age": null}, null],
    }));
    assert_eq!(
        args,
        json!({
            "external": [{"Struct": {"size": null}}],
            "internal": [{"kind": "say", "text": "hi"}, {"kind": "go", "x": null}],
            "adjacent": [{"t": "Struct", "c": {}}, {"t": "Newtype", "c": {"x": null}}],
            "untagged": [{"name": "n"}, null],
        })
    );
}

#[test]
fn the_properties_of_other_forms_go_where_the_form_is_closed() {
    let args = dropped::<types::ClosedForms>(json!({"kind": "B", "a": null, "b": "x", "c": null}));
    assert_eq!(args, json!({"kind": "B", "b": "x"}));
    serde_json::from_value::<types::ClosedForms>(args).unwrap();
    let args = dropped::<types::Expr>(json!({"Number": 1.5, "Add": null}));
    assert_eq!(args, json!({"Number": 1.5}));
}

#[test]
fn of_several_forms_that_fit_the_one_that_names_every_property_counts() {
    let text = json!({"type": "string"});
    let schema = Schema::from_value(json!({
        "type": "object",
        "anyOf": [
            {"properties": {"a": text}, "required": ["a"]},
            {"properties": {"a": text, "b": text}, "required": ["a"]},
        ],
    }))
    .unwrap();
    let mut args = json!({"a": "x", "b": null});
    schema.drop_nulls(&mut args);
    assert_eq!(args, json!({"a": "x"}));
}

#[test]
fn nulls_go_at_any_depth_of_a_recursive_type() {
    let schema = Schema::from_value(json!({
        "type": "object",
        "properties": {"size": {"type": "integer"}, "inner": {"$ref": "#"}, "list": {"type": "array", "items": {"$ref": "#"}}},
    }))
    .unwrap();
    let mut args =
        json!({"size": null, "inner": {"size": null, "inner": {"inner": null}}, "list": [{"size": null}]});
    schema.drop_nulls(&mut args);
    assert_eq!(args, json!({"inner": {"inner": {}}, "list": [{}]}));
}

#[test]
fn nulls_that_are_wanted_stay() {
    let schema = Schema::from_value(json!({
        "type": "object",
        "properties": {
            "any": true, "open": {}, "fixed": {"enum": ["a", null]}, "always": {"const": null}, "text": {"type": "string"},
            "map": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
            "full": {"type": "object", "additionalProperties": {"type": "integer"}},
            "tuple": {"type": "array", "prefixItems": [{"type": "object", "properties": {"a": {"type": "string"}}}]},
        },
    }))
    .unwrap();
    let mut args = json!({"any": null, "open": null, "fixed": null, "always": null, "text": null, "unknown": null,
        "map": {"a": null}, "full": {"a": null}, "tuple": [{"a": null}, {"a": null}]});
    schema.drop_nulls(&mut args);
    assert_eq!(
        args,
        json!({"any": null, "open": null, "fixed": null, "always": null, "unknown": null, "map": {"a": null}, "full": {},
            "tuple": [{}, {"a": null}]})
    );
}

/// A map with numbers as its keys has a pattern for them, and is closed to all others.
#[test]
fn the_values_of_a_map_go_by_its_pattern() {
    let schema = Schema::from_value(json!({
        "type": "object",
        "properties": {
            "counts": {"patternProperties": {r"^\d+$": {"type": ["integer", "null"]}}, "additionalProperties": false},
            "points": {"patternProperties": {r"^\d+$": {"properties": {"x": {"type": "integer"}}}}, "additionalProperties": false},
            "several": {"patternProperties": {"^a": {"type": "integer"}, "^b": {"type": "null"}}, "additionalProperties": false},
        },
    }))
    .unwrap();
    let mut args =
        json!({"counts": {"1": null}, "points": {"1": {"x": null}}, "several": {"a": null, "b": null}});
    schema.drop_nulls(&mut args);
    assert_eq!(args, json!({"counts": {"1": null}, "points": {"1": {}}, "several": {"a": null, "b": null}}));
}

#[test]
fn parts_of_an_intersection_must_all_let_null_be() {
    let schema = Schema::from_value(json!({
        "type": "object",
        "allOf": [
            {"properties": {"a": {"type": ["string", "null"]}, "b": {"type": ["string", "null"]}}},
            {"properties": {"a": {"type": "string"}}, "required": ["c"]},
        ],
    }))
    .unwrap();
    let mut args = json!({"a": null, "b": null, "c": null});
    schema.drop_nulls(&mut args);
    assert_eq!(args, json!({"b": null, "c": null}));
}

#[test]
fn arguments_that_are_no_object_are_left_alone() {
    for mut args in [json!(null), json!([null]), json!("a")] {
        let before = args.clone();
        schema_of::<types::Defaults>().drop_nulls(&mut args);
        assert_eq!(args, before);
    }
}
