//! `cargo xtask redis`: the redis-server that the tests of the Redis store start.
//!
//! They start servers of their own, on free ports; all that a machine must have is the program. When it has
//! none, this installs it where it may without asking, and elsewhere says the command. The tests are never
//! skipped for want of it.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::cmd::Cmd;

/// The first version that the Redis store works with, as docs/src/guides/redis.md says.
const OLDEST_MAJOR: u32 = 7;

/// Where to find what a package manager does not have.
const BY_HAND: &str = "install one as https://redis.io/docs says for this system (on Windows: in WSL), so that it \
    is on PATH";

/// A package manager that has Redis.
struct Manager {
    program: &'static str,
    /// The arguments of one call after another.
    calls: &'static [&'static [&'static str]],
    needs_root: bool,
    /// Whether it is run from here: where it works unattended and is known to bring a `redis-server`.
    runs_here: bool,
}

impl Manager {
    const fn of_a_person(program: &'static str, calls: &'static [&'static [&'static str]]) -> Self {
        Self { program, calls, needs_root: true, runs_here: false }
    }
}

/// In the order in which they are looked for: Homebrew last, as it is a guest on Linux.
const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        calls: &[&["update"], &["install", "-y", "--no-install-recommends", "redis-server"]],
        needs_root: true,
        runs_here: true,
    },
    Manager::of_a_person("dnf", &[&["install", "/usr/bin/redis-server"]]),
    Manager::of_a_person("apk", &[&["add", "redis"]]),
    Manager::of_a_person("pacman", &[&["-S", "redis"]]),
    Manager::of_a_person("zypper", &[&["install", "redis"]]),
    Manager { program: "brew", calls: &[&["install", "redis"]], needs_root: false, runs_here: true },
];

/// What a machine without redis-server needs.
enum Plan {
    Install(&'static Manager),
    /// A person has to do it: this is how.
    Tell(String),
}

/// Makes sure that there is a `redis-server` on PATH, and says which.
pub(crate) fn ensure() -> Result<()> {
    let said = match introduction() {
        Some(said) => said,
        None => match plan(is_there, is_root()) {
            Plan::Install(manager) => {
                println!("redis: there is no redis-server, and the tests of the Redis store need one");
                install(manager)
                    .with_context(|| format!("installing redis-server with {}", manager.program))?;
                introduction().context("redis-server was installed and is not on PATH")?
            }
            Plan::Tell(how) => {
                bail!("there is no redis-server, and the tests of the Redis store need one; {how}")
            }
        },
    };
    println!("redis: redis-server {}", recent(&said)?);
    Ok(())
}

/// On a machine with an init system the package starts a server of its own, on the port that is Redis's by
/// custom. No test uses that port.
fn install(manager: &Manager) -> Result<()> {
    manager.calls.iter().try_for_each(|args| {
        let call = Cmd::program(manager.program, args.iter().copied());
        // Some packages ask questions despite `-y`.
        let call =
            if manager.program == "apt-get" { call.env("DEBIAN_FRONTEND", "noninteractive") } else { call };
        call.run()
    })
}

fn plan(is_there: impl Fn(&str) -> bool, is_root: bool) -> Plan {
    let Some(manager) = MANAGERS.iter().find(|manager| is_there(manager.program)) else {
        return Plan::Tell(BY_HAND.to_owned());
    };
    if manager.runs_here && (is_root || !manager.needs_root) {
        return Plan::Install(manager);
    }
    let sudo = if manager.needs_root && !is_root { "sudo " } else { "" };
    let calls: Vec<String> =
        manager.calls.iter().map(|args| format!("{sudo}{} {}", manager.program, args.join(" "))).collect();
    Plan::Tell(format!("install it with `{}`", calls.join(" && ")))
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(manager) => write!(f, "Install({})", manager.program),
            Self::Tell(how) => write!(f, "Tell({how})"),
        }
    }
}

/// What the server says of itself, where there is one.
fn introduction() -> Option<String> {
    Cmd::program("redis-server", ["--version"]).read().ok()
}

/// The version, out of `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=…`. An error
/// when the store does not work with it: distributions keep old ones for long.
fn recent(said: &str) -> Result<&str> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="));
    let version =
        version.with_context(|| format!("redis-server did not say its version: {}", said.trim()))?;
    let major = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST_MAJOR) {
        bail!(
            "redis-server {version} is too old: the Redis store needs {OLDEST_MAJOR}.0 or newer; {BY_HAND}"
        );
    }
    Ok(version)
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

    fn on(programs: &[&str], is_root: bool) -> String {
        format!("{:?}", plan(|program| programs.contains(&program), is_root))
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
            "Tell(install it with `sudo apt-get update && sudo apt-get install -y --no-install-recommends \
             redis-server`)"
        );
        assert_eq!(on(&["apk"], true), "Tell(install it with `apk add redis`)");
        assert_eq!(on(&["pacman"], false), "Tell(install it with `sudo pacman -S redis`)");
    }

    #[test]
    fn without_a_package_manager_it_says_where_to_look() {
        assert!(on(&[], true).contains("https://redis.io/docs"));
    }

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        let said = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1b1c\n";
        assert_eq!(recent(said).unwrap(), "7.0.15");
        assert_eq!(recent("Server v=10.1.0 sha=0 malloc=libc bits=64 build=0").unwrap(), "10.1.0");
    }

    #[test]
    fn an_old_server_and_one_that_says_nothing_are_refused() {
        let old = recent("Redis server v=6.0.16 sha=00000000:0 bits=64").unwrap_err().to_string();
        assert!(old.contains("6.0.16 is too old") && old.contains("7.0 or newer"), "{old}");
        assert!(recent("command not found").is_err());
    }
}
