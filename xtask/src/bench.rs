//! `cargo xtask bench`: the criterion benches of all crates, in the profile that users ship.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::redis;
use crate::workspace::Workspace;

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
    if !args.is_empty() {
        line.push("--");
        line.extend(args);
    }
    redis::ensure()?;
    Cmd::cargo(line).run()
}
