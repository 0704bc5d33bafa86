//! What a request sends, and what its answer turns out to be.

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::{EventStream, Heard, Reply, Request, SecretString, Transport};
use serde_json::{Value, json as value};

use crate::support::{Act, Server, answer, ask, chunk, chunked_head, events_of, head, json, json_of, send};

async fn all(mut events: EventStream) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        all.push(match event.name() {
            Some(name) => format!("{name}: {}", event.data()),
            None => event.data().to_owned(),
        });
    }
    assert!(events.next().await.unwrap().is_none(), "the end stays the end");
    all
}

#[tokio::test]
async fn a_request_carries_what_it_was_given() {
    let server = Server::always(vec![json("{}")]).await;
    let transport = Transport::builder(format!("{}/api/?own=1", server.url))
        .bearer(SecretString::from("secret-key"))
        .secret_header("x-api-key", SecretString::from("other-key"))
        .header("x-one", "default")
        .header("x-two", "default")
        .query("api-version", "2026 10")
        .build()
        .unwrap();
    let request =
        Request::json("v1/ask", &value!({"question": "ä"})).unwrap().header("X-Two", "own").stream(true);
    transport.send(request).await.unwrap();

    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"question":"ä"}"#);
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /api/v1/ask?own=1&api-version=2026+10 HTTP/1.1"));
    let headers: Vec<String> = lines.map(str::to_lowercase).collect();
    for expected in [
        "authorization: bearer secret-key",
        "x-api-key: other-key",
        "x-one: default",
        "x-two: own",
        "content-type: application/json",
        "accept: text/event-stream",
        concat!("user-agent: agentexec/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(headers.iter().any(|line| line == expected), "{expected} is missing in {headers:?}");
    }
    assert!(!headers.contains(&"x-two: default".to_owned()));
}

#[tokio::test]
async fn credentials_in_the_base_url_are_a_header_unless_there_is_a_key() {
    let server = Server::always(vec![json("{}")]).await;
    let builder = || Transport::builder(format!("http://us%20er:pass@{}/v1", server.address));
    let with_key = builder().bearer(SecretString::from("secret-key"));
    for (builder, expected) in [(builder(), "Basic dXMgZXI6cGFzcw=="), (with_key, "Bearer secret-key")] {
        builder.build().unwrap().send(Request::post("ask", "{}")).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert!(request.contains(&format!("authorization: {expected}\r\n")), "{request}");
        assert_eq!(request.matches("authorization: ").count(), 1, "{request}");
    }
}

#[tokio::test]
async fn each_path_is_asked_for_under_the_base_url() {
    let server = Server::always(vec![json("{}")]).await;
    let transport = server.transport();
    let expected = ["POST /one ", "POST /two ", "POST /one "];
    for line in expected {
        transport.send(Request::post(&line[6..line.len() - 1], "{}")).await.unwrap();
    }
    for (request, line) in server.requests().iter().zip(expected) {
        assert!(request.starts_with(line), "{request}");
    }
}

#[tokio::test]
async fn a_base_url_without_a_path_gets_the_default_one() {
    let server = Server::always(vec![json("{}")]).await;
    for base in [server.url.clone(), format!("{}/", server.url), format!("{}/own", server.url)] {
        let transport = Transport::builder(base).default_path("v1").build().unwrap();
        transport.send(Request::post("ask", "{}")).await.unwrap();
    }
    let paths: Vec<String> =
        server.requests().iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(paths, ["/v1/ask", "/v1/ask", "/own/ask"]);
    assert!(server.requests()[0].to_lowercase().contains("\r\naccept: application/json\r\n"));
}

#[tokio::test]
async fn a_proxy_is_asked_in_place_of_the_server() {
    let proxy = Server::always(vec![json("{}")]).await;
    let transport = Transport::builder("http://model.test/v1")
        .proxy(format!("http://u:p@{}", proxy.address))
        .build()
        .unwrap();
    transport.send(Request::post("ask", "{}")).await.unwrap();
    let request = proxy.requests().remove(0);
    assert!(request.starts_with("POST http://model.test/v1/ask HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic "), "{request}");
}

