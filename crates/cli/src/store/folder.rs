//! Where the default store lives: the user's data folder.

use std::env;
use std::path::PathBuf;

/// The file of the default store, in the folder where this operating system keeps the data of programs; nothing
/// when the user has no home.
pub(crate) fn default_file() -> Option<PathBuf> {
    Some(data_folder()?.join("agentexec").join("activities.db"))
}

#[cfg(target_os = "macos")]
fn data_folder() -> Option<PathBuf> {
    Some(home()?.join("Library/Application Support"))
}

#[cfg(windows)]
fn data_folder() -> Option<PathBuf> {
    absolute(env::var_os("LOCALAPPDATA")?.into())
}

/// As the XDG Base Directory Specification says: a relative path counts as none.
#[cfg(not(any(target_os = "macos", windows)))]
fn data_folder() -> Option<PathBuf> {
    let given = env::var_os("XDG_DATA_HOME").and_then(|path| absolute(path.into()));
    given.or_else(|| Some(home()?.join(".local/share")))
}

#[cfg(not(windows))]
fn home() -> Option<PathBuf> {
    absolute(env::home_dir()?)
}

fn absolute(path: PathBuf) -> Option<PathBuf> {
    path.is_absolute().then_some(path)
}
