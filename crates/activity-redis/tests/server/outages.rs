//! The server restarts, the network fails, answers are lost: nothing acknowledged is lost, nothing is done twice,
//! and the store goes on by itself.

use std::time::Duration;

use crate::support::{
    SOON, complete, failure, log, new_activity, next, next_logged, open, progress, running, start, write,
};
use agentexec_activity_core::{
    ActivityStore, Attempt, CancelOutcome, CancelRequest, Change, Error, RequestId, Scope, Status,
    StopRequest, WatchFrom,
};
use agentexec_activity_redis::{Failure, RedisStore};
use agentexec_testbed::{Fault, Proxy, RedisServer};

#[tokio::test]
async fn a_restart_loses_nothing_and_is_not_noticed() {
    let mut server = RedisServer::builder().append_only().start();
    let store = open(server.url()).await;
    let id = running(&store).await;
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    for value in 1..=20 {
        store.write(write(id, progress(value))).await.unwrap();
    }
    for seq in 3..=12 {
        assert_eq!(next_logged(&mut watch).await, (id, seq));
    }
    server.restart();
    // The next operation finds the connection broken, makes another, and is sent again.
    store.write(write(id, complete())).await.unwrap();
    assert_eq!(log(&store, id).await, (1..=23).collect::<Vec<_>>());
    for seq in 13..=23 {
        assert_eq!(next_logged(&mut watch).await, (id, seq));
    }
}

#[tokio::test]
async fn an_operation_waits_for_a_server_that_comes_back() {
    let mut server = RedisServer::builder().append_only().start();
    let store = open(server.url()).await;
    let id = running(&store).await;
    server.kill();
    let restart = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let (written, server) = tokio::join!(store.write(write(id, complete())), restart);
    assert_eq!(written.unwrap().seq, 3);
    drop(server);
}

#[tokio::test]
async fn an_answer_that_is_lost_does_nothing_twice() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let store = open(server.url_at(proxy.addr())).await;
    let behind = open(server.url()).await;
    let mut watch = behind.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();

    let new = new_activity();
    let id = new.id;
    proxy.drop_replies_to("EVALSHA", 1);
    store.create(new.clone()).await.unwrap();
    for (seq, change) in (2..).zip([start(), progress(10), complete(), Change::Cancel]) {
        let write = write(id, change);
        proxy.drop_replies_to("EVALSHA", 1);
        match store.write(write.clone()).await {
            Ok(first) => {
                assert_eq!(first.seq, seq);
                // Whoever does not trust that sends it again himself.
                assert_eq!(store.write(write).await.unwrap(), first);
            }
            Err(refused) => assert_eq!(refused.refused_from(), Some(Status::Complete)),
        }
    }
    assert_eq!(store.create(new).await.unwrap().status, Status::Complete);
    assert_eq!(proxy.dropped(), 5);
    assert_eq!(log(&behind, id).await, [1, 2, 3, 4]);
    for seq in 1..=4 {
        assert_eq!(next_logged(&mut watch).await, (id, seq));
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_request_to_stop_stops_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let store = open(server.url_at(proxy.addr())).await;
    let queued = store.create(new_activity()).await.unwrap().id;
    let running = running(&store).await;
    for (id, expected) in [(queued, CancelOutcome::Canceled), (running, CancelOutcome::Requested)] {
        let ask = CancelRequest {
            request: RequestId::new(),
            reason: "enough".into(),
            message: "Canceled: enough".into(),
        };
        proxy.drop_replies_to("EVALSHA", 1);
        assert_eq!(store.request_cancel(&Scope::all(), id, ask).await.unwrap(), expected);
        assert_eq!(log(&store, id).await, [1, 2]);
    }
    assert_eq!(proxy.dropped(), 2);
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_given_up() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let url = server.url_at(proxy.addr());
    let store = RedisStore::builder(&url).timeout(Duration::from_millis(200)).connect().await.unwrap();
    let id = running(&store).await;
    let connections = proxy.accepted();

    proxy.set(Fault::HalfOpen);
    let error = store.write(write(id, progress(1))).await.unwrap_err();
    assert!(matches!(failure(&error), (Failure::NoAnswer { .. }, text) if text.contains(&url)), "{error:?}");
    assert!(error.is_retryable());
    proxy.set(Fault::None);
    let sent_again = write(id, complete());
    let sending = async { while store.write(sent_again.clone()).await.is_err() {} };
    tokio::time::timeout(SOON, sending).await.unwrap();
    assert!(proxy.accepted() > connections, "it went on waiting on the old connection");
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_its_password() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    proxy.set(Fault::Down);
    let url = format!("redis://user:hunter2@{}", proxy.addr());
    let store = RedisStore::builder(&url).timeout(Duration::from_millis(100));
    assert!(!format!("{store:?}").contains("hunter2"));
    let error = store.connect().await.unwrap_err();
    let (failure, text) = failure(&error);
    assert!(matches!(failure, Failure::Unreachable { .. }), "{text}");
    assert!(text.contains(&proxy.addr().to_string()) && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_watch_goes_on_behind_a_broken_connection_without_a_gap() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let watching = open(server.url_at(proxy.addr())).await;
    let writing = open(server.url()).await;
    let id = running(&writing).await;
    let mut watch = watching.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    for seq in 3..=40 {
        writing.write(write(id, progress(1))).await.unwrap();
        if seq % 10 == 0 {
            assert_eq!(next_logged(&mut watch).await, (id, seq - 9 + if seq == 10 { 2 } else { 0 }));
            proxy.disconnect();
            for seq in seq - 8 + if seq == 10 { 2 } else { 0 }..=seq {
                assert_eq!(next_logged(&mut watch).await, (id, seq));
            }
        }
    }
}

#[tokio::test]
async fn a_run_is_asked_to_stop_although_its_connection_broke() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let worker = open(server.url_at(proxy.addr())).await;
    let operator = open(server.url()).await;
    let id = running(&operator).await;
    let told = tokio::spawn(async move { worker.stop_requested(id, Attempt::FIRST).await });
    // Until the worker has looked and follows the events.
    let connected = async {
        while proxy.open() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, connected).await.unwrap();
    proxy.set(Fault::Down);
    let ask = CancelRequest { request: RequestId::new(), reason: "enough".into(), message: "".into() };
    operator.request_cancel(&Scope::all(), id, ask).await.unwrap();
    proxy.set(Fault::None);
    let told = tokio::time::timeout(SOON, told).await.unwrap().unwrap();
    assert_eq!(told, StopRequest::Cancel("enough".into()));
}

