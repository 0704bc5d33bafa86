//! What each strict dialect takes.
//!
//! Both lists are allow-lists: a keyword that a provider does not document as supported is not sent, because an
//! unsupported one fails the whole request, and every tool in it, while a missing one is at worst a looser
//! constraint that the description still names.

use serde_json::Value;

/// What becomes of a property that its object does not require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optional {
    /// It stays optional.
    Optional,
    /// It becomes required, and null stands for leaving it out.
    Nullable,
}

/// What a strict dialect takes.
#[derive(Debug)]
pub(super) struct Rules {
    /// Keywords, beside the structural ones, that are taken with any value.
    keywords: &'static [&'static str],
    /// Values of `format`.
    formats: &'static [&'static str],
    /// The largest `minItems`.
    min_items: u64,
    pub(super) optional: Optional,
    /// Whether a definition may contain itself.
    pub(super) recursive: bool,
    pub(super) limits: Limits,
}

/// What a provider limits. None where it does not.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) properties: Option<usize>,
    pub(super) optional: Option<usize>,
    pub(super) unions: Option<usize>,
    pub(super) enum_values: Option<usize>,
    pub(super) name_chars: Option<usize>,
    pub(super) depth: Option<usize>,
    /// Characters of the values of one enum, once it has more than the first number of values.
    pub(super) long_enum: Option<(usize, usize)>,
}

/// OpenAI's structured outputs, which strict function calling shares.
///
/// Source: "Supported schemas" in <https://developers.openai.com/api/docs/guides/structured-outputs>. That page
/// lists `minLength` and `maxLength` neither as supported nor, for models that are not fine-tuned, as
/// unsupported; they are said in words. It does not name `oneOf`, `default`, `prefixItems` and `uniqueItems`
/// either; the API answers "is not permitted" for them, and "$ref cannot have keywords" for a reference that
/// does not stand alone.
pub(super) static OPENAI: Rules = Rules {
    keywords: &["multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxItems"],
    formats: &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"],
    min_items: u64::MAX,
    optional: Optional::Nullable,
    recursive: true,
    limits: Limits {
        properties: Some(5_000),
        optional: None,
        unions: None,
        enum_values: Some(1_000),
        name_chars: Some(120_000),
        depth: Some(10),
        long_enum: Some((250, 15_000)),
    },
};

/// Anthropic's structured outputs, which strict tool use shares.
///
/// Source: "JSON Schema limitations" and "Schema complexity limits" in
/// <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>. The limits on optional and union
/// parameters hold for all strict schemas of a request together; here each schema is held against them alone,
/// and [`Size`](super::Size) lets the caller add up. Beyond them there is a limit on the compiled grammar that
/// is not documented, so a strict request may still be refused as too complex.
pub(super) static ANTHROPIC: Rules = Rules {
    keywords: &["default"],
    formats: &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"],
    min_items: 1,
    optional: Optional::Optional,
    recursive: false,
    limits: Limits {
        properties: None,
        optional: Some(24),
        unions: Some(16),
        enum_values: None,
        name_chars: None,
        depth: None,
        long_enum: None,
    },
};

impl Rules {
    /// Whether the keyword may stay as it is. For keywords that constrain or annotate a value; the structural
    /// ones (`type`, `properties`, `anyOf`, …) are not asked about.
    pub(super) fn takes(&self, keyword: &str, value: &Value) -> bool {
        match keyword {
            "format" => value.as_str().is_some_and(|format| self.formats.contains(&format)),
            "pattern" => value.as_str().is_some_and(is_simple_pattern),
            "minItems" => value.as_u64().is_some_and(|least| least <= self.min_items),
            _ => self.keywords.contains(&keyword),
        }
    }
}

/// Whether a keyword constrains nothing by draft 2020-12.
pub(super) fn is_annotation(keyword: &str) -> bool {
    const ANNOTATIONS: [&str; 11] = [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "format",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
    ];
    is_bookkeeping(keyword) || keyword.starts_with("x-") || ANNOTATIONS.contains(&keyword)
}

/// Whether a keyword is about the document and not about the values: nothing is lost without it.
pub(super) fn is_bookkeeping(keyword: &str) -> bool {
    matches!(keyword, "$schema" | "$id" | "$comment" | "$anchor" | "$vocabulary" | "$defs" | "definitions")
}

/// The types whose values a keyword can constrain. Empty for keywords that constrain any value, or that draft
/// 2020-12 does not know.
pub(super) fn types_of_keyword(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "minLength" | "maxLength" | "pattern" | "contentEncoding" | "contentMediaType" | "contentSchema" => {
            &["string"]
        }
        "format" => &["string", "number", "integer"],
        "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            &["number", "integer"]
        }
        "items" | "prefixItems" | "minItems" | "maxItems" | "uniqueItems" | "contains" | "minContains"
        | "maxContains" | "unevaluatedItems" | "additionalItems" => &["array"],
        "properties"
        | "required"
        | "additionalProperties"
        | "patternProperties"
        | "propertyNames"
        | "minProperties"
        | "maxProperties"
        | "unevaluatedProperties"
        | "dependentRequired"
        | "dependentSchemas"
        | "dependencies" => &["object"],
        _ => &[],
    }
}

/// Whether a regular expression keeps to what both providers take: classes, groups, alternatives and
/// quantifiers, but no look-around, flags, back-references, word boundaries or large ranges.
fn is_simple_pattern(pattern: &str) -> bool {
    /// The largest repetition count that is sent. Anthropic refuses "large ranges" without saying where they
    /// begin.
    const MAX_REPEAT: u32 = 100;
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() || "dDwWsSnrt".contains(escaped) => {}
                _ => return false,
            },
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class && chars.peek() == Some(&'?') => return false,
            '{' if !in_class => {
                let range: String = std::iter::from_fn(|| chars.next_if(|c| *c != '}')).collect();
                let small =
                    |number: &str| number.is_empty() || number.parse().is_ok_and(|n: u32| n <= MAX_REPEAT);
                if !range.split(',').all(small) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_beyond_the_common_subset_are_told_apart() {
        for simple in ["^a$", r"^\d{3}-\d{4}$", "[a-z]+@[a-z.]+", "(a|b)*c?", r"\w+\s\.", "a{2,}", "[(?]"] {
            assert!(is_simple_pattern(simple), "{simple} is simple");
        }
        for hard in ["(?=a)b", "(?<!a)b", r"(a)\1", r"\bword\b", "a{1,5000}", "(?i)a", r"\p{L}", "a{b}"] {
            assert!(!is_simple_pattern(hard), "{hard} is not simple");
        }
    }
}
