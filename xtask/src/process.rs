//! Ending a process together with everything that it started.
//!
//! Cargo runs the tests as children, and these start servers and workers; a signal to cargo alone would leave
//! them running. A process group of its own would do, but then Ctrl-C on a terminal no longer reached it.

use crate::cmd::Cmd;

/// Kills a child of this program, and what is below it. What has ended meanwhile is passed over.
pub(crate) fn kill_tree(child: u32) {
    let root = child.to_string();
    if cfg!(windows) {
        let _ = Cmd::program("taskkill", ["/T", "/F", "/PID", &root]).read();
        return;
    }
    let all = Cmd::program("ps", ["-A", "-o", "pid=,ppid="]).read().unwrap_or_default();
    let doomed = tree(&all, &root);
    let _ = Cmd::program("kill", ["-KILL"].into_iter().chain(doomed)).read();
}

/// A process and all below it, from lines of `pid ppid`.
fn tree<'a>(all: &'a str, root: &'a str) -> Vec<&'a str> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let pairs = all.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
        found.extend(pairs.filter(|(_, of)| of.trim() == parent).map(|(pid, _)| pid));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_the_children_of_the_children_and_nobody_elses() {
        let all = "    1     0\n   10     1\n   11    10\n  110     1\n   12    11\n   13    10\n";
        assert_eq!(tree(all, "10"), ["10", "11", "13", "12"]);
        assert_eq!(tree(all, "110"), ["110"]);
        assert_eq!(tree("", "10"), ["10"]);
    }
}
