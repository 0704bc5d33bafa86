//! What OpenAI's two protocols have in common: functions and the choice among them.

use serde_json::Value;

use super::field::Field;
use super::rejection::Rejection;
use super::{Choice, strict};
use crate::brain::Tool;

/// The longest name of a function.
const MAX_NAME: usize = 64;

/// A function, from the object that holds its name: flat in Responses, below `function` in Chat Completions.
pub(super) fn function(field: &Field<'_>) -> Result<Tool, Rejection> {
    let name = field.need("name")?;
    check_name(&name)?;
    let name = name.text()?;
    let is_strict = field.flag_at("strict")?.unwrap_or_default();
    let parameters = match field.get("parameters") {
        Some(schema) => {
            let schema = schema.object()?;
            if let Some(objection) = strict::objection(schema.value(), is_strict) {
                let message = format!("Invalid schema for function '{name}': {objection}");
                return Err(Rejection::invalid(message)
                    .at(schema.path())
                    .code("invalid_function_parameters"));
            }
            schema.value().clone()
        }
        None => Value::Null,
    };
    let description = field.text_at("description")?.unwrap_or_default();
    Ok(Tool { name: name.to_owned(), description: description.to_owned(), parameters })
}

fn check_name(name: &Field<'_>) -> Result<(), Rejection> {
    let text = name.text()?;
    let path = name.path();
    if text.len() > MAX_NAME {
        let length = text.len();
        let message = format!(
            "Invalid '{path}': string too long. Expected a string with maximum length {MAX_NAME}, but got a \
             string with length {length} instead."
        );
        return Err(Rejection::invalid(message).at(path).code("string_above_max_length"));
    }
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        let message = format!(
            "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        );
        return Err(Rejection::invalid(message).at(path).code("invalid_value"));
    }
    Ok(())
}

/// The tool choice, where `name` finds the name of a function in the object that names it.
pub(super) fn choice<'a>(
    field: &Field<'a>,
    name: impl Fn(&Field<'a>) -> Result<Field<'a>, Rejection>,
) -> Result<Choice, Rejection> {
    if field.value().is_string() {
        return match field.text()? {
            "auto" | "required" => Ok(Choice::Any),
            "none" => Ok(Choice::None),
            _ => Err(field.unsupported(&["none", "auto", "required"])),
        };
    }
    let kind = field.need("type")?;
    match kind.text()? {
        "function" => Ok(Choice::Only(vec![name(field)?.text()?.to_owned()])),
        "allowed_tools" => {
            let allowed = field.get("allowed_tools").unwrap_or_else(|| field.clone());
            let names = allowed.need("tools")?.full_list()?;
            let names = names.iter().map(|tool| Ok(name(tool)?.text()?.to_owned()));
            Ok(Choice::Only(names.collect::<Result<_, _>>()?))
        }
        _ => Err(kind.unsupported(&["function", "allowed_tools"])),
    }
}

/// Refuses a choice that names no tool of these.
pub(super) fn check_choice(choice: &Choice, tools: &[Tool]) -> Result<(), Rejection> {
    match choice.unknown(tools) {
        Some(name) => {
            let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
            Err(Rejection::invalid(message).at("tool_choice"))
        }
        None => Ok(()),
    }
}

/// Arguments as they came back in a request: JSON, or the text as it is.
pub(super) fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
