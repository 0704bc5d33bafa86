//! `list_files`.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

use agentexec::tools::ToolError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::root::Place;
use super::walk::{Entry, Kind, Passed, walk};
use super::{Root, Stop, failed};

/// The most entries that are shown.
const SHOWN: usize = 500;
/// How many levels are gone down unless the model asks for another number.
const LEVELS: usize = 8;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ListFiles {
    /// The folder, relative to the root folder. Default: the root folder.
    #[serde(default = "here")]
    path: String,
    /// How many levels of folders to go down, 1 for the folder's own entries only. Default: 8.
    #[serde(default = "levels")]
    #[schemars(range(min = 1, max = 64))]
    depth: usize,
}

fn here() -> String {
    ".".into()
}

fn levels() -> usize {
    LEVELS
}

/// One path per line; folders end in `/`, files are followed by a tab and their size in bytes. A last line in
/// brackets says what is missing.
pub(super) fn list(root: &Root, args: &ListFiles, stop: &Stop) -> Result<String, ToolError> {
    let start = match root.place(&args.path)? {
        Place::Folder(folder) => folder,
        Place::File(_) => {
            return Err(failed(format_args!("'{}' is a file; read it with read_file", args.path)));
        }
    };
    let (mut shown, mut count) = (Vec::new(), 0_usize);
    let passed = walk(root, &start, args.depth.max(1), stop, |entry| {
        count += 1;
        if count <= SHOWN {
            shown.push(entry);
        }
        ControlFlow::Continue(())
    });
    // The walk goes level by level; a reader wants what is in a folder below the folder.
    shown.sort_by(|a, b| Path::new(&a.path).cmp(Path::new(&b.path)));
    let mut text: String = shown.iter().map(line).collect();
    if count == 0 && passed == Passed::default() {
        text.push_str("(empty: nothing is in this folder but what git ignores)\n");
    }
    notes(&mut text, count, passed);
    Ok(text)
}

fn line(entry: &Entry) -> String {
    match entry.kind {
        Kind::Folder => format!("{}/\n", entry.path),
        Kind::File { size } => format!("{}\t{size}\n", entry.path),
    }
}

