//! Images and files: what a user shows to a model, and what a tool may answer beside text.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// An image or a file, by its address or with its bytes. Cloning is cheap. Its `Debug` form shows what kind it is and
/// how large, not what is in it.
///
/// Which kinds a model takes is the provider's business: one that cannot take what it is given says so before anything
/// is sent.
///
/// ```
/// use agentexec_tools::{Media, MediaKind};
///
/// let chart = Media::image("image/png", b"\x89PNG...");
/// assert_eq!(chart.kind(), MediaKind::Image);
/// assert_eq!(format!("{chart:?}"), "Media(image, image/png, 7 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    kind: MediaKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    #[serde(flatten)]
    source: MediaSource,
}

/// What kind of media it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A document.
    File,
}

/// Where the media are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MediaSource {
    /// At an address that the provider can reach.
    Url(Arc<str>),
    /// Here.
    Data(MediaData),
}

/// The bytes of media, encoded once, as every protocol wants them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaData {
    media_type: Arc<str>,
    base64: Arc<str>,
}

impl MediaData {
    fn new(media_type: &str, bytes: &[u8]) -> Self {
        Self { media_type: media_type.into(), base64: STANDARD.encode(bytes).into() }
    }

    /// The media type, for example `image/png`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The bytes in Base64, with padding.
    #[must_use]
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let padding = self.base64.bytes().rev().take_while(|byte| *byte == b'=').count();
        (self.base64.len() / 4 * 3).saturating_sub(padding)
    }

    /// The bytes as the URL that carries them (`data:image/png;base64,…`).
    #[must_use]
    pub fn url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, self.base64)
    }
}

impl Media {
    /// A picture with its bytes. The media type is that of the bytes, for example `image/png`; it is not checked.
    #[must_use]
    pub fn image(media_type: &str, bytes: &[u8]) -> Self {
        let source = MediaSource::Data(MediaData::new(media_type, bytes));
        Self { kind: MediaKind::Image, name: None, source }
    }

    /// A picture at an address that the provider can reach.
    #[must_use]
    pub fn image_url(url: impl Into<Arc<str>>) -> Self {
        Self { kind: MediaKind::Image, name: None, source: MediaSource::Url(url.into()) }
    }

    /// A document with its bytes, and the name that the model sees. The media type is that of the bytes, for example
    /// `application/pdf`; it is not checked.
    #[must_use]
    pub fn file(name: impl Into<Arc<str>>, media_type: &str, bytes: &[u8]) -> Self {
        let source = MediaSource::Data(MediaData::new(media_type, bytes));
        Self { kind: MediaKind::File, name: Some(name.into()), source }
    }

    /// A document at an address that the provider can reach.
    #[must_use]
    pub fn file_url(url: impl Into<Arc<str>>) -> Self {
        Self { kind: MediaKind::File, name: None, source: MediaSource::Url(url.into()) }
    }

    /// Sets the name that the model sees.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether it is a picture or a document.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Where it is.
    #[must_use]
    pub fn source(&self) -> &MediaSource {
        &self.source
    }

    /// Its name, when it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How many bytes it carries itself: none when it is an address.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.source {
            MediaSource::Url(_) => 0,
            MediaSource::Data(data) => data.bytes(),
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::File => "file",
        })
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({}, {:?})", self.kind, self.source)
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An address may carry a signature that opens it to anybody.
            Self::Url(_) => f.write_str("by URL"),
            Self::Data(data) => data.fmt(f),
        }
    }
}

impl fmt::Debug for MediaData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes", self.media_type, self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_whatever_the_padding() {
        for length in 0..10 {
            assert_eq!(Media::image("image/png", &vec![7; length]).bytes(), length);
        }
        assert_eq!(Media::image_url("https://example.com/a.png").bytes(), 0);
    }

    #[test]
    fn media_are_stored_and_read_back() {
        for media in [
            Media::image("image/png", b"png"),
            Media::image_url("https://example.com/a.png"),
            Media::file("a.pdf", "application/pdf", b"%PDF"),
            Media::file_url("https://example.com/a.pdf").named("a.pdf"),
        ] {
            let text = serde_json::to_string(&media).unwrap();
            assert_eq!(serde_json::from_str::<Media>(&text).unwrap(), media, "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_content_nor_address() {
        let shown =
            format!("{:?}", [Media::image("image/png", b"png"), Media::file_url("https://x/?sig=secret")]);
        assert_eq!(shown, "[Media(image, image/png, 3 bytes), Media(file, by URL)]");
    }
}
