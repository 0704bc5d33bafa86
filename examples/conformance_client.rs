//! One conversation with any server that speaks one of the three protocols, told as one line of JSON: for work on
//! conformance, ours and that of servers.
//!
//! ```sh
//! cargo run -p agentexec-examples --example conformance_client -- \
//!     --proto chat --base-url http://localhost:8000/v1 --model m --stream
//! ```
//!
//! The base URL is what the official clients take: OpenAI's with `/v1`, Anthropic's without. The user says "go"; the
//! tools are those of [`tools`]; there are 10 turns, 2 retries, and 4 seconds of silence are too many. The exit code is
//! 0 whatever comes of it; it is 2 when the arguments are wrong. Without arguments it talks to a server of its own in
//! each of the protocols.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agentexec::agent::{
    AgentError, AgentErrorKind, AgentRun, AgentRunner, Finish, Model, ModelErrorKind, OutputFormat,
};
use agentexec::claude::{self, Claude};
use agentexec::openai::{self, OpenAi};
use agentexec::prelude::*;
use agentexec::runner::{Retry, RunError, Usage};
use agentexec::tools::DynTool;
use agentexec_demo::{Conversation, DemoServer, Reply};
use anyhow::{Context, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const RETRIES: u32 = 2;
const SILENCE: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = if args.is_empty() { demo().await } else { run(&args).await };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

struct Options {
    proto: String,
    base_url: String,
    model: String,
    stream: bool,
    schema: Option<Value>,
}

impl Options {
    fn parse(args: &[String]) -> anyhow::Result<Self> {
        let (mut proto, mut base_url, mut model, mut stream, mut schema) = (None, None, None, false, None);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--proto" => proto = Some(value()?),
                "--base-url" => base_url = Some(value()?),
                "--model" => model = Some(value()?),
                "--schema" => schema = Some(serde_json::from_str(&value()?).context("--schema is not JSON")?),
                "--stream" => stream = true,
                other => {
                    bail!("{other} is not known; there are --proto --base-url --model --stream --schema")
                }
            }
        }
        Ok(Self {
            proto: proto.context("--proto chat|responses|messages is missing")?,
            base_url: base_url.context("--base-url is missing")?,
            model: model.context("--model is missing")?,
            stream,
            schema,
        })
    }

    fn model(&self) -> anyhow::Result<Arc<dyn Model>> {
        let key =
            |name: &str| std::env::var(name).ok().filter(|key| !key.is_empty()).unwrap_or("test-key".into());
        let openai = || {
            let mut retry = openai::RetryPolicy::default();
            retry.max_retries = RETRIES;
            let mut timeouts = openai::Timeouts::default();
            (timeouts.first_byte, timeouts.between_bytes) = (SILENCE, SILENCE);
            OpenAi::new(key("OPENAI_API_KEY"))
                .base_url(&self.base_url)
                .model(&self.model)
                .retry(retry)
                .timeouts(timeouts)
        };
        Ok(match self.proto.as_str() {
            "chat" => Arc::new(openai().chat()?.streaming(self.stream)),
            "responses" => Arc::new(openai().responses()?.streaming(self.stream)),
            "messages" => {
                let mut retry = claude::RetryPolicy::default();
                retry.max_retries = RETRIES;
                let mut timeouts = claude::Timeouts::default();
                (timeouts.first_byte, timeouts.between_bytes) = (SILENCE, SILENCE);
                let claude =
                    Claude::new(key("ANTHROPIC_API_KEY")).base_url(&self.base_url).model(&self.model);
                Arc::new(claude.streaming(self.stream).retry(retry).timeouts(timeouts).build()?)
            }
            other => bail!("--proto is chat, responses or messages, not {other}"),
        })
    }
}

/// What is said of the conversation.
#[derive(Serialize)]
struct Report {
    final_text: String,
    /// How it ended: `final`, `max_turns`, `truncated`; null when it ended in an error.
    stop: Option<&'static str>,
    error: Option<Failure>,
    /// The tools that were carried out, in the order in which they began.
    tools_run: Vec<String>,
    /// Tokens in and out, over all turns.
    usage: [u64; 2],
    refusal: Option<String>,
}

#[derive(Serialize)]
struct Failure {
    kind: String,
    status: Option<u16>,
    message: String,
}

async fn run(args: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(args)?;
    println!("{}", serde_json::to_string(&converse(&options).await?)?);
    Ok(())
}

