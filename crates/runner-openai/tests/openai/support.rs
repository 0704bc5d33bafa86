//! A server that plays a script, and a turn of a conversation with it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest, ModelResponse, ToolSpec};
use agentexec_agent_core::transcript::{Item, ToolCall, ToolOutputItem, Transcript};
use agentexec_runner_openai::{OpenAi, RetryPolicy};
use agentexec_tools::schema::{Dialect, schema_of};
use futures_util::TryStreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// The key that the server must see and nobody else.
pub(crate) const KEY: &str = "sk-test-0123456789";

/// Answers each request with the next template.
struct Script(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let next = self.0.lock().unwrap().pop_front();
        next.unwrap_or_else(|| ResponseTemplate::new(500).set_body_string("the script is over"))
    }
}

/// A server that answers POSTs to `path` with these answers, one after the other.
pub(crate) async fn server(at: &str, answers: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let script = Script(Mutex::new(answers.into_iter().collect()));
    Mock::given(method("POST")).and(path(at)).respond_with(script).mount(&server).await;
    server
}

/// Settings for that server: with a key, and without waits between tries.
pub(crate) fn settings(server: &MockServer) -> OpenAi {
    let mut retry = RetryPolicy::default();
    retry.max_retries = 1;
    retry.base = Duration::from_millis(1);
    OpenAi::at(server.uri()).api_key(KEY).model("gpt-x").retry(retry)
}

/// The events as they are streamed.
pub(crate) fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// A stream of these events, with the header that support asks for.
pub(crate) fn stream(events: &[Value], tail: &str) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .insert_header("x-request-id", "req_1")
        .set_body_raw(sse(events) + tail, "text/event-stream; charset=utf-8")
}

/// A body in one piece.
pub(crate) fn whole(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_json(body)
}

/// The bodies that the server received, in order.
pub(crate) async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| request.body_json().unwrap()).collect()
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Path {
    /// Which file.
    path: String,
}

/// Two tools that take a path.
pub(crate) fn tools() -> Vec<ToolSpec> {
    ["list", "read"].map(|name| ToolSpec::new(name, format!("Do {name}."), schema_of::<Path>())).into()
}

/// The schema of these tools as it is sent without strict mode.
pub(crate) fn plain_schemas() -> Value {
    schema_of::<Path>().in_dialect(Dialect::Plain).schema
}

/// Asks once. What the model said, without the signs that its server lives.
pub(crate) async fn ask(
    model: &dyn Model,
    transcript: &Transcript,
    tools: &[ToolSpec],
) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let mut request = ModelRequest::new(transcript.items());
    request.instructions = Some("Be brief.");
    request.tools = tools;
    let mut events: Vec<ModelEvent> = model.respond(request).try_collect().await?;
    events.retain(|event| *event != ModelEvent::Heartbeat);
    match events.pop() {
        Some(ModelEvent::Completed(response)) => Ok((events, *response)),
        other => panic!("the last event is {other:?}"),
    }
}

/// Asks once, appends what the model said, and answers each of its calls with `NAME(ARGUMENTS)`.
pub(crate) async fn turn(
    model: &dyn Model,
    transcript: &mut Transcript,
    tools: &[ToolSpec],
) -> (Vec<ModelEvent>, ModelResponse) {
    let (events, response) = ask(model, transcript, tools).await.unwrap();
    transcript.extend(response.items.clone());
    let open: Vec<ToolCall> = transcript.open_calls().into_iter().cloned().collect();
    transcript.extend(open.into_iter().map(|call| {
        let answer = format!("{}({})", call.name, call.arguments);
        Item::ToolOutput(ToolOutputItem::new(call.id, call.name, answer))
    }));
    (events, response)
}
