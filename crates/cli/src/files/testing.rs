//! A folder for the tests of the tools.

use std::fs;
use std::path::PathBuf;

use super::Root;

/// A folder that goes when this is dropped.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    pub(super) fn root(&self) -> Root {
        Root::open(self.0.path()).unwrap()
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A symbolic link.
    #[cfg(unix)]
    pub(super) fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    /// A named pipe that nobody writes to.
    #[cfg(unix)]
    pub(super) fn pipe(&self, path: &str) {
        let made = std::process::Command::new("mkfifo").arg(self.path(path)).status().unwrap();
        assert!(made.success());
    }
}
