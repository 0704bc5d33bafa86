//! The chores of this workspace, so that a person and CI type the same words: `cargo xtask ci`.
//!
//! Each command prints the commands that it runs, so that any of them can be repeated by hand, and stops with
//! an error that says what to do. `main` only reads the command line; each command has a module of its own.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the terminal is what this program is for"
)]

mod bench;
mod ci;
mod cmd;
mod counts;
mod docs;
mod examples;
mod faults;
mod fuzz;
mod ignored;
mod install;
mod interop;
mod markdown;
mod matrix;
mod oracle;
mod process;
mod redis;
mod report;
mod table;
mod test;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::counts::Counts;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask COMMAND

  ci         fmt, tidy, clippy, peers, test, interop, fuzz, docs and examples: everything that must hold before
             a merge
  test       every test and doctest, then each crate with each feature alone, then the stores
  tidy       the invariants of docs/src/architecture.md and the house rules, from metadata and source
  docs       rustdoc without a warning; the book's chapters, links, code and shown output
             --bless writes the output that the examples print into the pages that show it
  examples   run the examples without a key and compare what they print with examples/expected
             [--bless] [NAME…]; --bless writes what they print there
  faults     what the stores survive: processes killed and paused, networks cut, full disks; takes minutes
             [--quick]; --quick runs those cases that `test` runs too
  fuzz       hostile streams for the decoders of the three protocols, guided by coverage
             [SECONDS] for each target; 10 unless told
  interop    runs against aimock, a server of the three protocols that is not ours; needs Node.js, which it
             installs or says how
  oracle     what the runners send, beside what the official Python clients send; needs Python
  redis      make sure of the redis-server that the tests start: installs it, or says how; `test`, `faults`
             and `bench` begin with it
  bench      the benches in release, then those beside a peer (peers/)
             [ARGS…] go to criterion, for instance a filter
  help       this text

`test`, `faults`, `fuzz`, `interop`, `oracle`, `examples` and `ci` end with one line that counts the tests: N passed, N failed, N skipped.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str]) -> Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    if matches!(*command, "help" | "-h" | "--help") {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::load().context("reading the workspace")?;
    std::env::set_current_dir(&workspace.root).context("entering the root of the workspace")?;
    match (*command, rest) {
        ("ci", []) => Ok(counted(|counts| ci::run(&workspace, counts))),
        ("test", []) => Ok(counted(|counts| test::run(&workspace, counts))),
        ("tidy", []) => done(tidy::run(&workspace)),
        ("docs", []) => done(docs::run(&workspace, docs::Shown::Compare)),
        ("docs", ["--bless"]) => done(docs::run(&workspace, docs::Shown::Bless)),
        ("examples", ["--bless", names @ ..]) => {
            Ok(counted(|counts| examples::run(&workspace, names, examples::Expected::Bless, counts)))
        }
        ("examples", names) => {
            Ok(counted(|counts| examples::run(&workspace, names, examples::Expected::Compare, counts)))
        }
        ("faults", []) => Ok(counted(|counts| faults::run(faults::Cases::All, counts))),
        ("faults", ["--quick"]) => Ok(counted(|counts| faults::run(faults::Cases::Quick, counts))),
        ("fuzz", []) => Ok(counted(|counts| fuzz::run(&workspace, fuzz::USUAL, counts))),
        ("fuzz", [seconds]) => {
            let time = fuzz::time(seconds)?;
            Ok(counted(|counts| fuzz::run(&workspace, time, counts)))
        }
        ("interop", []) => Ok(counted(|counts| interop::run(&workspace, counts))),
        ("oracle", []) => Ok(counted(|counts| oracle::run(&workspace, counts))),
        ("redis", []) => done(redis::ensure()),
        ("bench", args) => done(bench::run(&workspace, args)),
        ("ci" | "test" | "tidy" | "docs" | "faults" | "fuzz" | "interop" | "oracle" | "redis", _) => {
            bail!("`cargo xtask {command}` does not know `{}`; see `cargo xtask help`", rest.join(" "))
        }
        _ => bail!("there is no `cargo xtask {command}`; see `cargo xtask help`"),
    }
}

fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// Runs a command that counts tests. Its last line is the counts, also when it failed: CI reads them there.
fn counted(command: impl FnOnce(&mut Counts) -> Result<()>) -> ExitCode {
    let mut counts = Counts::default();
    let result = command(&mut counts);
    if let Err(error) = &result {
        eprintln!("error: {error:#}");
    }
    println!("{counts}");
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