async fn converse(options: &Options) -> anyhow::Result<Report> {
    let ran = Ran::default();
    let mut agent = Agent::new("Conformance").tools(tools(&ran)).max_turns(10);
    if let Some(schema) = &options.schema {
        agent = agent.output_format(OutputFormat::from_schema("answer", schema.clone())?);
    }
    let runner = AgentRunner::new(options.model()?).turn_retry(Retry::times(RETRIES).longest(SILENCE));
    let outcome = runner.execute(&RunContext::untracked(), agent.input("go")).await;
    Ok(report(outcome, ran.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
}

fn report(outcome: Result<AgentRun, RunError<AgentError>>, tools_run: Vec<String>) -> Report {
    let error = match outcome {
        Ok(run) => {
            let stop = match run.finish {
                Finish::MaxTurns => "max_turns",
                Finish::Truncated => "truncated",
                _ => "final",
            };
            let usage = tokens(run.usage());
            return Report {
                final_text: run.output,
                stop: Some(stop),
                error: None,
                tools_run,
                usage,
                refusal: None,
            };
        }
        Err(error) => error,
    };
    let message = format!("{error:#}");
    let Some(error) = error.error() else {
        let error = Failure { kind: "panicked".into(), status: None, message };
        return Report {
            final_text: String::new(),
            stop: None,
            error: Some(error),
            tools_run,
            usage: [0, 0],
            refusal: None,
        };
    };
    let (kind, final_text) = kind_of(error.kind());
    let status = error.model_error().and_then(agentexec::agent::ModelError::status);
    let refusal = match error.kind() {
        AgentErrorKind::Refused { text } => Some(text.clone()),
        _ => None,
    };
    let usage = tokens(error.usage());
    Report {
        final_text,
        stop: None,
        error: Some(Failure { kind, status, message }),
        tools_run,
        usage,
        refusal,
    }
}

/// The word for an error, and the text that there was all the same.
fn kind_of(kind: &AgentErrorKind) -> (String, String) {
    let (word, text) = match kind {
        AgentErrorKind::Model(error) => return (snake(error.kind()), String::new()),
        AgentErrorKind::MaxTurns { .. } => ("max_turns", ""),
        AgentErrorKind::Refused { .. } => ("refused", ""),
        AgentErrorKind::Truncated { partial } => ("truncated", partial.as_str()),
        AgentErrorKind::ContentFilter { partial } => ("content_filter", partial.as_str()),
        AgentErrorKind::ContextWindow { partial } => ("context_window", partial.as_str()),
        AgentErrorKind::Output { text, .. } => ("output", text.as_str()),
        AgentErrorKind::FatalTool(_) => ("fatal_tool", ""),
        AgentErrorKind::Stopped => ("stopped", ""),
        _ => ("other", ""),
    };
    (word.to_owned(), text.to_owned())
}

fn snake(kind: ModelErrorKind) -> String {
    let mut word = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(c.to_lowercase());
    }
    word
}

fn tokens(usage: Usage) -> [u64; 2] {
    [usage.input_tokens, usage.output_tokens]
}

/// The names of the tools that were carried out.
#[derive(Clone, Default)]
struct Ran(Arc<Mutex<Vec<String>>>);

impl Ran {
    fn note(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }
}

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct Two {
    a: f64,
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Sleep {
    ms: u64,
    tag: String,
}

#[derive(Deserialize, JsonSchema)]
struct Why {
    why: String,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    s: String,
}

#[derive(Deserialize, JsonSchema)]
struct Many {
    n: usize,
}

fn tools(ran: &Ran) -> Vec<DynTool> {
    macro_rules! tools {
        ($($name:literal: $says:literal, |$args:ident: $Args:ty| $answer:expr;)*) => {
            vec![$({
                let ran = ran.clone();
                tool($name, $says, move |$args: $Args, _cx: ToolContext| {
                    ran.note($name);
                    async move { $answer }
                })
            }),*]
        };
    }
    tools! {
        "get_weather": "The weather in a city.", |args: City| format!("Sunny, 21C in {}", args.city);
        "add": "Adds two numbers.", |args: Two| (args.a + args.b).to_string();
        "get_time": "The time of day.", |_args: Nothing| "12:00";
        "sleepy": "Sleeps, then answers with the tag.", |args: Sleep| {
            tokio::time::sleep(Duration::from_millis(args.ms)).await;
            args.tag
        };
        "fail": "Fails.", |args: Why| Err::<String, _>(args.why);
        "length": "How many characters a text has.", |args: Text| args.s.chars().count();
        "blob": "So many times the letter b.", |args: Many| "b".repeat(args.n);
    }
}

/// The same against a server in this program.
async fn demo() -> anyhow::Result<()> {
    let server = DemoServer::builder().delay(Duration::ZERO).brain(script).start()?;
    for (proto, path) in [("chat", "/v1"), ("responses", "/v1"), ("messages", "")] {
        for stream in [false, true] {
            let base_url = format!("{}{path}", server.base_url());
            let options =
                Options { proto: proto.into(), base_url, model: "demo".into(), stream, schema: None };
            let mut report = converse(&options).await?;
            // How many tokens a text has is the protocol's business.
            report.usage = report.usage.map(|tokens| tokens.min(1));
            println!("{proto:9} stream {stream:5} {}", serde_json::to_string(&report)?);
        }
    }
    Ok(())
}

/// Plays the model.
fn script(conversation: &Conversation) -> Reply {
    match conversation.tool_outputs().collect::<Vec<_>>().as_slice() {
        [] => Reply::call("get_weather", json!({"city": "Paris"})).and_call("add", json!({"a": 2, "b": 3})),
        [weather, sum] => Reply::text(format!("{weather}, and the sum is {sum}.")),
        _ => Reply::text("done"),
    }
}
