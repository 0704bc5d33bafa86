//! A stream that breaks in the middle of a turn, and another provider that takes the run over.

use agentexec::agent::{AgentRunner, Finish};
use agentexec::claude::{Claude, RetryPolicy};
use agentexec::openai::OpenAi;
use agentexec::prelude::*;
use agentexec::runner::testing::Recorded;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::world::World;

/// What nobody but the provider that thought it may read again.
const THOUGHT: &str = "a thought of its own";

/// What a stream says, block by block.
enum Block {
    Thought,
    Text(&'static str),
    /// Of `add`, with 20 and 22.
    Call,
}

/// How a provider writes it.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Messages,
    Responses,
}

impl Wire {
    /// A stream of these blocks, whole or without its end.
    fn stream(self, blocks: &[Block], is_whole: bool) -> ResponseTemplate {
        let mut events = match self {
            Self::Messages => messages(blocks),
            Self::Responses => responses(blocks),
        };
        if !is_whole {
            events.pop();
        }
        let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        let body: String = events.iter().map(event).collect();
        ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
    }

    /// An engine over the server that asks for each turn once.
    fn engine(self, server: &MockServer) -> AgentRunner {
        let (url, once) = (server.uri(), RetryPolicy::none());
        let engine = match self {
            Self::Messages => AgentRunner::new(Claude::new("key").base_url(url).retry(once).build().unwrap()),
            Self::Responses => {
                let settings = OpenAi::at(format!("{url}/v1")).api_key("key").model("gpt-x").retry(once);
                AgentRunner::new(settings.responses().unwrap())
            }
        };
        engine.turn_retry(Retry::times(0))
    }
}

fn messages(blocks: &[Block]) -> Vec<Value> {
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    let mut events = vec![json!({"type": "message_start", "message": {"content": [], "usage": usage}})];
    for (index, block) in blocks.iter().enumerate() {
        let (opened, deltas) = match block {
            Block::Thought => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": THOUGHT}),
                    json!({"type": "signature_delta", "signature": THOUGHT}),
                ],
            ),
            Block::Text(text) => {
                (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": text})])
            }
            Block::Call => (
                json!({"type": "tool_use", "id": "call_1", "name": "add", "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": "{\"a\": 20, \"b\": 22}"})],
            ),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": opened}));
        let delta = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let calls = blocks.iter().any(|block| matches!(block, Block::Call));
    let stop = json!({"stop_reason": if calls { "tool_use" } else { "end_turn" }});
    events.push(json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn responses(blocks: &[Block]) -> Vec<Value> {
    let mut events = vec![json!({"type": "response.created", "response": {"id": "resp_1"}})];
    for (index, block) in blocks.iter().enumerate() {
        let item = match block {
            Block::Thought => json!({
                "type": "reasoning", "id": "rs_1", "encrypted_content": THOUGHT,
                "summary": [{"type": "summary_text", "text": THOUGHT}],
            }),
            Block::Text(text) => {
                let delta = json!({
                    "type": "response.output_text.delta", "item_id": "msg_1", "output_index": index,
                    "content_index": 0, "delta": text,
                });
                events.push(delta);
                json!({
                    "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": text}],
                })
            }
            Block::Call => json!({
                "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add",
                "arguments": "{\"a\": 20, \"b\": 22}", "status": "completed",
            }),
        };
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    let usage = json!({"input_tokens": 10, "output_tokens": 5});
    let response = json!({"id": "resp_1", "status": "completed", "output": [], "usage": usage});
    events.push(json!({"type": "response.completed", "response": response}));
    events
}

async fn server(answers: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    for answer in answers {
        Mock::given(method("POST")).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    server
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| request.body_json().unwrap()).collect()
}

/// What a reader of the events has on the screen in the end.
fn shown(events: &[RunEvent]) -> String {
    let (mut shown, mut turn) = (Vec::new(), 0);
    for event in events {
        match event {
            RunEvent::TurnStarted { turn: next } => turn = *next,
            RunEvent::TextDelta { text } => shown.push((turn, text.as_str())),
            RunEvent::Retracted { turn } => shown.retain(|(of, _)| of != turn),
            _ => {}
        }
    }
    shown.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn another_provider_takes_a_run_over_in_the_middle_of_a_turn() {
    for (first, second) in [(Wire::Messages, Wire::Responses), (Wire::Responses, Wire::Messages)] {
        let broken = server([
            first.stream(&[Block::Thought, Block::Text("I add. "), Block::Call], true),
            first.stream(&[Block::Thought, Block::Text("It is 43, n")], false),
        ])
        .await;
        let healthy = server([second.stream(&[Block::Text("It is 42.")], true)]).await;
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = first.engine(&broken).fallback(second.engine(&healthy)).tracked(&world.activities);
        let mut stream = runner.run_streamed(id, world.agent().input("Go"));
        let mut events = Vec::new();
        while let Some(event) = stream.try_next().await.unwrap() {
            events.push(event);
        }
        let run = stream.output().await.unwrap();

        assert_eq!((&*run.output, run.finish, world.calls()), ("It is 42.", Finish::Final, 1), "{first:?}");
        assert_eq!(shown(&events), "I add. It is 42.", "{first:?}");
        // What broke off is no turn, and its cost was never told.
        assert_eq!((run.turns.len(), run.usage().output_tokens), (2, 10), "{first:?}");
        let told = |event: &RunEvent| events.iter().filter(|told| *told == event).count();
        assert_eq!(told(&RunEvent::Retracted { turn: 2 }), 1, "{first:?}: {events:?}");
        assert_eq!(told(&RunEvent::Untranslated { items: 1 }), 1, "{first:?}: {events:?}");
        assert!(events.iter().any(|event| matches!(event, RunEvent::FellBack { .. })), "{first:?}");

        assert!(bodies(&broken).await[1].to_string().contains(THOUGHT), "{first:?}: its own goes back");
        let sent = bodies(&healthy).await;
        let text = sent[0].to_string();
        assert_eq!(sent.len(), 1, "{first:?}");
        assert!(!text.contains(THOUGHT) && !text.contains("It is 43"), "{first:?}: {text}");
        for kept in ["I add. ", "call_1", "42"] {
            assert!(text.contains(kept), "{first:?}: {text}");
        }
        let log = world.store.messages(id);
        let said = "Going on without 1 item that only another provider can read";
        assert!(log.iter().any(|message| message == said), "{first:?}: {log:?}");
        assert_eq!(log.last().unwrap(), "Completed with fallback model", "{first:?}");
    }
}
