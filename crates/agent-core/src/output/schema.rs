//! A form by its JSON Schema, against which each answer is held (feature `json-schema`).

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::OutputFormat;
use crate::error::OutputError;

/// How many things that are wrong with an answer are named.
const NAMED: usize = 3;

impl OutputFormat {
    /// A form by its JSON Schema (the draft that its `$schema` names, else 2020-12), against which each answer is held;
    /// a `format` is taken as a remark. A null counts as left out where there may be nothing: a provider that makes every
    /// property required (OpenAI) has no other way to leave one out. Characters that providers refuse in the name are
    /// replaced.
    ///
    /// # Errors
    /// When the schema is none, or refers to another document: nothing is fetched.
    ///
    /// ```
    /// use agentexec_agent_core::OutputFormat;
    /// use serde_json::json;
    ///
    /// let weather = json!({"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]});
    /// assert!(OutputFormat::from_schema("weather", weather).is_ok());
    /// assert!(OutputFormat::from_schema("weather", json!({"type": "weather"})).is_err());
    /// ```
    pub fn from_schema(name: &str, schema: Value) -> Result<Self, SchemaError> {
        let validator = jsonschema::validator_for(&schema).map_err(|error| SchemaError::new(name, &error))?;
        let format = Self::from_unchecked_schema(name, schema);
        Ok(format.checked(move |answer| held(&validator, answer)))
    }
}

/// Holds an answer against a schema.
fn held(validator: &Validator, answer: &Value) -> Result<(), OutputError> {
    if validator.is_valid(answer) {
        return Ok(());
    }
    let wrong: Vec<String> = validator.iter_errors(answer).take(NAMED).map(|error| said(&error)).collect();
    Err(OutputError::new(wrong.join("; ")))
}

/// What is wrong and where, without the value, which may be the whole answer.
fn said(error: &ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => error.masked_with("the answer").to_string(),
        path => format!("at `{path}`: {}", error.masked_with("the value")),
    }
}

/// A JSON Schema that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema of the form `{name}` cannot be used: {reason}")]
pub struct SchemaError {
    name: String,
    reason: String,
}

impl SchemaError {
    fn new(name: &str, error: &ValidationError<'_>) -> Self {
        let reason = match error.instance_path().as_str() {
            "" => error.to_string(),
            path => format!("at `{path}`: {error}"),
        };
        Self { name: name.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person() -> OutputFormat {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer", "minimum": 0},
                "friends": {"type": "array", "items": {"$ref": "#"}},
            },
            "required": ["name"],
            "additionalProperties": false,
        });
        OutputFormat::from_schema("person", schema).unwrap()
    }

    #[test]
    fn an_answer_that_fits_is_admitted_also_with_nulls_for_what_may_be_left_out() {
        for answer in [
            r#"{"name": "Ada"}"#,
            r#"{"name": "Ada", "age": 36, "friends": [{"name": "Mary"}]}"#,
            r#"{"name": "Ada", "age": null, "friends": [{"name": "Mary", "friends": null}]}"#,
        ] {
            person().admits_as_meant(answer).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path_and_not_cited() {
        let wrong = |answer: &str| person().admits_as_meant(answer).unwrap_err().to_string();
        assert_eq!(wrong("42"), r#"the answer is not of type "object""#);
        assert_eq!(wrong("{}"), r#""name" is a required property"#);
        assert_eq!(wrong(r#"{"name": null}"#), r#"at `/name`: the value is not of type "string""#);
        let secret = wrong(r#"{"name": "Ada", "friends": [{"name": "Mary", "age": "a secret"}]}"#);
        assert_eq!(secret, r#"at `/friends/0/age`: the value is not of type "integer""#);
        let both = wrong(r#"{"name": 1, "age": -1}"#);
        assert!(both.contains("`/name`") && both.contains("; at `/age`: "), "{both}");
        assert!(wrong(r#"{"name": "Ada""#).contains("EOF"));
    }

    #[test]
    fn a_schema_that_is_none_or_is_elsewhere_is_refused() {
        let refused = |schema| OutputFormat::from_schema("person", schema).unwrap_err().to_string();
        let kind = refused(json!({"properties": {"a": {"type": "text"}}}));
        assert!(
            kind.starts_with("the schema of the form `person` cannot be used: at `/properties/a/type`"),
            "{kind}"
        );
        refused(json!({"$ref": "https://example.com/person.json"}));
    }
}
