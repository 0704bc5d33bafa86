//! What the tests run in: a server, an agent with tools that count their calls, and a store that shows its record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentexec::agent::AgentRunner;
use agentexec::claude::{Claude, RetryPolicy};
use agentexec::openai::OpenAi;
use agentexec::prelude::*;
use agentexec_demo::{Brain, DemoServer};
use schemars::JsonSchema;
use serde::Deserialize;

/// A protocol, streamed or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Claude,
    Responses,
    Chat,
}

pub(crate) const ALL: [(Protocol, bool); 6] = [
    (Protocol::Claude, true),
    (Protocol::Claude, false),
    (Protocol::Responses, true),
    (Protocol::Responses, false),
    (Protocol::Chat, true),
    (Protocol::Chat, false),
];

pub(crate) fn server(brain: impl Brain) -> DemoServer {
    DemoServer::builder().delay(Duration::ZERO).brain(brain).start().unwrap()
}

/// An engine that asks the server in this protocol and does not try a request twice by itself.
pub(crate) fn engine(server: &DemoServer, (protocol, streaming): (Protocol, bool)) -> AgentRunner {
    let url = server.base_url();
    let openai =
        || OpenAi::at(format!("{url}/v1")).api_key("a-secret-key").model("demo").retry(RetryPolicy::none());
    match protocol {
        Protocol::Claude => {
            let settings = Claude::new("a-secret-key").base_url(url).retry(RetryPolicy::none());
            AgentRunner::new(settings.streaming(streaming).build().unwrap())
        }
        Protocol::Responses => AgentRunner::new(openai().responses().unwrap().streaming(streaming)),
        Protocol::Chat => AgentRunner::new(openai().chat().unwrap().streaming(streaming)),
    }
}

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) activities: Activities,
    calls: Arc<AtomicUsize>,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Weather {
    /// The name of the city.
    city: String,
    /// The unit; degrees Celsius when it is left out.
    unit: Option<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new();
        Self { activities: Activities::new(store.clone()), store, calls: Arc::default() }
    }

    /// An agent with `add`, `get_weather` and `report_activity`.
    pub(crate) fn agent(&self) -> Agent {
        let (counted, also_counted) = (Arc::clone(&self.calls), Arc::clone(&self.calls));
        Agent::new("Tester")
            .instructions("Use the tools.")
            .tool(tool_with(counted, "add", "Adds.", |calls: Arc<AtomicUsize>, args: Add, _cx| async move {
                calls.fetch_add(1, Ordering::SeqCst);
                args.a + args.b
            }))
            .tool(tool_with(
                also_counted,
                "get_weather",
                "Says the weather.",
                |calls: Arc<AtomicUsize>, args: Weather, _cx| async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    match args.city.as_str() {
                        "Atlantis" => Err("no such city"),
                        city => Ok(format!("21 {} in {city}", args.unit.as_deref().unwrap_or("C"))),
                    }
                },
            ))
            .tool(report_status())
    }

    /// How many calls of `add` and `get_weather` were carried out.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}
