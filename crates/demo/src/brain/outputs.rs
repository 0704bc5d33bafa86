//! The outputs of the file tools, read with some tolerance: the tools belong to somebody else.

use std::borrow::Cow;

use serde_json::Value;

/// How error texts of tools begin, in lower case.
const ERROR_OPENINGS: &[&str] = &[
    "error:",
    "error calling",
    "error running",
    "an error occurred",
    "invalid arguments",
    "no such tool",
    "tool '",
    "tool `",
    "unknown tool",
];

/// An entry of a listing.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) path: String,
    /// In bytes. Folders have none.
    pub(super) size: Option<u64>,
    pub(super) is_folder: bool,
}

/// The output of `list_files`: a path a line, folders with a `/` at the end, files with a tab and their size.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    pub(super) is_cut: bool,
}

/// A line that a search found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) text: String,
}

/// The output of `search_text`: `path:line: text` a line, or `no match`.
#[derive(Debug, PartialEq)]
pub(super) struct Hits {
    pub(super) hits: Vec<Hit>,
    pub(super) is_cut: bool,
}

/// The output of `read_file`: the text, perhaps after a line `[lines A-B of N]`.
#[derive(Debug, PartialEq)]
pub(super) struct Contents<'a> {
    pub(super) text: &'a str,
    /// The number of the first line of `text`, from 1.
    pub(super) first_line: u64,
    /// How many lines the whole file has, if the tool said so.
    pub(super) lines_in_all: Option<u64>,
}

/// The text of an output, or the first line of the error that it is.
pub(super) fn open(output: &str, is_error: bool) -> Result<Cow<'_, str>, String> {
    let text = match serde_json::from_str::<Value>(output) {
        Ok(Value::String(text)) => Cow::Owned(text),
        Ok(Value::Object(object)) if object.len() == 1 && object.contains_key("error") => {
            let error = object
                .get("error")
                .map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
            return Err(first_line(&error.unwrap_or_default()));
        }
        _ => Cow::Borrowed(output),
    };
    let opening: String = text.trim_start().chars().take(24).collect::<String>().to_lowercase();
    if is_error || ERROR_OPENINGS.iter().any(|known| opening.starts_with(known)) {
        return Err(first_line(&text));
    }
    Ok(text)
}

pub(super) fn listing(text: &str) -> Listing {
    let mut listing = Listing::default();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if is_note(line) {
            listing.is_cut |= says_cut(line);
        } else if let Some(folder) = line.strip_suffix('/') {
            listing.entries.push(Entry { path: tidy(folder), size: None, is_folder: true });
        } else {
            let (path, size) = line.split_once('\t').unwrap_or((line, ""));
            let size = size.split_whitespace().next().and_then(|size| size.parse().ok());
            listing.entries.push(Entry { path: tidy(path), size, is_folder: false });
        }
    }
    listing
}

/// The hits, or the first line of an output that is neither hits nor a "no match".
pub(super) fn hits(text: &str) -> Result<Hits, String> {
    let mut found = Hits { hits: Vec::new(), is_cut: false };
    let mut strange = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(hit) = hit(line) {
            found.hits.push(hit);
        } else if is_note(line.trim()) {
            found.is_cut |= says_cut(line);
        } else if !line.trim().to_lowercase().starts_with("no ") {
            strange.get_or_insert(line);
        }
    }
    match strange {
        Some(line) if found.hits.is_empty() => Err(first_line(line)),
        _ => Ok(found),
    }
}

pub(super) fn contents(text: &str) -> Contents<'_> {
    let whole = Contents { text, first_line: 1, lines_in_all: None };
    let Some((head, rest)) = text.split_once('\n') else {
        return whole;
    };
    let range = head.trim().strip_prefix("[lines ").and_then(|head| head.strip_suffix(']'));
    let Some((span, in_all)) = range.and_then(|range| range.split_once(" of ")) else {
        return whole;
    };
    let first_line = span.split(['-', '–']).next().and_then(|first| first.trim().parse().ok());
    let lines_in_all = in_all.trim().parse().ok();
    Contents { text: rest, first_line: first_line.unwrap_or(1), lines_in_all }
}

