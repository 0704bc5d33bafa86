//! The one place where text reaches the terminal, and where it is made harmless first.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write as _};

use console::{Style, Term};
use serde::Serialize;

/// What a terminal would obey: control characters, but for line breaks and tabs, and bidirectional overrides.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if text.contains(is_obeyed) { text.replace(is_obeyed, "").into() } else { text.into() }
}

/// The text in one line.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Standard output did not take what it was given.
#[derive(Debug)]
pub(crate) struct Unwritten(io::Error);

impl Unwritten {
    /// Whether its reader has gone, who then has seen what he wanted.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer could not be written to standard output")
    }
}

impl Error for Unwritten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A line for standard output, of texts that may have a style.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(String);

impl Line {
    /// Adds a text. The style is left out where the terminal or `NO_COLOR` asks for that.
    pub(crate) fn add(&mut self, text: &str, style: &Style) {
        let styled = style.clone().for_stdout();
        // Writing into a string cannot fail.
        let _ = write!(self.0, "{}", styled.apply_to(one_line(text)));
    }

    /// Adds so many spaces.
    pub(crate) fn add_gap(&mut self, width: usize) {
        self.0.extend(std::iter::repeat_n(' ', width));
    }

    /// Without what is blank at its end.
    pub(crate) fn text(&self) -> &str {
        self.0.trim_end()
    }

    /// Writes it.
    pub(crate) fn print(&self) -> Result<(), Unwritten> {
        print(self.text())
    }
}

/// How many characters a line of standard output has room for; nothing where that is no terminal, or one so
/// narrow that lines cut to it would say nothing.
pub(crate) fn width() -> Option<usize> {
    let (_, width) = Term::stdout().size_checked()?;
    Some(usize::from(width)).filter(|width| *width >= NARROWEST)
}

/// Narrower terminals get their lines whole.
pub(crate) const NARROWEST: usize = 40;

/// Writes a text and a line break to standard output.
pub(crate) fn out(text: &str) -> Result<(), Unwritten> {
    print(&harmless(text))
}

fn print(line: &str) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Unwritten)
}

/// Writes a line of JSON to standard output. In JSON every character can be written as an escape, so what a
/// terminal would obey is not lost.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Unwritten> {
    let text = serde_json::to_string(value).map_err(|error| Unwritten(error.into()))?;
    print(&escaped(&text))
}

fn escaped(json: &str) -> Cow<'_, str> {
    if !json.contains(is_obeyed) {
        return json.into();
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_obeyed(c) {
            // Writing into a string cannot fail, and all of them are in the basic plane.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// Writes a line to standard error: something of ours, styled or not, and a text. That nobody reads it is no
/// reason to stop.
pub(crate) fn err(ours: impl Display, text: &str) {
    let line = format!("{ours}{}", harmless(text));
    let _ = writeln!(io::stderr().lock(), "{}", line.trim_end());
}

/// Says what went wrong.
pub(crate) fn error(text: &str) {
    err("error: ", text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\r\n\tc\u{202e}d\u{9b}e\u{7f}";

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        assert_eq!(harmless(HOSTILE), "a[2Jb\n\tcde");
        assert_eq!(one_line(HOSTILE), "a[2Jb cde");
    }

    #[test]
    fn json_keeps_what_it_says_and_shows_none_of_it() {
        let line = serde_json::to_string(HOSTILE).unwrap();
        let safe = escaped(&line);
        assert!(!safe.contains(is_obeyed), "{safe:?}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), HOSTILE);
    }
}
