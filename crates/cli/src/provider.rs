//! Choosing the provider, the model and the key.

use std::env;

use agentexec::agent::AgentRunner;
use agentexec::claude::{self, Claude};
use agentexec::openai::{self, OpenAi, TransportBuilder};
use agentexec_demo::DemoServer;
use anyhow::{Context, Error, anyhow, ensure};

use crate::address;
use crate::args::{ModelChoice, Protocol, Run};

const WAYS_ON: &str = "There are three ways to go on:
  1. set a key: ANTHROPIC_API_KEY or OPENAI_API_KEY
  2. use a local server: --model openai-chat:NAME --base-url http://localhost:11434/v1
  3. see it work without either: --demo";

/// Who is asked.
pub(crate) struct Provider {
    pub(crate) engine: AgentRunner,
    /// For people: the model as `--model` takes it.
    pub(crate) model: String,
    /// The server in this program, when it is a demo.
    pub(crate) demo: Option<DemoServer>,
    /// The variables that the key comes from.
    pub(crate) keys: &'static [&'static str],
    /// What somebody should know before the run.
    pub(crate) note: Option<String>,
}

impl Provider {
    /// What the command line and the environment say.
    pub(crate) fn choose(args: &Run) -> anyhow::Result<Self> {
        if let Some(protocol) = args.demo {
            return Self::demo(protocol);
        }
        let choice = match &args.model {
            Some(choice) => choice.clone(),
            None => ModelChoice { protocol: by_key()?, name: None },
        };
        let base_url = args.base_url.as_deref();
        let protocol = choice.protocol;
        ensure!(
            base_url.is_none() || choice.name.is_some(),
            "the server behind --base-url has models of its own: name one, --model {}:NAME",
            protocol.name()
        );
        let (credential, note) = credential(protocol, base_url);
        let engine = match protocol {
            Protocol::Claude => claude_engine(&choice, base_url, credential),
            Protocol::Openai | Protocol::OpenaiChat => openai_engine(&choice, base_url, credential),
        };
        let engine = if base_url.is_some() {
            engine.context("--base-url or the key cannot be used")?
        } else {
            engine?
        };
        Ok(Self { engine, model: shown(&choice), demo: None, keys: keys(protocol), note })
    }

    fn demo(protocol: Protocol) -> anyhow::Result<Self> {
        let server = DemoServer::start().context("the demo's server could not start")?;
        let url = server.base_url();
        let openai = || OpenAi::at(format!("{url}/v1")).api_key("demo").model("demo");
        let (engine, spoken) = match protocol {
            Protocol::Claude => {
                (AgentRunner::new(Claude::new("demo").base_url(url).build()?), "Anthropic Messages")
            }
            Protocol::Openai => (AgentRunner::new(openai().responses()?), "OpenAI Responses"),
            Protocol::OpenaiChat => (AgentRunner::new(openai().chat()?), "OpenAI Chat Completions"),
        };
        let model = format!("demo: rules in place of a model, over {spoken}");
        Ok(Self { engine, model, demo: Some(server), keys: &[], note: None })
    }
}

/// Which key goes with the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    /// That of the environment; that there is none is for the provider to refuse.
    Environment,
    /// None: a server of one's own needs none, or must not have it.
    None,
}

/// Which key goes to this address, and what somebody should know about that.
///
/// A key goes where `--base-url` says, as with the official clients, unless everybody on the way could read it. An
/// address in the environment stands beside the key and was meant for it.
fn credential(protocol: Protocol, base_url: Option<&str>) -> (Credential, Option<String>) {
    let key = keys(protocol).iter().copied().find(|key| is_set(key));
    match (base_url, key) {
        (None, _) => (Credential::Environment, None),
        (Some(_), None) => (Credential::None, None),
        (Some(url), Some(_)) if address::is_private(url) => (Credential::Environment, None),
        (Some(_), Some(key)) => {
            let note = format!(
                "{key} is not sent: --base-url is http:// to another machine, and everybody on the way could read the \
                 key; use https://, or set {} beside the key",
                base_url_variable(protocol)
            );
            (Credential::None, Some(note))
        }
    }
}

fn claude_engine(
    choice: &ModelChoice,
    base_url: Option<&str>,
    credential: Credential,
) -> anyhow::Result<AgentRunner> {
    let mut settings = match credential {
        Credential::Environment => Claude::from_env().map_err(|error| refused(choice.protocol, error))?,
        Credential::None => Claude::at(claude::DEFAULT_BASE_URL).transport(TransportBuilder::proxy_from_env),
    };
    if let Some(name) = &choice.name {
        settings = settings.model(name);
    }
    if let Some(url) = base_url {
        settings = settings.base_url(url);
    }
    Ok(AgentRunner::new(settings.build()?))
}

fn openai_engine(
    choice: &ModelChoice,
    base_url: Option<&str>,
    credential: Credential,
) -> anyhow::Result<AgentRunner> {
    let mut settings = match credential {
        Credential::Environment => OpenAi::from_env().map_err(|error| refused(choice.protocol, error))?,
        Credential::None => OpenAi::at(openai::DEFAULT_BASE_URL).transport(TransportBuilder::proxy_from_env),
    };
    if let Some(name) = &choice.name {
        settings = settings.model(name);
    }
    if let Some(url) = base_url {
        settings = settings.base_url(url);
    }
    Ok(match choice.protocol {
        Protocol::OpenaiChat => AgentRunner::new(settings.chat()?),
        _ => AgentRunner::new(settings.responses()?),
    })
}

/// What is wrong with the environment: normally that there is no key.
fn refused(protocol: Protocol, error: impl Into<Error>) -> Error {
    if keys(protocol).iter().any(|key| is_set(key)) {
        return error.into();
    }
    anyhow!("there is no key for {}. {WAYS_ON}", protocol.name())
}

/// Whether a variable is set; one that is blank counts as absent.
pub(crate) fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
}

/// The variables that a key may come from.
pub(crate) fn keys(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Claude => &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"],
        Protocol::Openai | Protocol::OpenaiChat => &["OPENAI_API_KEY"],
    }
}

/// The variable of the address.
pub(crate) fn base_url_variable(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Claude => "ANTHROPIC_BASE_URL",
        Protocol::Openai | Protocol::OpenaiChat => "OPENAI_BASE_URL",
    }
}

/// The protocol of the key that is set.
fn by_key() -> anyhow::Result<Protocol> {
    let protocols = [Protocol::Claude, Protocol::Openai];
    let found = protocols.into_iter().find(|protocol| keys(*protocol).iter().any(|key| is_set(key)));
    found.with_context(|| format!("there is no model to ask. {WAYS_ON}"))
}

fn shown(choice: &ModelChoice) -> String {
    let default = match choice.protocol {
        Protocol::Claude => claude::DEFAULT_MODEL,
        Protocol::Openai | Protocol::OpenaiChat => openai::DEFAULT_MODEL,
    };
    format!("{}:{}", choice.protocol.name(), choice.name.as_deref().unwrap_or(default))
}
