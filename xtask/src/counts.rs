//! How many tests ran, read from what the runners print.
//!
//! `cargo nextest` closes with one summary. libtest (`cargo test`, doctests) prints one result per binary, so
//! these are added up. Each line is read in the dialect of the runner that wrote it only: nextest repeats the
//! libtest output of a failed test, result line included, and that must not be counted twice.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use crate::cmd::Cmd;

/// Tests that ran and how they ended. A test that was ignored or filtered out is skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Whose output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    Libtest,
}

impl Runner {
    /// nextest where it is installed, which is faster, else what comes with Rust.
    pub(crate) fn of_this_machine() -> Self {
        if Cmd::cargo(["nextest", "--version"]).read().is_ok() { Self::Nextest } else { Self::Libtest }
    }
}

/// Adds up a run while its lines pass by.
#[derive(Debug)]
pub(crate) struct Tally {
    runner: Runner,
    /// All tests of the run.
    pub(crate) total: Counts,
    /// The tests that passed, by the name of the integration test target they are in.
    passed_in: BTreeMap<String, u64>,
    current: Option<String>,
}

impl Tally {
    pub(crate) fn new(runner: Runner) -> Self {
        Self { runner, total: Counts::default(), passed_in: BTreeMap::new(), current: None }
    }

    /// How many tests passed in an integration test target (the file's name under `tests/`).
    pub(crate) fn passed_in(&self, target: &str) -> u64 {
        self.passed_in.get(target).copied().unwrap_or(0)
    }

    /// Reads one line, without colours.
    pub(crate) fn line(&mut self, line: &str) {
        match self.runner {
            Runner::Nextest => self.nextest_line(line),
            Runner::Libtest => self.libtest_line(line),
        }
    }

    fn nextest_line(&mut self, line: &str) {
        let line = line.trim_start();
        if line.starts_with("Summary [") {
            let (_, parts) =
                line.split_once("tests run:").or_else(|| line.split_once("test run:")).unwrap_or_default();
            self.total += nextest_summary(parts);
        } else if let Some(target) = nextest_passed(line) {
            *self.passed_in.entry(target.to_owned()).or_default() += 1;
        }
    }

    fn libtest_line(&mut self, line: &str) {
        if let Some(running) = line.trim_start().strip_prefix("Running ") {
            let file = running.split_once(" (").map_or(running, |(file, _)| file);
            self.current = integration_target(file).map(str::to_owned);
        } else if let Some(counts) = line.strip_prefix("test result: ").and_then(libtest_result) {
            self.total += counts;
            if let Some(target) = &self.current {
                *self.passed_in.entry(target.clone()).or_default() += counts.passed;
            }
        }
    }
}

/// `tests/target.rs` or `tests/target/main.rs`; the file of unit tests is another.
fn integration_target(file: &str) -> Option<&str> {
    let name = file.strip_prefix("tests/")?;
    name.strip_suffix("/main.rs").or_else(|| name.strip_suffix(".rs"))
}

