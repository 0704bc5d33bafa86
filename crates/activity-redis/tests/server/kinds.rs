//! Servers of several kinds: what the store refuses, what it says, and what it works with.

use std::time::Duration;

use crate::support::{complete, failure, leased_start, log, new_activity, open, progress, running, write};
use agentexec_activity_core::{ActivityStore, Attempt, Error, ListQuery, LogQuery, Scope, Status, Timestamp};
use agentexec_activity_redis::{Failure, Health, RedisStore};
use agentexec_testbed::RedisServer;

fn set(server: &RedisServer, setting: &str, value: &str) {
    let _: () = server.query(redis::cmd("CONFIG").arg("SET").arg(setting).arg(value));
}

#[tokio::test]
async fn a_server_that_evicts_records_is_refused() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let server = RedisServer::builder().max_memory(100_000_000, policy).start();
        let error = RedisStore::connect(server.url()).await.unwrap_err();
        let (failure, text) = failure(&error);
        assert!(matches!(failure, Failure::Evicts { policy: found } if found == policy), "{text}");
        assert!(text.contains("noeviction"), "{text}");
    }
    // Without a limit nothing is evicted, and a policy for keys with a time to live takes none of the store's.
    for (limit, policy) in [(0, "allkeys-lru"), (100_000_000, "volatile-lru"), (100_000_000, "noeviction")] {
        let server = RedisServer::builder().max_memory(limit, policy).start();
        running(&open(server.url()).await).await;
    }
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_works_again_when_there_is_room() {
    let server = RedisServer::builder().max_memory(0, "noeviction").start();
    let store = open(server.url()).await;
    let (ended, leased) = (running(&store).await, store.create(new_activity()).await.unwrap().id);
    store.write(write(ended, complete())).await.unwrap();
    store.write(write(leased, leased_start(Duration::from_secs(60)))).await.unwrap();
    set(&server, "maxmemory", "1");

    for refused in [
        store.create(new_activity()).await.map(drop),
        store.write(write(leased, progress(10))).await.map(drop),
        store.write(write(leased, complete())).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(failure(&error), (Failure::OutOfMemory, text) if text.contains("maxmemory")));
        assert!(error.is_retryable());
    }
    // Reading, holding on to what runs, and making room go on, also for somebody who comes now.
    for store in [&store, &open(server.url()).await] {
        let listed = store.list(&ListQuery::new(Scope::all())).await.unwrap();
        assert_eq!(listed.items[0].status, Status::Running);
        let held = store.renew(&[(leased, Attempt::FIRST)], Duration::from_secs(60)).await.unwrap();
        assert_eq!(held, [true]);
    }
    assert_eq!(store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap().changed, 1);

    set(&server, "maxmemory", "0");
    store.write(write(leased, complete())).await.unwrap();
    assert_eq!(log(&store, leased).await, [1, 2, 3]);
}

#[tokio::test]
async fn tls_is_spoken_to_a_server_whose_authority_is_trusted() {
    let server = RedisServer::builder().tls().start();
    let ca = std::fs::read(server.ca_path()).unwrap();
    let store = RedisStore::builder(server.url()).tls_ca(ca).connect().await.unwrap();
    let id = running(&store).await;
    assert!(format!("{store:?}").contains("rediss://"));
    let stopped = store.stop_requested(id, Attempt::new(2)).await;
    assert_eq!(stopped, agentexec_activity_core::StopRequest::Superseded);

    let stranger = RedisStore::connect(server.url()).await;
    let error = stranger.unwrap_err();
    assert!(matches!(failure(&error), (Failure::Tls { .. }, text) if text.contains("tls_ca")), "{error:?}");
    let bad = RedisStore::builder(server.url()).tls_ca("no certificate").connect().await;
    assert!(matches!(bad, Err(Error::Invalid { .. } | Error::Unavailable { .. })), "{bad:?}");
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_without_the_password() {
    let server = RedisServer::builder().user("agents", "secret", "~* +@all").start();
    let wrong = server.url_of("agents").replace("secret", "hunter2");
    let error = RedisStore::connect(wrong).await.unwrap_err();
    let (failed, text) = failure(&error);
    assert!(matches!(failed, Failure::Login { .. }), "{text}");
    assert!(text.contains("password") && !text.contains("hunter2"), "{text}");

    set(&server, "requirepass", "another");
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert!(matches!(failure(&error), (Failure::Login { .. }, text) if text.contains("NOAUTH")), "{error:?}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_told() {
    let rules = "~{agentexec}:* resetchannels +@all -zadd";
    let server = RedisServer::builder().user("agents", "secret", rules).start();
    let store = open(server.url_of("agents")).await;
    let error = store.create(new_activity()).await.unwrap_err();
    let (failed, text) = failure(&error);
    assert!(matches!(failed, Failure::NotPermitted { .. }), "{text}");
    assert!(text.contains("documentation"), "{text}");
}

#[tokio::test]
async fn a_replica_is_told_from_a_primary() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    let port = primary.addr().port().to_string();
    let _: () = replica.query(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port));
    let error = RedisStore::builder(replica.url()).timeout(Duration::from_millis(200)).connect().await;
    let error = error.unwrap_err();
    assert!(matches!(failure(&error).0, Failure::ReadOnly { .. }), "{error:?}");
    // When it is promoted, the store that was connected before goes on.
    let store = open(primary.url()).await;
    running(&store).await;
}

