//! Metadata: what a service needs to find its activities again, typically the tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// The most pairs of one activity.
pub const METADATA_PAIRS: usize = 32;
/// The most bytes of a metadata key.
pub const METADATA_KEY_LIMIT: usize = 128;
/// The most bytes of a metadata value, as JSON.
pub const METADATA_VALUE_LIMIT: usize = 1024;
/// The most arrays and objects within one another in a metadata value: what every JSON parser reads again.
pub const METADATA_DEPTH: usize = 16;

/// Key-value pairs of an activity, fixed when it is created.
///
/// Cloning is cheap. Values are JSON and are matched by type: `1` is not `"1"` and not `1.0`. At most
/// [`METADATA_PAIRS`] pairs, keys of 1 to [`METADATA_KEY_LIMIT`] bytes, values of at most
/// [`METADATA_VALUE_LIMIT`] bytes and [`METADATA_DEPTH`] levels. Equal values have the same text as JSON, and values
/// that are not equal have different ones, so a store may compare texts; text is compared byte by byte.
///
/// ```
/// use agentexec_activity_core::Metadata;
///
/// let metadata = Metadata::new().with("org", "acme").unwrap().with("plan", 3).unwrap();
/// assert_eq!(metadata.get("plan"), Some(&3.into()));
/// assert!(Metadata::new().with("note", "x".repeat(2000)).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
pub struct Metadata(Arc<BTreeMap<String, Value>>);

impl Metadata {
    /// No pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair, or replaces the value of its key; an error that names the key when a limit is passed.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Result<Self, Error> {
        let (key, value) = (key.into(), value.into());
        check_pair(&key, &value)?;
        Arc::make_mut(&mut self.0).insert(key, canonical(value));
        check_count(self.0.len())?;
        Ok(self)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every pair of `other` is one of these.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }
}

fn check_count(pairs: usize) -> Result<(), Error> {
    if pairs > METADATA_PAIRS {
        return Err(Error::invalid(
            "metadata",
            format!("more than {METADATA_PAIRS} pairs; keep what you search by and store the rest elsewhere"),
        ));
    }
    Ok(())
}

fn check_pair(key: &str, value: &Value) -> Result<(), Error> {
    if key.is_empty() || key.len() > METADATA_KEY_LIMIT || key.chars().any(char::is_control) {
        let shown: String = key.chars().filter(|c| !c.is_control()).take(32).collect();
        return Err(Error::invalid(
            "metadata",
            format!("the key {shown:?} must have 1 to {METADATA_KEY_LIMIT} bytes and no control characters"),
        ));
    }
    if is_deeper(value, METADATA_DEPTH) {
        return Err(Error::invalid(
            "metadata",
            format!("the value of {key:?} is nested more than {METADATA_DEPTH} levels deep"),
        ));
    }
    let bytes = value.to_string().len();
    if bytes > METADATA_VALUE_LIMIT {
        return Err(Error::invalid(
            "metadata",
            format!(
                "the value of {key:?} has {bytes} bytes as JSON; at most {METADATA_VALUE_LIMIT} are kept"
            ),
        ));
    }
    Ok(())
}

/// The value in the one form that equal values share: the pairs of objects by key, however `serde_json` was built,
/// and no negative zero.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(canonical).collect(),
        Value::Object(pairs) => {
            let by_key: BTreeMap<_, _> =
                pairs.into_iter().map(|(key, value)| (key, canonical(value))).collect();
            by_key.into_iter().collect()
        }
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(0.0) => Value::from(0.0),
        other => other,
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper(value, inner)),
        Value::Object(pairs) => pairs.values().any(|value| is_deeper(value, inner)),
        _ => false,
    }
}

impl TryFrom<BTreeMap<String, Value>> for Metadata {
    type Error = Error;

    fn try_from(pairs: BTreeMap<String, Value>) -> Result<Self, Error> {
        check_count(pairs.len())?;
        pairs.iter().try_for_each(|(key, value)| check_pair(key, value))?;
        Ok(Self(Arc::new(pairs.into_iter().map(|(key, value)| (key, canonical(value))).collect())))
    }
}

impl From<Metadata> for BTreeMap<String, Value> {
    fn from(metadata: Metadata) -> Self {
        Arc::unwrap_or_clone(metadata.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A value in so many arrays.
    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |value, _| json!([value]))
    }

    #[test]
    fn a_value_that_json_parsers_would_not_read_again_is_refused() {
        assert!(Metadata::new().with("deep", nested(METADATA_DEPTH)).is_ok());
        let error = Metadata::new().with("deep", nested(METADATA_DEPTH + 1)).unwrap_err().to_string();
        assert!(error.contains("\"deep\"") && error.contains("nested"), "{error}");
    }

    #[test]
    fn a_pair_that_passes_a_limit_is_refused_by_its_key() {
        let key = "k".repeat(METADATA_KEY_LIMIT + 1);
        assert!(Metadata::new().with(key, 1).is_err());
        assert!(Metadata::new().with("", 1).is_err());
        assert!(Metadata::new().with("a\nb", 1).is_err());
        let error = Metadata::new().with("note", "x".repeat(METADATA_VALUE_LIMIT)).unwrap_err().to_string();
        assert!(error.contains("\"note\""), "{error}");
    }

    #[test]
    fn pairs_are_counted_wherever_they_come_from() {
        let pairs: BTreeMap<String, Value> =
            (0..=METADATA_PAIRS).map(|i| (i.to_string(), json!(i))).collect();
        assert!(Metadata::try_from(pairs.clone()).is_err());
        let text = serde_json::to_string(&pairs).unwrap();
        assert!(serde_json::from_str::<Metadata>(&text).is_err());
    }

    #[test]
    fn equal_values_have_one_text_wherever_they_come_from() {
        let one = r#"{"v": {"b": [{"y": 1, "x": -0.0}], "a": null}}"#;
        let two = r#"{"v": {"a": null, "b": [{"x": 0.0, "y": 1}]}}"#;
        let read = |text| serde_json::from_str::<Metadata>(text).unwrap();
        let built = |text| {
            let value = serde_json::from_str::<Value>(text).unwrap();
            Metadata::new().with("v", value["v"].clone()).unwrap()
        };
        let texts =
            [read(one), read(two), built(one), built(two)].map(|one| one.get("v").unwrap().to_string());
        assert_eq!(texts, [r#"{"a":null,"b":[{"x":0.0,"y":1}]}"#; 4]);
    }

    #[test]
    fn a_float_is_read_as_the_one_that_was_written() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let metadata = Metadata::new().with("f", float).unwrap();
                let text = serde_json::to_string(&metadata).unwrap();
                assert_eq!(serde_json::from_str::<Metadata>(&text).unwrap(), metadata, "{text}");
            }
        }
    }

    #[test]
    fn values_are_matched_by_type() {
        let numbered = Metadata::new().with("n", 1).unwrap();
        for other in [json!("1"), json!(1.0), json!(true), json!(null), json!([1])] {
            assert!(!numbered.contains_all(&Metadata::new().with("n", other).unwrap()));
        }
    }
}
