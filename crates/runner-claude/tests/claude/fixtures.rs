//! Messages as the published descriptions show them, in both forms: `NAME.sse` is the stream and `NAME.json` the body
//! of one message, `NAME.expected.json` what it comes to. Gateways are among them, by their manners.

use agentexec_agent_core::model::{ModelRequest, ModelResponse};
use agentexec_agent_core::transcript::{Item, ToolOutputItem, Transcript};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{Answer, Server, ask, claude};

/// The files of a fixture.
struct Fixture {
    stream: &'static str,
    body: &'static str,
    expected: &'static str,
}

impl Fixture {
    fn template(&self, streaming: bool) -> ResponseTemplate {
        let template = ResponseTemplate::new(200).insert_header("request-id", "req_test");
        match streaming {
            true => template.set_body_raw(self.stream, "text/event-stream; charset=utf-8"),
            false => template.set_body_raw(self.body, "application/json"),
        }
    }
}

/// The item in short, without its own form.
fn neutral(item: &Item) -> Value {
    match item {
        Item::Assistant(item) => json!({"text": item.text}),
        Item::Reasoning(item) => json!({"thought": item.text}),
        Item::ToolCall(call) => {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
            json!({"call": call.id, "name": call.name, "arguments": arguments})
        }
        Item::Opaque(raw) if raw.is_note() => json!({"note": raw.value}),
        Item::Opaque(raw) => json!({"opaque": raw.value["type"]}),
        other => panic!("{other:?}"),
    }
}

fn told(response: &ModelResponse) -> Value {
    json!({
        "items": response.items.iter().map(neutral).collect::<Vec<_>>(),
        "stop": response.stop, "usage": response.usage, "model": response.model,
    })
}

/// Asks for the fixture, and sends what came back: it must be the content of the body, block by block.
async fn check(fixture: Fixture) {
    let expected: Value = serde_json::from_str(fixture.expected).unwrap();
    let content = serde_json::from_str::<Value>(fixture.body).unwrap()["content"].take();
    for streaming in [true, false] {
        let end = Answer::text("Done.").template(streaming);
        let server = Server::answering([fixture.template(streaming), end]).await;
        let model = claude(&server).streaming(streaming).build().unwrap();
        let mut transcript = Transcript::from_user("Go");
        let (_, response) = ask(&model, ModelRequest::new(transcript.items())).await.unwrap();
        assert_eq!(told(&response), expected, "streaming: {streaming}");
        assert_eq!(response.request_id.as_deref(), Some("req_test"));

        transcript.extend(response.items);
        let open: Vec<String> = transcript.open_calls().iter().map(|call| call.id.clone()).collect();
        transcript.extend(open.iter().map(|id| Item::ToolOutput(ToolOutputItem::new(id, "any", "ok"))));
        ask(&model, ModelRequest::new(transcript.items())).await.unwrap();
        let messages = server.bodies().await[1]["messages"].take();
        let sent_back = messages.get(1).map_or_else(|| json!([]), |message| message["content"].clone());
        assert_eq!(sent_back, content, "streaming: {streaming}");
    }
}

macro_rules! fixtures {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            check(Fixture {
                stream: include_str!(concat!("../fixtures/", stringify!($name), ".sse")),
                body: include_str!(concat!("../fixtures/", stringify!($name), ".json")),
                expected: include_str!(concat!("../fixtures/", stringify!($name), ".expected.json")),
            })
            .await;
        }
    )*};
}

fixtures!(
    cached,
    context_window,
    empty,
    empty_input,
    gateway,
    max_tokens,
    pause_turn,
    refusal,
    server_tool,
    stop_sequence,
    text,
    thinking,
    tools,
    unknown,
);

/// A call that the limit of tokens cut off. A body has no form for it: its input is an object, whole or empty.
#[tokio::test]
async fn a_call_that_was_cut_off_keeps_what_there_is_of_it() {
    let stream = include_str!("../fixtures/cut_call.sse");
    let server =
        Server::answering([ResponseTemplate::new(200).set_body_raw(stream, "text/event-stream")]).await;
    let model = claude(&server).build().unwrap();
    let (_, response) = ask(&model, ModelRequest::new(&[Item::user("Go")])).await.unwrap();
    let Some(Item::ToolCall(call)) = response.items.last() else { panic!("{:?}", response.items) };
    assert_eq!(call.arguments, r#"{"path": "a.t"#);
    assert_eq!(response.stop, agentexec_agent_core::model::StopReason::MaxTokens);
}
