//! What goes wrong at a provider, seen from outside: the error, the record, and that no work is repeated.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentexec::agent::{AgentErrorKind, ModelErrorKind};
use agentexec::prelude::*;
use agentexec::runner::testing::Recorded;
use agentexec_demo::{Conversation, Reply};
use serde_json::json;

use crate::world::{ALL, Protocol, World, engine, server};

/// Calls a tool in its first turn, and fails at its second as long as `failures` last.
fn fails_after_a_tool(failures: usize) -> impl Fn(&Conversation) -> Reply + Send + Sync + 'static {
    let left = AtomicUsize::new(failures);
    move |conversation: &Conversation| {
        let fails = |left: &AtomicUsize| {
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        match conversation.turns() {
            0 => Reply::call("add", json!({"a": 20, "b": 22})),
            _ if fails(&left) => Reply::failure(529, "try later"),
            _ => Reply::text(conversation.tool_outputs().collect::<String>()),
        }
    }
}

#[tokio::test]
async fn a_retry_goes_on_behind_the_tools_that_ran() {
    for way in ALL {
        let server = server(fails_after_a_tool(2));
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = engine(&server, way)
            .retry(Retry::times(3).base(Duration::from_millis(1)))
            .tracked(&world.activities);
        let run = runner.run(id, world.agent().input("Go")).await.unwrap();

        assert_eq!((run.output.as_str(), world.calls(), run.turns.len()), ("42", 1, 2), "{way:?}");
        let messages = world.store.messages(id);
        assert!(messages[3].starts_with("Retry 1/3: "), "{way:?}: {messages:?}");
        assert!(messages[4].starts_with("Retry 2/3: "), "{way:?}: {messages:?}");
    }
}

#[tokio::test]
async fn a_fallback_to_another_provider_goes_on_behind_the_tools_that_ran() {
    let broken = server(fails_after_a_tool(usize::MAX));
    let healthy = server(fails_after_a_tool(0));
    for way in ALL {
        for other in [Protocol::Claude, Protocol::Responses, Protocol::Chat] {
            let world = World::new();
            let id = world.activities.create("test").await.unwrap();
            let runner =
                engine(&broken, way).fallback(engine(&healthy, (other, true))).tracked(&world.activities);
            let run = runner.run(id, world.agent().input("Go")).await.unwrap();

            assert_eq!((run.output.as_str(), world.calls()), ("42", 1), "{way:?} to {other:?}");
            let messages = world.store.messages(id);
            assert!(
                messages[3].starts_with("Primary model failed, using fallback: "),
                "{way:?}: {messages:?}"
            );
            assert_eq!(messages.last().unwrap(), "Completed with fallback model");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_provider_carries_its_status_and_request_id_and_the_work_done() {
    let server = server(fails_after_a_tool(usize::MAX));
    for way in ALL {
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = engine(&server, way).tracked(&world.activities);
        let error = runner.run(id, world.agent().input("Go")).await.unwrap_err();
        let shown = format!("{error:#} {error:?}");
        assert!(!shown.contains("a-secret-key"), "{way:?}: {shown}");

        let error = error.into_error().unwrap();
        let AgentErrorKind::Model(model) = error.kind() else { panic!("{way:?}: {error:?}") };
        assert_eq!((model.kind(), model.status()), (ModelErrorKind::Overloaded, Some(529)), "{way:?}");
        assert!(model.request_id().is_some(), "{way:?}");
        assert_eq!((error.turns().len(), world.calls()), (1, 1), "{way:?}");
        assert!(error.transcript().open_calls().is_empty(), "{way:?}");

        assert_eq!(world.store.statuses(id), [Status::Queued, Status::Running, Status::Error], "{way:?}");
        let last = world.store.messages(id).pop().unwrap();
        assert!(last.starts_with("Task failed with error: ") && last.contains("529"), "{way:?}: {last}");
    }
}

#[tokio::test]
async fn arguments_that_are_not_json_become_text_that_the_model_can_act_on() {
    let server = server(|conversation: &Conversation| match conversation.turns() {
        0 => Reply::call("add", json!("{\"a\": 1, ")).and_call("add", json!({"a": "one", "b": 2})),
        _ => Reply::text(conversation.tool_outputs().collect::<Vec<_>>().join("\n")),
    });
    // Anthropic's own service never sends text in place of an object, so its protocol has no such case.
    for way in ALL.into_iter().filter(|(protocol, _)| !matches!(protocol, Protocol::Claude)) {
        let world = World::new();
        let run =
            engine(&server, way).execute(&RunContext::untracked(), world.agent().input("Go")).await.unwrap();
        let (first, second) = run.output.split_once('\n').unwrap();
        assert!(first.contains("not valid JSON"), "{way:?}: {first}");
        assert!(second.contains("at `a`: invalid type: string \"one\", expected i64"), "{way:?}: {second}");
        assert_eq!(world.calls(), 0, "{way:?}");
    }
}

#[tokio::test]
async fn a_canceled_run_drops_the_request_and_keeps_the_transcript() {
    // The answer takes long enough to be canceled in between.
    let brain = |conversation: &Conversation| match conversation.turns() {
        0 => Reply::call("add", json!({"a": 1, "b": 1})),
        _ => Reply::text("word ".repeat(1000)),
    };
    let server =
        agentexec_demo::DemoServer::builder().delay(Duration::from_millis(20)).brain(brain).start().unwrap();
    for protocol in [Protocol::Claude, Protocol::Responses, Protocol::Chat] {
        let world = World::new();
        let id = world.activities.create("test").await.unwrap();
        let runner = engine(&server, (protocol, true)).tracked(&world.activities);
        let mut events = runner.run_streamed(id, world.agent().input("Go"));
        let error = loop {
            use futures_util::TryStreamExt;
            match events.try_next().await {
                Ok(Some(RunEvent::TextDelta { .. })) => {
                    world.activities.request_cancel(&Scope::all(), id, "no longer needed").await.unwrap();
                }
                Ok(Some(_)) => {}
                Ok(None) => panic!("{protocol:?}: the run completed"),
                Err(error) => break error,
            }
        };
        assert!(error.run_error().unwrap().is_canceled(), "{protocol:?}");
        let error = error.into_error().unwrap();
        assert_eq!((error.turns().len(), error.transcript().items().len()), (1, 3), "{protocol:?}");
        assert_eq!(
            world.store.messages(id).pop().unwrap(),
            "Task canceled: no longer needed",
            "{protocol:?}"
        );
    }
}
