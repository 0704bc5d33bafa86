//! The final answer: Markdown in which every statement is true of the tool outputs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::evidence::{Evidence, LIST, READ, Reading, SEARCH, Search};
use super::words::words;

/// How many kinds of files are named one by one.
const MAX_KINDS: usize = 6;
/// How many lines are quoted for a word.
const MAX_QUOTES: usize = 4;
/// The longest line that is quoted whole, in characters.
const MAX_LINE: usize = 120;

/// A file in which something was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileHits<'a> {
    pub(super) path: &'a str,
    /// How many of the queries occur in it.
    queries: usize,
    /// In how many lines, counted once per query.
    lines: usize,
}

/// The files with hits: those with more of the queries first, then those with more lines, then by name.
pub(super) fn hits_by_file(evidence: &Evidence) -> Vec<FileHits<'_>> {
    let mut files: BTreeMap<&str, FileHits<'_>> = BTreeMap::new();
    for search in &evidence.searches {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for hit in &search.hits {
            *lines.entry(&hit.path).or_default() += 1;
        }
        for (path, lines) in lines {
            let file = files.entry(path).or_insert(FileHits { path, queries: 0, lines: 0 });
            file.queries += 1;
            file.lines += lines;
        }
    }
    let mut ranked: Vec<FileHits<'_>> = files.into_values().collect();
    ranked.sort_by_key(|file| Reverse((file.queries, file.lines)));
    ranked
}

/// Writes the answer. `offers` says whether a tool could still be called, which explains what was not done.
pub(super) fn write(evidence: &Evidence, offers: impl Fn(&str) -> bool) -> String {
    let sections = [
        summary(evidence, &offers),
        overview(evidence),
        occurrences(evidence),
        readings(evidence),
        failures(evidence),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// What the answer comes to, in a sentence or two.
fn summary(evidence: &Evidence, offers: &impl Fn(&str) -> bool) -> String {
    if evidence.is_empty_folder() {
        return "The folder is empty: there are no files to look at.".into();
    }
    let mut text = String::new();
    let ranked = hits_by_file(evidence);
    if let Some(best) = ranked.first() {
        let words = listed(evidence.searches.iter().filter(|s| !s.hits.is_empty()).map(|s| code(&s.query)));
        let is_cut = evidence.searches.iter().any(|search| search.is_cut);
        let best = code(best.path);
        let _ = match (ranked.len(), is_cut) {
            (1, false) => write!(text, "I found {words} in one file, {best}."),
            (1, true) => write!(text, "I found {words} in at least one file, {best}."),
            (files, false) => write!(text, "I found {words} in {files} files, most of all in {best}."),
            // Where lines are missing, nobody knows which file has the most.
            (files, true) => write!(text, "I found {words} in at least {files} files, among them {best}."),
        };
    } else if !evidence.searches.is_empty() {
        let words = listed(evidence.searches.iter().map(|search| code(&search.query)));
        let _ = write!(text, "I searched for {words} and found nothing.");
    } else if let Some(first) = evidence.readings.first() {
        let _ = write!(text, "I looked through the folder and read {}", code(&first.path));
        text.push_str(match evidence.readings.len() {
            1 => ".",
            _ => " and other files.",
        });
    } else if evidence.has_listing() {
        text.push_str("I looked at the list of files, and no further.");
    } else {
        text.push_str("I could not look at any files, so I cannot say what is in them.");
    }
    for (tool, what) in [(LIST, "list the files"), (SEARCH, "search their text"), (READ, "read them")] {
        let is_wanted = tool != SEARCH || !words(&evidence.question).is_empty();
        if is_wanted && evidence.calls(tool) == 0 && !offers(tool) {
            let _ = write!(text, " I had no tool to {what} with ({}).", code(tool));
        }
    }
    text
}

/// How many files there are, of which kinds, and how large they are in all.
fn overview(evidence: &Evidence) -> String {
    if evidence.files.is_empty() && evidence.folders.is_empty() {
        return String::new();
    }
    let at_least = if evidence.is_cut { "at least " } else { "" };
    let mut text = format!("**What is there:** {at_least}{}", count(evidence.files.len(), "file"));
    if !evidence.folders.is_empty() {
        let _ = write!(text, " and {}", count(evidence.folders.len(), "folder"));
    }
    let sizes: Vec<u64> = evidence.files.values().copied().flatten().collect();
    if !sizes.is_empty() && sizes.len() == evidence.files.len() {
        let _ = write!(text, ", {} in all", size(sizes.iter().sum()));
    }
    if !evidence.files.is_empty() {
        let _ = write!(text, ": {}", kinds(evidence));
    }
    text.push('.');
    let unknown = evidence.unlisted_folders().count();
    if unknown > 0 && !evidence.is_cut {
        let _ =
            write!(text, " Not counted is what {} may hold that I did not list.", count(unknown, "folder"));
    }
    text
}

fn kinds(evidence: &Evidence) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for path in evidence.files.keys() {
        *kinds.entry(kind(path)).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, number)| Reverse(*number));
    let named = kinds.iter().take(MAX_KINDS).map(|(kind, number)| format!("{number} {kind}"));
    let others: usize = kinds.iter().skip(MAX_KINDS).map(|(_, number)| number).sum();
    let others = (others > 0).then(|| format!("{others} of other kinds"));
    listed(named.chain(others))
}

