//! Runs that are stopped, and streams that stop by themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope, Status};
use agentexec_agent_core::{AgentErrorKind, Item};
use agentexec_runner_core::{RunEvent, RunExt};
use agentexec_runner_openai::{OpenAi, OpenAiRunner, Timeouts};
use agentexec_tools::{ToolContext, tool};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::{Nothing, agent, counted, go_on, runner, watch_on};
use crate::support::{server, sse};
use crate::wire::{Wire, say};

super::on_every_wire! {
    a_run_that_is_cancelled_amid_an_answer_ends_at_once_with_a_valid_transcript
    a_run_that_is_cancelled_amid_its_tools_goes_on_with_each_call_answered
    a_run_that_is_to_stop_after_its_turn_answers_the_calls_of_it_first
}

super::on_every_stream! {
    a_stream_that_falls_silent_is_asked_for_again
}

/// The beginning of an answer as it comes over a connection.
fn beginning(wire: Wire) -> String {
    let head =
        |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    let (head, body) = match wire.is_streamed() {
        true => (head("text/event-stream"), sse(&wire.beginning(&say("It is")))),
        false => (head("application/json"), r#"{"id": "1", "#.to_owned()),
    };
    format!("{head}{:x}\r\n{body}\r\n", body.len())
}

/// A server that sends these bytes, each over a connection of its own, and then nothing more. Says when it has sent them.
async fn silent(answers: Vec<String>) -> (OpenAi, Arc<Notify>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(Notify::new());
    let has_sent = Arc::clone(&sent);
    tokio::spawn(async move {
        let mut open = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 8192]).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            has_sent.notify_one();
            open.push(socket);
        }
        // Until the client goes.
        for mut socket in open {
            let _ = socket.read(&mut [0; 8192]).await;
        }
    });
    (OpenAi::at(format!("http://{address}")), sent)
}

async fn a_run_that_is_cancelled_amid_an_answer_ends_at_once_with_a_valid_transcript(wire: Wire) {
    let (settings, sent) = silent(vec![beginning(wire)]).await;
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("look").await.unwrap();
    let runner = OpenAiRunner::new(wire.model_of(&settings)).tracked(&activities);
    let mut events = runner.run_streamed(id, agent().input("Go."));
    let is_told = |event: &RunEvent| matches!(event, RunEvent::TextDelta { .. });
    let (mut told, mut asked) = (Vec::new(), false);
    let error = loop {
        let event = tokio::select! {
            event = events.next() => event.unwrap(),
            // Of a body in one piece nothing is told.
            () = sent.notified(), if !wire.is_streamed() => {
                activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
                continue;
            }
        };
        match event {
            Ok(event) => told.push(event),
            Err(error) => break error,
        }
        if told.last().is_some_and(is_told) && !std::mem::replace(&mut asked, true) {
            activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
        }
    };
    assert_eq!(told.contains(&RunEvent::Retracted { turn: 1 }), wire.is_streamed(), "{told:?}");
    let kept = error.run_error().and_then(|error| error.error()).unwrap();
    assert!(matches!(kept.kind(), AgentErrorKind::Stopped));
    assert_eq!(kept.transcript().items(), [Item::user("Go.")]);
    let record = activities.detail(&Scope::all(), id).await.unwrap().unwrap().activity;
    assert_eq!(record.status, Status::Canceled);
}

async fn a_run_that_is_cancelled_amid_its_tools_goes_on_with_each_call_answered(wire: Wire) {
    let asking = say("").call("a", "wait", "{}").call("b", "look", "{}");
    let server = server(wire.path(), [wire.answer(&asking), wire.answer(&say("Seen."))]).await;
    let waits = Arc::new(Notify::new());
    let waiting = Arc::clone(&waits);
    let slow = tool("wait", "", move |_: Nothing, _cx: ToolContext| {
        waiting.notify_one();
        std::future::pending::<String>()
    });
    let agent = agent().tool(slow).tool(counted(&Arc::default()));

    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("look").await.unwrap();
    let tracked = runner(wire, &server).tracked(&activities);
    let cancel = async {
        waits.notified().await;
        activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(tracked.run(id, agent.input("Go.")), cancel);
    let error = outcome.unwrap_err();
    let kept = error.run_error().and_then(|error| error.error()).unwrap();
    assert!(matches!(kept.kind(), AgentErrorKind::Stopped));
    assert!(kept.transcript().open_calls().is_empty());

    let played = go_on(wire, &server, agent.resume(kept.transcript().clone())).await;
    assert_eq!(played.run().output, "Seen.");
    let answered: Vec<String> = played.answered().into_iter().map(|(id, _)| id).collect();
    assert_eq!(answered, ["a", "b"], "each once");
}

async fn a_run_that_is_to_stop_after_its_turn_answers_the_calls_of_it_first(wire: Wire) {
    let asking = say("").call("a", "stop", "{}").call("b", "look", "{}");
    let server = server(wire.path(), [wire.answer(&asking), wire.answer(&say("Seen."))]).await;
    let last = tool("stop", "", |_: Nothing, cx: ToolContext| async move {
        cx.cancel_after_turn();
        "asked"
    });
    let count = Arc::default();
    let agent = agent().tool(last).tool(counted(&count));
    let seen = watch_on(runner(wire, &server), agent.input("Go.")).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.result);
    assert_eq!((count.load(Ordering::SeqCst), crate::support::bodies(&server).await.len()), (1, 1));
    let error = seen.result.unwrap_err();
    let kept = error.run_error().and_then(|error| error.error()).unwrap();

    let played = go_on(wire, &server, agent.resume(kept.transcript().clone())).await;
    assert_eq!(played.run().output, "Seen.");
    let answers = [("a", "asked"), ("b", "seen")].map(|(id, text)| (id.to_owned(), text.to_owned()));
    assert_eq!(played.answered(), answers);
}

async fn a_stream_that_falls_silent_is_asked_for_again(wire: Wire) {
    let body = wire.bytes(&say("Seen."));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (settings, _) = silent(vec![beginning(wire), answer]).await;
    let mut timeouts = Timeouts::default();
    timeouts.between_bytes = Duration::from_millis(200);
    let runner = OpenAiRunner::new(wire.model_of(&settings.timeouts(timeouts)));
    let seen = watch_on(runner, agent().input("Go.")).await;
    assert_eq!(seen.run().output, "Seen.");
    assert!(seen.events.contains(&RunEvent::Retracted { turn: 1 }), "{:?}", seen.events);
}