/// The environment belongs to the process, so a child has one of its own: this test again, which then only asks.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_the_proxy_and_whom_it_is_not_for() {
    const BASE: &str = "AGENTEXEC_TEST_BASE_URL";
    if let Ok(base) = std::env::var(BASE) {
        let transport = Transport::builder(base).proxy_from_env().build().unwrap();
        transport.send(Request::post("ask", "{}")).await.unwrap();
        return;
    }
    let proxy = Server::always(vec![json("{}")]).await;
    let direct = Server::always(vec![json("{}")]).await;
    for (base, expected) in [("http://model.test/v1", (1, 0)), (direct.url.as_str(), (1, 1))] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "replies::the_environment_names_the_proxy_and_whom_it_is_not_for"])
            .env_remove("http_proxy")
            .env_remove("no_proxy")
            .env(BASE, base)
            .env("HTTP_PROXY", &proxy.url)
            .env("NO_PROXY", "127.0.0.1");
        let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!((proxy.requests().len(), direct.requests().len()), expected, "{base}");
    }
    assert!(proxy.requests()[0].starts_with("POST http://model.test/v1/ask HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_reply_has_status_request_id_and_headers() {
    let openai = Server::always(vec![send(
        "HTTP/1.1 201 Created\r\nX-Request-Id: req_a\r\nContent-Length: 2\r\n\r\n{}",
    )]);
    let anthropic =
        Server::always(vec![send("HTTP/1.1 200 OK\r\nRequest-Id: req_b\r\nContent-Length: 2\r\n\r\n{}")]);
    let reply = ask(&openai.await.transport()).await.unwrap();
    assert_eq!((reply.status(), reply.request_id()), (201, Some("req_a")));
    assert_eq!(reply.header("CONTENT-length"), Some("2"));
    assert_eq!(reply.header("x-nothing"), None);
    let reply = ask(&anthropic.await.transport()).await.unwrap();
    assert_eq!(reply.request_id(), Some("req_b"));
    assert_eq!(json_of(reply).request_id(), Some("req_b"));
}

#[tokio::test]
async fn an_empty_request_id_hides_no_other() {
    let head = "HTTP/1.1 200 OK\r\nX-Request-Id:\r\nRequest-Id: req_b\r\nContent-Length: 2\r\n\r\n{}";
    let server = Server::always(vec![send(head)]).await;
    assert_eq!(ask(&server.transport()).await.unwrap().request_id(), Some("req_b"));
    let head = "HTTP/1.1 200 OK\r\nX-Request-Id:\r\nContent-Length: 2\r\n\r\n{}";
    let server = Server::always(vec![send(head)]).await;
    assert_eq!(ask(&server.transport()).await.unwrap().request_id(), None);
}

#[tokio::test]
async fn json_is_read_without_its_byte_order_mark() {
    let server = Server::always(vec![json("\u{feff}{\"n\":1}")]).await;
    let body = json_of(ask(&server.transport()).await.unwrap());
    assert_eq!(body.json::<Value>().unwrap(), value!({"n": 1}));

    let error = "\u{feff}{\"error\":{\"message\":\"no\",\"type\":\"authentication_error\"}}";
    for status in ["200 OK", "401 Unauthorized"] {
        let server = Server::always(vec![answer(status, "application/json", error)]).await;
        let error = ask(&server.transport()).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ModelErrorKind::Authentication, "Test: no"), "{status}");
    }
}

