//! A server that gives prepared answers, and ways to ask it: a model by hand, or an agent in a tracked run.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Status};
use agentexec_agent_core::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse,
};
use agentexec_agent_core::transcript::Transcript;
use agentexec_agent_core::{Agent, AgentError, AgentErrorKind, AgentInput, AgentRun};
use agentexec_runner_claude::{Claude, ClaudeRunner, Messages, RetryPolicy};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, RunEvent, RunExt, RunStream, TrackedError};
use futures_util::StreamExt;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A server on loopback that gives these answers in turn.
pub(crate) struct Server(MockServer);

struct InTurn(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let none_left = || error(400, "invalid_request_error", "one request too many");
        self.0.lock().unwrap().pop_front().unwrap_or_else(none_left)
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

    /// What it was asked, in JSON.
    pub(crate) async fn bodies(&self) -> Vec<Value> {
        self.requests().await.iter().map(|request| request.body_json().unwrap()).collect()
    }
}

/// Settings for the server, with retries that do not wait.
pub(crate) fn claude(server: &Server) -> Claude {
    let mut retry = RetryPolicy::default();
    retry.base = Duration::from_millis(1);
    Claude::new("sk-ant-test").base_url(server.uri()).model("claude-test").retry(retry)
}

/// What the server answers once.
#[derive(Clone)]
pub(crate) enum Reply {
    Message(Answer),
    Other(ResponseTemplate),
}

impl Reply {
    pub(crate) fn template(&self, streaming: bool) -> ResponseTemplate {
        match self {
            Self::Message(answer) => answer.template(streaming),
            Self::Other(template) => template.clone(),
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Message(answer)
    }
}

impl From<ResponseTemplate> for Reply {
    fn from(template: ResponseTemplate) -> Self {
        Self::Other(template)
    }
}

/// An error as the API writes it.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> ResponseTemplate {
    let body = json!({
        "type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test",
    });
    ResponseTemplate::new(status).insert_header("request-id", "req_test").set_body_json(body)
}

/// A stream of these events and nothing behind them.
pub(crate) fn stream_of(events: &[Value]) -> ResponseTemplate {
    let template = ResponseTemplate::new(200).insert_header("request-id", "req_test");
    template.set_body_raw(sse(events), "text/event-stream")
}

/// What the model answers once: its blocks and why it stops.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) content: Vec<Value>,
    stop_reason: &'static str,
    more: Value,
}

impl Answer {
    pub(crate) fn new(content: Vec<Value>, stop_reason: &'static str) -> Self {
        Self { content, stop_reason, more: json!({}) }
    }

    /// The end of a conversation.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(vec![json!({"type": "text", "text": text})], "end_turn")
    }

    /// Calls of tools: id, name, and arguments as the model writes them.
    pub(crate) fn calls<const N: usize>(calls: [(&str, &str, &str); N]) -> Self {
        let block = |(id, name, arguments): (&str, &str, &str)| {
            // A body has an object where a stream has text; a text that is no object is nothing a body can say.
            let object = serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| arguments.into());
            json!({"type": "tool_use", "id": id, "name": name, "input": object})
        };
        Self::new(calls.map(block).to_vec(), "tool_use")
    }

    pub(crate) fn stopping(self, stop_reason: &'static str) -> Self {
        Self { stop_reason, ..self }
    }

    /// With these fields beside the stop reason.
    pub(crate) fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }

    pub(crate) fn template(&self, streaming: bool) -> ResponseTemplate {
        let template = ResponseTemplate::new(200).insert_header("request-id", "req_test");
        if streaming {
            return template.set_body_raw(sse(&self.events()), "text/event-stream; charset=utf-8");
        }
        let mut message = self.message(&self.content, Some(self.stop_reason), 20);
        for (field, value) in self.more.as_object().unwrap() {
            message[field] = value.clone();
        }
        template.set_body_json(message)
    }

    /// The events of a stream, each text and input in two pieces.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = vec![json!({"type": "message_start", "message": self.message(&[], None, 1)})];
        for (index, block) in self.content.iter().enumerate() {
            events.extend(block_events(index, block));
        }
        let mut delta = self.more.clone();
        delta["stop_reason"] = self.stop_reason.into();
        events.push(json!({"type": "message_delta", "delta": delta, "usage": output(20)}));
        events.push(json!({"type": "message_stop"}));
        events
    }

    fn message(&self, content: &[Value], stop_reason: Option<&str>, output_tokens: u32) -> Value {
        let mut usage = output(output_tokens);
        usage["input_tokens"] = 10.into();
        usage["cache_read_input_tokens"] = 100.into();
        usage["cache_creation_input_tokens"] = 1.into();
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1",
            "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage,
        })
    }
}

