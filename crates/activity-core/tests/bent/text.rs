//! What a careless store makes of text and numbers.

use agentexec_activity_core::{Metadata, Scope};
use serde_json::Value;

use super::Fault;

/// As much of a text as fits into a column that is too short.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(50).collect()
}

pub(crate) fn bent_scope(fault: Option<Fault>, scope: &Scope) -> Scope {
    let bent = scope.pairs().map(|pairs| bent_metadata(fault, pairs));
    bent.map_or_else(Scope::all, |pairs| Scope::metadata(pairs).unwrap())
}

pub(crate) fn bent_metadata(fault: Option<Fault>, metadata: &Metadata) -> Metadata {
    let Some(fault) = fault else { return metadata.clone() };
    metadata.iter().fold(Metadata::new(), |bent, (key, value)| {
        let key = if fault == Fault::FoldsKeys { key.to_lowercase() } else { key.to_owned() };
        bent.with(key, bent_value(fault, value)).unwrap()
    })
}

fn bent_value(fault: Fault, value: &Value) -> Value {
    match (fault, value) {
        (Fault::TurnsNumbersToText, Value::Number(number)) => Value::from(number.to_string()),
        (Fault::RoundsFloats, Value::Number(number)) if number.is_f64() => {
            let rounded = number.as_f64().map(|float| format!("{float:.14e}").parse::<f64>().unwrap());
            Value::from(rounded)
        }
        (Fault::RoundsIntegers, Value::Number(number)) if !number.is_f64() => {
            // As a float holds it.
            number.as_f64().map_or(Value::Null, |float| Value::from(float as i64))
        }
        (Fault::ComposesUnicode, Value::String(text)) => Value::from(text.replace("e\u{301}", "\u{e9}")),
        (Fault::DropsControls, Value::String(text)) => {
            Value::from(text.chars().filter(|c| !c.is_control()).collect::<String>())
        }
        (_, value) => value.clone(),
    }
}
