//! An adapter for a foreign framework that reports by callbacks and streams events of its own.
//!
//! The callbacks become progress of the activity. The framework's events are forwarded as they are, to whoever
//! streams the run.
#![allow(clippy::print_stdout)]

use agentexec::prelude::*;
use anyhow::Context;
use framework::{AgentExecutor, Callbacks, Event};
use futures_util::TryStreamExt;

/// Stands for a framework that somebody else wrote.
mod framework {
    use futures_util::stream::{self, Stream};
    use serde::Serialize;

    #[derive(Clone, Debug, Serialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    pub(crate) enum Event {
        AgentAction { tool: String, input: String },
        ToolEnd { output: String },
        Finish { output: String },
    }

    /// What it calls while it works.
    pub(crate) trait Callbacks: Send {
        fn on_agent_action(&mut self, tool: &str) -> impl Future<Output = ()> + Send;
        fn on_tool_end(&mut self, output: &str) -> impl Future<Output = ()> + Send;
    }

    pub(crate) struct AgentExecutor {
        pub(crate) max_iterations: usize,
    }

    impl AgentExecutor {
        /// Works on `input` as the events are read. The last one is `Finish`, or an error.
        pub(crate) fn stream_events(
            &self,
            input: &str,
            callbacks: impl Callbacks,
        ) -> impl Stream<Item = anyhow::Result<Event>> + Send {
            let mut events = Vec::new();
            for (step, word) in input.split(' ').enumerate() {
                if step == self.max_iterations {
                    events.push(Err(anyhow::anyhow!("stopped at the limit of {step} iterations")));
                    break;
                }
                events.push(Ok(Event::AgentAction { tool: "search".to_owned(), input: word.to_owned() }));
                events.push(Ok(Event::ToolEnd { output: format!("results for {word}") }));
            }
            events.push(Ok(Event::Finish { output: format!("A summary of {input}.") }));
            stream::unfold((events.into_iter(), callbacks), |(mut rest, mut callbacks)| async move {
                let event = rest.next()?;
                match &event {
                    Ok(Event::AgentAction { tool, .. }) => callbacks.on_agent_action(tool).await,
                    Ok(Event::ToolEnd { output }) => callbacks.on_tool_end(output).await,
                    Ok(Event::Finish { .. }) | Err(_) => {}
                }
                Some((event, (rest, callbacks)))
            })
        }
    }
}

/// Turns what the framework says into progress of the run. The context is owned, so a callback can keep it.
struct ProgressCallback {
    cx: RunContext,
    step: u32,
}

impl Callbacks for ProgressCallback {
    async fn on_agent_action(&mut self, tool: &str) {
        self.step += 1;
        self.cx.progress(format!("Executing action: {tool}"), (self.step * 10).min(90)).await;
    }

    async fn on_tool_end(&mut self, _output: &str) {
        self.cx.note("Tool completed").await;
    }
}

/// The adapter: one `run` for both forms, since a run that nobody streams passes over what is emitted.
struct FrameworkRunner(AgentExecutor);

impl Runner for FrameworkRunner {
    type Input = String;
    type Output = String;
    type Error = anyhow::Error;

    async fn run(&self, cx: &RunContext, input: String) -> anyhow::Result<String> {
        let callbacks = ProgressCallback { cx: cx.clone(), step: 0 };
        let mut events = std::pin::pin!(self.0.stream_events(&input, callbacks));
        while let Some(event) = events.try_next().await? {
            cx.emit(RunEvent::custom("framework", serde_json::to_value(&event)?)).await;
            if let Event::Finish { output } = event {
                return Ok(output);
            }
        }
        anyhow::bail!("the framework ended without a result")
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let activities = Activities::new(MemoryStore::new());
    let runner = FrameworkRunner(AgentExecutor { max_iterations: 15 }).tracked(&activities);

    println!("Streamed, event by event:");
    let id = activities.create("langchain_research").await?;
    let mut events = runner.run_streamed(id, "async runtimes".to_owned());
    while let Some(event) = events.try_next().await? {
        match event {
            RunEvent::Progress { message, .. } => println!("progress   {message}"),
            RunEvent::Custom { kind, payload } => println!("{kind}  {payload}"),
            _ => {}
        }
    }
    println!("output     {}\n", events.output().await?);

    println!("Not streamed, by its record:");
    let id = activities.create("langchain_research").await?;
    let output = runner.run(id, "async runtimes".to_owned()).await?;
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    println!("output: {output}");
    Ok(())
}
