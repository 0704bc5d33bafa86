use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Ran, Silent, agentexec, ask, ended, ran};

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

/// Asserts how a run failed: the code, the error in the record's words, and what to do next.
fn failed(ran: &Ran, code: i32, error: &str, next: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{}", ran.err);
    let line = ran.err.lines().find(|line| line.starts_with("   error  ")).expect(&ran.err);
    assert!(line.contains(error), "{line}");
    let last = ran.err.lines().last().unwrap();
    assert!(last.starts_with("    next  ") && last.contains(next), "{}", ran.err);
    assert!(ran.err.lines().all(|line| line.len() < 400), "{}", ran.err);
}

#[tokio::test]
async fn an_unknown_model_is_told_with_its_option() {
    let body = json!({"error": {"message": "The model `m` does not exist", "code": "model_not_found"}});
    let server = answering(ResponseTemplate::new(404).set_body_json(body)).await;
    let ran = ran(ask(&server.uri(), &[])).await;
    failed(&ran, 1, "The model `m` does not exist (HTTP 404)", "check the model's name (--model)");
}

#[tokio::test]
async fn a_wrong_key_is_told_with_its_variable() {
    let body =
        json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}});
    let server =
        answering(ResponseTemplate::new(401).insert_header("request-id", "req_7").set_body_json(body)).await;
    let mut command = agentexec(&["run", "x", "--model", "claude"]);
    command.env("ANTHROPIC_API_KEY", "sk-ant-wrong").env("ANTHROPIC_BASE_URL", server.uri());
    let ran = ran(command).await;
    failed(&ran, 1, "invalid x-api-key (HTTP 401, request req_7)", "check the key in ANTHROPIC_API_KEY");
    assert!(!ran.err.contains("sk-ant-wrong"));
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_told() {
    let page = "<!doctype html><html><head><title>Welcome</title></head><body>Hello</body></html>";
    let server = answering(ResponseTemplate::new(200).set_body_raw(page, "text/html")).await;
    let ran = ran(ask(&server.uri(), &[])).await;
    failed(&ran, 1, "the answer is an HTML page (\"Welcome\")", "--base-url");
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_was_reached() {
    let answer = ResponseTemplate::new(503).insert_header("retry-after-ms", "1").set_body_string("busy");
    let server = answering(answer).await;
    let ran = ran(ask(&server.uri(), &[])).await;
    failed(&ran, 1, "busy (HTTP 503)", "try again");
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_asked_for_again_twice_and_then_told() {
    let server = Silent::start().await;
    let child = ask(&server.url(), &[]).spawn().unwrap();
    for _ in 0..3 {
        let mut stream = server.streaming().await;
        let event = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "Once upon"}}]});
        stream.write_all(format!("data: {event}\n\n").as_bytes()).await.unwrap();
    }
    failed(&ended(child).await, 1, "the stream ended before the response was complete", "try again");
}

#[tokio::test]
async fn a_line_of_100_mb_is_refused_long_before_its_end() {
    let server = Silent::start().await;
    let child = ask(&server.url(), &[]).spawn().unwrap();
    let mut stream = server.streaming().await;
    let mut sent = 0;
    stream.write_all(b"data: ").await.unwrap();
    while sent < 100 << 20 && stream.write_all(&[b'x'; 1 << 20]).await.is_ok() {
        sent += 1 << 20;
    }
    assert!(sent < 100 << 20, "the program read all of it");
    failed(&ended(child).await, 1, "longer than 16777216 bytes", "--base-url");
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let ran = ran(ask(&url, &[])).await;
    failed(&ran, 4, "connection refused. Is the local server running, on this port?", "check the network");
}

#[tokio::test]
async fn a_server_that_hangs_up_without_an_answer_is_unreachable() {
    let server = Silent::start().await;
    let child = ask(&server.url(), &[]).spawn().unwrap();
    let hang_up = async {
        loop {
            drop(server.asked().await);
        }
    };
    let ran = tokio::select! {
        ran = ended(child) => ran,
        () = hang_up => unreachable!("it hangs up for ever"),
    };
    failed(&ran, 4, "broke before an answer came", "check the network");
}

#[tokio::test]
async fn a_run_that_times_out_says_so_in_its_record() {
    let server = Silent::start().await;
    let child = ask(&server.url(), &["--timeout", "200ms"]).spawn().unwrap();
    let _held = server.asked().await;
    let ran = ended(child).await;
    failed(&ran, 124, "Task timed out after 200ms.", "--timeout");
    let child = ask(&server.url(), &["--timeout", "200ms", "--json"]).spawn().unwrap();
    let _held = server.asked().await;
    let result = ended(child).await.result();
    assert_eq!((&result["status"], &result["exit_code"]), (&json!("error"), &json!(124)));
    assert_eq!(result["message"], "Task timed out after 200ms.");
}

#[tokio::test]
async fn a_configured_message_does_not_hide_the_error() {
    let server =
        answering(ResponseTemplate::new(400).set_body_json(json!({"error": {"message": "no such thing"}})))
            .await;
    let mut command = ask(&server.uri(), &[]);
    command.env("AGENTEXEC_ACTIVITY_MESSAGE_ERROR", "Oh no.");
    let ran = ran(command).await;
    assert!(ran.err.contains("\n   error  Oh no.\n because  "), "{}", ran.err);
    assert!(ran.err.contains("no such thing (HTTP 400)\n"), "{}", ran.err);
}

#[tokio::test]
async fn an_answer_that_never_begins_ends_with_the_run() {
    // The transport waits ten minutes for a first byte; the run's own limit comes first.
    let server = Silent::start().await;
    let child = ask(&server.url(), &["--timeout", "1s"]).spawn().unwrap();
    let _held = server.streaming().await;
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), ended(child)).await.unwrap().code, Some(124));
}
