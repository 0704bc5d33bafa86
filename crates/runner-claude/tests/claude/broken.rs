//! Responses that broke off, and runs that were asked to stop.

use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope, Status};
use agentexec_agent_core::model::{ModelErrorKind, ModelRequest};
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{Agent, AgentErrorKind};
use agentexec_runner_claude::{Claude, ClaudeRunner, Timeouts};
use agentexec_runner_core::{RunEvent, RunExt};
use agentexec_tools::{ToolContext, tool};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use crate::support::{Answer, Reply, Server, ask_for_events, both, claude, play, sse, stream_of, watch};
use crate::tools::{Count, Nothing, add, counted};

fn adding() -> Answer {
    Answer::calls([("toolu_1", "add", r#"{"a": 1, "b": 2}"#)])
}

/// The events of an answer up to its end, which does not come.
fn cut_off(answer: &Answer) -> Vec<Value> {
    let mut events = answer.events();
    assert_eq!(events.pop().unwrap()["type"], "message_stop");
    events
}

#[tokio::test]
async fn a_stream_that_ends_before_its_terminal_event_is_asked_for_again_and_retracted() {
    let ran = Count::default();
    let agent = Agent::new("Adder").tool(counted("add", &ran, "3"));
    let replies: [Reply; 4] = [
        stream_of(&cut_off(&adding())).into(),
        adding().into(),
        stream_of(&cut_off(&Answer::text("It is 4, no"))).into(),
        Answer::text("It is 3.").into(),
    ];
    let seen = play(true, &agent, replies).await;
    assert_eq!((&*seen.run().output, &*seen.shown(), ran.get()), ("It is 3.", "It is 3.", 1));
    assert_eq!(seen.run().turns.len(), 2, "what broke off is no turn");
    assert_eq!((&seen.bodies[0], &seen.bodies[2]), (&seen.bodies[1], &seen.bodies[3]));
}

#[tokio::test]
async fn an_error_inside_a_stream_is_asked_for_again_and_at_last_kept_with_the_work() {
    let broken = || {
        let mut events = Answer::text("It is").events();
        events.truncate(3);
        events.push(json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}));
        Reply::from(stream_of(&events))
    };
    let agent = Agent::new("Adder").tool(add());
    let seen = play(true, &agent, [adding().into(), broken(), broken(), broken()]).await;
    assert_eq!(seen.model_error(), (ModelErrorKind::Overloaded, Some(200)));
    assert_eq!((seen.transcript().items().len(), seen.error().turns().len()), (3, 1));
    assert_eq!(seen.shown(), "");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_asked_for_again() {
    let ran = Count::default();
    let agent = Agent::new("Adder").tool(counted("add", &ran, "3"));
    let cut =
        || Reply::from(ResponseTemplate::new(200).set_body_raw(r#"{"content": [{"ty"#, "application/json"));
    let seen = play(false, &agent, [cut(), adding().into(), cut(), Answer::text("It is 3.").into()]).await;
    assert_eq!((&*seen.run().output, ran.get(), seen.bodies.len()), ("It is 3.", 1, 4));
    let seen = play(false, &agent, [cut(), cut(), cut()]).await;
    assert_eq!(seen.model_error(), (ModelErrorKind::StreamCut, Some(200)));
}

/// A server that begins to answer and then says nothing more. It tells when it was asked.
async fn silent_after(beginning: String) -> (String, tokio::sync::oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = [0; 1024];
        let _ = socket.read(&mut read).await.unwrap();
        socket.write_all(beginning.as_bytes()).await.unwrap();
        asked.send(()).unwrap();
        // Until the client hangs up.
        while socket.read(&mut read).await.is_ok_and(|count| count > 0) {}
    });
    (address, was_asked)
}

fn head(kind: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n")
}

#[tokio::test]
async fn a_run_that_is_canceled_while_the_model_answers_stops_at_once_with_a_valid_transcript() {
    both(async |streaming| {
        let beginning = match streaming {
            true => head("text/event-stream") + &sse(&cut_off(&Answer::text("It is"))),
            false => head("application/json") + r#"{"content": ["#,
        };
        let (address, was_asked) = silent_after(beginning).await;
        let model = Claude::new("key").base_url(address).streaming(streaming);
        let activities = Activities::new(MemoryStore::new());
        let id = activities.create("run").await.unwrap();
        let runner = ClaudeRunner::new(model.build().unwrap()).tracked(&activities);
        let run = runner.run_streamed(id, Agent::new("Slow").input("Go"));
        let cancel = async {
            was_asked.await.unwrap();
            activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
        };
        let ((outcome, events), ()) = tokio::join!(watch(run), cancel);
        let error = outcome.unwrap_err();
        let error = error.run_error().and_then(|error| error.error()).unwrap();
        assert!(matches!(error.kind(), AgentErrorKind::Stopped), "{error:?}");
        assert_eq!(error.transcript().items().len(), 1);
        assert!(
            matches!(events.last(), Some(RunEvent::RunFinished { status: Status::Canceled })),
            "{events:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_to_stop_after_its_turn_answers_the_calls_of_it_first() {
    both(async |streaming| {
        let server = Server::answering([adding().template(streaming)]).await;
        let model = claude(&server).streaming(streaming).build().unwrap();
        let activities = Activities::new(MemoryStore::new());
        let id = activities.create("run").await.unwrap();
        let last = tool("add", "", |_: Nothing, cx: ToolContext| async move {
            cx.cancel_after_turn();
            "3"
        });
        let runner = ClaudeRunner::new(model).tracked(&activities);
        let outcome = runner.run(id, Agent::new("Adder").tool(last).input("Go")).await;
        let error = outcome.unwrap_err();
        let error = error.run_error().and_then(|error| error.error()).unwrap();
        assert!(matches!(error.kind(), AgentErrorKind::Stopped), "{error:?}");
        assert!(error.transcript().open_calls().is_empty());
        assert_eq!(server.requests().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_a_timeout_and_asked_for_again() {
    let (address, _was_asked) =
        silent_after(head("text/event-stream") + &sse(&cut_off(&Answer::text("It is")))).await;
    let mut timeouts = Timeouts::default();
    timeouts.between_bytes = Duration::from_millis(50);
    let model = Claude::new("key").base_url(address).timeouts(timeouts);
    let (_, error) = ask_for_events(&model.build().unwrap(), ModelRequest::new(&[Item::user("Go")])).await;
    assert_eq!(error.kind(), ModelErrorKind::Timeout);
    assert!(error.is_retryable());
}
