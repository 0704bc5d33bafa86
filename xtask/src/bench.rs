//! `cargo xtask bench`: the benches of all crates, then those beside a peer (`peers/`), in the profile that users
//! ship.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::redis;
use crate::workspace::{Workspace, text};

/// The benches that stand beside a client that is not ours.
const PEERS: &str = "peers/Cargo.toml";

/// Runs every bench target; `args` go to criterion (a filter, `--save-baseline NAME`).
///
/// The targets are named one by one because `--benches` also takes the unit tests of every library along,
/// whose harness does not know criterion's arguments.
pub(crate) fn run(workspace: &Workspace, args: &[&str]) -> Result<()> {
    // Crates may have benches of the same name; one `--bench` means all of them.
    let benches: BTreeSet<&str> =
        workspace.members.iter().flat_map(|member| member.targets("bench")).collect();
    if benches.is_empty() {
        bail!(
            "no crate of the workspace has a bench target; add one under `benches/` with `harness = false`"
        );
    }
    let mut line = vec!["bench", "--workspace", "--all-features"];
    for bench in benches {
        line.extend(["--bench", bench]);
    }
    redis::ensure()?;
    Cmd::cargo(with(line, args)).run()?;
    peers(workspace, "bench", args)
}

/// Whether the benches beside a peer still compile: they are in no build of the workspace.
pub(crate) fn check_peers(workspace: &Workspace) -> Result<()> {
    peers(workspace, "check", &[])
}

fn peers(workspace: &Workspace, command: &str, args: &[&str]) -> Result<()> {
    let folder = workspace.target.join("peers");
    let line = vec![command, "--locked", "--manifest-path", PEERS, "--benches"];
    // By the environment, since criterion keeps its records there too.
    Cmd::cargo(with(line, args)).env("CARGO_TARGET_DIR", text(&folder)?).run()
}

fn with<'a>(mut line: Vec<&'a str>, args: &[&'a str]) -> Vec<&'a str> {
    if !args.is_empty() {
        line.push("--");
        line.extend(args);
    }
    line
}
