//! Child programs: their output by whole lines, and the signals that reach them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use agentexec_testbed::Process;

const LIMIT: Duration = Duration::from_secs(30);

fn sh(script: &str) -> Process {
    Process::start(Command::new("sh").args(["-c", script]))
}

/// What `ps` says a process does: `T` is stopped.
fn state(process: &Process) -> String {
    let pid = process.pid().to_string();
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_line_without_its_end_is_not_given_out() {
    let mut child = sh("printf 'one\\ntw'; exit 3");
    assert_eq!(child.remaining_lines(LIMIT), ["one"]);
    assert_eq!(child.wait(LIMIT).code(), Some(3));
}

#[test]
fn what_was_written_before_a_kill_can_be_read_after_it() {
    let mut child = sh("echo one; echo two; exec sleep 60");
    assert_eq!(child.wait_for_line("o", LIMIT), "ne");
    assert_eq!(child.line(LIMIT).as_deref(), Some("two"));
    child.kill();
    assert_eq!(child.line(LIMIT), None);
    assert_eq!(child.wait(LIMIT).signal(), Some(9));
}

/// Says goodbye when it is asked to end.
const POLITE: &str = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";

#[test]
fn a_paused_child_is_stopped_and_hears_what_it_was_told_when_resumed() {
    let mut child = sh(POLITE);
    child.wait_for_line("ready", LIMIT);
    child.pause();
    child.terminate();
    assert!(state(&child).starts_with('T'), "{}", state(&child));
    child.resume();
    child.wait_for_line("bye", LIMIT);
    assert!(child.wait(LIMIT).success());
}

#[test]
fn a_child_can_be_paused_again_and_killed_while_paused() {
    let mut child = sh("exec sleep 60");
    for _ in 0..3 {
        child.pause();
        assert!(state(&child).starts_with('T'), "{}", state(&child));
        child.resume();
    }
    child.pause();
    child.kill();
    assert_eq!(child.wait(LIMIT).signal(), Some(9));
}

#[test]
fn a_child_that_is_asked_to_end_can_say_goodbye() {
    let mut child = sh(POLITE);
    child.wait_for_line("ready", LIMIT);
    child.terminate();
    child.wait_for_line("bye", LIMIT);
    assert!(child.wait(LIMIT).success());
}

#[test]
fn a_wait_past_its_limit_says_what_the_child_complained_of() {
    let mut child = sh("echo 'no such file' >&2; echo ready; exec sleep 60");
    child.wait_for_line("ready", LIMIT);
    while child.stderr().is_empty() {
        std::thread::yield_now();
    }
    let panic = catch_unwind(AssertUnwindSafe(|| child.wait(Duration::ZERO))).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("has not ended within") && said.contains("no such file"), "{said}");
}
