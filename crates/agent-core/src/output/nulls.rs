//! Nulls for what was left out: a provider that makes every property required (OpenAI) has no other way to leave one
//! out. An answer is taken as it came, or else without them.

use agentexec_tools::schema::drop_nulls;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{OutputFormat, parse, unfenced};
use crate::error::OutputError;

impl OutputFormat {
    /// Whether the text has the form, as it came or as it is meant.
    pub(crate) fn admits_as_meant(&self, text: &str) -> Result<(), OutputError> {
        self.as_meant(text, |text| self.admits(text))
    }

    /// Reads a value from an answer, as it came or as it is meant.
    pub(crate) fn parse_as_meant<T: DeserializeOwned>(&self, text: &str) -> Result<T, OutputError> {
        self.as_meant(text, parse)
    }

    /// What is wrong is said of the answer as it is meant: a null for what was left out is not wrong.
    fn as_meant<R>(
        &self,
        text: &str,
        read: impl Fn(&str) -> Result<R, OutputError>,
    ) -> Result<R, OutputError> {
        read(text).or_else(|error| match self.without_nulls(text) {
            Some(bare) => read(&bare),
            None => Err(error),
        })
    }

    /// The answer without the nulls that its schema has no place for. None if it has none of these.
    fn without_nulls(&self, text: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(unfenced(text)).ok()?;
        let mut bare = answer.clone();
        drop_nulls(&self.schema, &mut bare);
        (bare != answer).then(|| bare.to_string())
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    struct Search {
        words: Vec<Word>,
        limit: Option<u8>,
    }

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    struct Word {
        text: String,
        #[serde(default)]
        weight: u8,
    }

    #[test]
    fn a_null_is_what_was_left_out_where_there_is_no_other_way_to_read_it() {
        let format = OutputFormat::of::<Search>();
        let answer = r#"{"words": [{"text": "a", "weight": null}], "limit": null}"#;
        format.admits_as_meant(answer).unwrap();
        let word = Word { text: "a".into(), weight: 0 };
        let search = Search { words: vec![word], limit: None };
        assert_eq!(format.parse_as_meant::<Search>(answer).unwrap(), search);
        let kept: Value = format.parse_as_meant(answer).unwrap();
        assert!(kept["limit"].is_null() && kept["words"][0].get("weight").is_some());
    }

    #[test]
    fn a_null_for_what_there_must_be_is_named_as_wrong() {
        let error = OutputFormat::of::<Search>().admits_as_meant(r#"{"words": null}"#).unwrap_err();
        assert!(error.to_string().contains("at `words`: invalid type: null"), "{error}");
    }

    #[test]
    fn a_form_that_is_no_object_has_such_nulls_too() {
        let answer = r#"```[{"text": "a", "weight": null}]```"#;
        let words: Vec<Word> = OutputFormat::of::<Vec<Word>>().parse_as_meant(answer).unwrap();
        assert_eq!(words[0].weight, 0);
    }
}
