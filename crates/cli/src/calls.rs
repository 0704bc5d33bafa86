//! Tool calls in a line each: what was called with what, and what came of it.

use std::collections::HashMap;

use serde_json::Value;

use crate::terminal::one_line;

/// The most bytes of a call's arguments that are kept.
const KEPT: usize = 16 * 1024;
/// The most characters of an argument that are shown.
const VALUE_SHOWN: usize = 60;
/// The longest answer that is shown itself, in characters.
const ANSWER_SHOWN: usize = 40;

/// The calls whose tools have not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Calls(HashMap<String, Call>);

#[derive(Debug, Default)]
struct Call {
    name: String,
    arguments: String,
}

impl Calls {
    pub(crate) fn started(&mut self, id: &str, name: &str) {
        self.0.insert(id.to_owned(), Call { name: name.to_owned(), arguments: String::new() });
    }

    pub(crate) fn arguments(&mut self, id: &str, delta: &str) {
        if let Some(call) = self.0.get_mut(id)
            && call.arguments.len() + delta.len() <= KEPT
        {
            call.arguments.push_str(delta);
        }
    }

    /// The line of a call that was answered.
    pub(crate) fn finished(&mut self, id: &str, name: &str, output: &str, is_error: bool) -> String {
        let call = self.0.remove(id).unwrap_or_default();
        let name = if call.name.is_empty() { name } else { &call.name };
        let arguments = arguments(&call.arguments);
        let gap = if arguments.is_empty() { "" } else { " " };
        format!("{name}{gap}{arguments} → {}", answer(output, is_error))
    }
}

/// `path=src/lib.rs lines=10`: a model's arguments without the punctuation of JSON.
fn arguments(text: &str) -> String {
    let Ok(Value::Object(arguments)) = serde_json::from_str(text) else {
        return cut(&one_line(text), VALUE_SHOWN);
    };
    let given = arguments.iter().filter(|(_, value)| !value.is_null());
    let shown = given.map(|(name, value)| match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => {
            format!("{name}={}", cut(text, VALUE_SHOWN))
        }
        Value::String(text) => format!("{name}=\"{}\"", cut(&one_line(text), VALUE_SHOWN)),
        other => format!("{name}={}", cut(&other.to_string(), VALUE_SHOWN)),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// `120 lines`; short answers and errors as they are. With a note that there is more, `120+ lines`.
fn answer(output: &str, is_error: bool) -> String {
    let mut lines = output.lines();
    let first = lines.next().unwrap_or_default();
    if is_error {
        let said = first.strip_prefix("Error: ").unwrap_or(first);
        return format!("error: {}", one_line(said));
    }
    if lines.next().is_none() && first.chars().count() <= ANSWER_SHOWN {
        return if first.is_empty() { "nothing".to_owned() } else { one_line(first) };
    }
    let (notes, texts): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.starts_with("[…"));
    let more = if notes.is_empty() { "" } else { "+" };
    let plural = if texts.len() == 1 && more.is_empty() { "" } else { "s" };
    format!("{}{more} line{plural}", texts.len())
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_line() {
        let mut calls = Calls::default();
        calls.started("1", "search_text");
        calls.started("2", "list_files");
        calls.arguments("1", r#"{"query":"turn loop","path":".","#);
        calls.arguments("1", r#""regex":false,"depth":null}"#);
        assert_eq!(
            calls.finished("1", "search_text", "a:1: x\nb:2: y\n[… more]\n", false),
            r#"search_text query="turn loop" path=. regex=false → 2+ lines"#
        );
        assert_eq!(calls.finished("2", "list_files", "no match\n", false), "list_files → no match");
        assert_eq!(calls.finished("3", "gone", "", false), "gone → nothing");
    }

    #[test]
    fn an_error_is_shown_by_its_first_line() {
        let mut calls = Calls::default();
        calls.started("1", "read_file");
        calls.arguments("1", "{not json\n");
        let line = calls.finished("1", "read_file", "Error: 'x' does\tnot exist\nmore", true);
        assert_eq!(line, "read_file {not json → error: 'x' does not exist");
    }

    #[test]
    fn long_and_hostile_arguments_stay_one_short_line() {
        let mut calls = Calls::default();
        calls.started("1", "t");
        calls.arguments("1", &serde_json::json!({"a": "x".repeat(100), "b": "1\n\u{1b}[2J2"}).to_string());
        let line = calls.finished("1", "t", "ok", false);
        assert_eq!(line, format!("t a={}… b=\"1 [2J2\" → ok", "x".repeat(VALUE_SHOWN)));
        calls.started("2", "t");
        for _ in 0..100 {
            calls.arguments("2", &"x".repeat(KEPT));
        }
        assert!(calls.finished("2", "t", "", false).len() < 200);
    }
}
