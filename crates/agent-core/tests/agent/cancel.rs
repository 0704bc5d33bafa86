//! Runs that are asked to stop: at any place, with a transcript that any model takes.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, Scope, Status};
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::{
    Agent, AgentErrorKind, AgentRunner, Model, ModelError, ModelEvent, ModelRequest, OnMaxTurns,
};
use agentexec_runner_core::testing::FailingStore;
use agentexec_runner_core::{Lifecycle, Run, RunContext, RunExt, Usage};
use agentexec_tools::{DynTool, ToolContext, tool};
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::Semaphore;

use crate::support::{Count, CountDrop, Nothing, QUESTION, Scene, Seen, add, adding, play_beside, said};

async fn play_canceled(
    scene: impl Fn() -> Scene,
    runner: impl Fn(ScriptedModel) -> AgentRunner,
    when: impl AsyncFn(),
) -> Seen {
    let cancel = async |activities: &Activities, id: AgentId| {
        when().await;
        activities.request_cancel(&Scope::all(), id, "no longer needed").await.unwrap();
    };
    play_beside(scene, runner, cancel).await
}

fn assert_canceled(seen: &Seen) {
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert!(seen.outcome.as_ref().unwrap_err().run_error().unwrap().is_canceled());
    assert!(seen.error().transcript().open_calls().is_empty());
    assert_eq!(seen.statuses.last(), Some(&Status::Canceled));
    assert_eq!(seen.messages.last().unwrap(), "Task canceled: no longer needed");
}

#[tokio::test]
async fn canceled_while_the_model_streams() {
    let turns = || [adding(), Turn::text("It is ").then_never()];
    let settled = async || tokio::task::yield_now().await;
    let seen =
        play_canceled(|| Scene::new(Agent::new("Adder").tool(add()), turns()), AgentRunner::new, settled)
            .await;
    assert_canceled(&seen);
    assert_eq!(seen.said().last().unwrap(), "output call_1: 3");
    assert_eq!(seen.error().usage(), Usage::new(10, 5));
    assert_eq!(seen.shown(), "");
    assert!(seen.told().contains(&"retracted 2".to_owned()));
}

#[tokio::test]
async fn canceled_while_the_model_is_silent() {
    let settled = async || tokio::task::yield_now().await;
    let seen =
        play_canceled(|| Scene::new(Agent::new("Adder"), [Turn::never()]), AgentRunner::new, settled).await;
    assert_canceled(&seen);
    assert!(!seen.told().contains(&"retracted 1".to_owned()), "nothing was streamed");
}

/// A tool that never answers: it says when it is called, and counts calls and drops.
struct Endless {
    begun: Arc<Semaphore>,
    called: Count,
    dropped: Count,
}

impl Endless {
    fn new() -> Self {
        Self { begun: Arc::new(Semaphore::new(0)), called: Count::default(), dropped: Count::default() }
    }

    fn tool(&self) -> DynTool {
        let (begun, called, dropped) = (Arc::clone(&self.begun), self.called.clone(), self.dropped.clone());
        tool("wait", "", move |_: Nothing, _cx: ToolContext| {
            called.up();
            begun.add_permits(1);
            let guard = CountDrop(dropped.clone());
            async move {
                pending::<()>().await;
                drop(guard);
            }
        })
        .no_timeout()
    }
}

