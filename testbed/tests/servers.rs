//! Redis servers: each is itself, keeps what it promised, and is gone when its test is.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use agentexec_testbed::{Process, RedisCluster, RedisServer};
use redis::{Client, Commands, TlsCertificates, cmd};

const LIMIT: Duration = Duration::from_secs(30);

/// Set in a copy of this test program that is to be killed.
const AS_VICTIM: &str = "TESTBED_AS_VICTIM";

/// Whether the server ends the connection, which it does when it ends itself and at no other time here.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn servers_that_start_at_once_are_different_ones() {
    let starts: Vec<_> = (0..6).map(|_| thread::spawn(RedisServer::start)).collect();
    let servers: Vec<RedisServer> = starts.into_iter().map(|start| start.join().unwrap()).collect();

    let ports: BTreeSet<u16> = servers.iter().map(|server| server.addr().port()).collect();
    assert_eq!(ports.len(), servers.len());
    for server in &servers {
        let mut client = Client::open(server.url()).unwrap().get_connection().unwrap();
        let info: String = cmd("INFO").arg("server").query(&mut client).unwrap();
        assert!(info.contains(&format!("process_id:{}\r\n", server.pid())), "{info}");
    }
}

#[test]
fn a_restart_keeps_the_address_and_what_was_acknowledged() {
    let mut server = RedisServer::builder().append_only().start();
    let (url, pid) = (server.url(), server.pid());
    let mut client = Client::open(url.as_str()).unwrap().get_connection().unwrap();
    for n in 0..100 {
        let _: () = client.rpush("list", n).unwrap();
    }
    server.restart();
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.query::<u64>(cmd("LLEN").arg("list")), 100);
}

#[test]
fn without_a_file_a_restart_forgets() {
    let mut server = RedisServer::start();
    let _: () = server.query(cmd("SET").arg("k").arg("v"));
    server.restart();
    assert_eq!(server.query::<Option<String>>(cmd("GET").arg("k")), None);
}

#[test]
fn a_paused_server_is_silent_and_a_killed_one_is_gone() {
    let mut server = RedisServer::start();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    server.pause();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    stream.read(&mut [0; 16]).unwrap_err();
    server.resume();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");

    server.pause();
    server.kill();
    assert!(is_closed(&mut stream));
}

#[test]
fn a_memory_limit_holds() {
    let server = RedisServer::builder().max_memory(4_000_000, "noeviction").start();
    let mut client = Client::open(server.url()).unwrap().get_connection().unwrap();
    let big = "x".repeat(1_000_000);
    let full = (0..10).find_map(|n| client.set::<_, _, ()>(n, &big).err());
    assert_eq!(full.unwrap().code(), Some("OOM"));
}

#[test]
fn a_user_may_do_what_its_rules_say() {
    let server = RedisServer::builder().user("worker", "secret", "~app:* -@all +get +set").start();
    let mut worker = Client::open(server.url_of("worker")).unwrap().get_connection().unwrap();
    let _: () = worker.set("app:k", "v").unwrap();
    assert_eq!(worker.set::<_, _, ()>("other", "v").unwrap_err().code(), Some("NOPERM"));
    assert_eq!(worker.del::<_, ()>("app:k").unwrap_err().code(), Some("NOPERM"));
}

#[test]
fn tls_is_spoken_to_whoever_knows_the_authority() {
    let server = RedisServer::builder().tls().start();
    assert!(server.url().starts_with("rediss://"));
    let root_cert = Some(std::fs::read(server.ca_path()).unwrap());
    let trusting = Client::build_with_tls(server.url(), TlsCertificates { client_tls: None, root_cert });
    let pong: String = cmd("PING").query(&mut trusting.unwrap().get_connection().unwrap()).unwrap();
    assert_eq!(pong, "PONG");
    assert!(Client::open(server.url()).unwrap().get_connection().is_err());
    assert_eq!(server.query::<String>(&cmd("PING")), "PONG");
}

#[test]
fn a_cluster_spreads_keys_and_refuses_access_across_slots() {
    let cluster = RedisCluster::start();
    let mut owners = 0;
    for node in cluster.nodes() {
        let answer =
            Client::open(node.url()).unwrap().get_connection().unwrap().get::<_, Option<String>>("k");
        match answer {
            Ok(_) => owners += 1,
            Err(error) => assert_eq!(error.kind(), redis::ServerErrorKind::Moved.into()),
        }
    }
    assert_eq!(owners, 1);
    let mut client = Client::open(cluster.urls()[0].as_str()).unwrap().get_connection().unwrap();
    let across: redis::RedisResult<()> = client.mget(&["a", "b"]);
    assert_eq!(across.unwrap_err().code(), Some("CROSSSLOT"));
}

#[test]
fn a_server_does_not_outlive_a_test_that_is_killed() {
    if std::env::var_os(AS_VICTIM).is_some() {
        let server = RedisServer::start();
        println!("\naddr {}", server.addr());
        thread::sleep(LIMIT);
        return;
    }
    // It cannot clear up after itself.
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Process::start(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_server_does_not_outlive_a_test_that_is_killed", "--nocapture"])
            .env(AS_VICTIM, "1")
            .env("TMPDIR", folder.path()),
    );
    let addr = victim.wait_for_line("addr ", LIMIT);
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    victim.kill();
    assert!(is_closed(&mut stream));
}
