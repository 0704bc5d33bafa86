//! Several stores on one server, and many who watch through one.

use std::time::Duration;

use crate::support::{complete, log, next_logged, open, progress, running, write};
use agentexec_activity_core::{
    Activities, ActivityStore, Attempt, ListQuery, Scope, StopRequest, Timestamp, WatchFrom,
};
use agentexec_activity_redis::RedisStore;
use agentexec_testbed::RedisServer;
use futures_util::future::join_all;

#[tokio::test]
async fn two_processes_see_each_other_and_stop_each_others_work() {
    let server = RedisServer::start();
    let (worker, operator) = (open(server.url()).await, open(server.url()).await);
    let mut watch = operator.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let id = running(&worker).await;
    assert_eq!(next_logged(&mut watch).await, (id, 1));
    assert_eq!(next_logged(&mut watch).await, (id, 2));

    let asked = async { Activities::new(operator.clone()).request_cancel(&Scope::all(), id, "enough").await };
    let (told, asked) = tokio::join!(worker.stop_requested(id, Attempt::FIRST), asked);
    asked.unwrap();
    assert_eq!(told, StopRequest::Cancel("enough".into()));
}

/// Operations have one connection and events another, however many watch.
#[tokio::test]
async fn a_thousand_watchers_share_one_connection() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    let mut watches = Vec::new();
    for _ in 0..1000 {
        watches.push(store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap());
    }
    let writer = open(server.url()).await;
    let id = running(&writer).await;
    writer.write(write(id, progress(10))).await.unwrap();
    join_all(watches.iter_mut().map(async |watch| {
        for seq in 1..=3 {
            assert_eq!(next_logged(watch).await, (id, seq));
        }
    }))
    .await;
    drop(writer);
    let clients: String = server.query(redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal"));
    let over_tcp = clients.lines().filter(|client| client.contains("addr=127.0.0.1:")).count();
    assert!(over_tcp <= 3, "{over_tcp} connections, one of which may be on its way out:\n{clients}");
    let reading = clients.lines().filter(|client| client.contains("cmd=xread")).count();
    assert_eq!(reading, 1, "{clients}");
}

#[tokio::test]
async fn namespaces_know_nothing_of_each_other() {
    let server = RedisServer::start();
    let here = RedisStore::builder(server.url()).namespace("here").connect().await.unwrap();
    let there = RedisStore::builder(server.url()).namespace("there").connect().await.unwrap();
    let mut watch = there.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let id = running(&here).await;
    here.write(write(id, complete())).await.unwrap();
    assert_eq!(there.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap().changed, 0);
    assert_eq!(there.list(&ListQuery::new(Scope::all())).await.unwrap().items, []);
    let own = running(&there).await;
    assert_eq!(next_logged(&mut watch).await, (own, 1));
    assert_eq!(log(&here, id).await, [1, 2, 3]);
}

/// What was purged leaves no key behind, and none of the keys of the store has a time to live.
#[tokio::test]
async fn nothing_is_left_of_what_was_purged() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    let id = running(&store).await;
    for value in 0..400_u32 {
        store.write(write(id, progress((value % 100) as u8))).await.unwrap();
    }
    let volatile: String = server.query(redis::cmd("INFO").arg("keyspace"));
    assert!(volatile.contains("expires=0"), "{volatile}");
    store.write(write(id, complete())).await.unwrap();
    assert_eq!(store.purge(&Scope::all(), Timestamp::MAX, None).await.unwrap().changed, 1);
    let mut left: Vec<String> = server.query(redis::cmd("KEYS").arg("*"));
    left.sort_unstable();
    assert_eq!(left, ["{agentexec}:events", "{agentexec}:meta"]);
}

/// Nobody waits any more: the connection that follows the events is closed after a while, and made again.
#[tokio::test]
async fn a_watch_after_a_rest_misses_nothing() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    for _ in 0..3 {
        let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
        let id = running(&store).await;
        assert_eq!(next_logged(&mut watch).await, (id, 1));
        drop(watch);
        running(&store).await;
    }
    let waiting = store.stop_requested(running(&store).await, Attempt::FIRST);
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
}