#[tokio::test]
async fn canceled_while_tools_run_every_call_is_answered_and_none_begins() {
    let endless = Endless::new();
    let agent = Agent::new("Waiter").tools([add(), endless.tool()]);
    let turn = || {
        let turn = Turn::call("add", r#"{"a": 1, "b": 2}"#).costing(3, 4);
        (0..3).fold(turn, |turn, _| turn.and_call("wait", "{}"))
    };
    let runner = |model| AgentRunner::new(model).parallel_tools(2);
    let begun = async || endless.begun.acquire_many(2).await.unwrap().forget();
    let seen = play_canceled(|| Scene::new(agent.clone(), [turn()]), runner, begun).await;
    assert_canceled(&seen);
    let canceled = |id: &str| format!("output {id}!: Tool 'wait' was canceled before it finished.");
    assert_eq!(
        seen.said()[5..],
        ["output call_1: 3".to_owned(), canceled("call_2"), canceled("call_3"), canceled("call_4")]
    );
    assert_eq!(endless.called.get(), 4, "two of three, in each of the two plays");
    assert_eq!(endless.dropped.get(), 4);
    assert_eq!(seen.error().usage(), Usage::new(3, 4));
    let told = seen.told();
    assert_eq!(told.iter().filter(|event| event.starts_with("answer")).count(), 4);
    assert!(told.contains(&"turn 1 finished: 3+4".to_owned()), "{told:?}");
}

/// A run that was stopped in the middle of its last tools has not come to its end.
#[tokio::test]
async fn canceled_during_the_last_turn_is_canceled_whatever_the_limit_says() {
    for policy in [OnMaxTurns::Fail, OnMaxTurns::Partial, OnMaxTurns::recover()] {
        let endless = Endless::new();
        let agent = Agent::new("Waiter").tool(endless.tool()).max_turns(1).on_max_turns(policy);
        let begun = async || endless.begun.acquire().await.unwrap().forget();
        let turns = || [Turn::text("Wait. ").and_call("wait", "{}"), Turn::text("unreachable")];
        let seen = play_canceled(|| Scene::new(agent.clone(), turns()), AgentRunner::new, begun).await;
        assert_canceled(&seen);
        assert_eq!(seen.said().len(), 4, "no prompt to wrap up: {:?}", seen.said());
        assert_eq!(seen.requests.len(), 1);
    }
}

#[tokio::test]
async fn a_run_that_was_canceled_before_it_began_asks_nobody() {
    let model = ScriptedModel::new([Turn::text("unreachable")]);
    let cx = RunContext::untracked();
    cx.cancel("too late");
    let error =
        AgentRunner::new(model.clone()).execute(&cx, Agent::new("Late").input(QUESTION)).await.unwrap_err();
    let error = error.into_error().unwrap();
    assert!(matches!(error.kind(), AgentErrorKind::Stopped));
    assert_eq!(said(error.transcript()), ["user: How many?"]);
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn what_was_stopped_can_be_gone_on_with() {
    let model = ScriptedModel::new([adding(), Turn::never(), Turn::text("3")]);
    let runner = AgentRunner::new(model);
    let agent = Agent::new("Adder").tool(add());
    let cx = RunContext::untracked();
    let (stopped, ()) =
        tokio::join!(runner.execute(&cx, agent.input(QUESTION)), async { cx.cancel("later") });
    let state = stopped.unwrap_err().into_error().unwrap().state().clone();
    let run = runner.execute(&RunContext::untracked(), agent.resume_state(state)).await.unwrap();
    assert_eq!((run.output.as_str(), run.turns.len()), ("3", 2));
}

#[test]
fn dropping_a_run_drops_its_tools() {
    let endless = Endless::new();
    let runner = AgentRunner::new(ScriptedModel::new([Turn::call("wait", "{}").and_call("wait", "{}")]));
    let cx = RunContext::untracked();
    let input = Agent::new("Waiter").tool(endless.tool()).input(QUESTION);
    let mut run = Box::pin(runner.execute(&cx, input));
    assert!(run.as_mut().now_or_never().is_none());
    assert_eq!((endless.called.get(), endless.dropped.get()), (2, 0));
    drop(run);
    assert_eq!(endless.dropped.get(), 2);
}

/// A model that talks without end and without ever waiting: a broken server behind a fast connection.
#[derive(Debug)]
struct Babbling;

impl Model for Babbling {
    fn id(&self) -> String {
        "test:babbling".to_owned()
    }

    fn respond<'a>(&'a self, _request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        stream::repeat_with(|| Ok(ModelEvent::TextDelta("blah ".to_owned()))).boxed()
    }
}

#[tokio::test]
async fn a_model_that_never_pauses_can_be_canceled() {
    let cx = RunContext::untracked();
    let runner = AgentRunner::new(Babbling).boxed();
    let run = runner.execute(&cx, Agent::new("Listener").input(QUESTION));
    let (stopped, ()) = tokio::join!(run, async { cx.cancel("enough") });
    assert!(matches!(stopped.unwrap_err().error().unwrap().kind(), AgentErrorKind::Stopped));
}

/// A model whose every answer finds a store that will not answer its next write.
#[derive(Debug)]
struct BeforeTheStoreStalls(ScriptedModel, FailingStore);

impl Model for BeforeTheStoreStalls {
    fn id(&self) -> String {
        self.0.id()
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        self.1.stall_next_answers(1);
        self.0.respond(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_does_not_keep_back_what_was_done() {
    let store = FailingStore::default();
    let activities = Activities::new(store.clone());
    let id = activities.create("sum").await.unwrap();
    let model = BeforeTheStoreStalls(ScriptedModel::new([adding()]), store.clone());
    let lifecycle = Lifecycle::new(&activities).grace(Duration::from_millis(100));
    let runner = AgentRunner::new(model).timeout(Duration::from_secs(1)).tracked(lifecycle);
    let input = Agent::new("Adder").tool(add()).input(QUESTION);
    let error =
        runner.run(id, input).await.unwrap_err().into_error().expect("the work handed something back");
    assert_eq!(error.usage(), Usage::new(10, 5));
    assert!(error.transcript().open_calls().is_empty());
}

#[tokio::test]
async fn asked_to_stop_after_its_turn_a_run_ends_with_its_tools_answered() {
    let stop = tool("stop", "Asks to stop.", |_: Nothing, cx: ToolContext| async move {
        cx.cancel_after_turn();
        "asked"
    });
    let agent = Agent::new("Adder").tool(add()).tool(stop);
    let turns =
        || [Turn::call("stop", "{}").and_call("add", r#"{"a": 1, "b": 2}"#), Turn::text("never asked")];
    let seen = crate::support::play(|| Scene::new(agent.clone(), turns())).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert_eq!(seen.said()[3..], ["output call_1: asked", "output call_2: 3"]);
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.statuses.last(), Some(&Status::Canceled));
    assert_eq!(seen.messages.last().unwrap(), "Task canceled: it was asked to stop after its turn");
}

#[tokio::test]
async fn a_reader_can_ask_for_that_and_an_answer_in_that_turn_completes() {
    for (turns, status) in [
        (vec![Turn::text("It is 3.")], Status::Complete),
        (vec![adding(), Turn::text("never asked")], Status::Canceled),
    ] {
        let activities = Activities::new(agentexec_activity_core::MemoryStore::new());
        let id = activities.create("scene").await.unwrap();
        let runner = AgentRunner::new(ScriptedModel::new(turns)).tracked(&activities);
        let mut events = runner.run_streamed(id, Agent::new("Adder").tool(add()).input(QUESTION));
        events.cancel_after_turn();
        while let Some(Ok(_)) = events.next().await {}
        let record = activities.detail(&Scope::all(), id).await.unwrap().unwrap().activity;
        assert_eq!(record.status, status);
    }
}
