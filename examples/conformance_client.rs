//! One conversation with any server that speaks one of the three protocols, told as one line of JSON: for work on
//! conformance, ours and that of servers.
//!
//! ```sh
//! cargo run -p agentexec-examples --example conformance_client -- \
//!     --proto chat|responses|messages --base-url http://localhost:8000/v1 --model m [--stream] [--schema JSON]
//! ```
//!
//! The base URL is what the official clients take: OpenAI's with `/v1`, Anthropic's without. The key is that of
//! `OPENAI_API_KEY` or, for `messages`, `ANTHROPIC_API_KEY`; where there is none it is `test-key`. With `--schema` the
//! answer must be JSON of that schema.
//!
//! The user says "go"; the tools are those of `tools`, without limits of ours. There are 10 turns. A request that fails is
//! sent twice more at most, and a response that broke off is asked for twice more at most, as every runner does it. 4
//! seconds of silence are too many, before the head of an answer, behind it and inside of the body; the whole may last.
//!
//! The exit code is 0 whatever comes of it; it is 2, and nothing is printed, when the arguments cannot be read. Without
//! arguments it talks to a server of its own in each of the protocols.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "conformance_client/report.rs"]
mod report;
#[cfg(test)]
#[path = "conformance_client/tests.rs"]
mod tests;
#[path = "conformance_client/tools.rs"]
mod tools;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use agentexec::agent::{AgentRunner, Model, ModelError, OutputFormat};
use agentexec::claude::{self, Claude};
use agentexec::openai::{self, OpenAi};
use agentexec::prelude::*;
use agentexec::runner::Retry;
use agentexec_demo::{Conversation, DemoServer, Reply};
use anyhow::{Context, bail};
use serde_json::{Value, json};

use self::report::Report;
use self::tools::{Ran, tools};

const RETRIES: u32 = 2;
const SILENCE: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = if args.is_empty() { demo().await } else { run(&args).await };
    match done {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[derive(Clone, Copy)]
enum Proto {
    Chat,
    Responses,
    Messages,
}

impl Proto {
    fn parse(name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "chat" => Self::Chat,
            "responses" => Self::Responses,
            "messages" => Self::Messages,
            other => bail!("--proto is chat, responses or messages, not {other}"),
        })
    }

    fn key_variable(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "OPENAI_API_KEY",
            Self::Messages => "ANTHROPIC_API_KEY",
        }
    }
}

struct Options {
    proto: Proto,
    base_url: String,
    model: String,
    stream: bool,
    schema: Option<Value>,
    key: String,
}

impl Options {
    fn parse(args: &[String]) -> anyhow::Result<Self> {
        let (mut proto, mut base_url, mut model, mut stream, mut schema) = (None, None, None, false, None);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--proto" => proto = Some(Proto::parse(&value()?)?),
                "--base-url" => base_url = Some(value()?),
                "--model" => model = Some(value()?),
                "--schema" => schema = Some(serde_json::from_str(&value()?).context("--schema is not JSON")?),
                "--stream" => stream = true,
                other => {
                    bail!("{other} is not known; there are --proto --base-url --model --stream --schema")
                }
            }
        }
        let proto = proto.context("--proto chat|responses|messages is missing")?;
        let key = std::env::var(proto.key_variable()).ok().filter(|key| !key.is_empty());
        Ok(Self {
            proto,
            base_url: base_url.context("--base-url is missing")?,
            model: model.context("--model is missing")?,
            stream,
            schema,
            key: key.unwrap_or_else(|| "test-key".into()),
        })
    }

    fn model(&self) -> Result<Arc<dyn Model>, ModelError> {
        let openai = || {
            let mut retry = openai::RetryPolicy::default();
            retry.max_retries = RETRIES;
            let mut timeouts = openai::Timeouts::default();
            (timeouts.first_byte, timeouts.between_bytes) = (SILENCE, SILENCE);
            OpenAi::new(self.key.as_str())
                .base_url(&self.base_url)
                .model(&self.model)
                .retry(retry)
                .timeouts(timeouts)
        };
        Ok(match self.proto {
            Proto::Chat => Arc::new(openai().chat()?.streaming(self.stream)),
            Proto::Responses => Arc::new(openai().responses()?.streaming(self.stream)),
            Proto::Messages => {
                let mut retry = claude::RetryPolicy::default();
                retry.max_retries = RETRIES;
                let mut timeouts = claude::Timeouts::default();
                (timeouts.first_byte, timeouts.between_bytes) = (SILENCE, SILENCE);
                let claude = Claude::new(self.key.as_str()).base_url(&self.base_url).model(&self.model);
                let claude = claude.streaming(self.stream).retry(retry);
                Arc::new(claude.timeouts(timeouts).build()?)
            }
        })
    }
}

/// What is printed; an error when the arguments cannot be read.
async fn run(args: &[String]) -> anyhow::Result<String> {
    let options = Options::parse(args)?;
    Ok(converse(&options).await.line()? + "\n")
}

async fn converse(options: &Options) -> Report {
    let model = match options.model() {
        Ok(model) => model,
        Err(error) => return Report::of_model(&error),
    };
    let ran = Ran::default();
    let mut agent = Agent::new("Conformance").tools(tools(&ran)).max_turns(10);
    if let Some(schema) = &options.schema {
        match OutputFormat::from_schema("answer", schema.clone()) {
            Ok(format) => agent = agent.output_format(format),
            Err(error) => return Report::of_schema(&error),
        }
    }
    let runner = AgentRunner::new(model).turn_retry(Retry::times(RETRIES).longest(SILENCE));
    let outcome = runner.execute(&RunContext::untracked(), agent.input("go")).await;
    Report::of_run(outcome, ran.names())
}

/// The same against a server in this program.
async fn demo() -> anyhow::Result<String> {
    let server = DemoServer::builder().delay(Duration::ZERO).brain(script).start()?;
    let mut lines = String::new();
    for (name, path) in [("chat", "/v1"), ("responses", "/v1"), ("messages", "")] {
        for stream in [false, true] {
            let base_url = format!("{}{path}", server.base_url());
            let (proto, model, key) = (Proto::parse(name)?, "demo".into(), "test-key".into());
            let options = Options { proto, base_url, model, stream, schema: None, key };
            let mut report = converse(&options).await;
            // How many tokens a text has is the protocol's business.
            report.usage = report.usage.map(|tokens| tokens.min(1));
            lines += &format!("{name:9} stream {stream:5} {}\n", report.line()?);
        }
    }
    Ok(lines)
}

/// Plays the model.
fn script(conversation: &Conversation) -> Reply {
    match conversation.tool_outputs().collect::<Vec<_>>().as_slice() {
        [] => Reply::call("get_weather", json!({"city": "Paris"})).and_call("add", json!({"a": 2, "b": 3})),
        [weather, sum] => Reply::text(format!("{weather}, and the sum is {sum}.")),
        _ => Reply::text("done"),
    }
}
