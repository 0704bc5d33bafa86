//! `search_text`.

use std::cmp::Reverse;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

use agentexec::tools::ToolError;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::root::Place;
use super::walk::{DEPTH, Kind, walk};
use super::{Root, Stop, failed};

/// The most lines that are shown.
const LINES: usize = 200;
/// The most lines of one file that are shown when a folder is searched.
const LINES_OF_FILE: usize = 10;
/// The most characters of a line that are shown.
const LINE_SHOWN: usize = 240;
/// How much of a long line is shown in front of what was looked for, in characters.
const LINE_BEFORE: usize = 60;
/// Larger files are passed over.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
/// The most bytes that are searched.
const BYTES: usize = 256 * 1024 * 1024;
/// How far into a file a zero byte says that it is no text.
const BINARY_CHECK: usize = 8 * 1024;
/// The most memory of a compiled regular expression.
const PATTERN_LIMIT: usize = 1024 * 1024;

#[derive(Deserialize, JsonSchema)]
pub(super) struct SearchText {
    /// The text to look for, within one line.
    query: String,
    /// The folder or file to look in, relative to the root folder. Default: the root folder.
    #[serde(default = "here")]
    path: String,
    /// Whether the query is a regular expression. Default: it is plain text.
    #[serde(default)]
    regex: bool,
    /// Whether capitals matter. Default: they do not.
    #[serde(default)]
    case_sensitive: bool,
}

fn here() -> String {
    ".".into()
}

/// Lines of the form `path:line: text`, or `no match`. Lines in brackets at the end say what is missing.
pub(super) fn search(root: &Root, args: &SearchText, stop: &Stop) -> Result<String, ToolError> {
    let mut found = Found { pattern: pattern(args)?, files: Vec::new(), seen: Seen::default() };
    match root.place(&args.path)? {
        Place::File(file) => found.file(root, &file.to_string_lossy(), LINES),
        Place::Folder(folder) => found.folder(root, &folder, stop),
    }
    Ok(found.answer())
}

fn pattern(args: &SearchText) -> Result<Regex, ToolError> {
    if args.query.is_empty() {
        return Err(failed("the query is empty; say what to look for"));
    }
    if args.query.contains('\n') {
        return Err(failed(
            "the query has a line break, and lines are searched one by one; look for one of its lines",
        ));
    }
    let source = if args.regex { args.query.clone() } else { regex::escape(&args.query) };
    RegexBuilder::new(&source)
        .case_insensitive(!args.case_sensitive)
        .size_limit(PATTERN_LIMIT)
        .build()
        .map_err(|error| failed(format_args!("the query is not a regular expression: {error}")))
}

/// What was gone through and what was not.
#[derive(Default)]
struct Seen {
    bytes: usize,
    /// Lines that match, in how many files.
    matches: usize,
    matching_files: usize,
    /// Files that are too large.
    large: usize,
    /// Files and folders that may not be read.
    closed: usize,
    /// Why the search did not go on to its end.
    cut: Option<&'static str>,
}

/// A file in which something was found.
struct Matches {
    /// How many files with matches came before it.
    place: usize,
    /// How many lines match.
    count: usize,
    /// The first of them, as they are shown.
    shown: Vec<String>,
}

struct Found {
    pattern: Regex,
    files: Vec<Matches>,
    seen: Seen,
}

