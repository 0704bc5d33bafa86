//! The text files of the repository: what git tracks, and what it would track (new files that are not
//! ignored).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cmd::Cmd;

/// Every text file of the repository, in the order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<TextFile>,
    /// Everything that exists, files that are no text and folders included.
    paths: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let listed = Cmd::program("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .read()
            .context("the files are listed by git: is this a clone of the repository?")?;
        let mut tree = Self::default();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // Listed but gone: deleted, and the deletion is not committed yet.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            match String::from_utf8(bytes) {
                Ok(text) => tree.add(path, text),
                Err(_) => tree.exists(path),
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn add(&mut self, path: &str, text: String) {
        self.exists(path);
        self.files.push(TextFile { path: path.to_owned(), text });
    }

    fn exists(&mut self, path: &str) {
        let ancestors = Path::new(path).ancestors().map(|p| p.display().to_string().replace('\\', "/"));
        self.paths.extend(ancestors);
    }

    /// Whether there is such a file or folder; `""` is the root.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The files whose names end so, for instance `.md`.
    pub(crate) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a TextFile> {
        self.files.iter().filter(move |file| file.path.ends_with(extension))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(path, text.to_owned());
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_files_exist_too() {
        let tree = Tree::from([("docs/src/guide/tools.md", "")]);
        assert!(tree.contains("docs/src/guide/tools.md"));
        assert!(tree.contains("docs/src/guide"));
        assert!(tree.contains(""));
        assert!(!tree.contains("docs/sr"));
    }
}