#[tokio::test]
async fn a_stream_is_decoded_event_by_event() {
    let server = Server::always(vec![
        chunked_head("text/event-stream"),
        chunk("event: start\ndata: {\"n\""),
        chunk(":1}\n"),
        chunk("\n: a comment\n\nevent: ping\ndata:\n\ndata: "),
        chunk("{\"n\":2}\n\ndata: {\"n\":3}\n\n"),
        chunk(""),
    ])
    .await;
    let reply = ask(&server.transport()).await.unwrap();
    let events = events_of(reply);
    assert_eq!((events.status(), events.request_id()), (200, Some("req_1")));
    assert_eq!(all(events).await, ["start: {\"n\":1}", "{\"n\":2}", "{\"n\":3}"]);
}

#[tokio::test]
async fn nothing_behind_done_counts() {
    for done in ["data: [DONE]\n\n", "data:[DONE] \r\n\r\n", "data: [DONE]"] {
        let server = Server::always(vec![
            head("text/event-stream"),
            send(format!("data: 1\n\n{done}")),
            send(if done.ends_with('\n') { "data: 2\n\n" } else { "" }),
            Act::Close,
        ])
        .await;
        assert_eq!(all(events_of(ask(&server.transport()).await.unwrap())).await, ["1"], "{done:?}");
    }
}

#[tokio::test]
async fn a_stream_knows_whether_done_came() {
    for (stream, expected) in [("data: 1\n\n", false), ("data: 1\n\ndata: [DONE]\n\n", true)] {
        let server = Server::always(vec![answer("200 OK", "text/event-stream", stream)]).await;
        let mut events = events_of(ask(&server.transport()).await.unwrap());
        assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
        assert!(!events.is_done());
        assert!(events.next().await.unwrap().is_none());
        assert_eq!(events.is_done(), expected);
    }
}

#[tokio::test]
async fn done_stays_done_when_the_caller_gives_up_waiting_for_the_end() {
    let stream = chunk("data: 1\n\ndata: [DONE]\n\ndata: 2\n\n");
    let server = Server::always(vec![chunked_head("text/event-stream"), stream, Act::Hang]).await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    tokio::select! {
        biased;
        event = events.next() => panic!("the end of the body is waited for: {event:?}"),
        () = std::future::ready(()) => {}
    }
    assert!(events.next().await.unwrap().is_none());
    assert!(events.is_done());
}

#[tokio::test]
async fn the_first_bytes_tell_json_from_events() {
    let events = "data: {\"n\":1}\n\n";
    for label in ["application/json", "text/plain", "text/event-stream; charset=utf-8", ""] {
        let server = Server::always(vec![answer("200 OK", label, events)]).await;
        assert_eq!(all(events_of(ask(&server.transport()).await.unwrap())).await, ["{\"n\":1}"], "{label}");

        let server = Server::always(vec![answer("200 OK", label, " \n {\"n\":1}")]).await;
        let body = json_of(ask(&server.transport()).await.unwrap());
        assert_eq!(body.json::<Value>().unwrap(), value!({"n": 1}), "{label}");
    }
}

#[tokio::test]
async fn first_bytes_that_come_one_by_one_tell_it_too() {
    let bytes = |text: &str| text.chars().map(|c| chunk(&c.to_string())).collect::<Vec<_>>();
    let acts =
        [vec![chunked_head("application/json")], bytes("\u{feff}\ndata: 1\n\n"), vec![chunk("")]].concat();
    let server = Server::always(acts).await;
    assert_eq!(all(events_of(ask(&server.transport()).await.unwrap())).await, ["1"]);
}

#[tokio::test]
async fn an_empty_stream_is_a_stream() {
    let server = Server::always(vec![answer("200 OK", "text/event-stream", "")]).await;
    let events = events_of(ask(&server.transport()).await.unwrap());
    let cut = events.cut();
    assert_eq!(all(events).await, [""; 0]);
    assert_eq!(
        (cut.kind(), cut.status(), cut.request_id()),
        (ModelErrorKind::StreamCut, Some(200), Some("req_1"))
    );
    assert!(cut.is_retryable());
}

