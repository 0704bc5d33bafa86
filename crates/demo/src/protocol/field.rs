//! A request body read field by field, so that a wrong one is refused by its path and in the provider's words.

use serde_json::Value;

use super::rejection::{Provider, Rejection};

/// A value inside a request, with the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    provider: Provider,
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The whole body, which must be an object.
    pub(crate) fn root(provider: Provider, body: &'a Value) -> Result<Self, Rejection> {
        Self { provider, path: String::new(), value: body }.object()
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Where this is, as `messages[0].content` or, at Anthropic, `messages.0.content`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A member of this object. Null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(self.child(self.path_to(name), value))
    }

    /// A member that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<Field<'a>, Rejection> {
        self.get(name).ok_or_else(|| {
            let path = self.path_to(name);
            match self.provider {
                Provider::OpenAi => Rejection::invalid(format!("Missing required parameter: '{path}'."))
                    .code("missing_required_parameter")
                    .at(path),
                Provider::Anthropic => Rejection::invalid(format!("{path}: Field required")),
            }
        })
    }

    /// The elements of this array.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Rejection> {
        let elements = self.value.as_array().ok_or_else(|| self.mistyped("an array", "list"))?;
        let element = |(at, value)| {
            let path = match self.provider {
                Provider::OpenAi => format!("{}[{at}]", self.path),
                Provider::Anthropic => format!("{}.{at}", self.path),
            };
            self.child(path, value)
        };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    /// The elements of this array, which OpenAI refuses to be without any.
    pub(crate) fn full_list(&self) -> Result<Vec<Field<'a>>, Rejection> {
        let elements = self.list()?;
        if elements.is_empty() {
            let message = format!(
                "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array \
                 instead.",
                self.path
            );
            return Err(Rejection::invalid(message).at(&self.path).code("empty_array"));
        }
        Ok(elements)
    }

    pub(crate) fn object(self) -> Result<Self, Rejection> {
        match self.value.is_object() {
            true => Ok(self),
            false => Err(self.mistyped("an object", "dictionary")),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, Rejection> {
        self.value.as_str().ok_or_else(|| self.mistyped("a string", "string"))
    }

    pub(crate) fn number(&self) -> Result<u64, Rejection> {
        self.value.as_u64().ok_or_else(|| self.mistyped("an integer", "integer"))
    }

    pub(crate) fn flag(&self) -> Result<bool, Rejection> {
        self.value.as_bool().ok_or_else(|| self.mistyped("a boolean", "boolean"))
    }

    /// The string at `name`, if it is there.
    pub(crate) fn text_at(&self, name: &str) -> Result<Option<&'a str>, Rejection> {
        self.get(name).map(|field| field.text()).transpose()
    }

    /// The flag at `name`, if it is there.
    pub(crate) fn flag_at(&self, name: &str) -> Result<Option<bool>, Rejection> {
        self.get(name).map(|field| field.flag()).transpose()
    }

    /// The text of a string, or of an array of typed parts: that of the `texts` kinds is kept, that of the
    /// `others` is passed over, and any other kind is refused.
    pub(crate) fn content(&self, texts: &[&str], others: &[&str]) -> Result<String, Rejection> {
        if let Some(text) = self.value.as_str() {
            return Ok(text.to_owned());
        }
        let mut kept = Vec::new();
        for part in self.list()? {
            let kind = part.clone().object()?.need("type")?;
            match kind.text()? {
                "refusal" if texts.contains(&"refusal") => kept.push(part.need("refusal")?.text()?),
                name if texts.contains(&name) => kept.push(part.need("text")?.text()?),
                name if others.contains(&name) => {}
                _ => return Err(kind.unsupported(&[texts, others].concat())),
            }
        }
        Ok(kept.join("\n"))
    }

    /// Refuses this value as none of those that are supported.
    pub(crate) fn unsupported(&self, supported: &[&str]) -> Rejection {
        let quoted: Vec<String> = supported.iter().map(|name| format!("'{name}'")).collect();
        let (last, rest) = quoted.split_last().map_or(("", &[][..]), |(last, rest)| (last.as_str(), rest));
        let joined = |word: &str| match rest {
            [] => last.to_owned(),
            rest => format!("{} {word} {last}", rest.join(", ")),
        };
        match self.provider {
            Provider::OpenAi => {
                let found = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
                let message = format!("Invalid value: '{found}'. Supported values are: {}.", joined("and"));
                Rejection::invalid(message).at(&self.path).code("invalid_value")
            }
            Provider::Anthropic => {
                Rejection::invalid(format!("{}: Input should be {}", self.path, joined("or")))
            }
        }
    }

    fn mistyped(&self, openai: &str, anthropic: &str) -> Rejection {
        match self.provider {
            Provider::OpenAi => {
                let found = name_of_type(self.value);
                let message =
                    format!("Invalid type for '{}': expected {openai}, but got {found} instead.", self.path);
                Rejection::invalid(message).at(&self.path).code("invalid_type")
            }
            Provider::Anthropic => {
                let at = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
                Rejection::invalid(format!("{at}Input should be a valid {anthropic}"))
            }
        }
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn child(&self, path: String, value: &'a Value) -> Field<'a> {
        Field { provider: self.provider, path, value }
    }
}

fn name_of_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
