//! A server that gives prepared answers, and a way to ask.

use std::collections::VecDeque;
use std::sync::Mutex;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest, ModelResponse};
use agentexec_runner_claude::Messages;
use futures_util::StreamExt;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A server on loopback that gives these answers in turn.
pub(crate) struct Server(MockServer);

struct InTurn(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.lock().unwrap().pop_front().expect("one request too many")
    }
}

impl Server {
    pub(crate) async fn answering(answers: impl IntoIterator<Item = ResponseTemplate>) -> Self {
        let server = MockServer::start().await;
        let answers = InTurn(Mutex::new(answers.into_iter().collect()));
        Mock::given(method("POST")).respond_with(answers).mount(&server).await;
        Self(server)
    }

    pub(crate) fn uri(&self) -> String {
        self.0.uri()
    }

    pub(crate) async fn requests(&self) -> Vec<Request> {
        self.0.received_requests().await.unwrap()
    }
}

/// What the model answers once: its blocks and why it stops.
pub(crate) struct Answer {
    pub(crate) content: Vec<Value>,
    stop_reason: &'static str,
}

impl Answer {
    pub(crate) fn new(content: Vec<Value>, stop_reason: &'static str) -> Self {
        Self { content, stop_reason }
    }

    pub(crate) fn template(&self, streaming: bool) -> ResponseTemplate {
        let template = ResponseTemplate::new(200).insert_header("request-id", "req_test");
        if streaming {
            template.set_body_raw(sse(&self.events()), "text/event-stream; charset=utf-8")
        } else {
            template.set_body_json(self.message(&self.content, Some(self.stop_reason), 20))
        }
    }

    /// The events of a stream, each text and input in two pieces.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = vec![json!({"type": "message_start", "message": self.message(&[], None, 1)})];
        for (index, block) in self.content.iter().enumerate() {
            events.extend(block_events(index, block));
        }
        let delta = json!({"stop_reason": self.stop_reason, "stop_sequence": null});
        events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}));
        events.push(json!({"type": "message_stop"}));
        events
    }

    fn message(&self, content: &[Value], stop_reason: Option<&str>, output_tokens: u32) -> Value {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1",
            "content": content, "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {
                "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 1,
                "output_tokens": output_tokens,
            },
        })
    }
}

fn block_events(index: usize, block: &Value) -> Vec<Value> {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let mut opened = block.clone();
    let deltas = match block["type"].as_str().unwrap() {
        "text" => {
            opened["text"] = "".into();
            let pieces = halves(block["text"].as_str().unwrap());
            pieces.map(|piece| delta(json!({"type": "text_delta", "text": piece}))).to_vec()
        }
        "thinking" => {
            opened["thinking"] = "".into();
            opened["signature"] = "".into();
            let pieces = halves(block["thinking"].as_str().unwrap());
            let mut deltas =
                pieces.map(|piece| delta(json!({"type": "thinking_delta", "thinking": piece}))).to_vec();
            deltas.push(delta(json!({"type": "signature_delta", "signature": block["signature"]})));
            deltas
        }
        "tool_use" if block["input"] != json!({}) => {
            opened["input"] = json!({});
            let input = block["input"].to_string();
            let pieces = halves(&input);
            pieces.map(|piece| delta(json!({"type": "input_json_delta", "partial_json": piece}))).to_vec()
        }
        _ => vec![],
    };
    let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": opened})];
    events.extend(deltas);
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn halves(text: &str) -> [&str; 2] {
    let middle = text.len() / 2;
    [&text[..middle], &text[middle..]]
}

/// The events as the API writes them, each with its name.
pub(crate) fn sse(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

/// Asks once: what the model said, and the response that ended it.
pub(crate) async fn ask(
    model: &Messages,
    request: ModelRequest<'_>,
) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let mut stream = model.respond(request);
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Completed(response) => {
                assert!(stream.next().await.is_none(), "something came after the response");
                return Ok((events, *response));
            }
            event => events.push(event),
        }
    }
    panic!("the stream ended without a response");
}

/// Asks once and expects failure: what the model said before, and the error.
pub(crate) async fn ask_for_events(
    model: &Messages,
    request: ModelRequest<'_>,
) -> (Vec<ModelEvent>, ModelError) {
    let mut stream = model.respond(request);
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "something came after the error");
                return (events, error);
            }
        }
    }
    panic!("the stream did not fail");
}
