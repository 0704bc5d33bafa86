//! What git ignores: the rules of `.gitignore` files, from the repository's top down to a folder.
//!
//! The `ignore` crate reads the rules; finding the files is done here, since a `.gitignore` in the folder is
//! foreign input like any other file: one that is a pipe, a device or a link out of the folder must not be read.

use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The file that holds the rules of a folder.
pub(super) const FILE: &str = ".gitignore";
/// The most bytes of a file of rules; of a longer one the rest is passed over.
pub(super) const FILE_LIMIT: u64 = 64 * 1024;

/// The rules of a folder and of those above it. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Option<Arc<Layer>>);

#[derive(Debug)]
struct Layer {
    here: Gitignore,
    above: Rules,
}

impl Rules {
    /// These rules with those of a folder below, whose `.gitignore` says `text`. A line that cannot be read is
    /// passed over, as git does.
    pub(super) fn with(self, folder: &Path, text: &str) -> Self {
        let mut builder = GitignoreBuilder::new(folder);
        for line in text.lines() {
            let _ = builder.add_line(None, line);
        }
        match builder.build() {
            Ok(here) if !here.is_empty() => Self(Some(Arc::new(Layer { here, above: self }))),
            _ => self,
        }
    }

    /// Whether git ignores this file or folder. The nearest rule decides.
    pub(super) fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let mut rules = self;
        while let Some(layer) = &rules.0 {
            match layer.here.matched(path, is_folder) {
                Match::None => rules = &layer.above,
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rule_decides() {
        let rules = Rules::default().with(Path::new("/r"), "*.log\n/build\n");
        let below = rules.clone().with(Path::new("/r/keep"), "!important.log\n");
        assert!(rules.ignores(Path::new("/r/a/b.log"), false));
        assert!(rules.ignores(Path::new("/r/build"), true));
        assert!(!rules.ignores(Path::new("/r/a/build"), true));
        assert!(!below.ignores(Path::new("/r/keep/important.log"), false));
        assert!(below.ignores(Path::new("/r/keep/other.log"), false));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_passed_over() {
        let rules = Rules::default().with(Path::new("/r"), "a[\n*.tmp\n");
        assert!(rules.ignores(Path::new("/r/x.tmp"), false));
        assert!(!rules.ignores(Path::new("/r/x.txt"), false));
    }
}
