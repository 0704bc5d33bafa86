//! The keys of a namespace.
//!
//! All begin with the namespace in braces, the hash tag by which Redis Cluster keeps them in one slot, so that
//! one script may touch them all. Type and metadata of an activity never change, so whoever knows them knows
//! every key that the activity is in.

use agentexec_activity_core::{AgentId, Error, Metadata, Scope};
use serde_json::Value;

/// The most bytes of a namespace.
pub(crate) const NAMESPACE_LIMIT: usize = 64;

/// The names of the keys of one namespace.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
    common: [String; 6],
}

impl Keys {
    pub(crate) fn new(namespace: &str) -> Result<Self, Error> {
        let fits = (1..=NAMESPACE_LIMIT).contains(&namespace.len());
        if !fits || !namespace.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
            let reason = format!(
                "{namespace:?} must have 1 to {NAMESPACE_LIMIT} characters, of a-z, A-Z, 0-9, '-', '_', '.', ':'"
            );
            return Err(Error::invalid("namespace", reason));
        }
        let prefix = format!("{{{namespace}}}:");
        let of = |name: &str| format!("{prefix}{name}");
        let common = ["rows", "all", "leases", "held", "events", "meta"].map(of);
        Ok(Self { prefix, common })
    }

    pub(crate) fn namespace(&self) -> &str {
        self.prefix.trim_start_matches('{').trim_end_matches("}:")
    }

    /// The keys that every script is given, in the order in which it takes them.
    pub(crate) fn common(&self) -> &[String] {
        &self.common
    }

    pub(crate) fn rows(&self) -> &str {
        let [rows, ..] = &self.common;
        rows
    }

    pub(crate) fn events(&self) -> &str {
        let [.., events, _] = &self.common;
        events
    }

    /// The log of an activity, and the list of old entries that must outlive the rest of it.
    pub(crate) fn log(&self, id: AgentId) -> [String; 2] {
        ["l:", "o:"].map(|kind| format!("{}{kind}{id}", self.prefix))
    }

    /// The set of the activities of a type.
    pub(crate) fn of_type(&self, activity_type: &str) -> String {
        format!("{}t:{activity_type}", self.prefix)
    }

    /// The sets of the activities with each of these pairs.
    pub(crate) fn of_pairs<'a>(&'a self, pairs: &'a Metadata) -> impl Iterator<Item = String> + 'a {
        pairs.iter().map(|(key, value)| {
            // The key as JSON: a quote within it is escaped, so that no other pair has the same name.
            let key = Value::from(key);
            format!("{}m:{key}={value}", self.prefix)
        })
    }

    /// The sets that an activity of this type with these pairs is in.
    pub(crate) fn sets(&self, activity_type: &str, pairs: &Metadata) -> Vec<String> {
        [self.of_type(activity_type)].into_iter().chain(self.of_pairs(pairs)).collect()
    }

    /// The sets that an activity must be in to be in the scope.
    pub(crate) fn of_scope(&self, scope: &Scope) -> Vec<String> {
        scope.pairs().into_iter().flat_map(|pairs| self.of_pairs(pairs)).collect()
    }
}

/// Metadata as text, the same for equal metadata; nothing for none.
pub(crate) fn metadata_text(metadata: &Metadata) -> String {
    if metadata.is_empty() {
        return String::new();
    }
    let pairs = metadata.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    Value::Object(pairs).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pair_key(value: Value) -> String {
        let keys = Keys::new("test").unwrap();
        let pairs = Metadata::new().with("k", value).unwrap();
        keys.of_pairs(&pairs).next().unwrap()
    }

    #[test]
    fn a_namespace_that_would_break_the_hash_tag_is_refused() {
        for bad in ["", "a}b", "{a", "a b", "ä", &"x".repeat(65)] {
            assert!(Keys::new(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(Keys::new("prod:eu-1").unwrap().rows(), "{prod:eu-1}:rows");
    }

    #[test]
    fn values_that_differ_have_keys_that_differ() {
        let values = [json!(1), json!("1"), json!(1.0), json!(true), json!([1]), json!({"a": 1})];
        for (index, one) in values.iter().enumerate() {
            for other in &values[index + 1..] {
                assert_ne!(pair_key(one.clone()), pair_key(other.clone()));
            }
        }
    }

    #[test]
    fn equal_values_have_one_key_however_they_were_written() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": [{"d": 2, "c": -0.0}]}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": [{"c": 0.0, "d": 2}], "a": 1}"#).unwrap();
        assert_eq!(pair_key(one), pair_key(other));
    }

    #[test]
    fn no_key_and_value_look_like_another() {
        let keys = Keys::new("test").unwrap();
        let of = |key: &str, value: &str| {
            let pairs = Metadata::new().with(key, value).unwrap();
            keys.of_pairs(&pairs).next().unwrap()
        };
        assert_ne!(of("a\"=\"b", "c"), of("a", "b\"=\"c"));
    }
}
