//! How fast a stream of 10,000 deltas is decoded, and decoded and folded, beside the least that reading it could
//! cost: one pass over its bytes that counts the lines.

use std::borrow::Cow;
use std::fmt::Write;
use std::hint::black_box;

use agentexec_runner_http::SseDecoder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;

const DELTAS: usize = 10_000;

/// What a connection hands over at once.
const CHUNK: usize = 16 << 10;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

/// A stream as OpenAI Chat Completions sends it.
fn stream() -> String {
    let words = [" the", " agent", " reads", " a", " file", ",", " then", "\\n", " answers", "."];
    let mut stream = String::new();
    for word in words.iter().cycle().take(DELTAS) {
        let _ = write!(
            stream,
            "data: {{\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\",\
             \"created\":1741570283,\"model\":\"gpt-5-2025-08-07\",\"service_tier\":\"default\",\
             \"system_fingerprint\":\"fp_fc9f1d7035\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\
             \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        );
    }
    stream.push_str("data: [DONE]\n\n");
    stream
}

/// Decodes the stream chunk by chunk and gives each event's data to `take`.
fn decode(stream: &[u8], mut take: impl FnMut(&str)) {
    let mut decoder = SseDecoder::new();
    for chunk in stream.chunks(CHUNK) {
        let mut rest = chunk;
        while let Ok(Some(event)) = decoder.decode(&mut rest) {
            take(event.data);
        }
    }
}

fn fold(stream: &[u8]) -> String {
    let mut text = String::new();
    decode(stream, |data| {
        if let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(data) {
            for choice in chunk.choices {
                text.push_str(choice.delta.content.as_deref().unwrap_or_default());
            }
        }
    });
    text
}

fn benches(c: &mut Criterion) {
    let stream = stream();
    let bytes = stream.as_bytes();
    assert!(fold(bytes).starts_with(" the agent reads a file, then\n answers."));

    let mut group = c.benchmark_group("sse");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("raw pass (count lines)", |b| {
        b.iter(|| memchr::memchr_iter(b'\n', black_box(bytes)).count());
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            let mut events = 0_usize;
            decode(black_box(bytes), |data| events += black_box(data).len());
            events
        });
    });
    group.bench_function("decode and fold", |b| b.iter(|| fold(black_box(bytes))));
    group.finish();
}

criterion_group!(sse, benches);
criterion_main!(sse);
