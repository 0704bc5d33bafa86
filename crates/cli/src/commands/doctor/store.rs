//! What the doctor looks at in the store: whether it works, and whether it keeps what it is given.

use agentexec::activity::Error;
use agentexec::redis::{self, Persistence};
use agentexec::runner::error_chain;
use agentexec::sqlite;
use indicatif::DecimalBytes;

use super::check::Check;
use crate::address;
use crate::commands::record;
use crate::store::{self, Place, Store};

/// The share of its memory from which a server is nearly full, in percent.
const NEARLY_FULL: u64 = 90;

/// Looks at the store, without making one.
pub(super) async fn checks(place: &Place) -> Vec<Check> {
    if store::is_missing(place) {
        return vec![Check::ok("store", format!("{place}: there is no file yet; the first run makes it"))];
    }
    look(place).await.unwrap_or_else(|error| vec![Check::fail("store", error_chain(&error))])
}

async fn look(place: &Place) -> Result<Vec<Check>, Error> {
    Ok(match store::open(place).await? {
        Store::Memory(_) => vec![Check::ok("store", format!("{place}: nothing is left when a run ends"))],
        Store::Sqlite(store) => file(place, &store.health().await?),
        Store::Redis(store) => server(place, &store.health().await?),
    })
}

fn file(place: &Place, health: &sqlite::Health) -> Vec<Check> {
    let size = DecimalBytes(health.file_bytes + health.wal_bytes);
    let mut checks = vec![
        Check::ok("store", format!("{place}: {}, {size}", record::activities(health.activities))),
        Check::ok("versions", format!("SQLite {}, schema {}", health.sqlite_version, health.schema_version)),
    ];
    // 2 is FULL, 3 is EXTRA.
    checks.push(if health.journal_mode == "wal" && health.synchronous >= 2 {
        Check::ok("persistence", "a write-ahead log that is flushed to the disk at each commit")
    } else {
        let message = format!("journal mode {}, synchronous {}", health.journal_mode, health.synchronous);
        Check::warn(
            "persistence",
            message,
            "a crash may take what was acknowledged: see what else has changed this file",
        )
    });
    checks.extend(health.mode.map(|mode| {
        if mode & 0o077 == 0 {
            Check::ok("permissions", format!("{mode:o}: yours alone"))
        } else {
            let advice = format!("chmod 600 '{}'", health.path.display());
            Check::warn("permissions", format!("{mode:o}: other users may read or write the file"), advice)
        }
    }));
    checks.push(if health.problems.is_empty() {
        Check::ok("integrity", "the file is whole")
    } else {
        let message = format!("the file is damaged ({}): restore a copy of it", health.problems.join("; "));
        Check::fail("integrity", message)
    });
    checks
}

fn server(place: &Place, health: &redis::Health) -> Vec<Check> {
    let answered = format!("answers in {:.1} ms", health.latency.as_secs_f64() * 1000.0);
    let count = record::activities(health.activities.total());
    let mut checks = vec![
        Check::ok("store", format!("{place}: {count}, {answered}")),
        Check::ok("versions", health.version.clone()),
        persistence(&health.persistence),
        eviction(health),
        memory(health),
    ];
    if health.role != "master" {
        checks.push(Check::fail(
            "role",
            format!("{}: it takes no writes; use the address of the primary", health.role),
        ));
    }
    if !address::is_private(&place.to_string()) {
        let message = "not encrypted: everybody on the way can read the records and the password";
        checks.push(Check::warn("connection", message, "use rediss:// with a server that speaks TLS"));
    }
    checks
}

fn persistence(persistence: &Persistence) -> Check {
    const NAME: &str = "persistence";
    const APPEND: &str = "set appendonly yes, and appendfsync always if not even the last second may be lost";
    match (persistence.appends, persistence.flushes.as_deref(), persistence.snapshots) {
        (true, Some("always"), _) => Check::ok(NAME, "each write is flushed to the disk"),
        (true, Some("everysec"), _) => {
            Check::ok(NAME, "writes are flushed each second: a power failure takes about the last one")
        }
        (true, Some("no"), _) => Check::warn(
            NAME,
            "writes are flushed when the system likes",
            "set appendfsync everysec, or always",
        ),
        (true, ..) => {
            Check::ok(NAME, "writes are appended to a file; this user may not see when it is flushed")
        }
        (false, _, Some(true)) => {
            Check::warn(NAME, "snapshots alone: when the server stops, what is newer is lost", APPEND)
        }
        (false, _, Some(false)) => Check::warn(NAME, "none: when the server stops, all is lost", APPEND),
        (false, _, None) => Check::warn(
            NAME,
            "no file is appended to; this user may not see whether snapshots are saved",
            APPEND,
        ),
    }
}

fn eviction(health: &redis::Health) -> Check {
    let policy = &health.maxmemory_policy;
    match (policy.starts_with("allkeys-"), health.maxmemory) {
        (false, _) => Check::ok("eviction", format!("{policy}: records stay")),
        (true, None) => Check::warn(
            "eviction",
            format!("{policy}: with a maxmemory, records would be removed"),
            "set maxmemory-policy noeviction",
        ),
        (true, Some(_)) => {
            Check::fail("eviction", format!("{policy} removes records: set maxmemory-policy noeviction"))
        }
    }
}

fn memory(health: &redis::Health) -> Check {
    let used = DecimalBytes(health.memory_used);
    let Some(most) = health.maxmemory else {
        return Check::ok("memory", format!("{used}, without a limit"));
    };
    let message = format!("{used} of {}", DecimalBytes(most));
    if health.memory_used.saturating_mul(100) >= most.saturating_mul(NEARLY_FULL) {
        return Check::warn("memory", message, "raise maxmemory, or purge: at the limit writes are refused");
    }
    Check::ok("memory", message)
}
