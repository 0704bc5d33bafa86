//! The content blocks of a request, as they stand on the wire.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

/// A block: the model's own, as it came, or one of ours.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Block<'a> {
    Raw(Cow<'a, Value>),
    Own(Own<'a>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Own<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        // Left out when there is nothing to read: an empty text may be refused, no content is documented.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Answer<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

/// What a tool answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer<'a> {
    Text(&'a str),
    Blocks(Vec<Own<'a>>),
}

/// Where an image or a document is.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'a str, data: String },
}

/// A cache breakpoint: everything up to the block that carries it is stored for five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum CacheControl {
    Ephemeral,
}

impl<'a> Own<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text { text, cache_control: None }
    }
}

impl Block<'_> {
    /// Where the cache breakpoint of this block goes; an empty block and one of the model's cannot have one.
    pub(crate) fn breakpoint(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Own(
                Own::Text { cache_control, .. }
                | Own::Image { cache_control, .. }
                | Own::Document { cache_control, .. }
                | Own::ToolResult { content: Some(_), cache_control, .. },
            ) => Some(cache_control),
            _ => None,
        }
    }

    pub(crate) fn is_result(&self) -> bool {
        matches!(self, Self::Own(Own::ToolResult { .. }))
    }
}
