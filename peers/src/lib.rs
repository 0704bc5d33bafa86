//! What the benchmarks share: streams as the providers send them, and a server on loopback that sends them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use agentexec_agent_core::model::{Model, ModelEvent, ModelRequest};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_claude::Claude;
use agentexec_runner_openai::OpenAi;
use futures_util::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// How many deltas a stream has.
pub const DELTAS: usize = 10_000;

/// How much the server writes at once.
const PIECE: usize = 16 << 10;

/// One of the three protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Chat,
    Responses,
    Messages,
}

pub const PROTOCOLS: [Protocol; 3] = [Protocol::Chat, Protocol::Responses, Protocol::Messages];

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "Chat Completions",
            Self::Responses => "Responses",
            Self::Messages => "Messages",
        }
    }

    /// A model of ours.
    pub fn model(self, url: &str) -> Box<dyn Model> {
        let openai = || OpenAi::at(format!("{url}/v1")).api_key("key").model("gpt-5.4-mini");
        match self {
            Self::Chat => Box::new(openai().chat().expect("settings")),
            Self::Responses => Box::new(openai().responses().expect("settings")),
            Self::Messages => Box::new(Claude::new("key").base_url(url).build().expect("settings")),
        }
    }

    /// The first event that brings text, with what has to stand before it.
    pub fn beginning(self) -> String {
        match self {
            Self::Chat => self.delta(0),
            Self::Responses => {
                let created = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1794000000,"model":"gpt-5.4-mini","status":"in_progress","output":[]}}"#;
                event(created) + &self.delta(0)
            }
            Self::Messages => {
                let start = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude","usage":{"input_tokens":10,"output_tokens":1}}}"#;
                let block =
                    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
                event(start) + &event(block) + &self.delta(0)
            }
        }
    }

    /// A delta with the fields that the provider sends, in its order.
    pub fn delta(self, number: usize) -> String {
        match self {
            Self::Chat => event(
                r#"{"id":"chatcmpl-BzX3h9mRk2vQe8LtUwYs5aFdGjKn","object":"chat.completion.chunk","created":1794000000,"model":"gpt-5.4-mini-2026-03-17","service_tier":"default","system_fingerprint":"fp_9b1f4c2a7e","choices":[{"index":0,"delta":{"content":" tokens"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"q8Zr1xT"}"#,
            ),
            Self::Responses => event(&format!(
                r#"{{"type":"response.output_text.delta","content_index":0,"delta":" tokens","item_id":"msg_68e1c0d7f4a88190b3a2","logprobs":[],"obfuscation":"q8Zr1xT","output_index":0,"sequence_number":{number}}}"#
            )),
            Self::Messages => event(
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" tokens"}}"#,
            ),
        }
    }

    /// What a stream of so many deltas ends with.
    pub fn end(self, deltas: usize) -> String {
        match self {
            Self::Chat => {
                let stop = r#"{"id":"chatcmpl-BzX3h9mRk2vQe8LtUwYs5aFdGjKn","object":"chat.completion.chunk","created":1794000000,"model":"gpt-5.4-mini-2026-03-17","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#;
                event(stop) + &event("[DONE]")
            }
            Self::Responses => {
                let text = " tokens".repeat(deltas);
                let item = format!(
                    r#"{{"id":"msg_68e1c0d7f4a88190b3a2","type":"message","role":"assistant","status":"completed","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}"#
                );
                let done = format!(
                    r#"{{"type":"response.output_item.done","sequence_number":1,"output_index":0,"item":{item}}}"#
                );
                let completed = r#"{"type":"response.completed","sequence_number":2,"response":{"id":"resp_1","object":"response","created_at":1794000000,"model":"gpt-5.4-mini","status":"completed","output":[]}}"#;
                event(&done) + &event(completed)
            }
            Self::Messages => [
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":10}}"#,
                r#"{"type":"message_stop"}"#,
            ]
            .map(event)
            .concat(),
        }
    }

    /// A whole stream.
    pub fn stream(self, deltas: usize) -> String {
        let middle: String = (1..deltas).map(|number| self.delta(number)).collect();
        self.beginning() + &middle + &self.end(deltas)
    }
}

