//! A scene that is played twice, unstreamed and streamed, and what was seen of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, MemoryStore, Status};
use agentexec_agent_core::testing::{Asked, ScriptedModel, Turn};
use agentexec_agent_core::transcript::{Item, Part, ToolCall, Transcript};
use agentexec_agent_core::{
    Agent, AgentError, AgentErrorKind, AgentInput, AgentRun, AgentRunner, Model, ModelError, ModelErrorKind,
    ModelEvent, ModelRequest,
};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, Run, RunEvent, RunExt, TrackedError};
use agentexec_tools::{DynTool, ToolContext, tool};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the user says in every scene.
pub(crate) const QUESTION: &str = "How many?";

/// An agent, and what its model will answer.
pub(crate) struct Scene {
    pub(crate) agent: Agent,
    pub(crate) turns: Vec<Turn>,
}

impl Scene {
    pub(crate) fn new(agent: Agent, turns: impl IntoIterator<Item = Turn>) -> Self {
        Self { agent, turns: turns.into_iter().collect() }
    }
}

pub(crate) type Outcome = Result<AgentRun, TrackedError<AgentRun, AgentError>>;

/// What was seen of a run: by its caller, by its model, in its activity, and in its stream.
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) requests: Vec<Asked>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) messages: Vec<String>,
    pub(crate) percentages: Vec<u8>,
    pub(crate) events: Vec<RunEvent>,
}

impl Seen {
    pub(crate) fn run(&self) -> &AgentRun {
        self.outcome.as_ref().unwrap()
    }

    pub(crate) fn error(&self) -> &AgentError {
        self.outcome.as_ref().unwrap_err().run_error().and_then(|error| error.error()).unwrap()
    }

    pub(crate) fn kind(&self) -> &AgentErrorKind {
        self.error().kind()
    }

    /// The transcript, whatever became of the run, in short.
    pub(crate) fn said(&self) -> Vec<String> {
        match &self.outcome {
            Ok(run) => said(&run.transcript),
            Err(_) => said(self.error().transcript()),
        }
    }

    /// The events in short.
    pub(crate) fn told(&self) -> Vec<String> {
        self.events.iter().map(told).collect()
    }

    /// What a reader of the stream has on the screen in the end.
    pub(crate) fn shown(&self) -> String {
        let mut shown: Vec<(u32, &str)> = Vec::new();
        let mut turn = 0;
        for event in &self.events {
            match event {
                RunEvent::TurnStarted { turn: next } => turn = *next,
                RunEvent::TextDelta { text } => shown.push((turn, text)),
                RunEvent::Retracted { turn } => shown.retain(|(of, _)| of != turn),
                _ => {}
            }
        }
        shown.into_iter().map(|(_, text)| text).collect()
    }

    /// What must not depend on whether the run was streamed.
    fn facts(&self) -> String {
        let outcome = match &self.outcome {
            Ok(run) => {
                format!("{:?} {:?} {:?} {:?}", run.output, run.finish, run.turns, said(&run.transcript))
            }
            Err(error) => {
                let kept = error.run_error().and_then(|error| error.error());
                let kept = kept
                    .map(|error| (error.kind().to_string(), serde_json::to_string(error.state()).unwrap()));
                format!("{error:#} {kept:?}")
            }
        };
        let asked: Vec<_> =
            self.requests.iter().map(|asked| (said(&asked.transcript), &asked.tools)).collect();
        format!("{outcome}\n{asked:?}\n{:?} {:?} {:?}", self.statuses, self.messages, self.percentages)
    }
}

/// Plays a scene with the plain engine.
pub(crate) async fn play(scene: impl Fn() -> Scene) -> Seen {
    play_with(scene, AgentRunner::new).await
}

/// Plays a scene unstreamed and streamed, which must come to the same; what was seen of the second.
pub(crate) async fn play_with<R>(scene: impl Fn() -> Scene, runner: impl Fn(ScriptedModel) -> R) -> Seen
where
    R: Run<Input = AgentInput, Output = AgentRun, Error = AgentError> + 'static,
{
    play_beside(scene, runner, async |_, _| {}).await
}

/// Plays a scene with another model to fall back on; what that one was asked.
pub(crate) async fn play_with_fallback(
    scene: impl Fn() -> Scene,
    other: impl Fn() -> Vec<Turn>,
) -> (Seen, Vec<Asked>) {
    let newest = Mutex::new(ScriptedModel::new([]));
    let runner = |model| {
        let other = ScriptedModel::new(other());
        *newest.lock().unwrap() = other.clone();
        AgentRunner::new(model).turn_retry(Retry::times(0)).fallback(AgentRunner::new(other))
    };
    let seen = play_with(scene, runner).await;
    (seen, newest.into_inner().unwrap().requests())
}

/// Plays a scene with something that happens beside the run.
pub(crate) async fn play_beside<R>(
    scene: impl Fn() -> Scene,
    runner: impl Fn(ScriptedModel) -> R,
    beside: impl AsyncFn(&Activities, AgentId),
) -> Seen
where
    R: Run<Input = AgentInput, Output = AgentRun, Error = AgentError> + 'static,
{
    let whole = perform(scene(), &runner, &beside, false).await;
    let streamed = perform(scene(), &runner, &beside, true).await;
    assert_eq!(whole.facts(), streamed.facts(), "unstreamed and streamed differ");
    assert!(whole.events.is_empty());
    streamed
}

