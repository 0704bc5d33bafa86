use agentexec_demo::Reply;
use serde_json::json;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{Model, agentexec, ran};

const KEY: &str = "sk-test-0123456789";

#[tokio::test]
async fn without_a_key_the_error_names_the_three_ways_on() {
    for (model, said) in [
        (&[][..], "error: there is no model to ask. There are three ways to go on:\n"),
        (&["--model", "claude:x"], "error: there is no key for claude. There are three ways to go on:\n"),
        (&["--model", "openai"], "error: there is no key for openai. There are three ways to go on:\n"),
        (
            &["--model", "openai-chat:x"],
            "error: there is no key for openai-chat. There are three ways to go on:\n",
        ),
    ] {
        let mut command = agentexec(&["run", "x"]);
        // Variables that are set and empty count as absent.
        command.args(model).env("ANTHROPIC_API_KEY", "").env("OPENAI_API_KEY", " ");
        let ran = ran(command).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.starts_with(said), "{}", ran.err);
        for way in [
            "1. set a key: ANTHROPIC_API_KEY or OPENAI_API_KEY\n",
            "2. use a local server: ",
            "3. see it work without either: --demo\n",
        ] {
            assert!(ran.err.contains(way), "{}", ran.err);
        }
        assert_eq!(ran.err.lines().count(), 4, "{}", ran.err);
    }
}

/// A server that refuses everybody.
async fn closed() -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(401).set_body_json(json!({"error": {"message": "wrong key"}}));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

async fn asked(server: &MockServer) -> Request {
    server.received_requests().await.unwrap().pop().expect("nobody asked")
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_local_server_needs_no_key_and_gets_the_one_that_is_set() {
    let server = closed().await;
    let url = server.uri();
    for (model, header_name) in [("openai-chat:m", "authorization"), ("claude:m", "x-api-key")] {
        let run = || agentexec(&["run", "x", "--model", model, "--base-url", &url]);
        assert_eq!(ran(run()).await.code, Some(1));
        assert_eq!(header(&asked(&server).await, header_name), None);

        let mut with_key = run();
        with_key.env("OPENAI_API_KEY", KEY).env("ANTHROPIC_API_KEY", KEY);
        let ran = ran(with_key).await;
        assert!(header(&asked(&server).await, header_name).unwrap().ends_with(KEY));
        assert!(!ran.err.contains(KEY) && !ran.err.contains("note:"), "{}", ran.err);
    }
}

/// The address 0.0.0.0 leads to this machine and is not one of its loopback addresses.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_key_does_not_go_unencrypted_to_another_machine() {
    let server = closed().await;
    let elsewhere = server.uri().replace("127.0.0.1", "0.0.0.0");
    for (model, key, header_name) in
        [("openai-chat:m", "OPENAI_API_KEY", "authorization"), ("claude:m", "ANTHROPIC_API_KEY", "x-api-key")]
    {
        let mut command = agentexec(&["run", "x", "--model", model, "--base-url", &elsewhere]);
        command.env(key, KEY);
        let ran = ran(command).await;
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.err.starts_with(&format!("note: {key} is not sent: ")), "{}", ran.err);
        assert_eq!(header(&asked(&server).await, header_name), None);
    }

    let mut command = agentexec(&["run", "x", "--model", "openai-chat:m"]);
    command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", &elsewhere);
    let ran = ran(command).await;
    assert!(!ran.err.contains("note:"), "an address beside the key was meant for it: {}", ran.err);
    assert!(header(&asked(&server).await, "authorization").unwrap().ends_with(KEY));
}

#[tokio::test]
async fn without_a_model_the_key_that_is_set_decides() {
    let server = closed().await;
    let asked_path = async |key: &str, address: &str| {
        let mut command = agentexec(&["run", "x"]);
        command.env(key, KEY).env(address, server.uri());
        let ran = ran(command).await;
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        (asked(&server).await.url.path().to_owned(), ran.err)
    };
    let (path, said) = asked_path("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL").await;
    assert_eq!(path, "/v1/messages");
    assert!(said.contains("   model  claude:claude-"), "{said}");
    let (path, said) = asked_path("OPENAI_API_KEY", "OPENAI_BASE_URL").await;
    assert_eq!(path, "/v1/responses");
    assert!(said.contains("   model  openai:gpt-"), "{said}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used() {
    let model = Model::new(|_| Reply::text("an answer"));
    let mut command =
        agentexec(&["run", "x", "--model", "openai-chat:m", "--base-url", "http://model.invalid/v1"]);
    command.env("HTTP_PROXY", model.url().trim_end_matches("/v1"));
    let ran = ran(command).await;
    // The server behind the proxy's address has answered, that it wants a key.
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("(HTTP 401"), "{}", ran.err);
}