impl Found {
    fn folder(&mut self, root: &Root, folder: &Path, stop: &Stop) {
        let passed = walk(root, folder, DEPTH, stop, |entry| {
            // What a link leads to is met where it lies.
            if matches!(entry.kind, Kind::File { .. }) && !entry.is_link && !entry.is_hidden() {
                self.file(root, &entry.path, LINES_OF_FILE);
            }
            if self.seen.cut.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.seen.closed += passed.closed;
        if passed.is_cut {
            self.seen.cut.get_or_insert("there are too many files");
        }
        if passed.is_deep {
            self.seen.cut.get_or_insert("some folders are too deep");
        }
    }

    /// Searches a file, of which up to `limit` lines will be shown.
    fn file(&mut self, root: &Root, path: &str, limit: usize) {
        let bytes = match root.beginning(path.as_ref(), FILE_LIMIT) {
            Ok((_, true)) => {
                self.seen.large += 1;
                return;
            }
            Ok((bytes, false)) => bytes,
            Err(_) => {
                self.seen.closed += 1;
                return;
            }
        };
        self.seen.bytes += bytes.len();
        if self.seen.bytes > BYTES {
            self.seen.cut = Some("there is too much text");
            return;
        }
        if bytes.iter().take(BINARY_CHECK).any(|byte| *byte == 0) {
            return;
        }
        self.lines(path, &String::from_utf8_lossy(&bytes), limit);
    }

    fn lines(&mut self, path: &str, text: &str, limit: usize) {
        let mut matches = Matches { place: self.seen.matching_files, count: 0, shown: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let Some(found) = self.pattern.find(line) else { continue };
            matches.count += 1;
            if matches.shown.len() < limit {
                matches.shown.push(format!("{path}:{number}: {}\n", excerpt(line, found.start())));
            }
        }
        if matches.count > 0 {
            self.seen.matches += matches.count;
            self.seen.matching_files += 1;
            self.files.push(matches);
        }
        if self.files.len() > 2 * LINES {
            self.keep_the_best();
        }
    }

    /// Leaves the files with the most matches, as many as could be shown with a line each.
    fn keep_the_best(&mut self) {
        self.files.sort_by_key(|file| (Reverse(file.count), file.place));
        self.files.truncate(LINES);
    }

    fn answer(mut self) -> String {
        self.keep_the_best();
        let mut room = LINES;
        let mut files: Vec<Matches> = Vec::new();
        for mut file in self.files {
            file.shown.truncate(room);
            room -= file.shown.len();
            files.push(file);
        }
        files.sort_by_key(|file| file.place);
        let mut text: String = files.iter().flat_map(|file| &file.shown).map(String::as_str).collect();
        if text.is_empty() {
            text.push_str("no match\n");
        }
        self.seen.notes(&mut text, LINES - room);
        text
    }
}

impl Seen {
    /// Writing into a string cannot fail.
    fn notes(&self, text: &mut String, shown: usize) {
        let Self { matches, matching_files, large, closed, cut, .. } = *self;
        if matches > shown {
            let files =
                if matching_files == 1 { String::new() } else { format!(" ({matching_files} files in all)") };
            let rest = matches - shown;
            let _ = writeln!(
                text,
                "[… {rest} more lines match{files}: look in one file, or for something rarer]"
            );
        }
        if large > 0 {
            let _ = writeln!(text, "[… and {large} files of more than 4 MiB that were not searched]");
        }
        if closed > 0 {
            let _ = writeln!(text, "[… and {closed} files or folders that may not be read]");
        }
        if let Some(why) = cut {
            let _ = writeln!(text, "[… perhaps more: {why} to search all of it; name a folder of it]");
        }
    }
}

/// The part of a line around what was found.
fn excerpt(line: &str, found: usize) -> String {
    let line = line.trim_end();
    let before = line.get(..found).unwrap_or(line);
    let indent = before.len() - before.trim_start().len();
    let ahead: Vec<usize> = before.char_indices().map(|(at, _)| at).filter(|at| *at >= indent).collect();
    let is_far = ahead.len() > LINE_SHOWN - LINE_BEFORE;
    let start = if is_far { ahead.iter().rev().nth(LINE_BEFORE).copied().unwrap_or(indent) } else { indent };
    let rest = line.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(LINE_SHOWN).map_or(rest.len(), |(end, _)| end);
    let (cut_before, cut_behind) = (if is_far { "…" } else { "" }, if end < rest.len() { "…" } else { "" });
    format!("{cut_before}{}{cut_behind}", rest.get(..end).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Folder;

    fn searched(folder: &Folder, args: serde_json::Value) -> Result<String, String> {
        let args = serde_json::from_value(args).unwrap();
        search(&folder.root(), &args, &Stop::default()).map_err(|error| error.message().to_owned())
    }

    fn found(folder: &Folder, query: &str) -> String {
        searched(folder, serde_json::json!({ "query": query })).unwrap()
    }

    #[test]
    fn lines_are_shown_with_path_and_number() {
        let folder =
            Folder::with(&[("b.rs", "fn main() {\r\n    Turn::next();\r\n}\r\n"), ("a/c.rs", "// turn\n")]);
        assert_eq!(found(&folder, "turn"), "b.rs:2: Turn::next();\na/c.rs:1: // turn\n");
        assert_eq!(found(&folder, "nothing"), "no match\n");
    }

    #[test]
    fn capitals_and_regular_expressions_are_a_matter_of_choice() {
        let folder = Folder::with(&[("a.txt", "Turn\nturn(1)\n")]);
        let search = |query, regex, case| {
            searched(&folder, serde_json::json!({"query": query, "regex": regex, "case_sensitive": case}))
        };
        assert_eq!(search("turn", false, true).unwrap(), "a.txt:2: turn(1)\n");
        assert_eq!(search("turn(1)", false, false).unwrap(), "a.txt:2: turn(1)\n");
        assert_eq!(search("^t.*n$", true, false).unwrap(), "a.txt:1: Turn\n");
        assert!(
            search("(", true, false)
                .unwrap_err()
                .starts_with("Error: the query is not a regular expression:")
        );
        let huge = search("(a{500}){500}", true, false).unwrap_err();
        assert!(huge.contains("size limit"), "{huge}");
    }

    #[test]
    fn a_query_that_no_line_can_match_is_refused() {
        let folder = Folder::with(&[]);
        let error = |query: &str| searched(&folder, serde_json::json!({ "query": query })).unwrap_err();
        assert_eq!(error(""), "Error: the query is empty; say what to look for");
        assert!(error("a\nb").starts_with("Error: the query has a line break"));
    }

    #[test]
    fn ignored_hidden_and_binary_files_are_passed_over_unless_one_is_named() {
        let folder = Folder::with(&[
            (".gitignore", "*.log\n"),
            ("a.log", "needle"),
            (".env", "needle"),
            (".github/ci.yml", "needle"),
            ("image", "needle\0"),
        ]);
        assert_eq!(found(&folder, "needle"), "no match\n");
        let at =
            |path: &str| searched(&folder, serde_json::json!({"query": "needle", "path": path})).unwrap();
        assert_eq!(at("a.log"), "a.log:1: needle\n");
        assert_eq!(at(".env"), ".env:1: needle\n");
        assert_eq!(at(".github"), ".github/ci.yml:1: needle\n");
    }

    #[test]
    fn one_file_does_not_take_all_the_room_unless_it_is_asked_for() {
        let folder = Folder::with(&[("a.txt", &"needle\n".repeat(50)), ("b.txt", "needle\n")]);
        let text = found(&folder, "needle");
        assert!(
            text.contains("\na.txt:10: needle\nb.txt:1: needle\n[… 40 more lines match (2 files in all): "),
            "{text}"
        );
        let text = searched(&folder, serde_json::json!({"query": "needle", "path": "a.txt"})).unwrap();
        assert_eq!(text.lines().count(), 50);
    }

    #[test]
    fn of_too_many_files_those_with_the_most_matches_are_shown() {
        let folder = Folder::with(&[("z/best.txt", &"needle\n".repeat(30))]);
        for number in 0..3 * LINES {
            folder.write(&format!("{number:03}"), "needle\n");
        }
        let text = found(&folder, "needle");
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.starts_with("000:1: needle\n001:1: "), "{text}");
        assert!(text.contains("\n189:1: needle\nz/best.txt:1: needle\n"), "{text}");
        assert!(
            text.contains("\nz/best.txt:10: needle\n[… 430 more lines match (601 files in all): "),
            "{text}"
        );
    }

    #[test]
    fn the_rest_of_a_single_file_is_counted() {
        let folder = Folder::with(&[("a.txt", &"needle\n".repeat(LINES + 5))]);
        let text = searched(&folder, serde_json::json!({"query": "needle", "path": "a.txt"})).unwrap();
        assert!(text.contains(&format!("\na.txt:{LINES}: needle\n[… 5 more lines match: ")), "{text}");
    }

    #[test]
    fn what_a_deep_tree_hides_is_told() {
        let folder = Folder::with(&[(&format!("{}a.txt", "d/".repeat(DEPTH + 1)), "needle")]);
        let text = found(&folder, "needle");
        assert!(text.starts_with("no match\n[… perhaps more: some folders are too deep to search"), "{text}");
    }

    #[test]
    fn a_file_that_is_too_large_is_told() {
        let folder = Folder::with(&[]);
        std::fs::File::create(folder.path("huge")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(
            found(&folder, "x"),
            "no match\n[… and 1 files of more than 4 MiB that were not searched]\n"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_what_was_found() {
        let line = format!("   {}needle{}", "ä".repeat(1000), "ö".repeat(1000));
        let folder = Folder::with(&[("a.js", &line)]);
        let text = found(&folder, "needle");
        let shown =
            format!("{}needle{}", "ä".repeat(LINE_BEFORE + 1), "ö".repeat(LINE_SHOWN - LINE_BEFORE - 7));
        assert_eq!(text, format!("a.js:1: …{shown}…\n"));
        assert_eq!(excerpt("    x  ", 4), "x");
        assert_eq!(excerpt("a    ", 3), "a");
    }

    #[test]
    fn text_in_another_encoding_is_searched_too() {
        let folder = Folder::with(&[]);
        folder.write("latin1.txt", b"gr\xfc\xdfe needle\n");
        assert_eq!(found(&folder, "needle"), "latin1.txt:1: gr\u{fffd}\u{fffd}e needle\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed_and_a_pipe_is_not_waited_for() {
        let outer = Folder::with(&[("secret.txt", "needle"), ("in/a.txt", "x"), ("in/sub/b.txt", "needle")]);
        outer.link("../secret.txt", "in/file");
        outer.link("..", "in/folder");
        outer.link("..", "in/sub/loop");
        outer.link("sub/b.txt", "in/same");
        outer.pipe("in/pipe");
        outer.pipe("in/.gitignore");
        let root = Root::open(&outer.path("in")).unwrap();
        let args = serde_json::from_value(serde_json::json!({"query": "needle"})).unwrap();
        assert_eq!(search(&root, &args, &Stop::default()).unwrap(), "sub/b.txt:1: needle\n");
    }
}
