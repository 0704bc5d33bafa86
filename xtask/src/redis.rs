//! `cargo xtask redis`: the redis-server that the tests of the Redis store start.
//!
//! They start servers of their own, on free ports; all that a machine must have is the program.

use anyhow::{Context, Result, bail};

use crate::install::{Manager, Needed};

/// The first version that the Redis store works with, as docs/src/guides/redis.md says.
const OLDEST_MAJOR: u32 = 7;

const BY_HAND: &str = "install one as https://redis.io/docs says for this system (on Windows: in WSL), so that it \
    is on PATH";

/// On a machine with an init system the package starts a server of its own, on the port that is Redis's by
/// custom. No test uses that port.
const REDIS: Needed = Needed {
    program: "redis-server",
    by: "the tests of the Redis store",
    managers: &[
        Manager::apt(&[&["update"], &["install", "-y", "--no-install-recommends", "redis-server"]]),
        Manager::of_a_person("dnf", &[&["install", "/usr/bin/redis-server"]]),
        Manager::of_a_person("apk", &[&["add", "redis"]]),
        Manager::of_a_person("pacman", &[&["-S", "redis"]]),
        Manager::of_a_person("zypper", &[&["install", "redis"]]),
        Manager::brew(&[&["install", "redis"]]),
    ],
    by_hand: BY_HAND,
};

/// Makes sure that there is a `redis-server` on PATH, and says which.
pub(crate) fn ensure() -> Result<()> {
    println!("redis: redis-server {}", recent(&REDIS.ensure()?)?);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

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
