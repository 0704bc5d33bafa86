//! The server itself: who is let in, which routes there are, many at once, and its end.

use std::collections::HashSet;
use std::time::Duration;

use agentexec_demo::{Conversation, DemoServer, Explorer, Reply};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{post, server};
use crate::conversation::{WIRES, Wire};

async fn send(
    server: &DemoServer,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut request =
        Client::new().request(method, format!("{}{path}", server.base_url())).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_key_is_wanted_and_any_will_do() {
    let server = server(|_: &Conversation| Reply::text("in"));
    let version = ("anthropic-version", "2023-06-01");
    let body = |wire: Wire| wire.request(&[wire.user("hi")], &[], false).to_string();
    for wire in [Wire::Chat, Wire::Responses] {
        for headers in [&[][..], &[("authorization", "Bearer ")], &[("x-api-key", "k")]] {
            let (status, answer) = send(&server, Method::POST, wire.path(), headers, &body(wire)).await;
            assert_eq!((status, &answer["error"]["type"]), (401, &json!("invalid_request_error")));
            assert!(
                answer["error"]["message"].as_str().unwrap().starts_with("You didn't provide an API key.")
            );
        }
        let bearer = [("authorization", "Bearer anything")];
        assert_eq!(send(&server, Method::POST, wire.path(), &bearer, &body(wire)).await.0, 200);
    }
    let (path, body) = (Wire::Messages.path(), body(Wire::Messages));
    let (status, answer) = send(&server, Method::POST, path, &[version, ("x-api-key", "")], &body).await;
    assert_eq!(status, 401);
    assert_eq!(
        answer["error"],
        json!({"type": "authentication_error", "message": "x-api-key header is required"})
    );
    for key in [("x-api-key", "k"), ("authorization", "Bearer k")] {
        assert_eq!(send(&server, Method::POST, path, &[version, key], &body).await.0, 200);
    }
    let (status, answer) = send(&server, Method::POST, path, &[("x-api-key", "k")], &body).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("anthropic-version: header is required")));
}

#[tokio::test]
async fn unknown_routes_and_methods_get_the_error_of_the_clients_provider() {
    let server = server(Explorer);
    let version = [("anthropic-version", "2023-06-01")];
    let (status, body) = send(&server, Method::POST, "/chat/completions", &[], "{}").await;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("Invalid URL (POST /chat/completions)")));
    let (status, body) = send(&server, Method::POST, "/v1/v1/messages", &version, "{}").await;
    assert_eq!((status, &body["error"]), (404, &json!({"type": "not_found_error", "message": "Not found"})));
    let (status, body) = send(&server, Method::GET, "/v1/chat/completions", &[], "").await;
    assert_eq!((status, &body["error"]["code"]), (405, &json!("method_not_supported")));
    let (status, body) = send(&server, Method::GET, "/v1/messages", &version, "").await;
    assert_eq!((status, &body["error"]["type"]), (405, &json!("invalid_request_error")));
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let server = server(Explorer);
    let bearer = [("authorization", "Bearer k"), ("anthropic-version", "2023-06-01")];
    for wire in WIRES {
        let (status, body) = send(&server, Method::POST, wire.path(), &bearer, "{\"model\": ").await;
        assert_eq!((status, &body["error"]["type"]), (400, &json!("invalid_request_error")));
        let (status, _) = send(&server, Method::POST, wire.path(), &bearer, "[]").await;
        assert_eq!(status, 400);
    }
    // Announced rather than sent: the refusal comes before the body.
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n\
                content-length: 40000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_failure_has_the_status_and_the_error_body_of_the_protocol() {
    let server = server(|conversation: &Conversation| {
        Reply::failure(conversation.prompt().parse().unwrap(), "Come back later.")
    });
    for (wire, status, kind) in [
        (Wire::Chat, 429, "requests"),
        (Wire::Responses, 503, "server_error"),
        (Wire::Messages, 429, "rate_limit_error"),
        (Wire::Messages, 529, "overloaded_error"),
        (Wire::Messages, 500, "api_error"),
    ] {
        for is_streamed in [false, true] {
            let request = wire.request(&[wire.user(&status.to_string())], &[], is_streamed);
            let answer = post(&server, wire.path(), &request).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.json()["error"]["type"], kind);
            assert_eq!(answer.json()["error"]["message"], "Come back later.");
        }
    }
    let request = Wire::Chat.request(&[Wire::Chat.user("200")], &[], false);
    assert_eq!(post(&server, Wire::Chat.path(), &request).await.status, 500);
}

#[tokio::test]
async fn a_brain_may_play_a_model_that_writes_broken_json() {
    let server = server(|_: &Conversation| Reply::call("f", json!("{\"a\": ")));
    let request = Wire::Chat.request(&[Wire::Chat.user("hi")], &[], false);
    let body = post(&server, Wire::Chat.path(), &request).await.json();
    assert_eq!(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"a\": ");
}

#[tokio::test]
async fn many_clients_are_answered_at_once_each_with_its_own() {
    let server = server(|conversation: &Conversation| {
        Reply::text(conversation.prompt()).and_call("t", json!({"of": conversation.prompt()}))
    });
    let requests = (0..60).map(|number| {
        let (wire, server) = (WIRES[number % WIRES.len()], &server);
        async move {
            let prompt = format!("question {number}");
            let turn = wire.send(server, &wire.request(&[wire.user(&prompt)], &[], number % 2 == 0)).await;
            assert_eq!((&turn.text, &turn.calls[0].arguments["of"]), (&prompt, &json!(prompt)));
            turn.calls[0].id.clone()
        }
    });
    let ids: HashSet<String> = futures_util::future::join_all(requests).await.into_iter().collect();
    assert_eq!(ids.len(), 60);
}

#[tokio::test]
async fn a_brain_that_panics_loses_its_request_and_no_other() {
    let server = server(|conversation: &Conversation| match conversation.prompt() {
        "panic" => panic!("as the test wants"),
        prompt => Reply::text(prompt),
    });
    let url = format!("{}{}", server.base_url(), Wire::Chat.path());
    let request = Wire::Chat.request(&[Wire::Chat.user("panic")], &[], false);
    assert!(Client::new().post(url).bearer_auth("k").json(&request).send().await.is_err());
    let turn = Wire::Chat.send(&server, &Wire::Chat.request(&[Wire::Chat.user("fine")], &[], false)).await;
    assert_eq!(turn.text, "fine");
}

/// A server whose streams last for hours, and a stream of it that has begun.
async fn endless() -> (DemoServer, reqwest::Response) {
    let brain = |_: &Conversation| Reply::text("word ".repeat(100));
    let server = DemoServer::builder().delay(Duration::from_secs(60)).brain(brain).start().unwrap();
    let request = Wire::Chat.request(&[Wire::Chat.user("hi")], &[], true);
    let url = format!("{}{}", server.base_url(), Wire::Chat.path());
    let stream = Client::new().post(url).bearer_auth("k").json(&request).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    (server, stream)
}

#[tokio::test]
async fn shutdown_closes_the_port_and_cuts_the_streams() {
    let (server, stream) = endless().await;
    let address = server.address();
    server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(stream.bytes().await.is_err(), "a cut stream is an error at the client");
}

#[tokio::test]
async fn dropping_the_handle_closes_the_port_and_cuts_the_streams() {
    let (server, stream) = endless().await;
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(stream.bytes().await.is_err());
}

#[test]
fn a_server_starts_and_stops_without_a_runtime() {
    let server = DemoServer::start().unwrap();
    assert_eq!(server.base_url(), format!("http://{}", server.address()));
    assert!(std::net::TcpStream::connect(server.address()).is_ok());
}
