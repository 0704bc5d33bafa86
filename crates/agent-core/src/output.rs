//! Structured output: the form that the final answer of an agent must have.
//!
//! The provider is told the form as a JSON Schema, and most models keep to it; whether they did is checked here
//! all the same. An answer that does not fit is asked for again once, with what is wrong with it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agentexec_agent_core::testing::{ScriptedModel, Turn};
//! use agentexec_agent_core::{Agent, AgentRunner};
//! use agentexec_runner_core::{Run, RunContext};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Weather {
//!     /// In degrees Celsius.
//!     temperature: i32,
//! }
//!
//! let agent = Agent::new("Forecast").output::<Weather>();
//! let model = ScriptedModel::new([Turn::text("It is 21 degrees."), Turn::text(r#"{"temperature": 21}"#)]);
//! let run = AgentRunner::new(model).execute(&RunContext::untracked(), agent.input("Paris?")).await?;
//! let weather: Weather = run.parse()?;
//! assert_eq!(weather.temperature, 21);
//! # Ok(()) }
//! ```

use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::OutputError;

mod nulls;
#[cfg(feature = "json-schema")]
mod schema;

#[cfg(feature = "json-schema")]
pub use self::schema::SchemaError;

/// The most characters of a form's name that every provider takes.
const NAME_LIMIT: usize = 64;

type Read = fn(&str) -> Result<(), OutputError>;
type Check = dyn Fn(&Value) -> Result<(), OutputError> + Send + Sync;

/// The form that the final answer must have: a name, a JSON Schema, and checks of what came. Cloning is cheap.
#[derive(Clone)]
pub struct OutputFormat {
    name: Arc<str>,
    schema: Arc<Value>,
    /// Whether the type can be read from the answer, where the form is that of a type.
    reads: Option<Read>,
    checks: Vec<Arc<Check>>,
}

impl OutputFormat {
    /// The form of a type: its schema, and that it can be read from the answer.
    #[must_use]
    pub fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        Self {
            name: name_of(&T::schema_name()),
            schema: Arc::new(schema.to_value()),
            reads: Some(|text| parse::<T>(text).map(drop)),
            checks: Vec::new(),
        }
    }

    /// A form by its JSON Schema, which the provider is told and against which no answer is held: it is only checked
    /// that the answer is JSON, and what [`check`](Self::check) adds. With the feature `json-schema`, `from_schema` holds
    /// each answer against the schema. Where a provider makes every property required (OpenAI), the answer has null for
    /// one that may be left out. Characters that providers refuse in the name are replaced.
    #[must_use]
    pub fn from_unchecked_schema(name: &str, schema: Value) -> Self {
        Self { name: name_of(name), schema: Arc::new(schema), reads: None, checks: Vec::new() }
    }

    /// Also checks the answer so, once it is known to be JSON of the form and has passed the checks before. What the check
    /// says is what the model is told.
    #[must_use]
    pub fn check(self, check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.checked(move |answer| check(answer).map_err(OutputError::new))
    }

    fn checked(mut self, check: impl Fn(&Value) -> Result<(), OutputError> + Send + Sync + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Its name: letters, digits, `_` and `-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its JSON Schema, as schemars makes it; a provider's dialect is the provider's business.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether the text has the form as it came.
    pub(crate) fn admits(&self, text: &str) -> Result<(), OutputError> {
        if let Some(reads) = self.reads {
            reads(text)?;
            if self.checks.is_empty() {
                return Ok(());
            }
        }
        let answer = parse(text)?;
        self.checks.iter().try_for_each(|check| check(&answer))
    }
}

impl fmt::Debug for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputFormat").field("name", &self.name).finish_non_exhaustive()
    }
}

/// By name and schema; checks cannot be compared.
impl PartialEq for OutputFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.schema == other.schema
    }
}

fn name_of(name: &str) -> Arc<str> {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().map(kept).take(NAME_LIMIT).collect();
    if name.is_empty() { "output".into() } else { name.into() }
}

/// Reads a value from an answer as it came.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, OutputError> {
    let json = unfenced(text);
    if json.is_empty() {
        return Err(OutputError::new("the answer is empty"));
    }
    let mut from = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { String::new() } else { format!("at `{path}`: ") };
        OutputError::new(format!("{at}{}", error.inner()))
    })?;
    from.end().map_err(|error| OutputError::new(error.to_string()))?;
    Ok(value)
}

/// The JSON inside a Markdown fence, which models without a notion of schemas like to put around it.
pub(crate) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inside) = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")) else {
        return text;
    };
    let language = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inside.len());
    inside.get(language..).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    struct Point {
        x: i32,
        tags: Vec<String>,
    }

    fn error(text: &str) -> String {
        OutputFormat::of::<Point>().admits(text).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_is_read_with_and_without_a_fence() {
        let json = r#"{"x": 1, "tags": ["a"]}"#;
        let fences =
            [json.to_owned(), format!(" {json}\n"), format!("```json\n{json}\n```"), format!("```{json}```")];
        for text in fences {
            assert_eq!(parse::<Point>(&text).unwrap(), Point { x: 1, tags: vec!["a".into()] }, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        assert!(error(r#"{"x": 1, "tags": ["a", 2]}"#).contains("tags[1]"));
        assert!(error(r#"{"tags": []}"#).contains("missing field `x`"));
        assert!(error("").contains("empty"));
        assert!(error("It is 1.").contains("expected value"));
        assert!(error(r#"{"x": 1, "tags": []} and more"#).contains("trailing characters"));
    }

    #[test]
    fn a_form_by_schema_is_checked_as_its_owner_says() {
        let format = OutputFormat::from_unchecked_schema("my answer!", json!({"type": "object"}))
            .check(|value| if value.is_object() { Ok(()) } else { Err("not an object".into()) });
        assert_eq!(format.name(), "my_answer_");
        assert!(format.admits("{}").is_ok());
        assert!(format.admits("[]").unwrap_err().to_string().contains("not an object"));
        assert!(format.admits("{").is_err());
    }

    #[test]
    fn the_form_goes_before_the_checks_and_each_check_before_the_next() {
        let at_least = |least: i64| {
            move |answer: &Value| match answer["x"].as_i64() {
                Some(x) if x >= least => Ok(()),
                _ => Err(format!("x must be at least {least}")),
            }
        };
        let format = OutputFormat::of::<Point>().check(at_least(10)).check(at_least(20));
        let wrong = |answer: &str| format.admits(answer).unwrap_err().to_string();
        assert!(wrong(r#"{"x": 1}"#).contains("missing field `tags`"));
        assert_eq!(wrong(r#"{"x": 1, "tags": []}"#), "x must be at least 10");
        assert_eq!(wrong(r#"{"x": 10, "tags": []}"#), "x must be at least 20");
        format.admits(r#"{"x": 20, "tags": []}"#).unwrap();
    }

    #[test]
    fn the_form_of_a_type_has_its_name_and_schema() {
        let format = OutputFormat::of::<Vec<Point>>();
        assert!(!format.name().is_empty() && format.name().len() <= NAME_LIMIT);
        assert_eq!(OutputFormat::of::<Point>().schema()["properties"]["x"]["type"], "integer");
    }
}
