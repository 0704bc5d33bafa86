//! Token counts as servers write them.

use serde_json::Value;

/// A count, also as a number with a fraction or as text. What is none, as a negative number, is not said.
#[must_use]
pub fn count(said: &Value) -> Option<u64> {
    let number = || said.as_f64().or_else(|| said.as_str()?.trim().parse().ok());
    // The cast ends at the bounds.
    let whole = || number().filter(|count| count.is_finite() && *count >= 0.0).map(|count| count as u64);
    said.as_u64().or_else(whole)
}
