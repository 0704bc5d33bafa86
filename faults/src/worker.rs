//! A worker process, as a test sees it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use agentexec::activity::{AgentId, Status};
use agentexec_testbed::Process;

use crate::history::Past;
use crate::job::Job;
use crate::line::{Answer, Ask, Line, Step};

/// How long a test waits for what takes milliseconds on a quiet machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A worker process: its job, and the lines that were read of it. It is killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    job: Job,
    lines: Vec<Line>,
    over: Option<Instant>,
}

impl Worker {
    /// Starts a program that takes a job as its last argument.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, job: Job) -> Self {
        command.arg(serde_json::to_string(&job).expect("a job is JSON"));
        Self { process: Process::start(&mut command), job, lines: Vec::new(), over: None }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.job.name
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The lines that were read so far.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Reads until a line is what is wanted.
    ///
    /// # Panics
    /// When it does not come within [`PATIENCE`], or the process ends before.
    pub fn wait_for<T>(&mut self, mut wanted: impl FnMut(&Line) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.process.line(deadline.saturating_duration_since(Instant::now()));
            let Some(text) = text else {
                panic!("{} ended too early; its stderr:\n{}", self.job.name, self.process.stderr());
            };
            let found = wanted(self.take(&text));
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Reads until it has been acknowledged so many more writes.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_writes(&mut self, mut writes: usize) {
        self.wait_for(|line| {
            writes -= usize::from(matches!(line, Line::Answered { answer: Answer::Written(_), .. }));
            (writes == 0).then_some(())
        });
    }

    /// Reads what is there and was not read yet.
    pub fn catch_up(&mut self) {
        for text in self.process.lines_so_far() {
            self.take(&text);
        }
    }

    fn take(&mut self, text: &str) -> &Line {
        let line = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.lines.push(line);
        self.lines.last().expect("it was pushed just now")
    }

    /// Kills it with SIGKILL, and says when it was gone.
    pub fn kill(&mut self) -> Instant {
        self.process.kill();
        let over = Instant::now();
        self.end(over);
        over
    }

    /// Stops it with SIGSTOP.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Asks it to end, with SIGTERM.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Asks it to end with SIGTERM, and waits until it has ended well.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub fn finish(&mut self, limit: Duration) {
        self.terminate();
        self.wait_for_end(limit);
    }

    /// Waits until it has ended well.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) {
        let status = self.process.wait(limit);
        assert!(status.success(), "{} ended with {status}:\n{}", self.job.name, self.process.stderr());
        self.end(Instant::now());
    }

    /// Reads the rest, now that it is gone.
    fn end(&mut self, over: Instant) {
        self.over = Some(over);
        for text in self.process.remaining_lines(PATIENCE) {
            self.take(&text);
        }
    }

    /// The activities that it runs under a lease, or may run: what its lines leave open counts.
    #[must_use]
    pub fn held(&self) -> HashSet<AgentId> {
        let (mut held, mut sent) = (HashSet::new(), HashMap::new());
        for line in &self.lines {
            match line {
                Line::Sent { call, id, ask: Ask::Write { step, .. } } => {
                    sent.insert(*call, (*id, *step));
                    if *step == (Step::Start { leased: true }) {
                        held.insert(*id);
                    }
                }
                Line::Answered { call, answer } => {
                    let Some((id, step)) = sent.remove(call) else { continue };
                    let over = match answer {
                        Answer::Written(entry) => entry.status != Status::Running,
                        Answer::Refused { .. } => matches!(step, Step::Start { .. }),
                        _ => false,
                    };
                    if over {
                        held.remove(&id);
                    }
                }
                _ => {}
            }
        }
        held
    }

    /// The memory that it occupies now (its resident set), in bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set");
        kilobytes.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// What it has said. A process that lives is killed first.
    #[must_use]
    pub fn into_past(mut self) -> Past {
        if self.over.is_none() {
            self.kill();
        }
        let Self { job, lines, over, .. } = self;
        Past { process: job.name, lease: job.lease, over, lines }
    }
}
