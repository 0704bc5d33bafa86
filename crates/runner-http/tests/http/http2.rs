//! HTTP/2 as a client and a server agree on it within TLS.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::Transport;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::Response;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify, mpsc};

use crate::support::{ask, events_of, json_of, quick};
use crate::tls::acceptor;

struct Server {
    transport: Transport,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request, with its number from 0, as `answer` does. It speaks nothing but HTTP/2.
    async fn start<F>(answer: impl Fn(usize, SendResponse<Bytes>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (acceptor, root) = acceptor(&[b"h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            let mut requests = 0;
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let mut connection =
                    h2::server::handshake(acceptor.accept(stream).await.unwrap()).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    tokio::spawn(answer(requests, respond));
                    requests += 1;
                }
            }
        });
        let transport = Transport::builder(url).provider("Test").root_certificate_pem(root).retry(quick());
        Self { transport: transport.build().unwrap(), connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn begin(respond: &mut SendResponse<Bytes>, status: u16, content_type: &str) -> SendStream<Bytes> {
    let head = Response::builder().status(status).header("content-type", content_type).body(()).unwrap();
    respond.send_response(head, false).unwrap()
}

fn whole(mut respond: SendResponse<Bytes>, status: u16, body: &'static str) {
    begin(&mut respond, status, "application/json").send_data(body.into(), true).unwrap();
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_connection() {
    let both = Arc::new(Barrier::new(2));
    let server = Server::start(move |number, respond| {
        let both = Arc::clone(&both);
        async move {
            // Behind the first, each waits until the other is there too.
            if number > 0 {
                both.wait().await;
            }
            whole(respond, 200, "{}");
        }
    })
    .await;
    assert_eq!(json_of(ask(&server.transport).await.unwrap()).bytes(), b"{}");
    let (one, other) = tokio::join!(ask(&server.transport), ask(&server.transport));
    assert_eq!((one.unwrap().status(), other.unwrap().status()), (200, 200));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_dropped_stream_is_canceled_and_the_connection_serves_on() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Server::start(move |number, mut respond| {
        let tell = tell.clone();
        async move {
            if number > 0 {
                return whole(respond, 200, "{}");
            }
            let mut body = begin(&mut respond, 200, "text/event-stream");
            body.send_data("data: 1\n\n".into(), false).unwrap();
            tell.send(std::future::poll_fn(|cx| body.poll_reset(cx)).await).unwrap();
        }
    })
    .await;
    let mut events = events_of(ask(&server.transport).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    drop(events);
    assert_eq!(told.recv().await.unwrap().unwrap(), Reason::CANCEL);
    ask(&server.transport).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_error_status_is_read_and_tried_again_on_the_same_connection() {
    let server = Server::start(|number, respond| async move {
        match number {
            0 => whole(respond, 503, r#"{"error":{"message":"busy"}}"#),
            1 => whole(respond, 200, "{}"),
            _ => whole(respond, 401, r#"{"error":{"message":"wrong key"}}"#),
        }
    })
    .await;
    assert_eq!(ask(&server.transport).await.unwrap().status(), 200);
    let error = ask(&server.transport).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ModelErrorKind::Authentication, "Test: wrong key"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_cut() {
    let read = Arc::new(Notify::new());
    let was_read = Arc::clone(&read);
    let server = Server::start(move |_, mut respond| {
        let was_read = Arc::clone(&was_read);
        async move {
            let mut body = begin(&mut respond, 200, "text/event-stream");
            body.send_data("data: 1\n\n".into(), false).unwrap();
            was_read.notified().await;
            body.send_reset(Reason::INTERNAL_ERROR);
        }
    })
    .await;
    let mut events = events_of(ask(&server.transport).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    read.notify_one();
    let error = events.next().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::StreamCut, true));
}
