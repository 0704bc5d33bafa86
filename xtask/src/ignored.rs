//! Tests that `cargo test` ignores, since they need something that a command installs first and tells them of.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::counts::{Counts, Runner, Tally};

/// The longest that such tests may take, with the time to compile them. They take seconds.
const LIMIT: Duration = Duration::from_mins(20);

/// Runs the ignored tests of one test target, with a variable set for them.
pub(crate) fn run(test: &str, (variable, value): (&str, &str), counts: &mut Counts) -> Result<()> {
    let runner = Runner::of_this_machine();
    let mut tally = Tally::new(runner);
    let tests = Cmd::cargo(args(runner, test)).env(variable, value).within(LIMIT);
    let passed = tests.watch(|line| tally.line(line));
    *counts += tally.total;
    if !passed? {
        bail!("the tests of the target `{test}` failed");
    }
    // A runner that finds no test is content with that.
    if tally.total.passed == 0 {
        bail!("the test target `{test}` has no test that ran");
    }
    Ok(())
}

/// The workspace's features, so that nothing is built again that the other tests have built.
fn args(runner: Runner, test: &str) -> Vec<&str> {
    let what = ["--workspace", "--all-features", "--no-fail-fast", "--test", test];
    let (before, ignored): (&[_], &[_]) = match runner {
        Runner::Nextest => (&["nextest", "run"], &["--run-ignored", "only"]),
        Runner::Libtest => (&["test"], &["--", "--ignored"]),
    };
    [before, &what, ignored].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_ignore_runs() {
        assert_eq!(
            args(Runner::Nextest, "aimock").join(" "),
            "nextest run --workspace --all-features --no-fail-fast --test aimock --run-ignored only"
        );
        assert_eq!(
            args(Runner::Libtest, "aimock").join(" "),
            "test --workspace --all-features --no-fail-fast --test aimock -- --ignored"
        );
    }
}
