//! A child program under test.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::leash::Leash;
use crate::signal::{self, Signal};

/// How much of a child's stderr is kept, in bytes: enough for what a panic says.
const STDERR_LIMIT: u64 = 1024 * 1024;

/// A child program whose standard output is read by lines, that can be killed and paused, and that ends when
/// this is dropped or the test's process is killed.
///
/// A line counts when its end was written: of a program that was killed while it wrote, the half line is not
/// given out, since it may say less than was meant.
///
/// Signals go to this one process. What it starts in turn is its own affair (a shell's last command wants an
/// `exec`).
///
/// ```
/// use std::process::Command;
/// use std::time::Duration;
///
/// use agentexec_testbed::Process;
///
/// let limit = Duration::from_secs(10);
/// let mut child = Process::start(Command::new("sh").args(["-c", "echo ready; exec sleep 60"]));
/// assert_eq!(child.line(limit).as_deref(), Some("ready"));
/// child.kill();
/// assert_eq!(child.line(limit), None);
/// ```
///
/// # Panics
///
/// Every wait has a limit and panics past it, with what the child wrote to its stderr.
pub struct Process {
    /// `None` once the child was waited for; see [`Leash`].
    leash: Option<Leash>,
    child: Child,
    shown: String,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a program, with the arguments and the environment of the command. Its standard input is empty;
    /// its standard output and error are read here.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {shown}: {error}"));
        let leash = Some(Leash::on(&child, &[]));
        let lines = whole_lines(child.stdout.take().expect("stdout is piped"));
        let stderr = text(child.stderr.take().expect("stderr is piped"));
        Self { leash, child, shown, lines, stderr }
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the standard output, without its end; `None` once the output has ended.
    ///
    /// # Panics
    ///
    /// When neither comes within the limit.
    pub fn line(&mut self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.give_up("wrote no line", limit),
        }
    }

    /// Reads lines until one starts like this, and returns the rest of that one.
    ///
    /// # Panics
    ///
    /// When it has not come within the limit, or the output ended before.
    pub fn wait_for_line(&mut self, start: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        while let Some(line) = self.line(deadline.saturating_duration_since(Instant::now())) {
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
        panic!("{} ended without a line `{start}…`; its stderr:\n{}", self.shown, self.stderr());
    }

    /// The lines that are there and were not read yet, without waiting for more.
    pub fn lines_so_far(&mut self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// All further lines, until the output ends.
    ///
    /// # Panics
    ///
    /// When it has not ended within the limit.
    pub fn remaining_lines(&mut self, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        std::iter::from_fn(|| self.line(deadline.saturating_duration_since(Instant::now()))).collect()
    }

    /// What it wrote to its stderr so far (the first megabyte).
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Kills it with SIGKILL and waits until it is gone. Lines that it wrote before can still be read.
    pub fn kill(&mut self) {
        signal::send(&self.child, Signal::KILL);
        self.leash = None;
        self.child.wait().expect("waiting for a killed child");
    }

    /// Asks it to end, with SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it with SIGSTOP, and waits until it has stopped.
    pub fn pause(&self) {
        assert!(self.leash.is_some(), "{} has ended", self.shown);
        signal::stop(&self.child);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it has not ended within the limit.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for a child") {
                self.leash = None;
                return status;
            }
            if Instant::now() >= deadline {
                self.give_up("has not ended", limit);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        assert!(self.leash.is_some(), "{} has ended", self.shown);
        signal::send(&self.child, signal);
    }

    fn give_up(&self, what: &str, limit: Duration) -> ! {
        panic!("{} {what} within {limit:?}; its stderr:\n{}", self.shown, self.stderr());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.leash.is_some() {
            self.kill();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("command", &self.shown)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

fn whole_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok() && line.pop_if(|byte| *byte == b'\n').is_some() {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn text(output: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        let mut kept = 0;
        // It is read to its end also past the limit, so that the child never waits for a reader.
        while output.by_ref().take(STDERR_LIMIT).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            kept += line.len() as u64;
            if kept <= STDERR_LIMIT {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    });
    text
}