/// One event. Each has its name, which OpenAI's servers send in one protocol and Anthropic's always.
fn event(data: &str) -> String {
    match data.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')) {
        Some((name, _)) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// What a server answers each request with: pieces of the stream, each written for itself.
pub type Answer = Arc<dyn Fn(&mut dyn FnMut(&[u8])) + Send + Sync>;

/// An answer that is the whole stream.
pub fn whole(stream: String) -> Answer {
    Arc::new(move |write| stream.as_bytes().chunks(PIECE).for_each(&mut *write))
}

/// Starts a server and says its address. It serves until the process ends.
pub fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || connected(connection, &answer));
        }
    });
    format!("http://{address}")
}

/// Answers one request after the other until the client goes.
fn connected(mut connection: TcpStream, answer: &Answer) {
    connection.set_nodelay(true).expect("no delay");
    let mut request = Vec::new();
    while read_request(&mut connection, &mut request) && write_answer(&mut connection, answer) {}
}

/// False when the client has gone.
fn write_answer(connection: &mut TcpStream, answer: &Answer) -> bool {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut buffer = head.as_bytes().to_vec();
    let mut is_open = true;
    answer(&mut |piece| {
        let _ = write!(buffer, "{:x}\r\n", piece.len());
        buffer.extend_from_slice(piece);
        buffer.extend_from_slice(b"\r\n");
        is_open = is_open && connection.write_all(&buffer).is_ok();
        buffer.clear();
    });
    is_open && connection.write_all(b"0\r\n\r\n").is_ok()
}

/// A request as a server sees it.
#[derive(Debug)]
pub struct Sent {
    pub path: String,
    /// Those that a client does not set by itself.
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What a model of ours sends when it is [asked](ask), for a client that is to send the same.
pub async fn sent_by(protocol: Protocol) -> Sent {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        read_request(&mut connection, &mut request);
        write_answer(&mut connection, &whole(protocol.stream(1)));
        request
    });
    ask(&*protocol.model(&url), |_| {}).await;
    let request = server.join().expect("a request");
    let end = memchr::memmem::find(&request, b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&request[..end]);
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a path").to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !["host", "content-length", "accept-encoding"].contains(name))
        .map(|(name, value)| -> (HeaderName, HeaderValue) {
            (name.parse().expect("a name"), value.parse().expect("a value"))
        })
        .collect();
    Sent { path, headers, body: request[end + 4..].to_vec() }
}

/// Reads a request with its body. False when there is none.
fn read_request(connection: &mut TcpStream, request: &mut Vec<u8>) -> bool {
    request.clear();
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(head) = memchr::memmem::find(request, b"\r\n\r\n") {
            let length = String::from_utf8_lossy(&request[..head])
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0_usize);
            if request.len() >= head + 4 + length {
                return true;
            }
        }
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
}

/// Asks a model of ours and hands each piece of text to `told`; the length of the whole text.
pub async fn ask(model: &dyn Model, mut told: impl FnMut(&str)) -> usize {
    let items = [Item::user("Go.")];
    let mut events = model.respond(ModelRequest::new(&items));
    while let Some(event) = events.next().await {
        match event.expect("a response") {
            ModelEvent::TextDelta(text) => told(&text),
            ModelEvent::Completed(response) => {
                return response
                    .items
                    .iter()
                    .map(|item| match item {
                        Item::Assistant(said) => said.text.len(),
                        _ => 0,
                    })
                    .sum();
            }
            _ => {}
        }
    }
    unreachable!("the stream has a terminal event")
}

/// Whether a benchmark without criterion is to run: no filter on the command line, or one that its name has.
pub fn is_wanted(name: &str) -> bool {
    std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).all(|filter| name.contains(&filter))
}
