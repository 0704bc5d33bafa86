//! What a run tells of the retries that the transport makes, and of what is lost on the way to another provider.

use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore};
use agentexec_agent_core::Agent;
use agentexec_agent_core::model::{ModelEvent, ModelRequest};
use agentexec_agent_core::transcript::{Item, Raw, ReasoningItem, Transcript};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{RunEvent, RunExt};
use agentexec_runner_openai::OpenAiRunner;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{ask, server, settings, stream};
use crate::wire::{WIRES, Wire, say};

fn busy() -> ResponseTemplate {
    ResponseTemplate::new(503)
        .insert_header("retry-after-ms", "2")
        .set_body_json(json!({"error": {"message": "Busy"}}))
}

#[tokio::test]
async fn a_model_tells_of_each_retry_before_it_waits() {
    for wire in WIRES {
        let server = server(wire.path(), [busy(), wire.answer(&say("Hi"))]).await;
        let (events, _) = ask(&*wire.model(&server), &Transcript::from_user("Hi"), &[]).await.unwrap();
        let ModelEvent::Retrying { retry, retries, delay, error } = &events[0] else { panic!("{events:?}") };
        assert_eq!((*retry, *retries, *delay), (1, 1, Duration::from_millis(2)));
        assert!(error.contains("Busy (HTTP 503)"), "{error}");
    }
}

#[tokio::test]
async fn a_run_tells_of_retries_in_its_events_and_in_its_log() {
    for wire in WIRES {
        let server = server(wire.path(), [busy(), wire.answer(&say("Hi"))]).await;
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("greeting").await.unwrap();
        let runner = OpenAiRunner::new(wire.model(&server)).tracked(&activities);
        let events: Vec<RunEvent> =
            runner.run_streamed(id, Agent::new("Greeter").input("Hi")).try_collect().await.unwrap();
        let told =
            events.iter().filter(|event| matches!(event, RunEvent::Retrying { retry: 1, delay_ms: 2, .. }));
        assert_eq!(told.count(), 1, "{wire:?} {events:?}");
        assert!(
            !events.iter().any(|event| matches!(event, RunEvent::Retracted { .. })),
            "nothing was told yet"
        );
        let messages = store.messages(id);
        assert!(messages.iter().any(|message| message.starts_with("Retry 1/1: ")), "{messages:?}");
    }
}

#[tokio::test]
async fn what_says_nothing_of_the_answer_shows_that_the_server_lives() {
    // Azure begins with a chunk without choices; the Responses API frames what it says.
    let chunks = [
        json!({"choices": [], "prompt_filter_results": []}),
        json!({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}),
    ];
    let answers = [
        (Wire::ChatStreamed, stream(&chunks, "data: [DONE]\n\n")),
        (Wire::ResponsesStreamed, Wire::ResponsesStreamed.answer(&say("Hi"))),
    ];
    for (wire, answer) in answers {
        let server = server(wire.path(), [answer]).await;
        let model = wire.model(&server);
        let question = Transcript::from_user("Hi");
        let events: Vec<ModelEvent> =
            model.respond(ModelRequest::new(question.items())).try_collect().await.unwrap();
        assert_eq!(events[0], ModelEvent::Heartbeat, "{wire:?} {events:?}");
        assert!(matches!(events.last(), Some(ModelEvent::Completed(_))), "{wire:?} {events:?}");
    }
}

#[tokio::test]
async fn a_run_that_goes_on_from_another_provider_says_what_is_not_shown() {
    let thought = |protocol: &str| {
        let raw = Some(Raw::new(protocol, json!({"signature": "s"})));
        Item::Reasoning(ReasoningItem { text: "Hm".into(), raw })
    };
    for wire in WIRES {
        let server = server(wire.path(), [wire.answer(&say("Hi"))]).await;
        let model = wire.model(&server);
        let own = model.protocol().to_owned();
        let transcript: Transcript = [
            Item::user("Go."),
            thought("anthropic@api.anthropic.com"),
            thought(&own),
            Item::Opaque(Raw::new("anthropic@api.anthropic.com", json!({"type": "server_tool_use"}))),
            Item::assistant("Half."),
            Item::user("Go on."),
        ]
        .into_iter()
        .collect();
        let activities = Activities::new(MemoryStore::new());
        let id = activities.create("greeting").await.unwrap();
        let runner = OpenAiRunner::new(model).tracked(&activities);
        let events: Vec<RunEvent> =
            runner.run_streamed(id, Agent::new("Greeter").resume(transcript)).try_collect().await.unwrap();
        let told: Vec<&RunEvent> =
            events.iter().filter(|event| matches!(event, RunEvent::Untranslated { .. })).collect();
        assert_eq!(told, [&RunEvent::Untranslated { items: 2 }], "{wire:?}");
    }
}

#[tokio::test]
async fn a_request_has_a_key_of_its_own_on_every_try_when_it_is_to_have_one() {
    for wire in WIRES {
        let answer = || wire.answer(&say("Hi"));
        let server = server(wire.path(), [busy(), answer(), answer(), answer()]).await;
        let (with, without) = (settings(&server).idempotency_keys(true), settings(&server));
        for settings in [&with, &with, &without] {
            ask(&*wire.model_of(settings), &Transcript::from_user("Hi"), &[]).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let keys: Vec<Option<&str>> = requests
            .iter()
            .map(|request| request.headers.get("idempotency-key").map(|key| key.to_str().unwrap()))
            .collect();
        assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
        assert!(keys[2].is_some() && keys[2] != keys[0] && keys[3].is_none(), "{keys:?}");
    }
}

#[tokio::test]
async fn the_frame_around_the_events_changes_nothing() {
    let said = say("Look.").call("a", "read", r#"{"path": "."}"#);
    let question = Transcript::from_user("Go.");
    for wire in WIRES.into_iter().filter(|wire| wire.is_streamed()) {
        let plain = wire.bytes(&said);
        // The event's name before each, as OpenAI's Responses have it, comments and pings between them.
        let named: String = plain
            .split_inclusive("\n\n")
            .map(|event| {
                let data = event.strip_prefix("data: ").unwrap();
                let json: Option<Value> = serde_json::from_str(data).ok();
                let kind =
                    json.as_ref().and_then(|json| json["type"].as_str()).unwrap_or("message").to_owned();
                format!(
                    ": alive\n\nevent: ping\ndata: {{\"type\": \"ping\"}}\n\nid: 7\nevent: {kind}\n{event}"
                )
            })
            .collect();
        let (named, crlf) = (named.clone(), named.replace('\n', "\r\n"));
        let mut outcomes = Vec::new();
        for body in [plain, named, crlf] {
            let answer = ResponseTemplate::new(200).set_body_raw(body, "text/event-stream");
            let server = server(wire.path(), [answer]).await;
            outcomes.push(ask(&*wire.model(&server), &question, &[]).await.unwrap());
        }
        assert_eq!(outcomes[0], outcomes[1], "{wire:?}");
        assert_eq!(outcomes[0], outcomes[2], "{wire:?}");
    }
}
