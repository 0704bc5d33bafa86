//! References inside a schema: where they point, and the names that their targets get in the output.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::Map;

/// How many references that point at nothing but another reference are followed.
const MAX_ALIASES: usize = 32;

/// The longest definition name that is written, in characters.
const MAX_NAME: usize = 64;

/// The schema that a reference within `root` points at. None if it points outside, or at nothing.
pub(super) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    if !reference.starts_with('#') {
        return None;
    }
    let root: &schemars::Schema = root.try_into().ok()?;
    root.pointer(reference).filter(|target| target.is_object() || target.is_boolean())
}

/// The reference at the end of a chain of definitions that are references and nothing else.
pub(super) fn follow(root: &Value, reference: &str) -> Option<String> {
    let mut reference = reference.to_owned();
    for _ in 0..MAX_ALIASES {
        let target = resolve(root, &reference)?;
        match target.as_object().filter(|map| map.len() == 1).and_then(reference_of) {
            Some(next) => reference = next.to_owned(),
            None => return Some(reference),
        }
    }
    None
}

/// The `$ref` of a schema.
pub(super) fn reference_of(map: &Map) -> Option<&str> {
    map.get("$ref").and_then(Value::as_str)
}

/// A key as one segment of a JSON pointer (RFC 6901).
pub(super) fn segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The name at the end of a reference, without anything that a definition name or a sentence would have to
/// escape.
pub(super) fn short_name(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or_default();
    let name: String = last
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .take(MAX_NAME)
        .collect();
    if name.is_empty() { "definition".to_owned() } else { name }
}

/// The definitions that the output refers to: each gets a name when it is first referred to, and waits to be
/// converted.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    names: BTreeMap<String, String>,
    taken: BTreeMap<String, usize>,
    waiting: VecDeque<(String, String)>,
}

impl Definitions {
    /// What the output says to refer to `reference`.
    pub(super) fn refer(&mut self, reference: &str) -> String {
        if reference == "#" {
            return reference.to_owned();
        }
        if let Some(name) = self.names.get(reference) {
            return format!("#/$defs/{name}");
        }
        let name = self.free_name(short_name(reference));
        let referred = format!("#/$defs/{name}");
        self.names.insert(reference.to_owned(), name.clone());
        self.waiting.push_back((reference.to_owned(), name));
        referred
    }

    fn free_name(&mut self, short: String) -> String {
        let mut number = self.taken.get(&short).copied().unwrap_or_default();
        let mut name = short.clone();
        while self.taken.contains_key(&name) {
            number += 1;
            name = format!("{short}_{}", number + 1);
        }
        self.taken.insert(short, number);
        self.taken.entry(name.clone()).or_default();
        name
    }

    /// The next definition to convert: its reference in the original, its name in the output.
    pub(super) fn next(&mut self) -> Option<(String, String)> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_is_a_percent_encoded_json_pointer() {
        let root = json!({"$defs": {"a/b ~": {"type": "string"}}});
        assert_eq!(resolve(&root, "#/$defs/a~1b%20~0"), Some(&json!({"type": "string"})));
        assert_eq!(resolve(&root, "#"), Some(&root));
        assert_eq!(resolve(&root, "https://example.com/schema"), None);
        assert_eq!(resolve(&root, "/$defs/a~1b ~0"), None);
    }

    #[test]
    fn aliases_are_followed_and_a_circle_of_aliases_ends() {
        let root = json!({"$defs": {
            "A": {"$ref": "#/$defs/B"}, "B": {"type": "string"},
            "C": {"$ref": "#/$defs/D"}, "D": {"$ref": "#/$defs/C"},
        }});
        assert_eq!(follow(&root, "#/$defs/A").as_deref(), Some("#/$defs/B"));
        assert_eq!(follow(&root, "#/$defs/C"), None);
    }

    #[test]
    fn definitions_of_the_same_short_name_stay_apart() {
        let mut definitions = Definitions::default();
        assert_eq!(definitions.refer("#/$defs/A"), "#/$defs/A");
        assert_eq!(definitions.refer("#/definitions/A"), "#/$defs/A_2");
        assert_eq!(definitions.refer("#/$defs/A"), "#/$defs/A");
        assert_eq!(definitions.refer("#"), "#");
    }
}
