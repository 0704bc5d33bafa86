//! Ends a child also when this process is killed and has no time to.
//!
//! `Drop` does not run in a process that dies by SIGKILL (a timeout of the test runner, for instance). Linux
//! could tie a child to its parent with a death signal, but that must be set between fork and exec, which is
//! unsafe code, and it fires when the *thread* that started the child ends, which in a test is long before the
//! test does. So a shell waits beside each child on a pipe that this process holds open: the kernel closes it
//! when this process ends, however it ends, and the shell kills the child and removes the folders that are the
//! child's alone. (`Drop` does not run for a `static` either, as the servers are that many tests share.)
//!
//! What is left: a child is not on its leash for the moment between its start and the shell's.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The child may still write for a moment, so a folder is removed until it is gone, a few times.
const WATCH: &str = r#"read -r _
kill -KILL "$1"
shift
for _ in 1 2 3 4 5; do rm -rf -- "$@" 2>/dev/null && break; sleep 1; done"#;

/// Held as long as the child may live, and dropped **before** the child is waited for, since the pid may be
/// somebody else's after that.
#[derive(Debug)]
pub(crate) struct Leash {
    watcher: Child,
}

impl Leash {
    /// Ties a child to the life of this process, and its folders with it.
    pub(crate) fn on(child: &Child, folders: &[&Path]) -> Self {
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "leash", &child.id().to_string()])
            .args(folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A test runner or a terminal signals the whole group of a test; this one must live longer.
            .process_group(0)
            .spawn()
            .expect("starting `sh`");
        Self { watcher }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Killed, not released: released, it would kill the child. Both calls fail only when it is gone.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}