#[tokio::test]
async fn what_is_neither_json_nor_events_names_the_base_url() {
    let page = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>";
    let protocol = ModelErrorKind::Protocol;
    for (label, body, kind, expected) in [
        ("text/html", page, protocol, "an HTML page (\"Welcome to nginx!\")"),
        ("application/json", page, protocol, "an HTML page (\"Welcome to nginx!\")"),
        ("text/plain", "Ollama is running", protocol, "neither JSON nor an event stream"),
        // It may have been cut off, and is asked for again.
        ("application/json", "", ModelErrorKind::StreamCut, "an empty body"),
    ] {
        let server = Server::always(vec![answer("200 OK", label, body)]).await;
        let error = ask(&server.transport()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(200)), "{error}");
        let message = error.to_string();
        assert!(message.contains(expected) && message.contains(&server.url), "{message}");
        assert!(message.starts_with("Test: "), "{message}");
        let requests = if kind == protocol { 1 } else { 3 };
        assert_eq!(server.requests().len(), requests, "{message}");
    }
}

#[tokio::test]
async fn json_of_another_form_says_where_and_quotes_nothing() {
    let server = Server::always(vec![json(r#"{"n": "private words"}"#)]).await;
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Number {
        n: u32,
        m: Option<u32>,
    }
    let body = json_of(ask(&server.transport()).await.unwrap());
    let error = body.json::<Number>().unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.request_id()),
        (ModelErrorKind::Protocol, Some(200), Some("req_1"))
    );
    assert!(error.to_string().contains("line 1 column"), "{error}");
    assert!(!format!("{error:#} {error:?} {body:?}").contains("private"), "{error:?}");
    assert!(error.body().unwrap().contains("private words"));

    let server = Server::always(vec![json("{}")]).await;
    let error = json_of(ask(&server.transport()).await.unwrap()).json::<Number>().unwrap_err();
    assert!(error.to_string().contains("missing field `n`"), "{error}");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_a_cut() {
    let server = Server::always(vec![json("{\"text\": \"hal")]).await;
    let error = json_of(ask(&server.transport()).await.unwrap()).json::<Value>().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::StreamCut, Some(200)));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn an_event_broken_off_at_the_end_is_a_cut() {
    let server = Server::always(vec![
        head("text/event-stream"),
        send("data: 1\n\ndata: {\"text\": \"hal"),
        Act::Close,
    ])
    .await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().json::<u32>().unwrap(), 1);
    let error = events.next().await.unwrap().unwrap().json::<Value>().unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::StreamCut, Some("req_1")));
    assert!(error.is_retryable());

    let server =
        Server::always(vec![answer("200 OK", "text/event-stream", "data: {\"text\": \"hal\n\n")]).await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    let error = events.next().await.unwrap().unwrap().json::<Value>().unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Protocol, "an event that was closed is whole");
}

#[tokio::test]
async fn a_response_of_five_megabytes_is_legal() {
    let text = "x".repeat(5_000_000);
    let body = value!({"id": "1", "text": text}).to_string();
    let server = Server::start(vec![
        vec![json(&body)],
        vec![answer("200 OK", "text/event-stream", format!("data: {body}\n\n"))],
    ])
    .await;
    let transport = server.transport();
    assert_eq!(json_of(ask(&transport).await.unwrap()).bytes(), body.as_bytes());
    assert_eq!(all(events_of(ask(&transport).await.unwrap())).await, [body]);
}