async fn perform<R>(
    scene: Scene,
    runner: &impl Fn(ScriptedModel) -> R,
    beside: &impl AsyncFn(&Activities, AgentId),
    streamed: bool,
) -> Seen
where
    R: Run<Input = AgentInput, Output = AgentRun, Error = AgentError> + 'static,
{
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("scene").await.unwrap();
    let model = ScriptedModel::new(scene.turns);
    let tracked = runner(model.clone()).tracked(&activities);
    let input = scene.agent.input(QUESTION);
    let mut events = Vec::new();
    let work = async {
        if !streamed {
            return tracked.run(id, input).await;
        }
        let mut stream = tracked.run_streamed(id, input);
        while let Some(event) = stream.next().await {
            events.push(event?);
        }
        stream.output().await
    };
    let (outcome, ()) = tokio::join!(work, beside(&activities, id));
    Seen {
        outcome,
        requests: model.requests(),
        statuses: store.statuses(id),
        messages: store.messages(id),
        percentages: store.percentages(id),
        events,
    }
}

/// A transcript in short; an output that is flagged as an error has `!` behind its id.
pub(crate) fn said(transcript: &Transcript) -> Vec<String> {
    let short = |item: &Item| match item {
        Item::User(user) => {
            let texts = user.content.iter().map(|part| match part {
                Part::Text { text } => text.as_str(),
                other => panic!("{other:?}"),
            });
            format!("user: {}", texts.collect::<String>())
        }
        Item::Assistant(assistant) => format!("assistant: {}", assistant.text),
        Item::Reasoning(reasoning) => format!("reasoning: {}", reasoning.text),
        Item::ToolCall(call) => format!("call {}: {} {}", call.id, call.name, call.arguments),
        Item::ToolOutput(output) => {
            let flag = if output.is_error { "!" } else { "" };
            format!("output {}{flag}: {}", output.call_id, output.output)
        }
        Item::Opaque(raw) => format!("opaque: {}", raw.value),
        other => panic!("{other:?}"),
    };
    transcript.items().iter().map(short).collect()
}

fn told(event: &RunEvent) -> String {
    match event {
        RunEvent::RunStarted { .. } => "started".to_owned(),
        RunEvent::Progress { message, percentage } => {
            format!("progress {}: {message}", percentage.map_or("-".to_owned(), |p| p.get().to_string()))
        }
        RunEvent::TurnStarted { turn } => format!("turn {turn}"),
        RunEvent::TextDelta { text } => format!("text: {text}"),
        RunEvent::ReasoningDelta { text } => format!("reasoning: {text}"),
        RunEvent::ToolCallStarted { call_id, name } => format!("call {call_id}: {name}"),
        RunEvent::ToolCallArguments { call_id, delta } => format!("arguments {call_id}: {delta}"),
        RunEvent::ToolCallFinished { call_id, output, is_error, .. } => {
            format!("answer {call_id}{}: {output}", if *is_error { "!" } else { "" })
        }
        RunEvent::TurnFinished { turn, usage } => {
            format!("turn {turn} finished: {}+{}", usage.input_tokens, usage.output_tokens)
        }
        RunEvent::Retrying { retry, retries, .. } => format!("retrying {retry}/{retries}"),
        RunEvent::FellBack { .. } => "fell back".to_owned(),
        RunEvent::Recovering { turns } => format!("recovering {turns}"),
        RunEvent::Retracted { turn } => format!("retracted {turn}"),
        RunEvent::RunFinished { status } => format!("finished: {status}"),
        other => panic!("{other:?}"),
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

/// A tool that adds `a` and `b`.
pub(crate) fn add() -> DynTool {
    tool("add", "Adds.", |sum: Sum, _cx: ToolContext| async move { sum.a + sum.b })
}

/// A tool that counts its calls and answers with `answer`.
pub(crate) fn counted(name: &str, count: &Count, answer: &'static str) -> DynTool {
    let count = count.clone();
    tool(name, "", move |_: Nothing, _cx: ToolContext| {
        count.up();
        async move { answer }
    })
}

/// A turn that calls `add` and costs some tokens.
pub(crate) fn adding() -> Turn {
    Turn::call("add", r#"{"a": 1, "b": 2}"#).costing(10, 5)
}

pub(crate) fn tool_call(id: &str, name: &str, arguments: &str) -> Item {
    Item::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), raw: None })
}

pub(crate) fn overloaded() -> ModelError {
    ModelError::new(ModelErrorKind::Overloaded, "the model is overloaded").with_status(529)
}

/// How often something happened. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn raise_to(&self, count: usize) {
        self.0.fetch_max(count, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts when it is dropped.
pub(crate) struct CountDrop(pub(crate) Count);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.up();
    }
}

/// How long a [`Streaming`] model waits before each heartbeat.
pub(crate) const BEAT: Duration = Duration::from_millis(300);

/// A model that streams exactly these events, a response after the other.
#[derive(Debug)]
pub(crate) struct Streaming(Mutex<VecDeque<Vec<ModelEvent>>>);

impl Streaming {
    pub(crate) fn new(responses: impl IntoIterator<Item = Vec<ModelEvent>>) -> Self {
        Self(Mutex::new(responses.into_iter().collect()))
    }
}

impl Model for Streaming {
    fn id(&self) -> String {
        "test:streaming".to_owned()
    }

    fn respond<'a>(&'a self, _request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        let events = self.0.lock().unwrap().pop_front().expect("a response");
        let paced = |event| async move {
            if event == ModelEvent::Heartbeat {
                tokio::time::sleep(BEAT).await;
            }
            Ok(event)
        };
        stream::iter(events).then(paced).boxed()
    }
}
