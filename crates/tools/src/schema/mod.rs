//! JSON Schemas of tool arguments, and the dialects of JSON Schema that providers take.
//!
//! A [`Schema`] comes from a Rust type ([`schema_of`]) or from elsewhere ([`Schema::from_value`]). It says what
//! the tool accepts, in JSON Schema draft 2020-12, and never changes for a provider's sake.
//!
//! A provider takes less than that, and each takes something else, above all in strict mode, where it promises
//! that the model keeps to the schema. [`Schema::in_dialect`] converts a schema, and reports what it could not
//! keep: a constraint that a dialect does not know is said in the description, so that the model still reads
//! it, and a schema that cannot be strict at all (a map with any keys, say) is named as such, so that the
//! caller sends it in the dialect that is not strict.
//!
//! ```
//! use agentexec_tools::schema::{Dialect, schema_of};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Debug, Deserialize, JsonSchema)]
//! struct Search {
//!     /// What to look for.
//!     #[schemars(length(min = 1))]
//!     query: String,
//!     /// How many results to return.
//!     #[serde(default = "ten")]
//!     results: u8,
//! }
//! fn ten() -> u8 {
//!     10
//! }
//!
//! let schema = schema_of::<Search>();
//! let strict = schema.in_dialect(Dialect::OpenAiStrict);
//! assert!(strict.report.is_expressible());
//! assert_eq!(
//!     strict.schema,
//!     json!({
//!         "type": "object",
//!         "properties": {
//!             "query": {"type": "string", "description": "What to look for.\nAt least 1 character."},
//!             "results": {
//!                 "type": ["integer", "null"],
//!                 "description": "How many results to return.\nDefault: 10.",
//!                 "minimum": 0,
//!                 "maximum": 255,
//!             },
//!         },
//!         "required": ["query", "results"],
//!         "additionalProperties": false,
//!     })
//! );
//!
//! // Every property is required in strict mode, so a model leaves one out by saying null.
//! let mut args = json!({"query": "async runtimes", "results": null});
//! schema.drop_nulls(&mut args);
//! let args: Search = serde_json::from_value(args)?;
//! assert_eq!(args.results, 10);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod limits;
mod merge;
mod nulls;
mod refs;
mod report;
mod root;
mod rules;
mod strict;
mod words;

pub use nulls::drop_nulls;
pub use report::{Action, Entry, Report, Size};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};

type Map = serde_json::Map<String, Value>;

/// How deep the JSON of a schema may be nested.
pub const MAX_DEPTH: usize = 128;

/// How many JSON values a schema may be made of. Enough for the 5,000 properties that OpenAI takes.
pub const MAX_VALUES: usize = 100_000;

/// What a tool accepts as its arguments: a JSON Schema, draft 2020-12, in no provider's dialect.
///
/// It serializes as the schema itself, to the same bytes each time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Schema(Value);

/// Why a JSON value is not the schema of a tool's arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The root does not say `"type": "object"`.
    #[error(
        "the arguments of a tool are an object, but the root of this schema is {found}; \
         write {{\"type\": \"object\", \"properties\": …}} there, with the value as a property"
    )]
    NotAnObject {
        /// What the root is instead.
        found: String,
    },
    /// It is nested deeper than [`MAX_DEPTH`].
    #[error("the schema is nested more than {MAX_DEPTH} levels deep; refer to deep parts with `$ref`")]
    TooDeep,
    /// It is made of more than [`MAX_VALUES`] JSON values.
    #[error(
        "the schema is made of more than {MAX_VALUES} JSON values; accept less, or leave a part of it open"
    )]
    TooLarge,
}

/// The schema of a type that is read with serde as the arguments of a tool.
///
/// Doc comments become descriptions. A type without fields (`()`, or a unit struct) gives an object without
/// properties, since a call always has an object as its arguments. A struct gives an object; what an enum gives
/// is a union, which [`Schema::in_dialect`] turns into an object where it can. The arguments of a tool should
/// not be anything else: no dialect can express a string or a list at the root.
pub fn schema_of<T: JsonSchema + ?Sized>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    if schema.get("type").is_some_and(|kind| kind == "null") {
        schema = schemars::json_schema!({"type": "object", "properties": {}});
    }
    name_no_properties(&mut schema);
    Schema(root::without_reference(schema.to_value()))
}

/// Tells a struct without fields, which has no properties, from a map, which has any.
fn name_no_properties(schema: &mut schemars::Schema) {
    schemars::transform::transform_subschemas(&mut name_no_properties, schema);
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    if is_object && schema.get("properties").is_none() && schema.get("additionalProperties").is_none() {
        schema.insert("properties".to_owned(), json!({}));
    }
}

