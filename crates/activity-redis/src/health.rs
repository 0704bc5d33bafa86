//! What the server says of itself, and whether it may hold records.

use std::collections::HashMap;
use std::time::Duration;

use agentexec_activity_core::Counts;
use redis::{Cmd, Value};

use crate::failure::Failure;
use crate::link::Link;

/// The oldest version of Redis that has what the scripts use.
const OLDEST: u32 = 7;

/// What there is to know of the server, for people: see [`RedisStore::health`](crate::RedisStore::health).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Where it is, without credentials.
    pub server: String,
    /// What it is and its version, for example `Redis 7.0.15`.
    pub version: String,
    /// Its part: `master`, or `slave` for a read-only replica.
    pub role: String,
    /// Whether what it keeps outlives it.
    pub persistence: Persistence,
    /// The most bytes that it may use; nothing when there is no limit.
    pub maxmemory: Option<u64>,
    /// What it removes at that limit; `noeviction` is the one that keeps records.
    pub maxmemory_policy: String,
    /// How many bytes it uses.
    pub memory_used: u64,
    /// How long it took to answer the smallest question.
    pub latency: Duration,
    /// How many activities there are in the namespace, by status.
    pub activities: Counts,
}

/// Whether what a server keeps outlives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persistence {
    /// Whether each write is appended to a file.
    pub appends: bool,
    /// When that file is flushed to the disk: with `always`, nothing acknowledged is lost. Nothing when the user
    /// may not ask.
    pub flushes: Option<String>,
    /// Whether snapshots are saved now and then. Nothing when the user may not ask.
    pub snapshots: Option<bool>,
}

impl Persistence {
    /// Whether it is known that all is lost when the server stops.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        !self.appends && self.snapshots == Some(false)
    }
}

/// The fields of the answer to `INFO`.
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    pub(crate) async fn read(link: &Link) -> Result<Self, Failure> {
        let mut info = Cmd::new();
        info.arg("INFO");
        let answer = text(link.command(info).await?)?;
        let fields = answer.lines().filter_map(|line| line.split_once(':'));
        Ok(Self(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_default()
    }

    fn version(&self) -> String {
        match self.get("valkey_version") {
            "" => format!("Redis {}", self.get("redis_version")),
            version => format!("Valkey {version}"),
        }
    }

    /// An error when the server must not hold records: it is too old, or may remove them by itself. Keys of the
    /// store have no time to live, so that the policies which evict only keys with one cannot touch them.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let version = self.get("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major < OLDEST) {
            return Err(Failure::TooOld { version: version.to_owned() });
        }
        let policy = self.get("maxmemory_policy");
        if self.number("maxmemory") > 0 && policy.starts_with("allkeys-") {
            return Err(Failure::Evicts { policy: policy.to_owned() });
        }
        Ok(())
    }

    /// Asks for the configuration only where it makes a difference, and takes a refusal for an answer: a user
    /// of the store needs no permission for it.
    pub(crate) async fn persistence(&self, link: &Link, in_full: bool) -> Persistence {
        let appends = self.get("aof_enabled") == "1";
        let flushes = if appends && in_full { configured(link, "appendfsync").await } else { None };
        let snapshots = if appends && !in_full { None } else { configured(link, "save").await };
        Persistence { appends, flushes, snapshots: snapshots.map(|points| !points.is_empty()) }
    }

    pub(crate) fn health(
        &self,
        server: String,
        persistence: Persistence,
        latency: Duration,
        activities: Counts,
    ) -> Health {
        Health {
            server,
            version: self.version(),
            role: self.get("role").to_owned(),
            persistence,
            maxmemory: Some(self.number("maxmemory")).filter(|bytes| *bytes > 0),
            maxmemory_policy: self.get("maxmemory_policy").to_owned(),
            memory_used: self.number("used_memory"),
            latency,
            activities,
        }
    }
}

async fn configured(link: &Link, setting: &str) -> Option<String> {
    let mut config = Cmd::new();
    config.arg("CONFIG").arg("GET").arg(setting);
    let answer = link.command(config).await.ok()?;
    let [_, value] = <[Value; 2]>::try_from(answer.into_sequence().ok()?).ok()?;
    text(value).ok()
}

fn text(value: Value) -> Result<String, Failure> {
    redis::from_redis_value(value).map_err(|_| Failure::Unreadable("the server's answer is not a text"))
}
