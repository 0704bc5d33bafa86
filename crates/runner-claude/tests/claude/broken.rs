//! Responses that broke off, and runs that were asked to stop.

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope, Status};
use agentexec_agent_core::model::{ModelErrorKind, ModelRequest};
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{Agent, AgentErrorKind};
use agentexec_runner_claude::{Claude, ClaudeRunner, Timeouts};
use agentexec_runner_core::{Retry, RunEvent, RunExt};
use agentexec_tools::{ToolContext, tool, tool_with};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use wiremock::ResponseTemplate;

use crate::support::{
    Answer, Reply, Server, ask_for_events, both, claude, play, play_with, sse, stream_of, watch,
};
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
    assert_eq!((seen.error().tries(), seen.error().is_resumable()), (3, true));
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

/// A server that begins to answer and then says nothing more. Each request gets the next of these beginnings, and after
/// the last that again. It tells of each request.
async fn silent_after(beginnings: Vec<String>) -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, was_asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for place in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = [0; 1024];
            let _ = socket.read(&mut read).await.unwrap();
            let beginning = beginnings.get(place).or(beginnings.last()).unwrap();
            socket.write_all(beginning.as_bytes()).await.unwrap();
            // Nobody listens any more once the test is over.
            let _ = asked.send(());
            // Until the client hangs up.
            tokio::spawn(async move { while socket.read(&mut read).await.is_ok_and(|count| count > 0) {} });
        }
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
        let (address, mut was_asked) = silent_after(vec![beginning]).await;
        let model = Claude::new("key").base_url(address).streaming(streaming);
        let activities = Activities::new(MemoryStore::new());
        let id = activities.create("run").await.unwrap();
        let runner = ClaudeRunner::new(model.build().unwrap()).tracked(&activities);
        let run = runner.run_streamed(id, Agent::new("Slow").input("Go"));
        let cancel = async {
            was_asked.recv().await.unwrap();
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
async fn a_run_that_is_canceled_while_tools_run_goes_on_with_every_call_answered() {
    both(async |streaming| {
        let begun = Arc::new(Notify::new());
        let endless = tool_with(Arc::clone(&begun), "wait", "", |begun: Arc<Notify>, _: Nothing, _cx| {
            begun.notify_one();
            std::future::pending::<String>()
        });
        let agent = Agent::new("Waiter").tools([add(), endless]);
        let calls = [("a", "add", r#"{"a": 1, "b": 2}"#), ("b", "wait", "{}"), ("c", "wait", "{}")];
        let server = Server::answering([Answer::calls(calls).template(streaming)]).await;
        let activities = Activities::new(MemoryStore::new());
        let id = activities.create("run").await.unwrap();
        let model = claude(&server).streaming(streaming).build().unwrap();
        // One after another, so that the last call has not begun.
        let runner = ClaudeRunner::new(model).parallel_tools(1).tracked(&activities);
        let cancel = async {
            begun.notified().await;
            activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
        };
        let (outcome, ()) = tokio::join!(runner.run(id, agent.input("Go")), cancel);
        let error = outcome.unwrap_err().into_error().unwrap();
        assert!(matches!(error.kind(), AgentErrorKind::Stopped), "{error:?}");

        let input = agent.resume(error.transcript().clone());
        let seen = play_with(streaming, input, [Answer::text("As you like.")], |claude| claude).await;
        assert_eq!(seen.run().output, "As you like.");
        let results = seen.newest()["content"].as_array().unwrap();
        let ids: Vec<&Value> = results.iter().map(|result| &result["tool_use_id"]).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!((&results[0]["content"], results[0].get("is_error")), (&json!("3"), None));
        for stopped in &results[1..] {
            let said = stopped["content"].as_str().unwrap();
            assert!(said.contains("canceled") && stopped["is_error"] == true, "{stopped}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_a_timeout_and_asked_for_again() {
    let streams = [cut_off(&Answer::text("It is 4, no")), Answer::text("It is 3.").events()];
    let streams = streams.map(|events| head("text/event-stream") + &sse(&events));
    let mut timeouts = Timeouts::default();
    timeouts.between_bytes = Duration::from_millis(50);
    let model = |address| Claude::new("key").base_url(address).timeouts(timeouts).build().unwrap();

    let (address, _was_asked) = silent_after(vec![streams[0].clone()]).await;
    let (_, error) = ask_for_events(&model(address), ModelRequest::new(&[Item::user("Go")])).await;
    assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::Timeout, true));

    let (address, mut was_asked) = silent_after(streams.into()).await;
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("run").await.unwrap();
    let again = Retry::times(2).base(Duration::from_millis(1));
    let runner = ClaudeRunner::new(model(address)).turn_retry(again).tracked(&activities);
    let (outcome, events) = watch(runner.run_streamed(id, Agent::new("Slow").input("Go"))).await;
    assert_eq!(outcome.unwrap().output, "It is 3.");
    assert!(events.contains(&RunEvent::Retracted { turn: 1 }), "{events:?}");
    for _ in 0..2 {
        was_asked.recv().await.unwrap();
    }
}
