//! What lies below a folder, nearest first.
//!
//! The walk goes by the root's handle, follows no links into folders, and has a budget. It goes level by level,
//! so that what a budget cuts off is the deepest and not the last by name.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cap_std::fs::DirEntry;

use super::rules::Rules;
use super::{Root, Stop};

/// The most entries that are looked at.
pub(super) const ENTRIES: usize = 100_000;
/// The deepest level that is entered.
pub(super) const DEPTH: usize = 64;

/// A file or folder that the walk has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path from the root, with `/` between the parts.
    pub(super) path: String,
    /// Whether this is a link to what the kind says.
    pub(super) is_link: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File {
        /// In bytes.
        size: u64,
    },
}

impl Entry {
    pub(super) fn is_hidden(&self) -> bool {
        self.path.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
    }
}

/// What a walk has passed over, so that nobody takes its absence for a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Entries that have no name in plain text, are no files, or lead out of the root or nowhere.
    pub(super) strange: usize,
    /// Folders that may not be read.
    pub(super) closed: usize,
    /// Whether the budget ran out.
    pub(super) is_cut: bool,
    /// Whether folders were too deep to be entered.
    pub(super) is_deep: bool,
}

struct Folder {
    path: PathBuf,
    depth: usize,
    rules: Rules,
}

/// Shows everything below `start` to `visit`, until it has seen enough or the call is gone. Folders are entered
/// down to `depth` levels below `start`, hidden ones and those that git ignores are not.
pub(super) fn walk(
    root: &Root,
    start: &Path,
    depth: usize,
    stop: &Stop,
    mut visit: impl FnMut(Entry) -> ControlFlow<()>,
) -> Passed {
    let mut passed = Passed::default();
    let mut left = ENTRIES;
    let first = Folder { path: start.to_owned(), depth: 1, rules: root.rules_in(start) };
    let mut queue = VecDeque::from([first]);
    while let Some(folder) = queue.pop_front() {
        for entry in entries(root, &folder, stop, &mut left, &mut passed) {
            if stop.is_set() {
                return passed;
            }
            // Behind links the walk would go round in circles.
            let is_entered = entry.kind == Kind::Folder && !entry.is_link && !entry.is_hidden();
            let path = PathBuf::from(&entry.path);
            if visit(entry).is_break() {
                return passed;
            }
            passed.is_deep |= is_entered && folder.depth >= DEPTH;
            if is_entered && folder.depth < depth.min(DEPTH) {
                let rules = root.rules_of(&path, folder.rules.clone());
                queue.push_back(Folder { path, depth: folder.depth + 1, rules });
            }
        }
        if left == 0 {
            passed.is_cut = true;
            return passed;
        }
    }
    passed
}

/// The entries of a folder that git does not ignore, by name.
fn entries(root: &Root, folder: &Folder, stop: &Stop, left: &mut usize, passed: &mut Passed) -> Vec<Entry> {
    let Ok(read) = root.entries(&folder.path) else {
        passed.closed += 1;
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in read.take(*left).take_while(|_| !stop.is_set()) {
        *left -= 1;
        match entry.ok().and_then(|entry| understood(root, &folder.path, &entry)) {
            Some(entry) if entry.path == ".git" || entry.path.ends_with("/.git") => {}
            Some(entry) => {
                if !root.ignores(&folder.rules, Path::new(&entry.path), entry.kind == Kind::Folder) {
                    found.push(entry);
                }
            }
            None => passed.strange += 1,
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Nothing when the name is not plain text or the entry is neither a file nor a folder of this root.
fn understood(root: &Root, folder: &Path, entry: &DirEntry) -> Option<Entry> {
    let name = entry.file_name().into_string().ok().filter(|name| !name.contains(char::is_control))?;
    let path = match folder.to_str()? {
        "" | "." => name,
        folder => format!("{folder}/{name}"),
    };
    let is_link = entry.file_type().ok()?.is_symlink();
    let metadata = if is_link { root.metadata(Path::new(&path)) } else { entry.metadata() }.ok()?;
    let kind = if metadata.is_dir() {
        Kind::Folder
    } else if metadata.is_file() {
        Kind::File { size: metadata.len() }
    } else {
        return None;
    };
    Some(Entry { path, is_link, kind })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::files::testing::Folder;

    fn walked(root: &Root, start: &str) -> (Vec<String>, Passed) {
        let mut paths = Vec::new();
        let passed = walk(root, start.as_ref(), DEPTH, &Stop::default(), |entry| {
            paths.push(entry.path);
            ControlFlow::Continue(())
        });
        (paths, passed)
    }

    #[test]
    fn a_folder_that_is_swapped_for_a_link_is_not_left() {
        let outer = Folder::with(&[("secret/key", "x"), ("in/sub/a", "x")]);
        let root = Root::open(&outer.path("in")).unwrap();
        assert_eq!(walked(&root, "sub").0, ["sub/a"]);
        std::fs::rename(outer.path("in/sub"), outer.path("in/old")).unwrap();
        outer.link("../secret", "in/sub");
        assert_eq!(walked(&root, "sub"), (vec![], Passed { closed: 1, ..Passed::default() }));
        assert_eq!(walked(&root, "").0, ["old", "old/a"]);
    }

    #[test]
    fn the_root_stays_the_folder_that_was_opened() {
        let outer = Folder::with(&[("secret/key", "x"), ("in/a", "x")]);
        let root = Root::open(&outer.path("in")).unwrap();
        std::fs::rename(outer.path("in"), outer.path("old")).unwrap();
        outer.link("secret", "in");
        assert_eq!(walked(&root, "").0, ["a"]);
    }

    #[test]
    fn a_tree_without_end_is_entered_so_deep_and_no_deeper() {
        let folder = Folder::with(&[(&format!("{}bottom", "d/".repeat(DEPTH + 10)), "x")]);
        let (paths, passed) = walked(&folder.root(), "");
        assert_eq!((paths.len(), passed), (DEPTH, Passed { is_deep: true, ..Passed::default() }));
    }
}