/// A server that was emptied has other events, whatever their numbers are.
#[tokio::test]
async fn a_watch_ends_when_the_server_is_emptied() {
    let server = RedisServer::start();
    let store = open(server.url()).await;
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let id = running(&store).await;
    let old = next(&mut watch).await.unwrap().cursor();
    assert_eq!(next_logged(&mut watch).await, (id, 2));

    let _: () = server.query(&redis::cmd("FLUSHALL"));
    for _ in 0..5 {
        running(&store).await;
    }
    let ended = next(&mut watch).await;
    assert!(matches!(ended, Err(Error::CursorExpired { .. })), "{ended:?}");
    let resumed = store.watch(&Scope::all(), None, WatchFrom::After(old)).await;
    assert!(matches!(resumed.map(drop), Err(Error::CursorExpired { cursor }) if cursor == old));
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let id = running(&store).await;
    assert_eq!(next_logged(&mut watch).await, (id, 1));
}

/// A server that comes back from an older snapshot gives numbers again that it had given. Whoever has seen the
/// first ones is told, however far the server has come since.
#[tokio::test]
async fn a_watch_ends_when_the_server_has_forgotten_events() {
    let mut server = RedisServer::builder().arg("save", ["3600 1000000"]).start();
    let store = open(server.url()).await;
    let other = open(server.url()).await;
    let id = running(&store).await;
    let mut watch = store.watch(&Scope::all(), None, WatchFrom::Now).await.unwrap();
    let _: () = server.query(&redis::cmd("SAVE"));
    store.write(write(id, progress(10))).await.unwrap();
    store.write(write(id, progress(20))).await.unwrap();
    let forgotten = next(&mut watch).await.unwrap().cursor();
    next(&mut watch).await.unwrap();

    server.restart();
    // More events than were forgotten, by somebody who knows nothing of those.
    for value in 30..40 {
        other.write(write(id, progress(value))).await.unwrap();
    }
    let ended = next(&mut watch).await;
    assert!(matches!(ended, Err(Error::CursorExpired { .. })), "{ended:?}");
    let resumed = store.watch(&Scope::all(), None, WatchFrom::After(forgotten)).await;
    assert!(matches!(resumed.map(drop), Err(Error::CursorExpired { .. })));
}