/// `path:line: text`; the first `:number:` decides, so a path may hold colons.
fn hit(line: &str) -> Option<Hit> {
    line.match_indices(':').find_map(|(at, _)| {
        let (path, rest) = (line.get(..at)?, line.get(at + 1..)?);
        let (number, text) = rest.split_once(':')?;
        let number = number.parse().ok()?;
        (!path.is_empty()).then(|| Hit { path: tidy(path), line: number, text: text.trim().to_owned() })
    })
}

/// A line about the output rather than of it: `[… more]`, `(empty)`, `no entries`.
fn is_note(line: &str) -> bool {
    let is_bracketed = |open, close| line.starts_with(open) && line.ends_with(close);
    let is_remark = line.starts_with("no ") && !line.contains(['.', '/', '\t']);
    is_bracketed('[', ']') || is_bracketed('(', ')') || line.starts_with('…') || is_remark
}

/// Whether a note says that something was left out.
fn says_cut(note: &str) -> bool {
    ["more", "…", "truncated", "omitted"].iter().any(|word| note.contains(word))
}

fn tidy(path: &str) -> String {
    path.trim().trim_start_matches("./").to_owned()
}

fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_files_with_sizes_folders_and_notes() {
        let listing = listing("src/\n./README.md\t1234\r\nnotes\n\n[… more entries, 40 in all]\n");
        assert!(listing.is_cut);
        let entries: Vec<_> =
            listing.entries.iter().map(|e| (e.path.as_str(), e.size, e.is_folder)).collect();
        assert_eq!(entries, [("src", None, true), ("README.md", Some(1234), false), ("notes", None, false)]);
    }

    #[test]
    fn an_empty_folder_has_no_entries() {
        for text in ["", "\n", "(empty)", "[empty folder]", "no entries"] {
            assert_eq!(listing(text), Listing::default(), "{text:?}");
        }
    }

    #[test]
    fn hits_are_taken_apart_at_the_first_line_number() {
        let found = hits("src/a.rs:12:     let t = \"1:2:3\";\nC:/x/b.rs:7: y\n[… more]").unwrap();
        assert!(found.is_cut);
        assert_eq!(
            found.hits[0],
            Hit { path: "src/a.rs".into(), line: 12, text: "let t = \"1:2:3\";".into() }
        );
        assert_eq!((found.hits[1].path.as_str(), found.hits[1].line), ("C:/x/b.rs", 7));
    }

    #[test]
    fn no_match_is_no_hits_and_something_else_is_an_error() {
        assert_eq!(hits("no match").unwrap().hits, []);
        assert_eq!(hits("").unwrap().hits, []);
        assert_eq!(hits("regex parse error").unwrap_err(), "regex parse error");
    }

    #[test]
    fn contents_may_begin_with_their_range() {
        let part = contents("[lines 10-12 of 80]\nfn main() {\n}\n");
        assert_eq!((part.text, part.first_line, part.lines_in_all), ("fn main() {\n}\n", 10, Some(80)));
        assert_eq!(contents("# Title\ntext").text, "# Title\ntext");
        assert_eq!(contents("[lines").text, "[lines");
    }

    #[test]
    fn errors_are_told_from_texts() {
        assert_eq!(open("No such file: a\nmore", true).unwrap_err(), "No such file: a");
        assert_eq!(open("Error: no such file", false).unwrap_err(), "Error: no such file");
        assert_eq!(open(r#"{"error":"denied"}"#, false).unwrap_err(), "denied");
        assert_eq!(open("\"src/\\nlib.rs\\t3\"", false).unwrap(), "src/\nlib.rs\t3");
        assert_eq!(open("errors are values", false).unwrap(), "errors are values");
    }
}