#[tokio::test]
async fn a_namespace_of_a_newer_version_is_refused() {
    let server = RedisServer::start();
    running(&open(server.url()).await).await;
    let _: () = server.query(redis::cmd("HSET").arg("{agentexec}:meta").arg("format").arg(99));
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert!(matches!(failure(&error).0, Failure::NewerFormat { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    let id = running(&store).await;
    let _: () = server.query(redis::cmd("SCRIPT").arg("FLUSH"));
    store.write(write(id, progress(10))).await.unwrap();
    assert_eq!(log(&store, id).await, [1, 2, 3]);
}

/// Somebody else writes to the keys of the store.
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let server = RedisServer::start();
    let store = RedisStore::builder(server.url()).timeout(Duration::MAX).connect().await.unwrap();
    let id = running(&store).await;
    let bytes = id.as_u128().to_be_bytes();
    for garbage in [&b"x"[..], &[0; 42], &[255; 400]] {
        let _: () = server.query(redis::cmd("HSET").arg("{agentexec}:rows").arg(&bytes).arg(garbage));
        let detail = store.detail(&Scope::all(), id, LogQuery::new()).await;
        assert!(matches!(detail, Err(Error::Unavailable { .. })), "{detail:?}");
        let list = store.list(&ListQuery::new(Scope::all())).await;
        assert!(matches!(list, Err(Error::Unavailable { .. })), "{list:?}");
        let written = store.write(write(id, progress(1))).await;
        assert!(matches!(written, Err(Error::Unavailable { .. })), "{written:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_url_or_a_namespace_is_refused_by_name() {
    for url in ["http://127.0.0.1", "redis:/", "", "redis://user:hunter2@[::1"] {
        let refused = RedisStore::connect(url).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field: "url", .. }), "{url}: {refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
    let refused = RedisStore::builder("redis://127.0.0.1").namespace("a}b").connect().await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { field: "namespace", .. }), "{refused:?}");
}

async fn health(server: &RedisServer, url: String) -> Health {
    let store = open(url).await;
    running(&store).await;
    let health = store.health().await.unwrap();
    assert!(health.version.starts_with("Redis ") || health.version.starts_with("Valkey "));
    assert!(health.server.contains(&server.addr().to_string()) && !health.server.contains("secret"));
    assert_eq!((health.role.as_str(), health.activities.running), ("master", 1));
    assert!(health.memory_used > 0 && health.latency > Duration::ZERO);
    health
}

#[tokio::test]
async fn the_health_of_a_server_says_what_it_promises() {
    let safe = RedisServer::builder().append_only().max_memory(100_000_000, "noeviction").start();
    let found = health(&safe, safe.url()).await;
    assert_eq!((found.maxmemory, found.maxmemory_policy.as_str()), (Some(100_000_000), "noeviction"));
    assert!(found.persistence.appends && !found.persistence.is_missing());
    assert_eq!(found.persistence.flushes.as_deref(), Some("always"));

    let forgetful = RedisServer::start();
    let found = health(&forgetful, forgetful.url()).await;
    assert_eq!((found.maxmemory, found.persistence.snapshots), (None, Some(false)));
    assert!(found.persistence.is_missing());

    // Who may not ask for the configuration is not told more than is known.
    let rules = "~{agentexec}:* +@all -config";
    let closed = RedisServer::builder().user("agents", "secret", rules).start();
    let found = health(&closed, closed.url_of("agents")).await;
    assert_eq!((found.persistence.snapshots, found.persistence.flushes), (None, None));
}
