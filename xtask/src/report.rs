//! What a check found: where, which rule, what is wrong and what to do about it.

use std::fmt;

use anyhow::{Result, bail};

/// One violation of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    /// From 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// The rule's name, to search for in the code of this program.
    pub(crate) rule: &'static str,
    pub(crate) problem: String,
    pub(crate) fix: String,
}

impl Finding {
    pub(crate) fn new(
        rule: &'static str,
        path: &str,
        line: usize,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, rule, problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}\n    {}", self.rule, self.problem, self.fix)
    }
}

/// Prints the findings, in the order of the files, and fails when there are any.
pub(crate) fn settle(what: &str, mut findings: Vec<Finding>) -> Result<()> {
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("{what}: 1 finding"),
        n => bail!("{what}: {n} findings"),
    }
}

/// The lines of findings, for tests that care where but not how it is worded.
#[cfg(test)]
pub(crate) fn lines(findings: &[Finding]) -> Vec<usize> {
    findings.iter().map(|finding| finding.line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_can_be_clicked_and_says_what_to_do() {
        let finding = Finding::new("length", "crates/x/src/lib.rs", 501, "501 lines", "split it");
        assert_eq!(finding.to_string(), "crates/x/src/lib.rs:501: length: 501 lines\n    split it");
        assert!(Finding::new("lock", "Cargo.lock", 0, "a", "b").to_string().starts_with("Cargo.lock: lock:"));
    }

    #[test]
    fn findings_fail_the_check_and_none_passes_it() {
        assert!(settle("tidy", vec![]).is_ok());
        let error = settle("tidy", vec![Finding::new("x", "y", 0, "a", "b")]).unwrap_err();
        assert_eq!(error.to_string(), "tidy: 1 finding");
    }
}
