//! Programs that tests need and a machine may lack: found, installed where that may be done without asking, and
//! elsewhere told how. No test is skipped for want of one.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::cmd::Cmd;

/// A program that tests need.
pub(crate) struct Needed {
    pub(crate) program: &'static str,
    /// Who needs it, for a sentence.
    pub(crate) by: &'static str,
    /// In the order in which they are looked for: Homebrew last, as it is a guest on Linux.
    pub(crate) managers: &'static [Manager],
    /// Where to find what a package manager does not have.
    pub(crate) by_hand: &'static str,
}

/// A package manager that has it.
pub(crate) struct Manager {
    program: &'static str,
    /// The arguments of one call after another.
    calls: &'static [&'static [&'static str]],
    needs_root: bool,
    /// Whether it is run from here: where it works unattended and is known to bring the program.
    runs_here: bool,
}

impl Manager {
    pub(crate) const fn apt(calls: &'static [&'static [&'static str]]) -> Self {
        Self { program: "apt-get", calls, needs_root: true, runs_here: true }
    }

    pub(crate) const fn brew(calls: &'static [&'static [&'static str]]) -> Self {
        Self { program: "brew", calls, needs_root: false, runs_here: true }
    }

    pub(crate) const fn of_a_person(
        program: &'static str,
        calls: &'static [&'static [&'static str]],
    ) -> Self {
        Self { program, calls, needs_root: true, runs_here: false }
    }
}

/// What a machine without the program needs.
enum Plan {
    Install(&'static Manager),
    /// A person has to do it: this is how.
    Tell(String),
}

impl Needed {
    /// Makes sure that it is on PATH, and returns what it says of its version.
    pub(crate) fn ensure(&self) -> Result<String> {
        if let Some(said) = self.introduction() {
            return Ok(said);
        }
        let Self { program, by, .. } = self;
        match self.plan(is_there, is_root()) {
            Plan::Install(manager) => {
                println!("there is no {program}, and {by} need one");
                manager
                    .install()
                    .with_context(|| format!("installing {program} with {}", manager.program))?;
                self.introduction().with_context(|| format!("{program} was installed and is not on PATH"))
            }
            Plan::Tell(how) => bail!("there is no {program}, and {by} need one; {how}"),
        }
    }

    fn introduction(&self) -> Option<String> {
        Cmd::program(self.program, ["--version"]).read().ok()
    }

    fn plan(&self, is_there: impl Fn(&str) -> bool, is_root: bool) -> Plan {
        let Some(manager) = self.managers.iter().find(|manager| is_there(manager.program)) else {
            return Plan::Tell(self.by_hand.to_owned());
        };
        if manager.runs_here && (is_root || !manager.needs_root) {
            return Plan::Install(manager);
        }
        let sudo = if manager.needs_root && !is_root { "sudo " } else { "" };
        let calls: Vec<String> = manager
            .calls
            .iter()
            .map(|args| format!("{sudo}{} {}", manager.program, args.join(" ")))
            .collect();
        Plan::Tell(format!("install it with `{}`", calls.join(" && ")))
    }
}

impl Manager {
    fn install(&self) -> Result<()> {
        self.calls.iter().try_for_each(|args| {
            let call = Cmd::program(self.program, args.iter().copied());
            // Some packages ask questions despite `-y`.
            let call =
                if self.program == "apt-get" { call.env("DEBIAN_FRONTEND", "noninteractive") } else { call };
            call.run()
        })
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(manager) => write!(f, "Install({})", manager.program),
            Self::Tell(how) => write!(f, "Tell({how})"),
        }
    }
}

fn is_there(program: &str) -> bool {
    Cmd::program(program, ["--version"]).read().is_ok()
}

fn is_root() -> bool {
    Cmd::program("id", ["-u"]).read().is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: Needed = Needed {
        program: "redis-server",
        by: "these tests",
        managers: &[
            Manager::apt(&[&["update"], &["install", "-y", "redis-server"]]),
            Manager::of_a_person("apk", &[&["add", "redis"]]),
            Manager::of_a_person("pacman", &[&["-S", "redis"]]),
            Manager::brew(&[&["install", "redis"]]),
        ],
        by_hand: "install one as https://redis.io/docs says",
    };

    fn on(programs: &[&str], is_root: bool) -> String {
        format!("{:?}", NEEDED.plan(|program| programs.contains(&program), is_root))
    }

    #[test]
    fn where_it_may_it_installs() {
        assert_eq!(on(&["apt-get"], true), "Install(apt-get)");
        assert_eq!(on(&["brew"], false), "Install(brew)");
        assert_eq!(on(&["apt-get", "brew"], true), "Install(apt-get)");
    }

    #[test]
    fn elsewhere_it_says_the_command_that_a_person_can_paste() {
        assert_eq!(
            on(&["apt-get"], false),
            "Tell(install it with `sudo apt-get update && sudo apt-get install -y redis-server`)"
        );
        assert_eq!(on(&["apk"], true), "Tell(install it with `apk add redis`)");
        assert_eq!(on(&["pacman"], false), "Tell(install it with `sudo pacman -S redis`)");
    }

    #[test]
    fn without_a_package_manager_it_says_where_to_look() {
        assert!(on(&[], true).contains("https://redis.io/docs"));
    }
}
