//! Servers that stall, flood, break off, or are not there.

use std::time::Duration;

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::{Limits, RetryPolicy, Timeouts, Transport};
use tokio::net::TcpListener;

use crate::support::{Act, Server, ask, chunk, chunked_head, events_of, head, json, quick, send, timeouts};

/// Long enough for loopback, short enough for a test. Nothing asserts how long anything took.
const SOON: Duration = Duration::from_millis(200);

fn impatient(server: &Server, change: impl FnOnce(&mut Timeouts)) -> Transport {
    server.builder().retry(RetryPolicy::none()).timeouts(timeouts(change)).build().unwrap()
}

fn limited(server: &Server, change: impl FnOnce(&mut Limits)) -> Transport {
    let mut limits = Limits::default();
    change(&mut limits);
    server.builder().limits(limits).build().unwrap()
}

#[tokio::test]
async fn a_server_that_never_answers() {
    for acts in [vec![Act::Hang], vec![chunked_head("text/event-stream"), Act::Hang]] {
        let server = Server::always(acts).await;
        let error = ask(&impatient(&server, |timeouts| timeouts.first_byte = SOON)).await.unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Timeout);
        assert!(error.to_string().contains("200ms (first byte timeout)"), "{error}");
        assert!(error.is_retryable());
        server.client_left().await;
    }
}

#[tokio::test]
async fn a_timeout_is_retried() {
    let server = Server::start(vec![vec![Act::Hang], vec![json("{}")]]).await;
    let timeouts = timeouts(|timeouts| timeouts.first_byte = Duration::from_millis(500));
    ask(&server.builder().timeouts(timeouts).build().unwrap()).await.unwrap();
    assert!(server.requests().len() > 1);
}

#[tokio::test]
async fn a_stream_that_stalls() {
    let server =
        Server::always(vec![chunked_head("text/event-stream"), chunk("data: 1\n\ndata: 2"), Act::Hang]).await;
    let transport = impatient(&server, |timeouts| timeouts.between_bytes = SOON);
    let mut events = events_of(ask(&transport).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    let error = events.next().await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::Timeout, Some("req_1")));
    assert!(error.is_retryable() && error.to_string().contains("timeout between bytes"), "{error}");
    assert!(events.next().await.unwrap().is_none());
    server.client_left().await;
}

#[tokio::test]
async fn a_json_body_that_stalls() {
    let server = Server::always(vec![head("application/json"), send("{\"half\":"), Act::Hang]).await;
    let error = ask(&impatient(&server, |timeouts| timeouts.between_bytes = SOON)).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::Timeout, Some("req_1")));
}

#[tokio::test]
async fn a_stall_is_noticed_although_the_caller_asks_again_and_again() {
    let server =
        Server::always(vec![chunked_head("text/event-stream"), chunk("data: 1\n\n"), Act::Hang]).await;
    let transport = impatient(&server, |timeouts| timeouts.between_bytes = SOON);
    let mut events = events_of(ask(&transport).await.unwrap());
    let (mut texts, mut tick) = (Vec::new(), tokio::time::interval(Duration::from_millis(1)));
    let noticed = async {
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                event = events.next() => match event {
                    Ok(event) => texts.push(event.unwrap().data().to_owned()),
                    Err(error) => break error,
                }
            }
        }
    };
    let error =
        tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("the stall is never noticed");
    assert_eq!((texts, error.kind()), (vec!["1".to_owned()], ModelErrorKind::Timeout));
}

#[tokio::test]
async fn the_request_timeout_ends_a_stream_that_never_does() {
    let endless =
        vec![chunked_head("text/event-stream"), Act::Flood(b"c\r\n: busy busy\n\r\n".to_vec(), usize::MAX)];
    let server = Server::always(endless).await;
    let error = match ask(&impatient(&server, |timeouts| timeouts.request = Some(SOON))).await {
        Ok(reply) => events_of(reply).next().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ModelErrorKind::Timeout);
    assert!(error.to_string().contains("request timeout"), "{error}");
    server.client_left().await;
}

#[tokio::test]
async fn the_request_timeout_covers_all_tries() {
    let server = Server::always(vec![Act::Hang]).await;
    let mut policy = quick();
    policy.max_retries = u32::MAX;
    let timeouts = timeouts(|timeouts| {
        timeouts.first_byte = Duration::from_millis(10);
        timeouts.request = Some(Duration::from_millis(100));
    });
    let error = ask(&server.builder().retry(policy).timeouts(timeouts).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Timeout);
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_no_connection() {
    // The TLS handshake, which belongs to connecting, is never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transport = Transport::builder(format!("https://{address}"))
        .timeouts(timeouts(|timeouts| timeouts.connect = SOON))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let error = ask(&transport).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Timeout);
    assert_eq!(error.to_string(), format!("no connection to {address} within {SOON:?}"));
}

