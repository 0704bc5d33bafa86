//! Constraints in words, for the descriptions of what a dialect does not take as a keyword.

use serde_json::Value;

/// The longest piece of JSON that is quoted in a description, in bytes. What is longer is left out.
const MAX_QUOTE: usize = 200;

/// The longest description that is put together from several, in bytes. What does not fit is left out, so that
/// no schema grows out of proportion in its descriptions.
const MAX_TEXT: usize = 4_096;

/// A sentence that says what the keyword says, if one can.
pub(super) fn sentence(keyword: &str, value: &Value) -> Option<String> {
    let counted = |limit: &str, what: &str| {
        let number = value.as_u64()?;
        let plural = if number == 1 { "" } else { "s" };
        Some(format!("{limit} {number} {what}{plural}."))
    };
    match keyword {
        "minLength" => counted("At least", "character"),
        "maxLength" => counted("At most", "character"),
        "minItems" => counted("At least", "item"),
        "maxItems" => counted("At most", "item"),
        "minimum" => Some(format!("At least {}.", quote(value)?)),
        "maximum" => Some(format!("At most {}.", quote(value)?)),
        "exclusiveMinimum" => Some(format!("Greater than {}.", quote(value)?)),
        "exclusiveMaximum" => Some(format!("Less than {}.", quote(value)?)),
        "multipleOf" => Some(format!("A multiple of {}.", quote(value)?)),
        "pattern" => Some(format!("Matches the regular expression {}.", quote(value)?)),
        "format" if is_number_format(value) => None,
        "format" => Some(format!("Format: {}.", value.as_str()?)),
        "uniqueItems" => value.as_bool().filter(|unique| *unique).map(|_| "No item twice.".to_owned()),
        "default" if value.is_null() => None,
        "default" => Some(format!("Default: {}.", quote(value)?)),
        "examples" => Some(format!("Examples: {}.", quotes(value.as_array()?)?)),
        "deprecated" => value.as_bool().filter(|deprecated| *deprecated).map(|_| "Deprecated.".to_owned()),
        "enum" => Some(format!("One of {}.", quotes(value.as_array()?)?)),
        "const" => Some(format!("Always {}.", quote(value)?)),
        other if is_silent(other) => None,
        other => Some(format!("JSON Schema `{other}`: {}.", quote(value)?)),
    }
}

/// The names that schemars gives to Rust's number types say nothing to a model that the type and the bounds do
/// not say.
fn is_number_format(value: &Value) -> bool {
    let number = ["int", "uint", "float", "double"];
    value.as_str().is_some_and(|format| number.iter().any(|prefix| format.starts_with(prefix)))
}

/// Keywords for tools and people, which a model has no use for.
fn is_silent(keyword: &str) -> bool {
    keyword.starts_with('$')
        || keyword.starts_with("x-")
        || matches!(keyword, "title" | "readOnly" | "writeOnly")
}

fn quote(value: &Value) -> Option<String> {
    Some(value.to_string()).filter(|json| json.len() <= MAX_QUOTE)
}

fn quotes(values: &[Value]) -> Option<String> {
    let all = values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    Some(all).filter(|json| json.len() <= MAX_QUOTE)
}

/// Where the sentence of a keyword stands among others: lower bounds before upper ones, the default last.
pub(super) fn rank(keyword: &str) -> usize {
    const ORDER: [&str; 12] = [
        "const",
        "enum",
        "format",
        "pattern",
        "minLength",
        "minItems",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "maxItems",
        "maximum",
        "exclusiveMaximum",
    ];
    let late = usize::from(keyword == "default") + ORDER.len();
    ORDER.iter().position(|known| *known == keyword).unwrap_or(late)
}

/// A description in the making: paragraphs in the order in which they were added, then a line of sentences.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    paragraphs: String,
    sentences: String,
}

impl Text {
    /// A text of the description that a schema has.
    pub(super) fn of(description: Option<&Value>) -> Self {
        // What the author wrote is never cut: the limit is for what is put together here.
        let paragraphs = description.and_then(Value::as_str).unwrap_or_default().trim_end().to_owned();
        Self { paragraphs, sentences: String::new() }
    }

    /// Adds a paragraph, unless the text would then be too long, or has it already.
    pub(super) fn add(&mut self, paragraph: &str) {
        let paragraph = paragraph.trim_end();
        let lines =
            [self.paragraphs.as_str(), &self.sentences].into_iter().chain(self.paragraphs.split('\n'));
        let known = lines.into_iter().any(|known| known == paragraph);
        if !known && self.has_room_for(paragraph) {
            append(&mut self.paragraphs, '\n', paragraph);
        }
    }

    /// Adds a sentence to the last line, unless the text would then be too long.
    pub(super) fn add_sentence(&mut self, sentence: &str) {
        if self.has_room_for(sentence) {
            append(&mut self.sentences, ' ', sentence);
        }
    }

    /// Adds another text as a paragraph.
    pub(super) fn add_text(&mut self, text: Self) {
        self.add(&text.into_string());
    }

    fn has_room_for(&self, more: &str) -> bool {
        !more.is_empty() && self.paragraphs.len() + self.sentences.len() + more.len() < MAX_TEXT
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paragraphs.is_empty() && self.sentences.is_empty()
    }

    pub(super) fn into_string(mut self) -> String {
        append(&mut self.paragraphs, '\n', &self.sentences);
        self.paragraphs
    }

    /// The description, unless there is nothing to say.
    pub(super) fn into_value(self) -> Option<Value> {
        Some(self.into_string()).filter(|text| !text.is_empty()).map(Value::String)
    }
}

fn append(text: &mut String, separator: char, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push(separator);
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn constraints_are_sentences() {
        let says = |keyword, value| sentence(keyword, &value);
        assert_eq!(says("minLength", json!(1)).unwrap(), "At least 1 character.");
        assert_eq!(says("maxItems", json!(3)).unwrap(), "At most 3 items.");
        assert_eq!(says("exclusiveMinimum", json!(0.5)).unwrap(), "Greater than 0.5.");
        assert_eq!(says("default", json!("x")).unwrap(), r#"Default: "x"."#);
        assert_eq!(says("examples", json!([1, 2])).unwrap(), "Examples: 1, 2.");
        assert_eq!(says("not", json!({"const": 3})).unwrap(), r#"JSON Schema `not`: {"const":3}."#);
    }

    #[test]
    fn what_helps_no_model_is_not_said() {
        assert_eq!(sentence("format", &json!("uint32")), None);
        assert_eq!(sentence("default", &json!(null)), None);
        assert_eq!(sentence("uniqueItems", &json!(false)), None);
        assert_eq!(sentence("$comment", &json!("for people")), None);
        assert_eq!(sentence("default", &json!("x".repeat(MAX_QUOTE))), None);
    }

    #[test]
    fn a_text_has_no_paragraph_twice_and_an_end() {
        let mut text = Text::of(Some(&json!("A tree.\n")));
        text.add_sentence("At least 1 item.");
        text.add_sentence("At most 3 items.");
        text.add("A tree.");
        text.add("- `oak`: tall");
        text.add(&"x".repeat(MAX_TEXT));
        assert_eq!(text.into_string(), "A tree.\n- `oak`: tall\nAt least 1 item. At most 3 items.");
    }
}
