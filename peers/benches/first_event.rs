//! The time from the request to the first piece of text, over a connection that is open already: a bare client that
//! waits for the first bytes, and ours. The server sends the first event at once and the others behind it.
//!
//! The two take turns, since a machine that is shared changes its pace from one second to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentexec_agent_core::model::Model;
use agentexec_peers::{Answer, PROTOCOLS, Protocol, ask, is_wanted, serve};
use tokio::runtime::Builder;

const ROUNDS: usize = 5_000;

fn answer(protocol: Protocol) -> Answer {
    let (beginning, end) = (protocol.beginning(), protocol.end(1));
    Arc::new(move |write| {
        write(beginning.as_bytes());
        write(end.as_bytes());
    })
}

async fn bare(client: &reqwest::Client, url: &str) -> Duration {
    let begun = Instant::now();
    let mut response = client.post(url).body("{}").send().await.expect("an answer");
    response.chunk().await.expect("a body").expect("an event");
    let first = begun.elapsed();
    while response.chunk().await.expect("a whole body").is_some() {}
    first
}

async fn ours(model: &dyn Model) -> Duration {
    let (begun, mut first) = (Instant::now(), None);
    ask(model, |_| first = first.or_else(|| Some(begun.elapsed()))).await;
    first.expect("a piece of text")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    if !is_wanted("first_event") {
        return;
    }
    for protocol in PROTOCOLS {
        let url = serve(answer(protocol));
        let on = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, model) = (reqwest::Client::new(), protocol.model(&url));
        let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_bare.push(on.block_on(bare(&client, &url)));
            of_ours.push(on.block_on(ours(&*model)));
        }
        let (bare, ours) = (median(of_bare), median(of_ours));
        println!(
            "first event of {}: bare client {bare:.0} µs, agentexec {ours:.0} µs, ratio {:.2} (medians of {ROUNDS})",
            protocol.name(),
            ours / bare
        );
    }
}