/// ` 4 passed (1 flaky), 1 failed, 1 timed out, 2 skipped`
fn nextest_summary(parts: &str) -> Counts {
    let mut counts = Counts::default();
    for part in parts.split(", ") {
        let Some((number, what)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what.split(" (").next().unwrap_or_default() {
            "passed" => counts.passed += number,
            "failed" | "timed out" | "exec failed" => counts.failed += number,
            "skipped" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

/// `PASS [   0.005s] (1/2) package::target name` says `target`; unit tests (`package`, `package::bin/x`) have
/// none.
fn nextest_passed(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("PASS [").or_else(|| line.strip_prefix("LEAK ["))?;
    let (_, rest) = rest.split_once("] ")?;
    let rest = if rest.starts_with('(') { rest.split_once(") ")?.1 } else { rest };
    let (binary, _) = rest.split_once(' ')?;
    binary.split_once("::").map(|(_, target)| target)
}

/// `ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn libtest_result(text: &str) -> Option<Counts> {
    let (_, parts) = text.split_once(". ")?;
    let mut counts = Counts::default();
    for part in parts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "ignored" => counts.skipped = number,
            _ => {}
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from cargo-nextest 0.9.143, with one test that passes, one that fails and one that is
    /// ignored.
    const NEXTEST: &str = "\
    Starting 2 tests across 2 binaries (1 test skipped)
        PASS [   0.005s] (1/2) wtest::a ok
        FAIL [   0.146s] (2/2) wtest::a bad
  stdout ---

    running 1 test
    test bad ... FAILED

    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.14s

------------
     Summary [   0.148s] 2 tests run: 1 passed, 1 failed, 1 skipped
        FAIL [   0.146s] (2/2) wtest::a bad
error: test run failed";

    /// The same tests under cargo 1.95, both outputs in one, and the doctests after them.
    const LIBTEST: &str = "\
    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.01s
     Running unittests src/lib.rs (target/debug/deps/wtest-844afaf34ee6d227)

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/a.rs (target/debug/deps/a-2a374f1594ab9758)

running 3 tests
test ign ... ignored
test ok ... ok
test bad ... FAILED

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.15s

error: test failed, to rerun pass `--test a`
   Doc-tests wtest

running 2 tests
test src/lib.rs - (line 8) ... ignored
test src/lib.rs - (line 2) ... ok

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test src/lib.rs - (line 5) - compile fail ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.03s

all doctests ran in 0.30s; merged doctests compilation took 0.26s";

    fn tally(runner: Runner, output: &str) -> Tally {
        let mut tally = Tally::new(runner);
        output.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn nextest_is_counted_once_although_it_repeats_a_failed_test() {
        let tally = tally(Runner::Nextest, NEXTEST);
        assert_eq!(tally.total, Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(tally.passed_in("a"), 1);
    }

    #[test]
    fn nextest_has_more_than_one_word_for_failed_and_notes_in_parentheses() {
        let line = "Summary [  0.1s] 9/12 tests run: 5 passed (1 flaky, 2 slow), 1 failed, 2 timed out, \
                    1 exec failed, 0 skipped";
        assert_eq!(tally(Runner::Nextest, line).total, Counts { passed: 5, failed: 4, skipped: 0 });
        let line = "Summary [  0.1s] 1 test run: 1 passed, 30 skipped";
        assert_eq!(tally(Runner::Nextest, line).total, Counts { passed: 1, failed: 0, skipped: 30 });
    }

    #[test]
    fn libtest_results_are_added_up_over_binaries_and_doctests() {
        let tally = tally(Runner::Libtest, LIBTEST);
        assert_eq!(tally.total, Counts { passed: 3, failed: 1, skipped: 2 });
    }

    #[test]
    fn libtest_results_belong_to_the_binary_named_before_them() {
        let one_target = LIBTEST.split("   Doc-tests").next().unwrap();
        assert_eq!(tally(Runner::Libtest, one_target).passed_in("a"), 1);
        assert_eq!(tally(Runner::Libtest, one_target).passed_in("lib"), 0);
    }

    #[test]
    fn a_target_may_be_a_folder() {
        assert_eq!(integration_target("tests/http/main.rs"), Some("http"));
        assert_eq!(integration_target("tests/sse.rs"), Some("sse"));
        assert_eq!(integration_target("unittests src/lib.rs"), None);
    }

    #[test]
    fn unit_tests_are_in_no_integration_target() {
        let lines = "PASS [   0.005s] ( 1/20) agentexec-tools schema::tests::x\n\
                     PASS [   0.1s] agentexec-cli::bin/agentexec y";
        let tally = tally(Runner::Nextest, lines);
        assert_eq!(tally.passed_in("agentexec-tools"), 0);
        assert_eq!(tally.passed_in("schema"), 0);
    }

    #[test]
    fn a_test_that_prints_the_words_of_the_other_runner_changes_nothing() {
        assert_eq!(tally(Runner::Libtest, "Summary [ 0.1s] 2 tests run: 2 passed").total, Counts::default());
        let line = "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(tally(Runner::Nextest, line).total, Counts::default());
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(
            Counts { passed: 12, failed: 0, skipped: 3 }.to_string(),
            "12 passed, 0 failed, 3 skipped"
        );
    }
}
