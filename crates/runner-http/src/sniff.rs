//! What an answer is, told by its content type and its first bytes.
//!
//! Servers label JSON as an event stream, event streams as JSON or text, and pages as either. The first bytes do
//! not lie: `{` begins no line of an event stream, and a field name begins no JSON.

/// How many bytes are looked at before the label decides alone.
pub(crate) const MAX_SNIFFED: usize = 1 << 10;

/// The byte order mark, which some servers put before UTF-8. JSON and events are read without it.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Events,
    /// A page, or something else that no provider means to send.
    Other,
    /// Nothing at all.
    Empty,
}

/// What the content type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Json,
    Events,
    Other,
}

impl Label {
    pub(crate) fn of(content_type: Option<&str>) -> Self {
        let full = content_type.unwrap_or_default();
        let kind = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/event-stream" => Self::Events,
            "application/json" | "text/json" => Self::Json,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// The shape of an answer that begins with `beginning`; `None` when more of it must come first.
pub(crate) fn shape(label: Label, beginning: &[u8], has_ended: bool) -> Option<Shape> {
    const FIELDS: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b":"];
    let is_all = has_ended || beginning.len() >= MAX_SNIFFED;
    if !is_all && BOM.starts_with(beginning) {
        return None;
    }
    let text = beginning.strip_prefix(BOM).unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        None if !is_all => None,
        None if label == Label::Events => Some(Shape::Events),
        None if has_ended => Some(Shape::Empty),
        Some(b'{' | b'[') => Some(Shape::Json),
        Some(b'<') => Some(Shape::Other),
        _ if label == Label::Events => Some(Shape::Events),
        _ if FIELDS.iter().any(|field| begins_with_field(text, field)) => Some(Shape::Events),
        _ if !is_all && FIELDS.iter().any(|field| field.starts_with(text)) => None,
        _ if label == Label::Json => Some(Shape::Json),
        _ => Some(Shape::Other),
    }
}

fn begins_with_field(text: &[u8], field: &[u8]) -> bool {
    text.strip_prefix(field).is_some_and(|after| field == b":" || after.starts_with(b":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_win_over_the_label() {
        for (label, beginning, expected) in [
            (Label::Events, &b"{\"error\":"[..], Shape::Json),
            (Label::Other, b" \r\n[1", Shape::Json),
            (Label::Json, b"data: {", Shape::Events),
            (Label::Json, b"event:x", Shape::Events),
            (Label::Other, b": ping\n", Shape::Events),
            (Label::Json, b"\xEF\xBB\xBFid: 1", Shape::Events),
            (Label::Events, b"anything", Shape::Events),
            (Label::Events, b"<html>", Shape::Other),
            (Label::Json, b" <html>", Shape::Other),
            (Label::Json, b"null", Shape::Json),
            (Label::Other, b"upstream error", Shape::Other),
            (Label::Other, b"database is down: sorry", Shape::Other),
        ] {
            assert_eq!(
                shape(label, beginning, false),
                Some(expected),
                "{:?}",
                String::from_utf8_lossy(beginning)
            );
        }
    }

    #[test]
    fn a_beginning_that_says_nothing_waits_for_more() {
        for beginning in [&b""[..], b"\n\n", b"\xEF", b"\xEF\xBB\xBF", b"d", b"dat", b"\nretr"] {
            assert_eq!(shape(Label::Json, beginning, false), None, "{beginning:?}");
        }
        assert_eq!(shape(Label::Json, b"", true), Some(Shape::Empty));
        assert_eq!(shape(Label::Events, b"\n", true), Some(Shape::Events));
        assert_eq!(shape(Label::Other, b"dat", true), Some(Shape::Other));
        assert_eq!(shape(Label::Json, &[b'\n'; MAX_SNIFFED], false), Some(Shape::Json));
    }

    #[test]
    fn a_content_type_is_read_without_its_parameters() {
        assert_eq!(Label::of(Some("Text/Event-Stream; charset=utf-8")), Label::Events);
        assert_eq!(Label::of(Some("application/problem+json")), Label::Json);
        assert_eq!(Label::of(Some("text/html")), Label::Other);
        assert_eq!(Label::of(None), Label::Other);
    }
}