impl Schema {
    /// A schema written by hand, or given by somebody else's tool. A root that only refers to an object is replaced
    /// with that object. An object that names no properties takes any, which no strict dialect can express: say
    /// `"properties": {}` for one that takes none.
    ///
    /// # Errors
    /// If the root is not of type object, or the schema is over [`MAX_DEPTH`] or [`MAX_VALUES`]. References below it
    /// are not checked here: one that points at nothing is reported by the dialects that would have to follow it.
    pub fn from_value(value: Value) -> Result<Self, SchemaError> {
        if let Err(error) = check_size(&value) {
            dismantle(value);
            return Err(error);
        }
        let is_typed = value.get("type").is_some();
        let value = if is_typed { value } else { root::without_reference(value) };
        check_root(&value)?;
        Ok(Self(value))
    }

    /// The schema as JSON.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// The schema as a provider takes it, and what could not be kept.
    ///
    /// A pure function: the same schema gives the same bytes, which prompt caches depend on.
    pub fn in_dialect(&self, dialect: Dialect) -> Conversion {
        let mut report = Report::default();
        let schema = match (root::object(&self.0, &mut report), dialect.rules()) {
            (None, _) => self.0.clone(),
            (Some(mut object), None) => {
                // OpenAI refuses an object without them, also one that takes any.
                object.entry("properties").or_insert_with(|| json!({}));
                Value::Object(object)
            }
            (Some(object), Some(rules)) => {
                let schema = strict::convert(&self.0, &object, rules, &mut report);
                limits::check(&schema, rules, &mut report);
                schema
            }
        };
        if matches!(dialect, Dialect::Anthropic | Dialect::AnthropicStrict) {
            limits::check_keys(&schema, &mut report);
        }
        Conversion { schema, report }
    }

    /// Takes out of `args` each null at a property that this schema neither requires nor lets be null, at any
    /// depth.
    ///
    /// Strict dialects make every property required, so a model says null for one that it would have left out,
    /// which a `#[serde(default)]` field refuses. Call this before reading the arguments of a strict call; on
    /// others it does no harm. In a union it goes by the form that fits the rest of the value; of several,
    /// by the first that names all its properties.
    pub fn drop_nulls(&self, args: &mut Value) {
        nulls::drop_nulls(&self.0, args);
    }
}

/// Which JSON Schema a provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// What OpenAI without strict mode, MCP and most servers take: draft 2020-12 as it is, but an object at the
    /// root. OpenAI's API answers "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not'
    /// at the top level" to anything else, so a union there becomes one object.
    Plain,
    /// OpenAI's strict mode, in function calling and structured outputs: every object closed, every property
    /// required, no `oneOf`, `allOf` or `default`, references alone, and limits on size.
    ///
    /// Source: <https://developers.openai.com/api/docs/guides/structured-outputs>, "Supported schemas".
    OpenAiStrict,
    /// Anthropic's tools without strict mode: as [`Plain`](Self::Plain), and property names of up to 64 letters,
    /// digits, `_`, `.` and `-`. Its API answers "input_schema does not support oneOf, allOf, or anyOf at the top
    /// level" to a union at the root.
    ///
    /// Source: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>.
    Anthropic,
    /// Anthropic's strict tools and structured outputs: every object closed, optional properties allowed, no
    /// bounds on numbers or lengths, nothing recursive, and limits on optional properties and unions.
    ///
    /// The values of an enum are not safe there: the provider warns that a model may answer with one in other
    /// capitals.
    ///
    /// Source: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>, "JSON Schema
    /// limitations".
    AnthropicStrict,
}

impl Dialect {
    /// Whether the provider promises that arguments match the schema.
    pub fn is_strict(self) -> bool {
        self.rules().is_some()
    }

    fn rules(self) -> Option<&'static rules::Rules> {
        match self {
            Self::Plain | Self::Anthropic => None,
            Self::OpenAiStrict => Some(&rules::OPENAI),
            Self::AnthropicStrict => Some(&rules::ANTHROPIC),
        }
    }
}

/// A schema in a dialect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conversion {
    /// The schema to send. If the report is not [expressible](Report::is_expressible), it is unfinished, and of
    /// use only for looking into.
    pub schema: Value,
    /// What could not be kept.
    pub report: Report,
}

/// Whether a value is within the limits. Goes over it without recursion, since the depth of a value that was not
/// parsed is not known to be harmless.
fn check_size(value: &Value) -> Result<(), SchemaError> {
    let mut waiting = vec![(value, 1)];
    let mut values = 0;
    while let Some((value, depth)) = waiting.pop() {
        values += 1;
        if depth > MAX_DEPTH {
            return Err(SchemaError::TooDeep);
        }
        if values + waiting.len() > MAX_VALUES {
            return Err(SchemaError::TooLarge);
        }
        match value {
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(entries) => waiting.extend(entries.values().map(|entry| (entry, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

fn check_root(value: &Value) -> Result<(), SchemaError> {
    match value.get("type") {
        Some(kind) if kind == "object" => Ok(()),
        Some(kind) => Err(SchemaError::NotAnObject { found: format!("of type {kind}") }),
        None => Err(SchemaError::NotAnObject { found: "of no type".to_owned() }),
    }
}

/// Drops a value without recursion: one that is too deep to accept is too deep to drop as well.
fn dismantle(value: Value) {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(entries) => waiting.extend(entries.into_iter().map(|(_, entry)| entry)),
            _ => {}
        }
    }
}
