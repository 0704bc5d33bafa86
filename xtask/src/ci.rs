//! `cargo xtask ci`: everything that must hold before a merge.
//!
//! A failed step does not hide what the next ones have to say: all of them run, and the table at the end says
//! which failed. The order puts the quick ones first for whoever watches.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::counts::Counts;
use crate::table::Table;
use crate::workspace::Workspace;
use crate::{bench, docs, examples, fuzz, interop, test, tidy};

type Step = fn(&Workspace, &mut Counts) -> Result<()>;

const STEPS: [(&str, Step); 9] = [
    ("fmt", |_, _| fmt()),
    ("tidy", |workspace, _| tidy::run(workspace)),
    ("clippy", |_, _| clippy()),
    ("peers", |workspace, _| bench::check_peers(workspace)),
    ("test", test::run),
    ("interop", interop::run),
    ("fuzz", |workspace, counts| fuzz::run(workspace, fuzz::USUAL, counts)),
    ("docs", |workspace, _| docs::run(workspace, docs::Shown::Compare)),
    ("examples", |workspace, counts| examples::run(workspace, &[], examples::Expected::Compare, counts)),
];

pub(crate) fn run(workspace: &Workspace, counts: &mut Counts) -> Result<()> {
    let mut table = Table::new(["step", "result", "seconds"]);
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        println!("\n== {name} ==");
        let start = Instant::now();
        let result = step(workspace, counts);
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        table.row([name.into(), verdict.into(), start.elapsed().as_secs().to_string()]);
        if let Err(error) = result {
            println!("error: {error:#}");
            failed.push(name);
        }
    }
    println!("\n{table}");
    if !failed.is_empty() {
        let each: Vec<String> = failed.iter().map(|name| format!("`{}`", by_hand(name))).collect();
        bail!("{} failed; to repeat: {}", failed.join(", "), each.join(", "));
    }
    Ok(())
}

/// The fuzz targets and the benches beside a peer are workspaces of their own.
fn fmt() -> Result<()> {
    Cmd::cargo(["fmt", "--all", "--check"]).run()?;
    for manifest in ["fuzz/Cargo.toml", "peers/Cargo.toml"] {
        Cmd::cargo(["fmt", "--manifest-path", manifest, "--check"]).run()?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    Cmd::cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]).run()
}

fn by_hand(step: &str) -> String {
    match step {
        "fmt" => "cargo fmt --all --check".to_owned(),
        "clippy" => "cargo clippy --workspace --all-targets --all-features -- -D warnings".to_owned(),
        "peers" => "cargo check --locked --manifest-path peers/Cargo.toml --benches".to_owned(),
        step => format!("cargo xtask {step}"),
    }
}
