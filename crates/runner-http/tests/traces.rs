//! What a log learns of a request.
//!
//! A program of its own: tracing remembers for the whole process whether anybody listens at a place, and other
//! tests pass the same places with nobody listening.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "http/support.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

use std::io;
use std::sync::{Arc, Mutex};

use agentexec_runner_http::{Request, SecretString};
use tracing::Level;

use crate::support::{Server, answer, json};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_has_the_facts_of_each_try_and_nothing_private() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());

    let busy = answer("503 Busy", "application/json", r#"{"error":"private-answer"}"#);
    let server = Server::start(vec![vec![busy], vec![json(r#"{"text":"private-answer"}"#)]]).await;
    let transport = server
        .builder()
        .bearer(SecretString::from("private-key"))
        .query("code", "private-query")
        .build()
        .unwrap();
    transport.send(Request::post("v1/ask", "private-prompt")).await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let tries: Vec<&str> = log.lines().filter(|line| line.contains("model request")).collect();
    assert_eq!(tries.len(), 2, "{log}");
    for (line, status, number) in [(tries[0], "status=503", "try=1"), (tries[1], "status=200", "try=2")] {
        for expected in [
            "DEBUG",
            "method=\"POST\"",
            "path=\"/v1/ask\"",
            "request_id=\"req_1\"",
            "elapsed_ms=",
            status,
            number,
        ] {
            assert!(line.contains(expected), "{expected} is missing in {line}");
        }
    }
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("agentexec")).collect();
    assert!(!ours.join("").contains("private"), "{ours:?}");
    for secret in ["private-key", "private-prompt", "private-answer"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
