//! `cargo xtask interop`: runs against servers that are not ours, in their own words.
//!
//! aimock is a program for Node.js that speaks the three protocols from a script. It is installed under the target
//! folder, at the version below, and the tests that need it are told where it is; `cargo test` ignores them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cmd::Cmd;
use crate::counts::Counts;
use crate::ignored;
use crate::install::{Manager, Needed};
use crate::workspace::Workspace;

/// The target of the tests.
const TEST: &str = "aimock";
const PACKAGE: &str = "@copilotkit/aimock";
const VERSION: &str = "1.43.0";
/// Where its program is, inside its package.
const PROGRAM: &str = "dist/cli.js";
/// What the tests read the program's path from.
const VARIABLE: &str = "AGENTEXEC_AIMOCK";

/// Node.js and npm come together, from different packages in places.
const MANAGERS: &[Manager] = &[
    Manager::apt(&[&["update"], &["install", "-y", "--no-install-recommends", "nodejs", "npm"]]),
    Manager::of_a_person("dnf", &[&["install", "nodejs", "npm"]]),
    Manager::of_a_person("apk", &[&["add", "nodejs", "npm"]]),
    Manager::of_a_person("pacman", &[&["-S", "nodejs", "npm"]]),
    Manager::brew(&[&["install", "node"]]),
];

const fn needed(program: &'static str) -> Needed {
    Needed {
        program,
        by: "the tests against aimock",
        managers: MANAGERS,
        by_hand: "install Node.js 20 or newer as https://nodejs.org says",
    }
}

pub(crate) fn run(workspace: &Workspace, counts: &mut Counts) -> Result<()> {
    ignored::run(TEST, (VARIABLE, &aimock(workspace)?), counts)
}

/// Makes sure that aimock is installed, and says where its program is.
fn aimock(workspace: &Workspace) -> Result<String> {
    let node = needed("node").ensure()?;
    let npm = needed("npm").ensure()?;
    println!("interop: node {}, npm {}", node.trim(), npm.trim());
    let home = workspace.root.join("target/interop");
    let package: PathBuf = [home.as_path(), "node_modules".as_ref(), PACKAGE.as_ref()].iter().collect();
    if !is_installed(&package) {
        let home = home.to_str().context("the path of the workspace is not UTF-8")?;
        let what = format!("{PACKAGE}@{VERSION}");
        let quiet = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
        Cmd::program("npm", ["install", "--prefix", home].into_iter().chain(quiet).chain([what.as_str()]))
            .run()?;
    }
    if !is_installed(&package) {
        bail!("npm has installed {PACKAGE}, but not {VERSION} in {}", package.display());
    }
    let program = package.join(PROGRAM);
    program.into_os_string().into_string().ok().context("the path of the workspace is not UTF-8")
}

fn is_installed(package: &Path) -> bool {
    let manifest = std::fs::read_to_string(package.join("package.json")).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    manifest.get("version").is_some_and(|version| version == VERSION) && package.join(PROGRAM).is_file()
}
