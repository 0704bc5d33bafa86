//! Images and documents as content blocks.
//!
//! Pictures go as `image` blocks and PDFs and text files as `document` blocks, by their address or with their bytes.
//! What the API does not take is refused here, before anything is sent and paid for.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/vision>,
//! <https://platform.claude.com/docs/en/build-with-claude/pdf-support>.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_agent_core::transcript::{Media, MediaKind, MediaSource};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::content::{Own, Source};

/// The kinds of picture that the API takes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The one kind of document whose bytes the API takes as they are.
const PDF: &str = "application/pdf";

/// What text files of all kinds go as.
const TEXT: &str = "text/plain";

/// What a text file says that has nothing in it: the API refuses an empty one.
const EMPTY: &str = "(empty)";

/// The block for an image or a file.
///
/// # Errors
/// `Unsupported`, naming the kind, when the API does not take it.
pub(crate) fn block(media: &Media) -> Result<Own<'_>, ModelError> {
    let title = media.name();
    match media.source() {
        MediaSource::Data(data) => inline(data.media_type(), data.base64(), title),
        MediaSource::Url(url) => by_url(media.kind(), url, title),
        _ => Err(unsupported("media that are neither at an address nor here")),
    }
}

fn by_url<'a>(kind: MediaKind, url: &'a str, title: Option<&'a str>) -> Result<Own<'a>, ModelError> {
    let scheme = url.split(':').next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("data") {
        // Other providers take bytes in this form; this one has a place of its own for them.
        let encoded = url.get("data:".len()..).and_then(|rest| rest.split_once(";base64,"));
        return match encoded {
            Some((media_type, data)) => inline(media_type, data, title),
            None => Err(unsupported("a data URL that is not in Base64")),
        };
    }
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(unsupported(&format!("{kind}s at other addresses than https and http")));
    }
    let source = Source::Url { url };
    match kind {
        MediaKind::Image => Ok(Own::Image { source, cache_control: None }),
        MediaKind::File => Ok(Own::Document { source, title, cache_control: None }),
        _ => Err(unsupported("this kind of media")),
    }
}

fn inline<'a>(said: &'a str, data: &'a str, title: Option<&'a str>) -> Result<Own<'a>, ModelError> {
    let bare = said.split(';').next().unwrap_or_default().trim();
    // The second name is wrong and widespread.
    let bare = if bare.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { bare };
    let known = |kind: &&str| kind.eq_ignore_ascii_case(bare);
    if let Some(media_type) = IMAGES.into_iter().find(known) {
        return Ok(Own::Image { source: Source::Base64 { media_type, data }, cache_control: None });
    }
    let source = if bare.eq_ignore_ascii_case(PDF) {
        Source::Base64 { media_type: PDF, data }
    } else if is_text(bare) {
        Source::Text { media_type: TEXT, data: decoded(data, bare)? }
    } else {
        return Err(unsupported(&format!("`{bare}`")));
    };
    Ok(Own::Document { source, title, cache_control: None })
}

fn is_text(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    media_type.starts_with("text/") || matches!(&*media_type, "application/json" | "application/xml")
}

fn decoded(data: &str, media_type: &str) -> Result<String, ModelError> {
    let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text =
        text.ok_or_else(|| unsupported(&format!("a file of type `{media_type}` that is not UTF-8")))?;
    Ok(if text.trim().is_empty() { EMPTY.to_owned() } else { text })
}

fn unsupported(what: &str) -> ModelError {
    let message = format!(
        "Anthropic Messages does not take {what}: it takes images (JPEG, PNG, GIF, WebP), PDF and text files, with \
         their bytes or by an address (https or http); convert it or use another model"
    );
    ModelError::new(ModelErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wire(media: &Media) -> Value {
        serde_json::to_value(block(media).unwrap()).unwrap()
    }

    #[test]
    fn each_kind_has_its_block() {
        let image = |source: Value| json!({"type": "image", "source": source});
        for (media, expected) in [
            (
                Media::image("image/png", b"png"),
                image(json!({"type": "base64", "media_type": "image/png", "data": "cG5n"})),
            ),
            (
                Media::image("IMAGE/JPG", b"jpg"),
                image(json!({"type": "base64", "media_type": "image/jpeg", "data": "anBn"})),
            ),
            (
                Media::image_url("https://example.com/a.png"),
                image(json!({"type": "url", "url": "https://example.com/a.png"})),
            ),
            (
                Media::image_url("data:image/gif;base64,Z2lm"),
                image(json!({"type": "base64", "media_type": "image/gif", "data": "Z2lm"})),
            ),
            (
                Media::file("scan.webp", "image/webp", b"webp"),
                image(json!({"type": "base64", "media_type": "image/webp", "data": "d2VicA=="})),
            ),
            (
                Media::file("a.pdf", "application/pdf", b"%PDF"),
                json!({
                    "type": "document", "title": "a.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                }),
            ),
            (
                Media::file_url("https://example.com/a.pdf"),
                json!({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
            ),
            (
                Media::file("a.md", "text/markdown; charset=utf-8", "# Ä".as_bytes()),
                json!({
                    "type": "document", "title": "a.md",
                    "source": {"type": "text", "media_type": "text/plain", "data": "# Ä"},
                }),
            ),
            (
                Media::file("a.json", "application/json", b" "),
                json!({
                    "type": "document", "title": "a.json",
                    "source": {"type": "text", "media_type": "text/plain", "data": "(empty)"},
                }),
            ),
        ] {
            assert_eq!(wire(&media), expected, "{media:?}");
        }
    }

    #[test]
    fn what_the_api_does_not_take_is_named_and_never_quoted() {
        for (media, named) in [
            (Media::image("image/tiff", b"x"), "image/tiff"),
            (Media::file("a.docx", "application/msword", b"x"), "application/msword"),
            (Media::file("a.txt", "text/plain", b"\xff"), "UTF-8"),
            (Media::image_url("data:image/png,secret"), "Base64"),
            (Media::file_url("file:///secret"), "https"),
            (Media::image_url("secret"), "https"),
        ] {
            let error = block(&media).unwrap_err();
            assert_eq!(error.kind(), ModelErrorKind::Unsupported, "{media:?}");
            assert!(error.message().contains(named), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
