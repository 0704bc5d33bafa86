//! Keys go where they were set for, and are shown nowhere. What cannot be set up says so.

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::{Request, SecretString, Transport, TransportBuilder};

use crate::support::{Act, Server, answer, ask, json, send};

const KEY: &str = "sk-very-secret-key";

fn key() -> SecretString {
    SecretString::from(KEY)
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let other = Server::always(vec![json("{}")]).await;
    let server_of = |location: String| async move {
        let redirect = format!("HTTP/1.1 307 Temporary\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        Server::always(vec![send(redirect)]).await
    };
    let other_host = other.address.replace("127.0.0.1", "localhost");
    for (location, expected) in [
        (format!("http://u:p@{other_host}/v1/ask?key=private"), "redirects to http://localhost:"),
        ("/elsewhere".to_owned(), "redirects to http://127.0.0.1:"),
        ("http://[broken".to_owned(), "redirects to an address that cannot be read,"),
    ] {
        let server = server_of(location).await;
        let error = ask(&server.builder().bearer(key()).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Configuration, Some(307)));
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("private"), "{error}");
        assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
    }
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let server = Server::always(vec![json("{}")]).await;
    let builder = Transport::builder(server.url.replace("http://", "http://user:hidden-password@"))
        .bearer(key())
        .secret_header("x-api-key", key())
        .header("x-extra", "hidden-header")
        .query("code", "hidden-query")
        .proxy("http://user:hidden-proxy@127.0.0.1:1");
    let transport = builder.clone().build().unwrap();
    let request = Request::post("ask", "hidden-body").header("x-extra", "hidden-header");
    let shown = format!("{builder:?} {transport:?} {request:?} {}", transport.base_url());
    assert!(shown.contains(&server.address), "{shown}");
    assert!(!shown.contains("hidden") && !shown.contains(KEY), "{shown}");

    let reply = ask(&server.transport()).await.unwrap();
    assert!(!format!("{reply:?}").contains("content-type"), "{reply:?}");
}

#[tokio::test]
async fn a_key_that_the_server_repeats_is_blotted_out() {
    let body = format!(r#"{{"error":{{"message":"Invalid key {KEY}","code":"{KEY}"}}}}"#);
    for (status, content_type, body) in [
        ("401 No", "application/json", body.as_str()),
        ("401 No", "text/plain", &format!("no such key: {KEY}")),
        ("200 OK", "text/plain", &format!("who is {KEY}?")),
        ("200 OK", "application/json", &body),
        ("500 Oops", "text/html", &format!("<title>{KEY}</title>")),
    ] {
        let server = Server::always(vec![answer(status, content_type, body)]).await;
        let error =
            ask(&server.builder().secret_header("x-api-key", key()).build().unwrap()).await.unwrap_err();
        let shown = format!("{error:#} {error:?} {:?} {:?}", error.body(), error.code());
        assert!(!shown.contains(KEY), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
    }
}

#[tokio::test]
async fn a_key_that_the_server_spells_with_escapes_is_blotted_out() {
    const ODD: &str = "abc/def+ghi/0123456789==";
    let spelled = [ODD.replace('/', "\\/"), ODD.replace('+', "\\u002B"), ODD.to_owned()];
    for spelled in spelled {
        let body = format!(r#"{{"error":{{"message":"Invalid key {spelled}","code":"{spelled}"}}}}"#);
        let event = format!("data: {body}\n\n");
        for (status, content_type, body) in
            [("401 No", "application/json", &body), ("401 No", "text/event-stream", &event)]
        {
            let server = Server::always(vec![answer(status, content_type, body)]).await;
            let transport = server.builder().bearer(SecretString::from(ODD)).build().unwrap();
            let error = ask(&transport).await.unwrap_err();
            let shown = format!("{error:#} {error:?} {:?}", error.code());
            assert!(!shown.contains(ODD) && shown.contains("[redacted]"), "{shown}");
            if content_type == "application/json" {
                let body = error.body().unwrap();
                assert!(!body.contains(&spelled) && body.contains("[redacted]"), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_no_request_id() {
    let head = format!("HTTP/1.1 401 No\r\nrequest-id: {KEY}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::always(vec![send(head)]).await;
    let error = ask(&server.builder().secret_header("x-api-key", key()).build().unwrap()).await.unwrap_err();
    assert_eq!(error.request_id(), None);
}

#[test]
fn what_cannot_be_set_up_says_what_and_how() {
    let base = || Transport::builder("https://host/v1");
    let table: [(TransportBuilder, &str); 10] = [
        (Transport::builder("localhost:11434"), "must begin with https:// or http://"),
        (Transport::builder("ftp://host"), "must begin with https:// or http://"),
        (Transport::builder("api.example.com/v1"), "must look like https://"),
        (Transport::builder(""), "must look like https://"),
        (base().bearer(SecretString::from(" ")), "the key is empty"),
        (base().bearer(SecretString::from("hidden\n")), "header authorization"),
        (base().header("x y", "1"), "\"x y\" is not the name of an HTTP header"),
        (base().header("x-one", "hidden\r\n"), "header x-one"),
        (base().root_certificate_pem("hidden"), "root certificate"),
        (base().proxy("::hidden::"), "proxy URL"),
    ];
    for (builder, expected) in table {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Configuration);
        let shown = format!("{error:#}");
        assert!(shown.contains(expected) && !shown.contains("hidden"), "{shown}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_an_error_before_anything_is() {
    let server = Server::always(vec![Act::Close]).await;
    let request = Request::post("ask", "{}").header("x-one", "hidden\n");
    let error = server.transport().send(request).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Configuration);
    assert!(!error.to_string().contains("hidden"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_request_must_be_json() {
    let keyed = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = Request::json("ask", &keyed).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
}
