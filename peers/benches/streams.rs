//! A stream of 10,000 deltas over loopback, from the request to the folded answer: a bare client that counts the lines,
//! ours, and async-openai, whose deltas are put together to the text.

use std::hint::black_box;

use agentexec_peers::{DELTAS, PROTOCOLS, Protocol, ask, serve, whole};
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
};
use async_openai::types::responses::{CreateResponse, CreateResponseArgs, ResponseStreamEvent};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

const TEXT: usize = " tokens".len() * DELTAS;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn raw(client: &reqwest::Client, url: &str) -> usize {
    let mut response = client.post(url).body("{}").send().await.expect("an answer");
    let mut lines = 0;
    while let Some(chunk) = response.chunk().await.expect("a whole body") {
        lines += memchr::memchr_iter(b'\n', &chunk).count();
    }
    lines
}

fn chat_request() -> CreateChatCompletionRequest {
    let message = ChatCompletionRequestUserMessage::from("Go.");
    let mut request = CreateChatCompletionRequestArgs::default();
    request.model("gpt-5.4-mini").messages([message.into()]).build().expect("a request")
}

async fn peer_chat(client: &Client<OpenAIConfig>) -> usize {
    let mut stream = client.chat().create_stream(chat_request()).await.expect("a stream");
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        for choice in chunk.expect("a chunk").choices {
            text.push_str(choice.delta.content.as_deref().unwrap_or_default());
        }
    }
    text.len()
}

fn responses_request() -> CreateResponse {
    CreateResponseArgs::default().model("gpt-5.4-mini").input("Go.").build().expect("a request")
}

async fn peer_responses(client: &Client<OpenAIConfig>) -> usize {
    let mut stream = client.responses().create_stream(responses_request()).await.expect("a stream");
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(ResponseStreamEvent::ResponseOutputTextDelta(delta)) => text.push_str(&delta.delta),
            Ok(ResponseStreamEvent::ResponseCompleted(_)) => break,
            event => drop(event.expect("an event")),
        }
    }
    text.len()
}

fn benches(criterion: &mut Criterion) {
    for protocol in PROTOCOLS {
        let stream = protocol.stream(DELTAS);
        let mut group = criterion.benchmark_group(format!("10,000 deltas of {}", protocol.name()));
        group.throughput(Throughput::Bytes(stream.len() as u64));
        let url = serve(whole(stream));

        let (on, client) = (runtime(), reqwest::Client::new());
        group.bench_function("bare client", |bencher| {
            bencher.iter(|| on.block_on(raw(&client, &url)));
        });
        let (on, model) = (runtime(), protocol.model(&url));
        group.bench_function("agentexec", |bencher| {
            bencher.iter(|| {
                let length = on.block_on(ask(&*model, |text| {
                    black_box(text);
                }));
                assert_eq!(length, TEXT);
            });
        });
        let config = OpenAIConfig::new().with_api_base(format!("{url}/v1")).with_api_key("key");
        let (on, client) = (runtime(), Client::with_config(config));
        match protocol {
            Protocol::Chat => {
                group.bench_function("async-openai", |bencher| {
                    bencher.iter(|| assert_eq!(on.block_on(peer_chat(&client)), TEXT));
                });
            }
            Protocol::Responses => {
                group.bench_function("async-openai", |bencher| {
                    bencher.iter(|| assert_eq!(on.block_on(peer_responses(&client)), TEXT));
                });
            }
            Protocol::Messages => {}
        }
        group.finish();
    }
}

criterion_group!(streams, benches);
criterion_main!(streams);
