//! The time from the request to the first piece of text, over a connection that is open already: a bare client that
//! sends the same request and waits for the first bytes of the body, and ours, which writes the request out of a
//! transcript and reads the event. The server sends the first event at once and the others behind it, so that ours often
//! folds them too: it tells what came in one read together.
//!
//! The two take turns, since a machine that is shared changes its pace from one second to the next. The quickest tenth
//! is what the code costs where the machine leaves it alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentexec_agent_core::model::Model;
use agentexec_peers::{Answer, PROTOCOLS, Protocol, Sent, ask, is_wanted, sent_by, serve};
use tokio::runtime::Builder;

const ROUNDS: usize = 5_000;

fn answer(protocol: Protocol) -> Answer {
    let (beginning, end) = (protocol.beginning(), protocol.end(1));
    Arc::new(move |write| {
        write(beginning.as_bytes());
        write(end.as_bytes());
    })
}

async fn bare(client: &reqwest::Client, url: &str, request: &Sent) -> Duration {
    let begun = Instant::now();
    let request = client.post(url).headers(request.headers.clone()).body(request.body.clone());
    let mut response = request.send().await.expect("an answer");
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

/// The time in microseconds below which this share of the rounds stayed.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6
}

fn main() {
    if !is_wanted("first_event") {
        return;
    }
    for protocol in PROTOCOLS {
        let url = serve(answer(protocol));
        let on = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, model) = (reqwest::Client::new(), protocol.model(&url));
        let request = on.block_on(sent_by(protocol));
        let same = format!("{url}{}", request.path);
        let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_bare.push(on.block_on(bare(&client, &same, &request)));
            of_ours.push(on.block_on(ours(&*model)));
        }
        for (what, share) in [("the quickest tenth", 0.1), ("the median", 0.5)] {
            let (bare, ours) = (quantile(&mut of_bare, share), quantile(&mut of_ours, share));
            println!(
                "first event of {}, {what} of {ROUNDS}: bare client {bare:.0} µs, agentexec {ours:.0} µs, ratio {:.2}",
                protocol.name(),
                ours / bare
            );
        }
    }
}