#[tokio::test]
async fn nobody_there_names_the_address_and_the_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://user:password@{address}/v1?api-version=private");
    let error = ask(&Transport::builder(url).retry(quick()).build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::Unreachable, None));
    let message = error.to_string();
    assert!(message.contains(&address.to_string()) && message.contains("refused"), "{message}");
    assert!(message.contains("Is the local server running"), "{message}");
    let everything = format!("{error:#} {error:?}");
    assert!(!everything.contains("password") && !everything.contains("private"), "{everything}");
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved() {
    // No resolver asks the network for a label of 64 characters: names have 63 at most.
    let host = "x".repeat(64);
    let transport =
        Transport::builder(format!("http://{host}:8080")).retry(RetryPolicy::none()).build().unwrap();
    let error = ask(&transport).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unreachable);
    assert!(error.to_string().contains(&format!("{host}:8080 cannot be resolved")), "{error:#}");
}

#[tokio::test]
async fn https_to_a_server_that_speaks_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let transport =
        Transport::builder(format!("https://{address}")).retry(RetryPolicy::none()).build().unwrap();
    let error = ask(&transport).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unreachable);
    assert!(error.to_string().contains(&format!("no connection to {address}: TLS failed: ")), "{error:#}");
}

/// 100 MB of one line. That the client left early shows that it did not take it all in.
#[tokio::test]
async fn a_line_of_a_hundred_megabytes() {
    let total = 100_000_000;
    for beginning in ["data: ", ": ", "data: 1\n\ndata: "] {
        let flood = vec![head("text/event-stream"), send(beginning), Act::Flood(vec![b'x'; 100_000], total)];
        let server = Server::always(flood).await;
        let mut events = events_of(ask(&server.transport()).await.unwrap());
        let error = loop {
            match events.next().await {
                Ok(event) => assert_eq!(event.unwrap().data(), "1"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::LimitExceeded, Some("req_1")));
        assert!(error.to_string().contains("longer than 16777216 bytes"), "{error}");
        server.client_left().await;
        assert!(server.look(|seen| seen.bytes_sent) < total / 2);
    }
}

#[tokio::test]
async fn an_event_without_an_end() {
    let line = format!("data: {}\n", "x".repeat(10_000)).into_bytes();
    let server = Server::always(vec![head("text/event-stream"), Act::Flood(line, 1 << 30)]).await;
    let transport = limited(&server, |limits| limits.sse.event = 1 << 20);
    let error = events_of(ask(&transport).await.unwrap()).next().await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::LimitExceeded);
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
    server.client_left().await;
}

#[tokio::test]
async fn a_json_body_without_an_end() {
    let server =
        Server::always(vec![head("application/json"), send("[\""), Act::Flood(vec![b'x'; 10_000], 1 << 30)])
            .await;
    let error = ask(&limited(&server, |limits| limits.body = 1 << 20)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::LimitExceeded, Some(200)));
    server.client_left().await;
}

#[tokio::test]
async fn an_error_body_without_an_end() {
    let start = send("HTTP/1.1 400 Bad Request\r\n\r\nsorry ");
    let server = Server::always(vec![start, Act::Flood(vec![b'x'; 10_000], 1 << 30)]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::InvalidRequest, Some(400)));
    assert!(error.message().starts_with("Test: sorry xxx") && error.message().len() < 1_000, "{error}");
    assert!(error.body().unwrap().len() <= 4096);
    server.client_left().await;
}

#[tokio::test]
async fn a_stream_without_an_end() {
    let events = b"data: 1\n\n".repeat(1_000);
    let server = Server::always(vec![head("text/event-stream"), Act::Flood(events, 1 << 30)]).await;
    for (transport, expected) in [
        (limited(&server, |limits| limits.events = 50_000), "longer than 50000 events"),
        (limited(&server, |limits| limits.stream = 1 << 20), "larger than 1048576 bytes"),
    ] {
        let mut events = events_of(ask(&transport).await.unwrap());
        let error = loop {
            match events.next().await {
                Ok(event) => assert_eq!(event.unwrap().data(), "1"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ModelErrorKind::LimitExceeded);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_error_behind_the_events_in_hand_is_told_by_the_next_call() {
    let acts = vec![chunked_head("text/event-stream"), chunk("data: 1\n\ndata: 2\n\ndata: 3\n\n"), Act::Hang];
    let server = Server::always(acts).await;
    let mut events = events_of(ask(&limited(&server, |limits| limits.events = 2)).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert_eq!(events.next_in_hand().unwrap().data(), "2");
    assert!(events.next_in_hand().is_none());
    assert!(events.next_in_hand().is_none(), "nothing is read behind an error");
    let error = events.next().await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::LimitExceeded, Some("req_1")));
    assert!(events.next().await.unwrap().is_none());
    server.client_left().await;
}