/// Writing into a string cannot fail.
fn notes(text: &mut String, count: usize, passed: Passed) {
    let least = if passed.is_cut { "at least " } else { "" };
    if count > SHOWN || passed.is_cut {
        let _ =
            writeln!(text, "[… more entries, {least}{count} in all; list a folder of them, or with depth 1]");
    }
    if passed.strange > 0 {
        let what = "are no files, or lead out of the folder, or have a name that is not plain text";
        let _ = writeln!(text, "[… {} more that {what}]", passed.strange);
    }
    if passed.closed > 0 {
        let _ = writeln!(text, "[… and what is in {} folders that may not be read]", passed.closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Folder;

    fn listed(folder: &Folder, args: serde_json::Value) -> Result<String, String> {
        let args = serde_json::from_value(args).unwrap();
        list(&folder.root(), &args, &Stop::default()).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn folders_end_in_a_slash_and_files_have_their_size() {
        let folder = Folder::with(&[("b.txt", "12345"), ("a/deep/er.rs", "x"), ("a-b/c.md", "")]);
        let text = listed(&folder, serde_json::json!({})).unwrap();
        assert_eq!(text, "a/\na/deep/\na/deep/er.rs\t1\na-b/\na-b/c.md\t0\nb.txt\t5\n");
    }

    #[test]
    fn a_folder_can_be_named_in_every_relative_form_and_its_entries_keep_their_paths() {
        let folder = Folder::with(&[("a/b/c.txt", "x")]);
        for path in ["a/b", "a/b/", "./a/b", "a/../a/b", "a//b/."] {
            assert_eq!(
                listed(&folder, serde_json::json!({"path": path})).unwrap(),
                "a/b/c.txt\t1\n",
                "{path}"
            );
        }
        for path in ["", " ", ".", "./", "a/.."] {
            let text = listed(&folder, serde_json::json!({"path": path, "depth": 1})).unwrap();
            assert_eq!(text, "a/\n", "{path:?}");
        }
    }

    #[test]
    fn depth_is_counted_from_the_folder() {
        let folder = Folder::with(&[("a/b/c/d.txt", "x")]);
        let listed = |depth| listed(&folder, serde_json::json!({"path": "a", "depth": depth})).unwrap();
        assert_eq!(listed(1), "a/b/\n");
        assert_eq!(listed(2), "a/b/\na/b/c/\n");
        assert_eq!(listed(0), listed(1));
        assert_eq!(listed(1_000_000), "a/b/\na/b/c/\na/b/c/d.txt\t1\n");
    }

    #[test]
    fn what_git_ignores_is_left_out_and_hidden_folders_are_only_named() {
        let folder = Folder::with(&[
            (".gitignore", "*.log\n/target/\n"),
            ("target/out", "x"),
            ("a.log", "x"),
            ("sub/.gitignore", "!keep.log\n"),
            ("sub/keep.log", "x"),
            (".github/ci.yml", "x"),
            (".git/HEAD", "x"),
        ]);
        let text = listed(&folder, serde_json::json!({})).unwrap();
        assert_eq!(text, ".github/\n.gitignore\t15\nsub/\nsub/.gitignore\t10\nsub/keep.log\t1\n");
        assert_eq!(listed(&folder, serde_json::json!({"path": ".github"})).unwrap(), ".github/ci.yml\t1\n");
        assert_eq!(listed(&folder, serde_json::json!({"path": "target"})).unwrap(), "target/out\t1\n");
    }

    #[test]
    fn the_rules_of_the_repository_above_hold_too() {
        let folder = Folder::with(&[
            (".git/HEAD", "x"),
            (".gitignore", "*.log\n"),
            ("sub/a.log", "x"),
            ("sub/b", "x"),
        ]);
        let root = Root::open(&folder.path("sub")).unwrap();
        let args = serde_json::from_str("{}").unwrap();
        assert_eq!(list(&root, &args, &Stop::default()).unwrap(), "b\t1\n");
    }

    #[test]
    fn an_empty_folder_says_so_in_brackets() {
        let text = listed(&Folder::with(&[]), serde_json::json!({})).unwrap();
        assert!(text.starts_with("(empty") && text.ends_with(")\n"), "{text}");
    }

    #[test]
    fn what_is_cut_off_is_the_deepest_and_the_number_is_told() {
        let folder = Folder::with(&[("z.txt", "x")]);
        for number in 0..SHOWN {
            folder.write(&format!("a/{number:03}"), "");
        }
        let text = listed(&folder, serde_json::json!({})).unwrap();
        assert!(text.contains("\nz.txt\t1\n") && text.contains("\na/497\t0\n"), "{text}");
        assert!(!text.contains("a/498"));
        assert!(text.contains("\n[… more entries, 502 in all;"), "{text}");
    }

    #[test]
    fn a_file_is_not_a_folder_and_what_is_not_there_is_told() {
        let folder = Folder::with(&[("a.txt", "x")]);
        let error = |path| listed(&folder, serde_json::json!({"path": path})).unwrap_err();
        assert_eq!(error("a.txt"), "Error: 'a.txt' is a file; read it with read_file");
        assert_eq!(error("b"), "Error: 'b' does not exist; see list_files");
        assert_eq!(error("a.txt/b"), "Error: 'a.txt/b' leads through a file as if it were a folder");
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_are_shown_as_what_they_lead_to_and_not_entered() {
        let folder = Folder::with(&[("real/a.txt", "12"), ("real/sub/b.txt", "x")]);
        folder.link("real", "folder");
        folder.link("real/a.txt", "file");
        folder.link("..", "real/loop");
        let text = listed(&folder, serde_json::json!({})).unwrap();
        assert_eq!(
            text,
            "file\t2\nfolder/\nreal/\nreal/a.txt\t2\nreal/loop/\nreal/sub/\nreal/sub/b.txt\t1\n"
        );
        let text = listed(&folder, serde_json::json!({"path": "folder", "depth": 1})).unwrap();
        assert_eq!(text, "real/a.txt\t2\nreal/loop/\nreal/sub/\n");
    }

    /// Not every file system takes such names.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_shown_is_counted() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::with(&[("a.txt", "x"), ("two\nlines\t9", "x")]);
        folder.link("/etc", "outside");
        folder.link("nowhere", "dangling");
        folder.link("self", "self");
        std::fs::write(folder.path("").join(std::ffi::OsStr::from_bytes(b"\xff.txt")), "x").unwrap();
        folder.pipe("pipe");
        let text = listed(&folder, serde_json::json!({})).unwrap();
        let what = "are no files, or lead out of the folder, or have a name that is not plain text";
        assert_eq!(text, format!("a.txt\t1\n[… 6 more that {what}]\n"));
    }

    #[test]
    fn a_call_that_is_gone_looks_no_further() {
        let folder = Folder::with(&[("a.txt", "x")]);
        let stop = Stop::default();
        drop(crate::files::StopOnDrop(stop.clone()));
        let args = serde_json::from_str("{}").unwrap();
        assert!(!list(&folder.root(), &args, &stop).unwrap().contains("a.txt"));
    }
}
