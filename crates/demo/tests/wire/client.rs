//! A client that knows HTTP and server-sent events, and nothing of the server's code.

use std::time::Duration;

use agentexec_demo::{Brain, DemoServer};
use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// A server without pauses that `brain` answers for.
pub(crate) fn server(brain: impl Brain) -> DemoServer {
    DemoServer::builder().delay(Duration::ZERO).brain(brain).start().unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The events of a stream: their names and their data, `[DONE]` as a string.
    pub(crate) fn events(&self) -> Vec<(Option<String>, Value)> {
        assert_eq!(self.headers["content-type"], "text/event-stream");
        let blocks = self.text.split_terminator("\n\n");
        blocks
            .map(|block| {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let data = field("data: ").unwrap_or_else(|| panic!("no data in {block:?}"));
                let data =
                    if data == "[DONE]" { Value::from(data) } else { serde_json::from_str(&data).unwrap() };
                (field("event: "), data)
            })
            .collect()
    }
}

/// Posts with the headers of every protocol's client.
pub(crate) async fn post(server: &DemoServer, path: &str, body: &Value) -> Answer {
    let url = format!("{}{path}", server.base_url());
    let request = Client::new()
        .post(url)
        .bearer_auth("a-key")
        .header("x-api-key", "a-key")
        .header("anthropic-version", "2023-06-01")
        .json(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}
