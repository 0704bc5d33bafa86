//! From the model's words to typed arguments, with errors that a model can act on.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The arguments as a JSON object. Nothing and null, which some models send for "no arguments", are `{}`.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(other) => Err(format!("expected a JSON object, got {}", kind(&other))),
        Err(error) => Err(format!("they are not valid JSON: {error}")),
    }
}

/// The typed arguments, or where they do not fit and why.
pub(crate) fn read<A: DeserializeOwned>(arguments: Value) -> Result<A, String> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        match path.as_str() {
            "." => reason.to_string(),
            path => format!("at `{path}`: {reason}"),
        }
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
