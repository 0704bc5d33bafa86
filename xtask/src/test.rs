//! `cargo xtask test`: the matrix of crates, feature sets and stores.
//!
//! The tests run once, over the whole workspace with all features, because each further combination of
//! features would compile the dependencies again. What such combinations break is compilation, so the feature
//! sets get a `cargo check` each. A store passes when its conformance suite ran in the one run.

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::counts::{Counts, Runner, Tally};
use crate::matrix::{self, FeatureSet, STORES};
use crate::redis;
use crate::table::Table;
use crate::workspace::Workspace;

/// The rows of the closing table, and what failed among them.
struct Matrix {
    table: Table<3>,
    failed: Vec<String>,
}

impl Matrix {
    fn row(&mut self, name: String, ran: String, passed: bool) {
        if !passed {
            self.failed.push(name.clone());
        }
        self.table.row([name, ran, if passed { "ok".into() } else { "FAILED".into() }]);
    }
}

pub(crate) fn run(workspace: &Workspace, counts: &mut Counts) -> Result<()> {
    redis::ensure()?;
    let mut matrix =
        Matrix { table: Table::new(["crates, features", "what ran", "result"]), failed: Vec::new() };

    let tests = tests(&mut matrix)?;
    *counts += tests.total;
    *counts += doctests(&mut matrix)?;
    stores(workspace, &tests, &mut matrix);
    for set in matrix::feature_sets(workspace) {
        let passed = check(&set)?;
        matrix.row(format!("{}, {}", set.package, set.name), "cargo check".into(), passed);
    }

    println!("\n{}", matrix.table);
    if !matrix.failed.is_empty() {
        bail!("failed: {}", matrix.failed.join("; "));
    }
    Ok(())
}

/// The unit and integration tests.
fn tests(matrix: &mut Matrix) -> Result<Tally> {
    const ALL: [&str; 3] = ["--workspace", "--all-features", "--no-fail-fast"];
    let runner = Runner::of_this_machine();
    let run: &[&str] = match runner {
        Runner::Nextest => &["nextest", "run"],
        Runner::Libtest => &["test", "--lib", "--bins", "--tests"],
    };
    let mut tally = Tally::new(runner);
    let passed = Cmd::cargo(run.iter().copied().chain(ALL)).watch(|line| tally.line(line))?;
    matrix.row("workspace, all features".into(), format!("tests: {}", tally.total), passed);
    Ok(tally)
}

fn doctests(matrix: &mut Matrix) -> Result<Counts> {
    let mut tally = Tally::new(Runner::Libtest);
    let cmd = Cmd::cargo(["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"]);
    let passed = cmd.watch(|line| tally.line(line))?;
    matrix.row("workspace, all features".into(), format!("doctests: {}", tally.total), passed);
    Ok(tally.total)
}

/// A store whose suite ran no test fails: a renamed file would otherwise go unnoticed. The failures of the
/// suite itself are those of the run.
fn stores(workspace: &Workspace, tests: &Tally, matrix: &mut Matrix) {
    for store in STORES {
        let ran = tests.passed_in(store.target);
        let (what, there) = match matrix::packages_with_test(workspace, store.target).as_slice() {
            [only] if *only == store.package => {
                (format!("{only} --test {}: {ran} passed", store.target), true)
            }
            [] => (format!("{} has no test target `{}`", store.package, store.target), false),
            others => (format!("the test target `{}` is in {}", store.target, others.join(", ")), false),
        };
        matrix.row(format!("store: {}", store.name), what, there && ran > 0);
    }
    for package in matrix::stores_without_row(workspace) {
        matrix.row(
            format!("store: {package}"),
            "nothing: add it to STORES in xtask/src/matrix.rs".into(),
            false,
        );
    }
}

/// Checks one feature set. A warning fails it: an item that a feature leaves unused is a `cfg` that is
/// missing.
fn check(set: &FeatureSet) -> Result<bool> {
    let args = ["check", "-p", set.package.as_str()].into_iter().chain(set.args.iter().map(String::as_str));
    let mut warned = false;
    let success = Cmd::cargo(args).watch(|line| warned |= counts_warnings(line))?;
    Ok(success && !warned)
}

/// Whether cargo says that a crate of ours has warnings (it shows none of others), also when it was compiled
/// before.
fn counts_warnings(line: &str) -> bool {
    line.starts_with("warning: `") && line.contains(" generated ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_seen_and_other_lines_are_not() {
        assert!(counts_warnings("warning: `agentexec-tools` (lib) generated 1 warning"));
        assert!(!counts_warnings("    Checking agentexec-tools v0.1.0"));
        assert!(!counts_warnings("    Finished `dev` profile [unoptimized + debuginfo] target(s) in 0.29s"));
    }

    #[test]
    fn a_failed_row_fails_the_matrix_and_is_named() {
        let mut matrix = Matrix { table: Table::new(["a", "b", "c"]), failed: Vec::new() };
        matrix.row("tools, no features".into(), "cargo check".into(), true);
        matrix.row("tools, x".into(), "cargo check".into(), false);
        assert_eq!(matrix.failed, ["tools, x"]);
        assert!(matrix.table.to_string().contains("tools, x            cargo check  FAILED"));
    }
}
