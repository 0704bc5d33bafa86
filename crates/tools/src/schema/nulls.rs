//! Taking out the nulls that strict mode put in.
//!
//! Where every property is required, a model says null for one that it would have left out. A
//! `#[serde(default)]` field that is no `Option` refuses that null; so it is taken out before the arguments are
//! read, wherever the schema that the model never saw, the original, has no place for it.

use serde_json::Value;

use super::{MAX_DEPTH, Map, refs};

/// How many schemas are looked at to decide one question (is null accepted here, does this form fit). Past it
/// the null stays, and the form fits.
const MAX_STEPS: usize = 1_000;

/// How deep a value is compared with a form of a union.
const FORM_DEPTH: usize = 3;

/// Takes out of `args` each null at a property that `root` neither requires nor lets be null.
pub(super) fn drop_nulls(root: &Value, args: &mut Value) {
    Original { root }.prune(vec![root], args, 0);
}

struct Original<'a> {
    root: &'a Value,
}

impl<'a> Original<'a> {
    /// All of `schemas` describe `value`.
    fn prune(&self, schemas: Vec<&'a Value>, value: &mut Value, depth: usize) {
        if depth > MAX_DEPTH || !(value.is_object() || value.is_array()) {
            return;
        }
        let views = self.views(schemas, value);
        match value {
            Value::Object(entries) => entries.retain(|key, entry| {
                let described = of_property(&views, key);
                if entry.is_null() {
                    let required = views.iter().any(|view| requires(view, key));
                    return required || described.iter().all(|schema| self.accepts_null(schema, &mut 0));
                }
                self.prune(described, entry, depth + 1);
                true
            }),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.prune(of_item(&views, index), item, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// The schemas that describe a value once references are followed, conjunctions taken apart, and of each
    /// union the form is chosen that the value has.
    fn views(&self, schemas: Vec<&'a Value>, value: &Value) -> Vec<&'a Map> {
        let mut waiting = schemas;
        let mut views: Vec<&'a Map> = Vec::new();
        while let Some(schema) = waiting.pop() {
            let Value::Object(map) = schema else { continue };
            if views.len() >= MAX_STEPS || views.iter().any(|known| std::ptr::eq(*known, map)) {
                continue;
            }
            views.push(map);
            waiting.extend(refs::reference_of(map).and_then(|reference| refs::resolve(self.root, reference)));
            waiting.extend(map.get("allOf").and_then(Value::as_array).into_iter().flatten());
            for union in ["oneOf", "anyOf"] {
                let forms = map.get(union).and_then(Value::as_array);
                waiting.extend(
                    forms.into_iter().flatten().find(|form| self.fits(form, value, FORM_DEPTH, &mut 0)),
                );
            }
        }
        views
    }

    /// Whether a value has the form that a schema describes, as far as types, fixed values and required
    /// properties tell. A null that the schema has no place for counts as left out.
    fn fits(&self, schema: &'a Value, value: &Value, depth: usize, steps: &mut usize) -> bool {
        let Value::Object(map) = schema else { return *schema != Value::Bool(false) };
        *steps += 1;
        if *steps > MAX_STEPS {
            return true;
        }
        let target = refs::reference_of(map).and_then(|reference| refs::resolve(self.root, reference));
        let mut parts = target.into_iter().chain(list(map, "allOf"));
        if !admits(map, value) || !parts.all(|part| self.fits(part, value, depth, steps)) {
            return false;
        }
        let mut unions = ["oneOf", "anyOf"].into_iter().filter(|key| map.contains_key(*key));
        if !unions.all(|key| list(map, key).any(|form| self.fits(form, value, depth, steps))) {
            return false;
        }
        depth == 0 || self.entries_fit(map, value, depth - 1, steps)
    }

    fn entries_fit(&self, map: &'a Map, value: &Value, depth: usize, steps: &mut usize) -> bool {
        let Value::Object(entries) = value else { return true };
        let view = [map];
        let present = |key: &str, steps: &mut usize| match entries.get(key) {
            Some(Value::Null) => {
                of_property(&view, key).iter().all(|schema| self.accepts_null(schema, steps))
            }
            entry => entry.is_some(),
        };
        list(map, "required").filter_map(Value::as_str).all(|key| present(key, steps))
            && entries.iter().filter(|(_, entry)| !entry.is_null()).all(|(key, entry)| {
                of_property(&view, key).into_iter().all(|schema| self.fits(schema, entry, depth, steps))
            })
    }

    fn accepts_null(&self, schema: &'a Value, steps: &mut usize) -> bool {
        let Value::Object(map) = schema else { return *schema != Value::Bool(false) };
        *steps += 1;
        if *steps > MAX_STEPS {
            return true;
        }
        let target = refs::reference_of(map).and_then(|reference| refs::resolve(self.root, reference));
        let mut parts = target.into_iter().chain(list(map, "allOf"));
        let mut unions = ["oneOf", "anyOf"].into_iter().filter(|key| map.contains_key(*key));
        admits(map, &Value::Null)
            && parts.all(|part| self.accepts_null(part, steps))
            && unions.all(|key| list(map, key).any(|form| self.accepts_null(form, steps)))
    }
}

fn list<'a>(map: &'a Map, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    map.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

/// Whether the type and the fixed values of a schema let a value be.
fn admits(map: &Map, value: &Value) -> bool {
    let is = |kind: &Value| match (kind.as_str(), value) {
        (Some("null"), Value::Null)
        | (Some("boolean"), Value::Bool(_))
        | (Some("number"), Value::Number(_))
        | (Some("string"), Value::String(_))
        | (Some("array"), Value::Array(_))
        | (Some("object"), Value::Object(_)) => true,
        (Some("integer"), Value::Number(number)) => {
            number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    };
    let typed = match map.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is),
        Some(kind) => is(kind),
        None => true,
    };
    let is_const = map.get("const").is_none_or(|fixed| fixed == value);
    let in_enum = map.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(value));
    typed && is_const && in_enum
}

/// What `views` say about a property of the value they describe.
fn of_property<'a>(views: &[&'a Map], key: &str) -> Vec<&'a Value> {
    let named = |view: &&'a Map| view.get("properties").and_then(|properties| properties.get(key));
    views.iter().filter_map(|view| named(view).or_else(|| view.get("additionalProperties"))).collect()
}

/// What `views` say about an item of the value they describe.
fn of_item<'a>(views: &[&'a Map], index: usize) -> Vec<&'a Value> {
    let placed = |view: &&'a Map| view.get("prefixItems").and_then(|places| places.get(index));
    views.iter().filter_map(|view| placed(view).or_else(|| view.get("items"))).collect()
}

fn requires(view: &Map, key: &str) -> bool {
    list(view, "required").any(|name| name == key)
}