#[tokio::test]
async fn a_finished_stream_gives_its_connection_back() {
    let stream =
        |end: &str| vec![chunked_head("text/event-stream"), chunk("data: 1\n\n"), chunk(end), chunk("")];
    let server =
        Server::start(vec![stream("data: [DONE]\n\n"), stream("data: stop\n\n"), stream("data: 2\n\n")])
            .await;
    let transport = server.transport();
    // Read to `[DONE]`, then to the provider's own last event, then to the end.
    assert_eq!(all(events_of(ask(&transport).await.unwrap())).await, ["1"]);
    let mut events = events_of(ask(&transport).await.unwrap());
    while let Some(event) = events.next().await.unwrap() {
        if event.data() == "stop" {
            break;
        }
    }
    events.finish().await;
    assert_eq!(all(events_of(ask(&transport).await.unwrap())).await, ["1", "2"]);
    assert_eq!(server.look(|seen| (seen.connections, seen.requests.len())), (1, 3));
}

#[tokio::test]
async fn finishing_does_not_wait_for_a_server_that_keeps_the_stream_open() {
    let server = Server::always(vec![
        chunked_head("text/event-stream"),
        chunk("data: 1\n\ndata: [DONE]\n\n"),
        Act::Hang,
    ])
    .await;
    assert_eq!(all(events_of(ask(&server.transport()).await.unwrap())).await, ["1"]);
    server.client_left().await;
}

#[tokio::test]
async fn what_came_with_an_event_is_taken_without_waiting() {
    let first = "data: 1\n\n: a comment\n\ndata:\n\ndata: 2\n\ndata: 3\n\nda";
    let server = Server::always(vec![
        chunked_head("text/event-stream"),
        chunk(first),
        chunk("ta: 4\n\ndata: [DONE]\n\ndata: 5\n\n"),
        chunk(""),
    ])
    .await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    assert!(events.next_in_hand().is_none(), "nothing was read yet");
    let mut heard = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        heard.push(event.data().to_owned());
        while let Some(event) = events.next_in_hand() {
            heard.push(event.data().to_owned());
        }
    }
    assert_eq!(heard, ["1", "2", "3", "4"]);
    assert!(events.is_done() && events.next_in_hand().is_none());
}

#[tokio::test]
async fn what_is_no_event_is_heard_as_a_heartbeat_and_else_passed_over() {
    let acts = || {
        vec![
            chunked_head("text/event-stream"),
            chunk("data: 0\n\n"),
            chunk(": wait\n\n"),
            chunk("data:\n\n"),
            chunk("event: a\nda"),
            chunk("ta: 1\n\ndata: [DONE]\n\n: behind the end\n\n"),
            chunk(""),
        ]
    };
    let server = Server::always(acts()).await;
    assert_eq!(all(events_of(ask(&server.transport()).await.unwrap())).await, ["0", "a: 1"]);

    let mut events = events_of(ask(&server.transport()).await.unwrap());
    let (mut heard, mut beats) = (Vec::new(), 0);
    while let Some(something) = events.next_or_heartbeat().await.unwrap() {
        match something {
            Heard::Event(event) => heard.push(event.data().to_owned()),
            _ => beats += 1,
        }
    }
    assert_eq!(heard, ["0", "1"]);
    assert!(beats > 0, "the comment and the event without data are heard");
    assert!(events.next_or_heartbeat().await.unwrap().is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_dropped_stream_or_call_aborts_the_request() {
    let server =
        Server::always(vec![chunked_head("text/event-stream"), chunk("data: 1\n\n"), Act::Hang]).await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    drop(events);
    server.client_left().await;

    let server = Server::always(vec![Act::Hang]).await;
    let transport = server.transport();
    let mut call = Box::pin(ask(&transport));
    tokio::select! {
        _ = &mut call => panic!("nobody answers"),
        () = async { while server.requests().is_empty() { tokio::task::yield_now().await } } => {}
    }
    drop(call);
    server.client_left().await;
}

#[test]
fn a_stream_can_be_kept_and_sent_anywhere() {
    fn check<T: Send + Unpin + 'static>() {}
    check::<EventStream>();
    check::<Reply>();
    fn check_future<F: Future + Send>(_: impl FnOnce(&'static Transport) -> F) {}
    check_future(|transport| transport.send(Request::post("", "")));
}
