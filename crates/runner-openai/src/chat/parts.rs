//! The content of a message: text, or parts with images and files among them.

use std::borrow::Cow;

use agentexec_agent_core::model::ModelError;
use agentexec_agent_core::transcript::{Media, MediaKind, MediaSource, Part, ToolOutputItem};
use serde::Serialize;

use super::encode::unsupported;

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<ContentPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ContentPart<'a> {
    Text { text: Cow<'a, str> },
    Refusal { refusal: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    File { file: File<'a> },
}

#[derive(Debug, Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Cow<'a, str>,
}

/// A file with its bytes. The protocol wants a name beside them.
#[derive(Debug, Serialize)]
pub(super) struct File<'a> {
    filename: &'a str,
    file_data: String,
}

/// The name of a file that has none.
const UNNAMED: &str = "file";

/// What a user said.
pub(super) fn content(parts: &[Part]) -> Result<Content<'_>, ModelError> {
    if let [Part::Text { text }] = parts {
        return Ok(Content::Text(Cow::Borrowed(text)));
    }
    let parts = parts.iter().map(|part| match part {
        Part::Text { text } => Ok(ContentPart::Text { text: Cow::Borrowed(text) }),
        Part::Media { media } => shown(media),
        _ => Err(unsupported("a part of the user's message")),
    });
    Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
}

/// The images and files that the tools of a turn brought, each with the call that it answers; nothing when there were
/// none.
pub(super) fn attachments<'a>(outputs: &[&'a ToolOutputItem]) -> Result<Option<Content<'a>>, ModelError> {
    let mut parts = Vec::new();
    for output in outputs.iter().filter(|output| !output.media.is_empty()) {
        let text = format!("Attached to the answer of {} ({}):", output.name, output.call_id);
        parts.push(ContentPart::Text { text: Cow::Owned(text) });
        for media in &output.media {
            parts.push(shown(media)?);
        }
    }
    Ok((!parts.is_empty()).then_some(Content::Parts(parts)))
}

/// What the message of a tool says. An answer that is all images and files says where they are.
pub(super) fn answer(output: &ToolOutputItem) -> &str {
    let is_all_media = output.output.is_empty() && !output.media.is_empty();
    if is_all_media { "The answer is attached below." } else { &output.output }
}

fn shown(media: &Media) -> Result<ContentPart<'_>, ModelError> {
    Ok(match (media.kind(), media.source()) {
        (MediaKind::Image, MediaSource::Url(url)) => {
            ContentPart::ImageUrl { image_url: ImageUrl { url: Cow::Borrowed(url) } }
        }
        (MediaKind::Image, MediaSource::Data(data)) => {
            ContentPart::ImageUrl { image_url: ImageUrl { url: Cow::Owned(data.url()) } }
        }
        (MediaKind::File, MediaSource::Data(data)) => {
            let filename = media.name().unwrap_or(UNNAMED);
            ContentPart::File { file: File { filename, file_data: data.url() } }
        }
        (MediaKind::File, MediaSource::Url(_)) => {
            return Err(unsupported("a file by its address: give its bytes, or use the Responses API"));
        }
        _ => return Err(unsupported("media of this kind")),
    })
}
