//! How a model is asked for an answer of a certain form: by a schema that the server enforces, or, where it cannot, by
//! words.

use std::borrow::Cow;

use agentexec_agent_core::OutputFormat;
use agentexec_tools::schema::{Dialect, Schema};
use serde_json::Value;

use crate::features::{Feature, Features};

/// The way in which the form of an answer is asked for.
#[derive(Debug)]
pub(crate) enum Form<'a> {
    /// Any text.
    Any,
    /// A schema that the server holds the model to; to the letter when it is strict.
    Schema { name: &'a str, schema: Value, strict: bool },
    /// Some JSON object; which, the instructions tell.
    Object,
    /// The instructions alone tell it.
    Told,
}

impl<'a> Form<'a> {
    /// The best way that the server knows. A form that is not an object cannot be enforced: no server of these
    /// protocols takes a list, a number or a union at the root of a schema.
    pub(crate) fn of(format: Option<&'a OutputFormat>, without: Features) -> Self {
        let Some(format) = format else { return Self::Any };
        let Ok(schema) = Schema::from_value(format.schema().clone()) else { return Self::Told };
        if without.has(Feature::JsonSchema) {
            return if without.has(Feature::JsonObject) { Self::Told } else { Self::Object };
        }
        let (schema, strict) = in_dialect(&schema, !without.has(Feature::Strict));
        Self::Schema { name: format.name(), schema, strict }
    }

    /// The instructions, with the schema behind them where nothing else tells it. JSON mode wants the word "JSON"
    /// somewhere.
    pub(crate) fn instructions(
        &self,
        instructions: Option<&'a str>,
        format: Option<&'a OutputFormat>,
    ) -> Option<Cow<'a, str>> {
        let (Self::Object | Self::Told, Some(format)) = (self, format) else {
            return instructions.map(Cow::Borrowed);
        };
        let before = instructions.map(|text| format!("{text}\n\n")).unwrap_or_default();
        let schema = format.schema();
        let told = format!(
            "{before}Give your final answer as nothing but JSON that fits this JSON Schema, without a fence around \
             it:\n{schema}"
        );
        Some(Cow::Owned(told))
    }
}

/// The schema as it is sent: in strict form where that is wanted and the schema has one, else in the plain one.
pub(crate) fn in_dialect(schema: &Schema, strict: bool) -> (Value, bool) {
    if strict {
        let converted = schema.in_dialect(Dialect::OpenAiStrict);
        if converted.report.is_expressible() {
            return (converted.schema, true);
        }
    }
    (schema.in_dialect(Dialect::Plain).schema, false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> OutputFormat {
        let properties = json!({"city": {"type": "string"}, "days": {"type": "integer"}});
        OutputFormat::from_unchecked_schema(
            "weather",
            json!({"type": "object", "properties": properties, "required": ["city"]}),
        )
    }

    fn without(features: &[Feature]) -> Features {
        features.iter().copied().collect()
    }

    #[test]
    fn a_schema_is_strict_where_it_can_be_and_may_be() {
        let format = object();
        let Form::Schema { name, schema, strict } = Form::of(Some(&format), without(&[])) else { panic!() };
        assert_eq!((name, strict), ("weather", true));
        assert_eq!(
            (&schema["required"], &schema["additionalProperties"]),
            (&json!(["city", "days"]), &json!(false))
        );

        let open = OutputFormat::from_unchecked_schema(
            "any",
            json!({"type": "object", "additionalProperties": true}),
        );
        for (format, without) in [(&open, without(&[])), (&format, without(&[Feature::Strict]))] {
            let Form::Schema { strict, .. } = Form::of(Some(format), without) else { panic!() };
            assert!(!strict);
        }
    }

    #[test]
    fn what_the_server_cannot_enforce_is_told() {
        let (format, list) =
            (object(), OutputFormat::from_unchecked_schema("list", json!({"type": "array"})));
        let no_schema = without(&[Feature::JsonSchema]);
        let neither = without(&[Feature::JsonSchema, Feature::JsonObject]);
        assert!(matches!(Form::of(Some(&format), no_schema), Form::Object));
        assert!(matches!(Form::of(Some(&format), neither), Form::Told));
        // JSON mode knows objects alone.
        assert!(matches!(Form::of(Some(&list), no_schema), Form::Told));

        let told = Form::Told.instructions(Some("Be brief."), Some(&list)).unwrap();
        assert!(
            told.starts_with("Be brief.\n\n")
                && told.contains("JSON")
                && told.ends_with(r#"{"type":"array"}"#)
        );
        assert!(Form::Object.instructions(None, Some(&list)).unwrap().starts_with("Give"));
        let enforced = Form::of(Some(&format), without(&[]));
        assert_eq!(enforced.instructions(Some("Be brief."), Some(&format)).as_deref(), Some("Be brief."));
        assert_eq!(Form::Any.instructions(None, None), None);
    }
}
