//! Running other programs: print the command as one would type it, run it, and say what failed.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// A command line that is about to run.
pub(crate) struct Cmd {
    command: Command,
    shown: String,
    limit: Option<Duration>,
    passes_on: fn(&str) -> bool,
}

impl Cmd {
    /// `cargo` with these arguments: the cargo that started this program, so that one toolchain does it all.
    pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut cmd = Self::new(program, "cargo", args);
        // `cargo run` describes this package to this program; to the cargo below, that is a lie about another
        // one.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
            if about_us.iter().any(|prefix| text.starts_with(prefix)) || text == "CARGO_PRIMARY_PACKAGE" {
                cmd.command.env_remove(&name);
            }
        }
        cmd
    }

    pub(crate) fn program<'a>(name: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(OsString::from(name), name, args)
    }

    fn new<'a>(program: OsString, name: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new(program);
        let mut shown = String::from(name);
        for arg in args {
            command.arg(arg);
            shown.push(' ');
            shown.push_str(&quoted(arg));
        }
        command.stdin(Stdio::null());
        Self { command, shown, limit: None, passes_on: |_| true }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}={} {}", quoted(value), self.shown);
        self
    }

    /// The longest that [`watch`](Self::watch) lets it run.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Which lines of its output [`watch`](Self::watch) passes on.
    pub(crate) fn passing_on(mut self, lines: fn(&str) -> bool) -> Self {
        self.passes_on = lines;
        self
    }

    /// Runs it on our terminal. An error when it fails.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.shown);
        let status = self.command.status().with_context(|| format!("starting `{}`", self.shown))?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.shown);
        }
        Ok(())
    }

    /// Runs it, passes its output on and hands each line to `see`. Says whether it succeeded. An error when it
    /// was stopped at its limit.
    ///
    /// Both outputs go through one pipe: a test binary's result on one means nothing without the line on the
    /// other that names the binary, so their order has to survive.
    pub(crate) fn watch(mut self, mut see: impl FnMut(&str)) -> Result<bool> {
        println!("$ {}", self.shown);
        if io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
            self.command.env("CARGO_TERM_COLOR", "always");
        }
        let (reader, writer) = io::pipe().context("making a pipe")?;
        self.command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self.command.spawn().with_context(|| format!("starting `{}`", self.shown))?;
        // It holds the writing end; as long as it lives, the reader below sees no end.
        drop(self.command);
        let watchdog = self.limit.map(|limit| Watchdog::on(child.id(), limit));

        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            if (self.passes_on)(&text) {
                print!("{text}");
            }
            see(&without_color(text.trim_end()));
            line.clear();
        }
        // Called off before the child is waited for: after that its id may be another's.
        if watchdog.is_some_and(Watchdog::call_off) {
            let limit = self.limit.unwrap_or_default().as_secs() / 60;
            bail!("`{}` was stopped: it took longer than {limit} minutes", self.shown);
        }
        Ok(child.wait()?.success())
    }

    /// Runs it in silence and returns what it wrote to stdout. An error, with its stderr, when it fails.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("starting `{}`", self.shown))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed ({}): {}", self.shown, output.status, why.trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote what is not UTF-8", self.shown))
    }
}

/// Ends a child, and what it started, when its time is over.
struct Watchdog {
    call_off: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    fn on(child: u32, limit: Duration) -> Self {
        let (call_off, called_off) = mpsc::channel();
        let thread = thread::spawn(move || {
            let is_late = called_off.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_late {
                process::kill_tree(child);
            }
            is_late
        });
        Self { call_off, thread }
    }

    /// Whether it had to act.
    fn call_off(self) -> bool {
        drop(self.call_off);
        self.thread.join().unwrap_or(true)
    }
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:@+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}

/// The line without the escape sequences that select a colour.
fn without_color(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_removed_and_the_text_stays() {
        assert_eq!(without_color("\u{1b}[32;1m    PASS\u{1b}[0m one"), "    PASS one");
        assert_eq!(without_color("plain [text] m"), "plain [text] m");
    }

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let cmd = Cmd::program("cargo", ["doc", "--features", "a,b", "two words"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(cmd.shown, "RUSTDOCFLAGS='-D warnings' cargo doc --features a,b 'two words'");
    }

    #[cfg(unix)]
    #[test]
    fn both_outputs_are_seen_in_order() {
        let script = "echo one; echo two >&2; echo three; exit 3";
        let mut seen = Vec::new();
        let success = Cmd::program("sh", ["-c", script]).watch(|line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
        assert!(!success);
    }

    #[cfg(unix)]
    #[test]
    fn at_its_limit_a_command_is_stopped_with_all_that_it_started() {
        // The inner shell holds the pipe as well: as long as it runs, there is no end to read.
        let cmd = Cmd::program("sh", ["-c", "(sleep 600; echo late) & wait"]);
        let error = cmd.within(Duration::from_millis(100)).watch(|line| panic!("{line}")).unwrap_err();
        assert!(error.to_string().contains("was stopped"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_ends_in_time_is_not_stopped() {
        let cmd = Cmd::program("sh", ["-c", "exit 3"]).within(Duration::from_secs(600));
        assert!(!cmd.watch(|_| {}).unwrap());
    }

    #[test]
    fn a_command_that_cannot_start_is_named() {
        let error = Cmd::program("no-such-program-here", ["x"]).read().unwrap_err();
        assert_eq!(error.to_string(), "starting `no-such-program-here x`");
    }
}
