//! The folder that the tools may see.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use agentexec::tools::ToolError;
use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, ReadDir};

use super::failed;
use super::rules::{self, Rules};

/// A folder, and nothing outside it.
#[derive(Debug)]
pub(crate) struct Root {
    dir: Dir,
    /// Only a name, for the rules of what git ignores: nothing is opened by it.
    path: PathBuf,
    /// The rules of the repository that the folder is a part of.
    rules: Rules,
}

/// What a path inside a [`Root`] leads to. Links in it are resolved.
#[derive(Debug)]
pub(super) enum Place {
    Folder(PathBuf),
    File(PathBuf),
}

impl Root {
    /// Opens a folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        let rules = rules_above(&path);
        Ok(Self { dir, path, rules })
    }

    /// What the path of a call leads to.
    pub(super) fn place(&self, asked: &str) -> Result<Place, ToolError> {
        let asked_path = if asked.trim().is_empty() { "." } else { asked };
        let told = |error| told(asked, &error);
        let path = self.dir.canonicalize(asked_path).map_err(told)?;
        let metadata = self.dir.metadata(&path).map_err(told)?;
        if metadata.is_dir() {
            Ok(Place::Folder(path))
        } else if metadata.is_file() {
            Ok(Place::File(path))
        } else {
            Err(failed(format_args!(
                "'{asked}' is neither a file nor a folder (a device, a pipe or a socket)"
            )))
        }
    }

    /// The beginning of a file, and whether it goes on behind `limit`. What is no regular file is an error, also
    /// when it has taken the place of one just now: nothing here waits for the other end of a pipe.
    pub(super) fn beginning(&self, path: &Path, limit: u64) -> io::Result<(Vec<u8>, bool)> {
        beginning(self.dir.open_with(path, OpenOptions::new().read(true).nonblock(true))?, limit)
    }

    /// The entries of a folder.
    pub(super) fn entries(&self, path: &Path) -> io::Result<ReadDir> {
        self.dir.read_dir(if path.as_os_str().is_empty() { Path::new(".") } else { path })
    }

    /// What a link inside the folder leads to; an error when that is nothing or outside.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<cap_std::fs::Metadata> {
        self.dir.metadata(path)
    }

    /// The rules that hold in a folder. Those above it are left out when they ignore the folder itself: then
    /// somebody asked for it by name.
    pub(super) fn rules_in(&self, folder: &Path) -> Rules {
        let mut rules = self.rules_of(Path::new(""), self.rules.clone());
        let mut above = PathBuf::new();
        for part in folder.components().filter(|part| matches!(part, Component::Normal(_))) {
            above.push(part);
            rules = self
                .rules_of(&above, if self.ignores(&rules, &above, true) { Rules::default() } else { rules });
        }
        rules
    }

    /// The rules that hold in a folder below one in which `above` hold.
    pub(super) fn rules_of(&self, folder: &Path, above: Rules) -> Rules {
        match self.beginning(&folder.join(rules::FILE), rules::FILE_LIMIT) {
            Ok((text, _)) => above.with(&self.path.join(folder), &String::from_utf8_lossy(&text)),
            Err(_) => above,
        }
    }

    /// Whether the rules ignore something inside the folder.
    pub(super) fn ignores(&self, rules: &Rules, path: &Path, is_folder: bool) -> bool {
        rules.ignores(&self.path.join(path), is_folder)
    }
}

/// The rules of the folders above, up to the top of the repository; none where there is no repository.
fn rules_above(path: &Path) -> Rules {
    let Some(top) = path.ancestors().find(|folder| folder.join(".git").exists()) else {
        return Rules::default();
    };
    let mut above: Vec<&Path> =
        path.ancestors().skip(1).take_while(|folder| folder.starts_with(top)).collect();
    above.reverse();
    let rules = above.into_iter().fold(Rules::default(), |rules, folder| {
        let file = folder.join(rules::FILE);
        let text = fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()).then(|| fs::File::open(file));
        match text.and_then(Result::ok).map(|file| beginning(File::from_std(file), rules::FILE_LIMIT)) {
            Some(Ok((text, _))) => rules.with(folder, &String::from_utf8_lossy(&text)),
            _ => rules,
        }
    });
    if rules.ignores(path, true) { Rules::default() } else { rules }
}

fn beginning(file: File, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let goes_on = bytes.len() as u64 > limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((bytes, goes_on))
}

/// What a model is told of a path that cannot be opened.
pub(super) fn told(path: &str, error: &io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => failed(format_args!("'{path}' does not exist; see list_files")),
        io::ErrorKind::NotADirectory => {
            failed(format_args!("'{path}' leads through a file as if it were a folder"))
        }
        // The operating system has not refused it: the folder's handle has.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => failed(format_args!(
            "'{path}' is outside the folder; use a path relative to it, without '..' out of it"
        )),
        io::ErrorKind::PermissionDenied => failed(format_args!("'{path}' may not be read")),
        _ => failed(format_args!("'{path}' cannot be opened: {error}")),
    }
}
