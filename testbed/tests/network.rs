//! The proxy: each fault does what its name says, and only while it is on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use agentexec_testbed::{Fault, Proxy, RedisServer};
use redis::cmd;

const LIMIT: Duration = Duration::from_secs(30);

/// Long enough for an answer on loopback to have come, if there was one.
const SILENCE: Duration = Duration::from_millis(300);

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// One answer of a line; empty when the connection is closed.
fn answer(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

fn ask(stream: &mut TcpStream, request: &str) -> String {
    // A connection that is closed already reads as closed.
    let _ = stream.write_all(format!("{request}\r\n").as_bytes());
    answer(stream)
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let kind = stream.read(&mut [0]).map_err(|error| error.kind());
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    matches!(kind, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
}

fn eventually(what: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !what() {
        assert!(Instant::now() < deadline, "it did not come to be within {LIMIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn count(server: &RedisServer) -> Option<u64> {
    server.query(cmd("GET").arg("n"))
}

#[test]
fn a_lost_reply_is_of_a_request_that_was_carried_out() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    proxy.drop_replies_to("INCR", 2);
    assert_eq!(ask(&mut client, "PING"), "+PONG");
    for n in 1..=2 {
        assert_eq!(ask(&mut client, "INCR n"), "", "a reply came");
        assert_eq!((count(&server), proxy.dropped()), (Some(n), n));
        client = connect(&proxy);
    }
    assert_eq!(ask(&mut client, "INCR n"), ":3");
}

#[test]
fn requests_of_many_chunks_are_whole_when_their_reply_is_lost() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    let value = "x".repeat(1_000_000);
    proxy.drop_replies_to("SET", 1);
    let request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}", value.len());
    assert_eq!(ask(&mut client, &request), "");
    assert_eq!(server.query::<usize>(cmd("STRLEN").arg("k")), value.len());
}

#[test]
fn while_replies_are_dropped_the_connection_stays_open_and_ends_with_the_fault() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let (mut asking, mut idle) = (connect(&proxy), connect(&proxy));
    assert_eq!(ask(&mut asking, "PING"), "+PONG");
    assert_eq!(ask(&mut idle, "PING"), "+PONG");
    proxy.set(Fault::DropReplies);
    asking.write_all(b"INCR n\r\n").unwrap();
    assert!(is_silent(&mut asking));
    assert_eq!((count(&server), proxy.dropped()), (Some(1), 1));

    proxy.set(Fault::None);
    assert_eq!(answer(&mut asking), "", "a stream with a hole went on");
    assert_eq!(ask(&mut idle, "PING"), "+PONG");
}

#[test]
fn behind_a_pulled_cable_nothing_passes_and_nothing_is_lost() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    assert_eq!(ask(&mut client, "PING"), "+PONG");
    proxy.set(Fault::HalfOpen);
    client.write_all(b"INCR n\r\n").unwrap();
    let mut late = connect(&proxy);
    late.write_all(b"PING\r\n").unwrap();
    assert!(is_silent(&mut client) && is_silent(&mut late));
    assert_eq!((count(&server), proxy.open()), (None, 2));

    proxy.set(Fault::None);
    assert_eq!((answer(&mut client).as_str(), answer(&mut late).as_str()), (":1", "+PONG"));
}

#[test]
fn connections_are_closed_refused_and_counted() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let (mut one, mut two) = (connect(&proxy), connect(&proxy));
    assert_eq!(ask(&mut one, "PING"), "+PONG");
    assert_eq!(ask(&mut two, "PING"), "+PONG");
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));

    proxy.disconnect();
    assert_eq!((answer(&mut one), answer(&mut two)), (String::new(), String::new()));
    eventually(|| proxy.open() == 0);
    let mut three = connect(&proxy);
    assert_eq!(ask(&mut three, "PING"), "+PONG");

    proxy.set(Fault::Down);
    assert_eq!(answer(&mut three), "");
    assert_eq!(ask(&mut connect(&proxy), "PING"), "");
    proxy.set(Fault::None);
    assert_eq!(ask(&mut connect(&proxy), "PING"), "+PONG");
    assert_eq!(proxy.accepted(), 5);
}

#[test]
fn latency_is_added_to_each_round_trip_and_the_order_stays() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    let latency = Duration::from_millis(100);
    proxy.set(Fault::Latency(latency));
    let start = Instant::now();
    assert_eq!(ask(&mut client, "INCR n"), ":1");
    assert!(start.elapsed() >= latency);
    for _ in 0..20 {
        client.write_all(b"INCR n\r\n").unwrap();
    }
    let answers: Vec<String> = (0..20).map(|_| answer(&mut client)).collect();
    assert_eq!(answers, (2..=21).map(|n| format!(":{n}")).collect::<Vec<_>>());
}

#[test]
fn a_stalled_chunk_comes_late_and_in_order() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    let pause = Duration::from_millis(50);
    proxy.set(Fault::Stalls { share: 1.0, pause, seed: 1 });
    let start = Instant::now();
    assert_eq!(ask(&mut client, "INCR n"), ":1");
    assert!(start.elapsed() >= 2 * pause, "both directions stall");
    proxy.set(Fault::Stalls { share: 0.0, pause: LIMIT, seed: 1 });
    assert_eq!(ask(&mut client, "INCR n"), ":2");
}

#[test]
fn a_dropped_proxy_takes_its_connections_along() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let mut client = connect(&proxy);
    assert_eq!(ask(&mut client, "PING"), "+PONG");
    drop(proxy);
    assert_eq!(answer(&mut client), "");
}
