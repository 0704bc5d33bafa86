//! How fast a stream is decoded and folded: 10,000 text deltas, as they come from a socket.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::hint::black_box;

use agentexec_agent_core::model::ModelResponse;
use agentexec_runner_claude::MessagesFold;
use agentexec_runner_http::SseDecoder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const DELTAS: usize = 10_000;

/// What one read of a socket gives.
const CHUNK: usize = 16 * 1024;

/// The events of a stream, in JSON.
fn events(delta: impl Fn(usize) -> String) -> Vec<String> {
    let usage = r#"{"input_tokens":10,"output_tokens":1}"#;
    let mut events = vec![
        format!(r#"{{"type":"message_start","message":{{"content":[],"model":"m","usage":{usage}}}}}"#),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_owned(),
    ];
    events.extend((0..DELTAS).map(delta));
    events.push(r#"{"type":"content_block_stop","index":0}"#.to_owned());
    events
        .push(format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#));
    events.push(r#"{"type":"message_stop"}"#.to_owned());
    events
}

fn text_delta(index: usize) -> String {
    // One word in sixteen has a character that JSON escapes.
    let text = if index.is_multiple_of(16) { r"\n\n" } else { " lifecycle" };
    format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#)
}

fn sse(events: &[String]) -> String {
    let mut stream = String::new();
    for event in events {
        let name = event.split('"').nth(3).unwrap();
        write!(stream, "event: {name}\ndata: {event}\n\n").unwrap();
    }
    stream
}

fn decode_and_fold(stream: &[u8]) -> ModelResponse {
    let (mut decoder, mut fold) = (SseDecoder::new(), MessagesFold::new("bench"));
    let mut said = Vec::new();
    for chunk in stream.chunks(CHUNK) {
        let mut rest = chunk;
        while let Some(event) = decoder.decode(&mut rest).unwrap() {
            fold.push(event.data, &mut said).unwrap();
            black_box(&mut said).clear();
        }
    }
    fold.finish().unwrap()
}

fn fold(events: &[String]) -> ModelResponse {
    let (mut fold, mut said) = (MessagesFold::new("bench"), Vec::new());
    for event in events {
        fold.push(event, &mut said).unwrap();
        black_box(&mut said).clear();
    }
    fold.finish().unwrap()
}

fn benchmark(criterion: &mut Criterion) {
    let events = events(text_delta);
    let stream = sse(&events);
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("decode and fold 10,000 text deltas", |bencher| {
        bencher.iter(|| decode_and_fold(black_box(stream.as_bytes())));
    });
    group.bench_function("fold 10,000 text deltas", |bencher| bencher.iter(|| fold(black_box(&events))));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