fn kind(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => match extension {
            "rs" => "Rust".into(),
            "md" => "Markdown".into(),
            "toml" => "TOML".into(),
            "json" => "JSON".into(),
            "yml" | "yaml" => "YAML".into(),
            "py" => "Python".into(),
            "txt" => "text".into(),
            other => code(&format!(".{other}")),
        },
        _ => "without an extension".into(),
    }
}

/// Where each word was found, with the lines.
fn occurrences(evidence: &Evidence) -> String {
    if evidence.searches.iter().all(|search| search.hits.is_empty()) {
        return String::new();
    }
    let mut text = String::from("**Where the words occur:**\n");
    for search in &evidence.searches {
        text.push_str(&occurrence(search));
    }
    text
}

fn occurrence(search: &Search) -> String {
    let word = code(&search.query);
    if search.hits.is_empty() {
        return format!("\n- {word}: not found");
    }
    let files: BTreeSet<&str> = search.hits.iter().map(|hit| hit.path.as_str()).collect();
    let at_least = if search.is_cut { "at least " } else { "" };
    let (lines, files) = (count(search.hits.len(), "line"), count(files.len(), "file"));
    let mut text = format!("\n- {word}: {at_least}{lines} in {files}");
    for hit in search.hits.iter().take(MAX_QUOTES) {
        let _ = write!(text, "\n  - {}", code(&format!("{}:{}", hit.path, hit.line)));
        if !hit.text.is_empty() {
            let _ = write!(text, ": {}", code(&hit.text));
        }
    }
    let rest = search.hits.len().saturating_sub(MAX_QUOTES);
    if rest > 0 {
        let _ = write!(text, "\n  - and {rest} more");
    }
    text
}

/// The files that were read: sizes, and how they begin.
fn readings(evidence: &Evidence) -> String {
    if evidence.readings.is_empty() {
        return String::new();
    }
    let mut text = String::from("**What I read:**\n");
    for reading in &evidence.readings {
        let bytes = evidence.files.get(&reading.path).copied().flatten();
        let lines = count(usize::try_from(reading.lines).unwrap_or(usize::MAX), "line");
        let measures: Vec<String> =
            bytes.map(|bytes| format!("{bytes} bytes")).into_iter().chain([lines]).collect();
        let _ = write!(text, "\n- {} ({}): {}", code(&reading.path), measures.join(", "), opening(reading));
    }
    text
}

fn opening(reading: &Reading) -> String {
    let part = if reading.is_part { "read in part; " } else { "" };
    match &reading.opening {
        Some(heading) if reading.is_heading => format!("{part}its first heading is “{}”", cut(heading)),
        Some(line) => format!("{part}begins with {}", code(line)),
        None => format!("{part}it is empty"),
    }
}

/// What did not work, in the words of the tools.
fn failures(evidence: &Evidence) -> String {
    if evidence.failures.is_empty() {
        return String::new();
    }
    let mut text = String::from("**What did not work:**\n");
    for failure in &evidence.failures {
        let call = format!("{} {}", failure.tool, failure.subject);
        let _ = write!(text, "\n- {}: {}", code(call.trim()), cut(&failure.error));
    }
    text
}

/// `512 bytes`, `1.5 KB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `a, b and c`.
pub(super) fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.concat(),
    }
}

/// Inline code, cut to a line's length, in a fence that its own backticks do not end.
fn code(text: &str) -> String {
    let text = cut(text);
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    if longest_run == 0 {
        return format!("`{text}`");
    }
    let fence = "`".repeat(longest_run + 1);
    format!("{fence} {text} {fence}")
}

/// One line without control characters, so that no file writes escape codes to a terminal.
fn cut(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    let text = text.trim();
    match text.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_code_survives_backticks_and_length() {
        assert_eq!(code("let x = 1;"), "`let x = 1;`");
        assert_eq!(code("a `b` ``c``"), "``` a `b` ``c`` ```");
        assert_eq!(code("\u{1b}[31mred\tblue"), "`[31mred blue`");
        assert_eq!(cut(&"ä".repeat(MAX_LINE + 5)), format!("{}…", "ä".repeat(MAX_LINE)));
    }

    #[test]
    fn kinds_go_by_extension() {
        assert_eq!(kind("src/lib.rs"), "Rust");
        assert_eq!(kind("Makefile"), "without an extension");
        assert_eq!(kind(".gitignore"), "without an extension");
        assert_eq!(kind("a.b.css"), "`.css`");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(
            (size(512), size(1536), size(3 << 20)),
            ("512 bytes".into(), "1.5 KB".into(), "3.0 MB".into())
        );
    }
}
