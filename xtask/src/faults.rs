//! `cargo xtask faults`: what the stores survive, with processes killed and paused and networks cut.
//!
//! The quick cases are ordinary tests, which `cargo xtask test` runs as well. The others wait for leases to run
//! out and connections to hang, so they are ignored there and run here.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::counts::{Counts, Runner, Tally};
use crate::redis;

const PACKAGE: &str = "agentexec-faults";

/// The longest that the suite may take, with the time to compile it. Each wait in it has a limit of its own;
/// this one is for what nobody thought of.
const LIMIT: Duration = Duration::from_mins(30);

/// Which of the cases run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cases {
    All,
    Quick,
}

pub(crate) fn run(cases: Cases, counts: &mut Counts) -> Result<()> {
    redis::ensure()?;
    let runner = Runner::of_this_machine();
    let mut tally = Tally::new(runner);
    let passed = Cmd::cargo(args(runner, cases)).within(LIMIT).watch(|line| tally.line(line));
    *counts += tally.total;
    if !passed? {
        bail!(
            "the suite of faults failed; to repeat one case: `cargo test -p {PACKAGE} NAME -- --include-ignored`"
        );
    }
    // A runner that finds no test is content with that.
    if tally.total.passed == 0 {
        bail!("{PACKAGE} has no test that ran");
    }
    Ok(())
}

fn args(runner: Runner, cases: Cases) -> Vec<&'static str> {
    const WHAT: [&str; 4] = ["-p", PACKAGE, "--all-features", "--no-fail-fast"];
    // All cases show what they measured, also where they pass.
    let (before, all): (&[_], &[_]) = match runner {
        Runner::Nextest => (&["nextest", "run"], &["--run-ignored", "all", "--success-output", "immediate"]),
        Runner::Libtest => (&["test", "--tests"], &["--", "--include-ignored", "--show-output"]),
    };
    let all = if cases == Cases::All { all } else { &[] };
    [before, &WHAT, all].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cases_are_the_ignored_ones_too() {
        let all = |runner| args(runner, Cases::All).join(" ");
        assert_eq!(
            all(Runner::Nextest),
            "nextest run -p agentexec-faults --all-features --no-fail-fast --run-ignored all \
             --success-output immediate"
        );
        assert_eq!(
            all(Runner::Libtest),
            "test --tests -p agentexec-faults --all-features --no-fail-fast -- --include-ignored \
             --show-output"
        );
    }

    #[test]
    fn the_quick_cases_are_the_ordinary_tests() {
        assert_eq!(
            args(Runner::Libtest, Cases::Quick).join(" "),
            "test --tests -p agentexec-faults --all-features --no-fail-fast"
        );
        assert!(!args(Runner::Nextest, Cases::Quick).contains(&"--run-ignored"));
    }
}
