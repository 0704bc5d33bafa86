//! `cargo xtask tidy`: the invariants of docs/src/architecture.md and the rules of the house, checked on what
//! cargo knows and on the source text, so that they hold without anybody's good will.
//!
//! A rule is a function from the workspace and its files to findings, and has a test for what it refuses and
//! one for what it lets pass. Not checked here: that no public type exposes a type of a dependency outside
//! the allowed ones. Names alone do not tell which crate a type comes from; rustdoc's JSON does, but only
//! nightly writes it.

mod dependencies;
mod facade;
mod files;
mod layers;
mod library;
mod manifests;
mod rust;
mod test_code;

use anyhow::Result;

use crate::cmd::Cmd;
use crate::report;
use crate::tree::Tree;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::load(&workspace.root)?;
    let tests = test_code::TestCode::of(&tree);
    let mut findings = files::check(&tree, &tests);
    findings.extend(manifests::check(workspace, &tree));
    findings.extend(manifests::lock_is_tracked(&tracked("Cargo.lock")?));
    findings.extend(layers::check(workspace, &tree));
    for wall in layers::WALLS.iter().filter(|wall| workspace.member(wall.package).is_some()) {
        findings.extend(layers::check_wall(wall, &everything_below(wall.package)?));
    }
    findings.extend(dependencies::check(workspace, &tree));
    findings.extend(facade::check(&tree));
    findings.extend(library::check(&tree, &tests));
    report::settle("tidy", findings)?;
    println!("tidy: {} files and {} crates are as they should be", tree.files.len(), workspace.members.len());
    Ok(())
}

fn tracked(path: &str) -> Result<String> {
    Cmd::program("git", ["ls-files", path]).read()
}

/// The names of all crates that a package is built from, with all its features and without its
/// dev-dependencies.
fn everything_below(package: &str) -> Result<String> {
    let format = ["--prefix", "none", "--format", "{p}"];
    let what = ["tree", "-p", package, "--edges", "normal", "--all-features"];
    Cmd::cargo(what.into_iter().chain(format)).read()
}
