//! The workspace as cargo sees it: `cargo metadata --no-deps`, cut down to what the commands read.
//!
//! The structs are our own rather than those of the `cargo_metadata` crate because the rules of `tidy` are
//! tested on values that a test writes down, which its non-exhaustive structs do not allow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::cmd::Cmd;

/// The members of the workspace and where it lies.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    #[serde(rename = "packages")]
    pub(crate) members: Vec<Member>,
}

/// One package of the workspace.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// One entry of a dependency table.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for `[dependencies]`, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) features: Vec<String>,
    /// Present for the crates of this workspace.
    pub(crate) path: Option<PathBuf>,
}

/// One thing that cargo can build from a package.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

/// A path as an argument of a command.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let json = Cmd::cargo(["metadata", "--format-version", "1", "--no-deps"]).read()?;
        serde_json::from_str(&json).context("`cargo metadata` answered with JSON that is not understood here")
    }

    /// The path from the root, with `/`, as git and the docs write it.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string().replace('\\', "/")
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The folder of a member, from the root.
    pub(crate) fn folder(&self, member: &Member) -> String {
        self.relative(member.manifest_path.parent().unwrap_or(&self.root))
    }

    /// The members under `crates/`: what users depend on or install, as against the examples and this
    /// program.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| self.folder(member).starts_with("crates/"))
    }
}

impl Member {
    /// The names of its targets of one kind: `lib`, `bin`, `test`, `example` or `bench`.
    pub(crate) fn targets<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|k| k == kind))
            .map(|t| t.name.as_str())
    }
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.path.is_some()
    }
}
