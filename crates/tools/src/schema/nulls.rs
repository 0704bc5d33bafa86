//! Taking out the nulls that strict mode put in.
//!
//! Where every property is required, a model says null for one that it would have left out. A
//! `#[serde(default)]` field that is no `Option` refuses that null; so it is taken out before the arguments, or an
//! answer, are read, wherever the schema that the model never saw, the original, has no place for it.

use serde_json::Value;

use super::{MAX_DEPTH, Map, refs};

/// How many schemas are looked at to decide one question (is null accepted here, does this form fit). Past it
/// the null stays, and the form fits.
const MAX_STEPS: usize = 1_000;

/// How deep a value is compared with a form of a union, its own level left out.
const FORM_DEPTH: usize = 3;

/// Takes out of `value` each null at a property that the schema `root` neither requires nor lets be null, at any depth:
/// what [`Schema::drop_nulls`](super::Schema::drop_nulls) does, for a schema of anything.
pub fn drop_nulls(root: &Value, value: &mut Value) {
    Original { root }.prune(vec![root], value, 0);
}

struct Original<'a> {
    root: &'a Value,
}

impl<'a> Original<'a> {
    /// What a schema refers to. None if that is nothing, or only itself.
    fn target(&self, map: &Map) -> Option<&'a Value> {
        refs::resolve(self.root, &refs::follow(self.root, refs::reference_of(map)?)?)
    }

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
            waiting.extend(self.target(map));
            waiting.extend(map.get("allOf").and_then(Value::as_array).into_iter().flatten());
            for union in ["oneOf", "anyOf"] {
                waiting.extend(self.form_of(value, list(map, union)));
            }
        }
        views
    }

    /// The form that a value has: of those that fit, the first that names all of its properties, since a strict
    /// model sends no others; or else the first.
    fn form_of(&self, value: &Value, forms: impl Iterator<Item = &'a Value>) -> Option<&'a Value> {
        let fitting: Vec<&Value> = forms.filter(|form| self.fits(form, value, FORM_DEPTH, &mut 0)).collect();
        let names_all = |form: &&&'a Value| {
            let mut names = value.as_object().into_iter().flat_map(Map::keys);
            names.all(|name| self.names(form, name, &mut 0))
        };
        fitting.iter().find(names_all).or(fitting.first()).copied()
    }

    /// Whether a schema names a property, in any of its parts and forms.
    fn names(&self, schema: &'a Value, name: &str, steps: &mut usize) -> bool {
        let Value::Object(map) = schema else { return false };
        *steps += 1;
        if *steps > MAX_STEPS {
            return true;
        }
        let target = self.target(map);
        let parts = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|key| list(map, key));
        map.get("properties").is_some_and(|properties| properties.get(name).is_some())
            || target.into_iter().chain(parts).any(|part| self.names(part, name, steps))
    }

    /// Whether a value has the form that a schema describes, as far as types, fixed values and required
    /// properties tell. A null that the schema has no place for counts as left out.
    fn fits(&self, schema: &'a Value, value: &Value, depth: usize, steps: &mut usize) -> bool {
        let Value::Object(map) = schema else { return *schema != Value::Bool(false) };
        *steps += 1;
        if *steps > MAX_STEPS {
            return true;
        }
        let target = self.target(map);
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
        let view = [map];
        match value {
            Value::Object(entries) => {
                let mut names = list(map, "required").filter_map(Value::as_str);
                names.all(|name| match entries.get(name) {
                    Some(Value::Null) => {
                        of_property(&view, name).iter().all(|part| self.accepts_null(part, steps))
                    }
                    entry => entry.is_some(),
                }) && entries.iter().filter(|(_, entry)| !entry.is_null()).all(|(name, entry)| {
                    of_property(&view, name).into_iter().all(|part| self.fits(part, entry, depth, steps))
                })
            }
            Value::Array(items) => items.iter().enumerate().all(|(index, item)| {
                of_item(&view, index).into_iter().all(|part| self.fits(part, item, depth, steps))
            }),
            _ => true,
        }
    }

    fn accepts_null(&self, schema: &'a Value, steps: &mut usize) -> bool {
        let Value::Object(map) = schema else { return *schema != Value::Bool(false) };
        *steps += 1;
        if *steps > MAX_STEPS {
            return true;
        }
        let target = self.target(map);
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
    views.iter().filter_map(|view| named(view).or_else(|| of_others(view))).collect()
}

/// What a view says about the properties that it does not name. Patterns are not matched: an object that takes nothing
/// else has properties of its only pattern, and of another nothing is known.
fn of_others(view: &Map) -> Option<&Value> {
    let others = view.get("additionalProperties");
    let mut patterns = view.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    match (patterns.next(), patterns.next()) {
        (None, _) => others,
        (Some((_, only)), None) if others == Some(&Value::Bool(false)) => Some(only),
        _ => None,
    }
}

/// What `views` say about an item of the value they describe.
fn of_item<'a>(views: &[&'a Map], index: usize) -> Vec<&'a Value> {
    let placed = |view: &&'a Map| view.get("prefixItems").and_then(|places| places.get(index));
    views.iter().filter_map(|view| placed(view).or_else(|| view.get("items"))).collect()
}

fn requires(view: &Map, key: &str) -> bool {
    list(view, "required").any(|name| name == key)
}
