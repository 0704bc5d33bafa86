//! Foreign text, made fit for an error message.

/// The longest message that is taken from a provider, in characters.
const MAX_MESSAGE: usize = 500;

/// How much of a body an error keeps, in bytes.
const MAX_EXCERPT: usize = 4 << 10;

/// One line without control characters, cut at [`MAX_MESSAGE`].
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = length > 0;
            continue;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
            length += 1;
        }
        if length >= MAX_MESSAGE {
            line.push('…');
            break;
        }
        line.push(c);
        length += 1;
    }
    line
}

/// The beginning of a body.
pub(crate) fn excerpt(body: &str) -> String {
    let mut end = body.len().min(MAX_EXCERPT);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.get(..end).unwrap_or_default().to_owned()
}

/// The title of an HTML page, when it has one.
pub(crate) fn html_title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find('<')?;
    page.get(start..end).map(one_line).filter(|title| !title.is_empty())
}

/// Whether a body is an HTML page (or XML, which no provider sends either).
pub(crate) fn is_html(body: &str) -> bool {
    body.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line(" a\r\n\tb\u{0}c  d "), "a b c d");
        let long = one_line(&"ä".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_MESSAGE + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn an_excerpt_ends_on_a_character() {
        let body = format!("x{}", "€".repeat(5_000));
        assert!(excerpt(&body).len() <= MAX_EXCERPT);
        assert!(body.starts_with(&excerpt(&body)));
        assert_eq!(excerpt("short"), "short");
    }

    #[test]
    fn the_title_of_a_page_is_found() {
        assert_eq!(
            html_title("<HTML><Title lang=en>\n 502\n Bad Gateway </title>").as_deref(),
            Some("502 Bad Gateway")
        );
        assert_eq!(html_title("<html><title></title>"), None);
        assert_eq!(html_title("<html><title>never closed"), None);
        assert_eq!(html_title("<p>İ<title>x</title>").as_deref(), Some("x"));
    }

    #[test]
    fn markup_is_known_by_its_first_character() {
        assert!(is_html("\u{feff}\n <!doctype html>"));
        assert!(!is_html("{\"error\": \"<html>\"}"));
    }
}
