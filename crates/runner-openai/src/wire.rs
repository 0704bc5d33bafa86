//! Reading what servers really send, which is wider than what the protocol describes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Text in any of its forms: a string (borrowed from the input when it has no escapes), a number where a
/// string was meant (ids), an object with a `text`, or a list of such parts, joined. Reading it never fails on
/// valid JSON: what holds no text is empty, so an unknown event with a familiar field is no error.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The text, unless it is empty: an empty id or name means that there is none.
    pub(crate) fn non_empty(text: Option<&Self>) -> Option<&str> {
        text.map(|text| &*text.0).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut joined = String::new();
        while let Some(part) = parts.next_element::<Text<'de>>()? {
            joined.push_str(&part.0);
        }
        Ok(Text(Cow::Owned(joined)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<Self::Value, A::Error> {
        let mut text = Text::default();
        while let Some(key) = part.next_key::<Text<'de>>()? {
            if key.0 == "text" {
                text = part.next_value()?;
            } else {
                part.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }
}

/// Reads a part whose loss is no reason to lose the response (token counts): what cannot be read is a default.
pub(crate) fn lenient<'a, T: Deserialize<'a> + Default>(json: &'a RawValue) -> T {
    serde_json::from_str(json.get()).unwrap_or_default()
}

/// A place in a list, as a number or as text that is one. Anything else is none.
pub(crate) fn place<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let said: Option<&RawValue> = Deserialize::deserialize(from)?;
    let text = said.map(|said| said.get().trim_matches('"').trim());
    let with_point = |text: &str| text.parse().ok().filter(|place: &f64| place.fract() == 0.0);
    Ok(text.and_then(|text| text.parse().ok().or_else(|| with_point(text).map(|place| place as i64))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_every_form_that_servers_use() {
        let cases = [
            (r#""plain""#, "plain"),
            (r#""a\nb""#, "a\nb"),
            ("7", "7"),
            ("-7", "-7"),
            (r#"{"type": "text", "text": "part"}"#, "part"),
            ("true", ""),
            (r#"{"parts": ["x"]}"#, ""),
            (r#"[{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, "b"]"#, "ab"),
        ];
        for (json, expected) in cases {
            let text: Text<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(text.0, expected, "{json}");
        }
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let text: Text<'_> = serde_json::from_str(r#""no copy""#).unwrap();
        assert!(matches!(text.0, Cow::Borrowed(_)));
    }
}