/// The counts of so many output tokens, a quarter of them thought.
fn output(tokens: u32) -> Value {
    json!({"output_tokens": tokens, "output_tokens_details": {"thinking_tokens": tokens / 4}})
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
        "tool_use" if block["input"] != json!({}) && !block["input"].is_null() => {
            opened["input"] = json!({});
            let input = block["input"].as_str().map_or_else(|| block["input"].to_string(), str::to_owned);
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

/// Asks once: what the model said, without the signs that its server lives, and the response that ended it.
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
            ModelEvent::Heartbeat => {}
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
            Ok(ModelEvent::Heartbeat) => {}
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "something came after the error");
                return (events, error);
            }
        }
    }
    panic!("the stream did not fail");
}

/// Runs a test with a model that streams and with one that does not.
pub(crate) async fn both(test: impl AsyncFn(bool)) {
    for streaming in [true, false] {
        test(streaming).await;
    }
}

pub(crate) type Outcome = Result<AgentRun, TrackedError<AgentRun, AgentError>>;

/// What was seen of a run: by its caller, by the server, in its activity, and in its events.
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) bodies: Vec<Value>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) messages: Vec<String>,
    pub(crate) percentages: Vec<u8>,
    pub(crate) events: Vec<RunEvent>,
}

impl Seen {
    pub(crate) fn run(&self) -> &AgentRun {
        self.outcome.as_ref().unwrap()
    }

    pub(crate) fn error(&self) -> &AgentError {
        self.outcome.as_ref().unwrap_err().run_error().and_then(|error| error.error()).unwrap()
    }

    pub(crate) fn kind(&self) -> &AgentErrorKind {
        self.error().kind()
    }

    pub(crate) fn model_error(&self) -> (ModelErrorKind, Option<u16>) {
        let error = self.error().model_error().unwrap();
        (error.kind(), error.status())
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        match &self.outcome {
            Ok(run) => &run.transcript,
            Err(_) => self.error().transcript(),
        }
    }

    /// The newest message that the server was sent, which answers the calls of a turn.
    pub(crate) fn newest(&self) -> &Value {
        self.bodies.last().unwrap()["messages"].as_array().unwrap().last().unwrap()
    }

    /// What a reader of the events has on the screen in the end.
    pub(crate) fn shown(&self) -> String {
        let mut shown: Vec<(u32, &str)> = Vec::new();
        let mut turn = 0;
        for event in &self.events {
            match event {
                RunEvent::TurnStarted { turn: next } => turn = *next,
                RunEvent::TextDelta { text } => shown.push((turn, text)),
                RunEvent::Retracted { turn } => shown.retain(|(of, _)| of != turn),
                _ => {}
            }
        }
        shown.into_iter().map(|(_, text)| text).collect()
    }
}

/// Runs the agent on a server that answers so.
pub(crate) async fn play(
    streaming: bool,
    agent: &Agent,
    replies: impl IntoIterator<Item: Into<Reply>>,
) -> Seen {
    play_with(streaming, agent.input("Go"), replies, |claude| claude).await
}

/// Runs on a server that answers so, with a model that is set up so.
pub(crate) async fn play_with(
    streaming: bool,
    input: AgentInput,
    replies: impl IntoIterator<Item: Into<Reply>>,
    configure: impl FnOnce(Claude) -> Claude,
) -> Seen {
    let replies = replies.into_iter().map(|reply| reply.into().template(streaming));
    let server = Server::answering(replies).await;
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("run").await.unwrap();
    let model = configure(claude(&server).streaming(streaming)).build().unwrap();
    let again = Retry::times(2).base(Duration::from_millis(1));
    let runner = ClaudeRunner::new(model).turn_retry(again).tracked(&activities);
    let (outcome, events) = watch(runner.run_streamed(id, input)).await;
    Seen {
        outcome,
        bodies: server.bodies().await,
        statuses: store.statuses(id),
        messages: store.messages(id),
        percentages: store.percentages(id),
        events,
    }
}

/// Watches a run to its end.
pub(crate) async fn watch(mut run: RunStream<AgentRun, AgentError>) -> (Outcome, Vec<RunEvent>) {
    let mut events = Vec::new();
    while let Some(event) = run.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (Err(error), events),
        }
    }
    (run.output().await, events)
}
