//! Rules for any file: its length, its first line, its characters, and what it must not speak of.

use super::test_code::TestCode;
use crate::report::Finding;
use crate::tree::{TextFile, Tree};

/// A source file has one subject; one that is longer has two.
const SOURCE_LINES: usize = 500;
/// Tests grow with the behaviours they pin down, not with ideas, so they have more room.
const TEST_LINES: usize = 800;
/// Files that people write, as against recorded data.
const WRITTEN: [&str; 6] = [".rs", ".toml", ".md", ".sh", ".yml", ".ci/run"];

pub(super) fn check(tree: &Tree, tests: &TestCode) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if file.path.ends_with(".rs") {
            let is_test = tests.contains(&file.path);
            findings.extend(length(file, is_test));
            findings.extend(module_docs(file).filter(|_| !is_test));
        }
        let written = WRITTEN.iter().any(|ending| file.path.ends_with(ending));
        for (number, line) in (1..).zip(file.text.lines()) {
            if written {
                findings.extend(marker(&file.path, number, line));
                findings.extend(characters(&file.path, number, line));
            }
            findings.extend(machine_path(&file.path, number, line));
        }
    }
    findings
}

fn length(file: &TextFile, is_test: bool) -> Option<Finding> {
    let limit = if is_test { TEST_LINES } else { SOURCE_LINES };
    let lines = file.text.lines().count();
    let fix = "split it by subject, so that each file's name says what is in it";
    let problem = || format!("{lines} lines, where {limit} are the limit");
    (lines > limit).then(|| Finding::new("length", &file.path, lines, problem(), fix))
}

/// Modules and programs open with what they are for; the names of test files say it.
fn module_docs(file: &TextFile) -> Option<Finding> {
    let opens = file.text.trim_start().starts_with("//!");
    let fix = "begin with `//!`: what this is, and why it is there";
    (!opens).then(|| Finding::new("module docs", &file.path, 1, "the file does not open with `//!`", fix))
}

/// A note for later is worth its reason or nothing: in parentheses or after a colon.
fn marker(path: &str, number: usize, line: &str) -> Option<Finding> {
    // Put together here, so that this file does not find itself.
    let marker = [concat!("TO", "DO"), concat!("FIX", "ME")].into_iter().find(|marker| {
        line.match_indices(marker).any(|(at, _)| {
            let (before, after) =
                (line.get(..at).unwrap_or_default(), line.get(at + marker.len()..).unwrap_or_default());
            let is_word = !before.ends_with(word_char) && !after.starts_with(word_char);
            let reason = after.strip_prefix('(').or_else(|| after.strip_prefix(':')).unwrap_or_default();
            is_word && reason.trim_matches([' ', ')', ':']).is_empty()
        })
    })?;
    let fix = format!("write `{marker}: why it is not done yet`, or do it");
    Some(Finding::new("marker", path, number, format!("`{marker}` without a reason"), fix))
}

fn word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Characters that a reader does not see: what is on the screen is then not what the compiler or the model
/// reads.
fn characters(path: &str, number: usize, line: &str) -> Option<Finding> {
    let hidden = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let found = line.chars().find(|&c| hidden(c))?;
    let problem = format!("an invisible character, U+{:04X}", u32::from(found));
    Some(Finding::new("characters", path, number, problem, "remove it, or write it as an escape: `\\u{…}`"))
}

/// Folders of somebody's machine mean nothing on another.
fn machine_path(path: &str, number: usize, line: &str) -> Option<Finding> {
    let folders = ["root", "home", "work"].map(|name| format!("/{name}/"));
    let folder = folders.iter().find(|folder| {
        line.match_indices(folder.as_str()).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|c| word_char(c) || matches!(c, '.' | '-' | '}' | '>' | '~'))
        })
    })?;
    let problem = format!("a path of one machine: `{folder}…`");
    Some(Finding::new(
        "machine path",
        path,
        number,
        problem,
        "write it relative to the repository, or as a placeholder",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules<const N: usize>(files: [(&str, &str); N]) -> Vec<(&'static str, usize)> {
        let tree = Tree::from(files);
        check(&tree, &TestCode::of(&tree)).into_iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn a_source_file_has_at_most_500_lines_and_a_test_800() {
        let lines = |n: usize| format!("//! Docs.\n{}", "\n".repeat(n - 1));
        assert_eq!(rules([("crates/x/src/a.rs", &lines(500)), ("crates/x/tests/a.rs", &lines(800))]), []);
        assert_eq!(rules([("crates/x/src/a.rs", &lines(501))]), [("length", 501)]);
        assert_eq!(rules([("crates/x/tests/a.rs", &lines(801))]), [("length", 801)]);
    }

    #[test]
    fn a_module_opens_with_its_docs_and_a_test_file_need_not() {
        assert_eq!(rules([("crates/x/src/a.rs", "use std::fmt;\n")]), [("module docs", 1)]);
        assert_eq!(rules([("examples/examples/a.rs", "fn main() {}\n")]), [("module docs", 1)]);
        assert_eq!(rules([("crates/x/src/a.rs", "//! Docs.\n"), ("crates/x/tests/a.rs", "use x::y;\n")]), []);
    }

    #[test]
    fn a_marker_needs_its_reason() {
        let marker = concat!("TO", "DO");
        for bare in [
            format!("// {marker} later"),
            format!("// {marker}: "),
            format!("// {marker}()"),
            marker.to_owned(),
        ] {
            assert_eq!(rules([("a.md", &bare)]), [("marker", 1)], "{bare}");
        }
        for fine in
            [format!("// {marker}: when 1.0 is out"), format!("// {marker}(until 1.0)"), format!("{marker}S")]
        {
            assert_eq!(rules([("a.md", &fine)]), [], "{fine}");
        }
    }

    #[test]
    fn hidden_characters_are_found_and_text_in_any_language_is_not() {
        for hidden in ["a\u{202e}b", "a\u{200b}b", "a\u{1b}[0m", "a\rb", "\u{feff}a", "a\u{85}b"] {
            assert_eq!(rules([("a.toml", hidden)]), [("characters", 1)], "{hidden:?}");
        }
        assert_eq!(rules([("a.toml", "# naïve → 漢字 … \t`\\u{202e}`")]), []);
        assert_eq!(rules([("tests/data/stream.sse", "data: x\r\u{200b}")]), []);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_paths_of_the_repository_are_not() {
        let home = format!("/{}/", "home");
        for line in [format!("see {home}me/x"), format!("\"{home}x\""), format!("file://{home}x")] {
            assert_eq!(rules([("a.json", &line)]), [("machine path", 1)], "{line}");
        }
        for line in
            [format!("crates{home}x"), format!("https://example.com{home}x"), format!("${{ROOT}}{home}x")]
        {
            assert_eq!(rules([("a.json", &line)]), [], "{line}");
        }
    }
}
