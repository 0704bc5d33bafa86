//! How fast a stream of 10,000 deltas is decoded and folded on one core: from the bytes of the connection to events
//! and the response, without the connection. The goal for `chat text` is 200 MB of event stream a second.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use agentexec_agent_core::model::{ModelEvent, ModelResponse};
use agentexec_runner_http::SseDecoder;
use agentexec_runner_openai::chat::ChatFold;
use agentexec_runner_openai::responses::ResponsesFold;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

const DELTAS: usize = 10_000;

/// What arrives in one read of a connection.
const READ: usize = 16 << 10;

fn sse(events: impl Iterator<Item = String>) -> String {
    events.map(|event| format!("data: {event}\n\n")).collect()
}

/// A chunk with the fields that OpenAI sends, in its order.
fn chunk(delta: &Value, finish_reason: &Value) -> String {
    format!(
        r#"{{"id":"chatcmpl-BzX3h9mRk2vQe8LtUwYs5aFdGjKn","object":"chat.completion.chunk","created":1794000000,"model":"gpt-5.4-mini-2026-03-17","service_tier":"default","system_fingerprint":"fp_9b1f4c2a7e","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}],"usage":null,"obfuscation":"q8Zr1xT"}}"#
    )
}

fn chat_text() -> String {
    let deltas = (0..DELTAS).map(|_| chunk(&json!({"content": " tokens"}), &Value::Null));
    sse(deltas.chain([chunk(&json!({}), &json!("stop")), "[DONE]".to_owned()]))
}

fn chat_arguments() -> String {
    let function = json!({"name": "write", "arguments": ""});
    let first = chunk(
        &json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}),
        &Value::Null,
    );
    let piece = json!({"tool_calls": [{"index": 0, "function": {"arguments": "\\\"ab"}}]});
    let deltas = (0..DELTAS).map(|_| chunk(&piece, &Value::Null));
    let end = [chunk(&json!({}), &json!("tool_calls")), "[DONE]".to_owned()];
    sse(std::iter::once(first).chain(deltas).chain(end))
}

fn responses_text() -> String {
    let text = " tokens".repeat(DELTAS);
    let deltas = (0..DELTAS).map(|number| {
        format!(
            r#"{{"type":"response.output_text.delta","content_index":0,"delta":" tokens","item_id":"msg_68e1c0d7f4a88190b3a2","logprobs":[],"obfuscation":"q8Zr1xT","output_index":0,"sequence_number":{number}}}"#
        )
    });
    let item = json!({"type": "message", "content": [{"type": "output_text", "text": text}]});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item}).to_string();
    let end = json!({"type": "response.completed", "response": {"status": "completed"}}).to_string();
    sse(deltas.chain([done, end]))
}

/// Decodes the stream as it arrives and hands each event's data to `push`.
fn decode(stream: &str, mut push: impl FnMut(&str)) {
    let mut decoder = SseDecoder::new();
    for mut read in stream.as_bytes().chunks(READ) {
        while let Some(event) = decoder.decode(&mut read).unwrap() {
            push(event.data);
        }
    }
}

fn fold_chat(stream: &str) -> ModelResponse {
    let mut fold = ChatFold::new("bench");
    let mut events: Vec<ModelEvent> = Vec::new();
    decode(stream, |data| {
        fold.push(data, &mut events).unwrap();
        black_box(&events);
        events.clear();
    });
    fold.finish(&mut events).unwrap()
}

fn fold_responses(stream: &str) -> ModelResponse {
    let mut fold = ResponsesFold::new("bench");
    let mut events: Vec<ModelEvent> = Vec::new();
    decode(stream, |data| {
        fold.push(data, &mut events).unwrap();
        black_box(&events);
        events.clear();
    });
    fold.finish().unwrap()
}

struct Case {
    name: &'static str,
    stream: String,
    fold: fn(&str) -> ModelResponse,
}

fn streams(criterion: &mut Criterion) {
    let cases = [
        Case { name: "chat text", stream: chat_text(), fold: fold_chat },
        Case { name: "chat arguments", stream: chat_arguments(), fold: fold_chat },
        Case { name: "responses text", stream: responses_text(), fold: fold_responses },
    ];
    let mut group = criterion.benchmark_group("decode and fold 10,000 deltas");
    for Case { name, stream, fold } in &cases {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| fold(black_box(stream))));
    }
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
