//! A server that answers with exactly the bytes that a test names, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_agent_core::model::ModelError;
use agentexec_runner_http::{
    EventStream, JsonBody, Reply, ReplyBody, Request, RetryPolicy, Timeouts, Transport, TransportBuilder,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a server does behind a request, in order.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again, up to so many bytes in all, or until the client goes.
    Flood(Vec<u8>, usize),
    /// Sends nothing more until the client goes.
    Hang,
    /// Closes the connection.
    Close,
}

pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

/// What a server saw.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    /// Head and body of each request.
    pub(crate) requests: Vec<String>,
    pub(crate) bytes_sent: usize,
    /// How many times the client went while the server was still sending or hanging.
    pub(crate) left: usize,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) address: String,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers the n-th request with the n-th list, and those after the last with the last. A connection stays open
    /// for the next request unless it is closed.
    pub(crate) async fn start(answers: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            let answers = Arc::new(answers);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    seen.lock().unwrap().connections += 1;
                    tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&seen)));
                }
            }
        });
        Self { url: format!("http://{address}"), address, seen, task }
    }

    /// Answers every request with these acts.
    pub(crate) async fn always(acts: Vec<Act>) -> Self {
        Self::start(vec![acts]).await
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.seen.lock().unwrap())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.look(|seen| seen.requests.clone())
    }

    /// Waits until the server has noticed that a client went.
    pub(crate) async fn client_left(&self) {
        let noticed = async {
            while self.look(|seen| seen.left) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), noticed)
            .await
            .expect("the client keeps its connection");
    }

    /// A transport to this server that retries without a noticeable wait.
    pub(crate) fn transport(&self) -> Transport {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> TransportBuilder {
        Transport::builder(&self.url).provider("Test").retry(quick())
    }
}

/// The default policy, in a hurry.
pub(crate) fn quick() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.base = Duration::from_millis(1);
    policy
}

/// The default timeouts but for one.
pub(crate) fn timeouts(change: impl FnOnce(&mut Timeouts)) -> Timeouts {
    let mut timeouts = Timeouts::default();
    change(&mut timeouts);
    timeouts
}

async fn serve(mut stream: TcpStream, answers: Arc<Vec<Vec<Act>>>, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request);
            seen.requests.len() - 1
        };
        for act in answers.get(number).or(answers.last()).into_iter().flatten() {
            if act_out(&mut stream, act, &seen).await.is_err() {
                return;
            }
        }
    }
}

async fn act_out(stream: &mut TcpStream, act: &Act, seen: &Mutex<Seen>) -> Result<(), ()> {
    let left = |_| seen.lock().unwrap().left += 1;
    match act {
        Act::Send(bytes) => {
            stream.write_all(bytes).await.map_err(left)?;
            seen.lock().unwrap().bytes_sent += bytes.len();
            Ok(())
        }
        Act::Flood(bytes, total) => {
            for _ in 0..total / bytes.len() {
                stream.write_all(bytes).await.map_err(left)?;
                seen.lock().unwrap().bytes_sent += bytes.len();
            }
            Ok(())
        }
        Act::Hang => {
            let mut byte = [0];
            if !matches!(stream.read(&mut byte).await, Ok(1)) {
                seen.lock().unwrap().left += 1;
            }
            Err(())
        }
        Act::Close => Err(()),
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The head of an answer whose body ends with the connection.
pub(crate) fn head(content_type: &str) -> Act {
    send(format!(
        "HTTP/1.1 200 OK\r\nx-request-id: req_1\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n"
    ))
}

/// The head of an answer in chunks.
pub(crate) fn chunked_head(content_type: &str) -> Act {
    send(format!(
        "HTTP/1.1 200 OK\r\nx-request-id: req_1\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    ))
}

/// One chunk; an empty one ends the body.
pub(crate) fn chunk(text: &str) -> Act {
    send(format!("{:x}\r\n{text}\r\n", text.len()))
}

/// A whole answer.
pub(crate) fn answer(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nx-request-id: req_1\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Act::Send(bytes)
}

/// A whole JSON answer.
pub(crate) fn json(body: &str) -> Act {
    answer("200 OK", "application/json", body)
}

pub(crate) async fn ask(transport: &Transport) -> Result<Reply, ModelError> {
    transport.send(Request::post("ask", "{}").stream(true)).await
}

pub(crate) fn json_of(reply: Reply) -> JsonBody {
    match reply.into_body() {
        ReplyBody::Json(body) => body,
        ReplyBody::Events(events) => panic!("{events:?}"),
    }
}

pub(crate) fn events_of(reply: Reply) -> EventStream {
    match reply.into_body() {
        ReplyBody::Events(events) => events,
        ReplyBody::Json(body) => panic!("{body:?}"),
    }
}
