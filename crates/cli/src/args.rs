//! What the program takes.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use agentexec::activity::{LEASE_TTL, LEASE_TTL_MIN};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{Cancel, Doctor, List, Purge, Show, Watch};
use crate::store::FORMS;

/// Run LLM agents, and see what they do and did.
#[derive(Debug, Parser)]
#[command(name = "agentexec", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Where activities are kept: sqlite:PATH, redis://HOST or memory:; without it, a file in your data folder.
    #[arg(long, global = true, value_name = "URL", env = "AGENTEXEC_STORE", hide_env_values = true)]
    #[arg(long_help = format!("{STORE}\n{FORMS}"), help_heading = "Store")]
    pub(crate) store: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an agent on the files of a folder and print its answer.
    Run(Run),
    /// List activities: running ones, then queued ones, then the rest, newest first.
    List(List),
    /// Show one activity, and its log.
    Show(Show),
    /// Follow what happens to one activity until it has ended, or to all of them.
    Watch(Watch),
    /// Ask an activity to stop, in whichever process it runs.
    Cancel(Cancel),
    /// Remove activities that ended long ago, with their logs.
    Purge(Purge),
    /// Check the store, the keys and the terminal, and say what to do about them.
    Doctor(Doctor),
}

const STORE: &str = "\
Where activities are kept. Without it, that is a file in your data folder, agentexec/activities.db. A URL with
a password is better set in the environment: other users of the machine see command lines. One of";

const EXIT_CODES: &str = "\
Exit codes:
  0    it is done; the activity completed
  1    it failed; a check of the doctor failed
  2    it could not begin: the command line, the key, the folder or the file
  3    there is no such activity
  4    the provider could not be reached, or the store could not be used
  5    the activity was canceled
  124  the run, or the wait for its end, timed out
  130  the run was interrupted

What they mean exactly, each command says itself.";

const RUN_EXIT_CODES: &str = "\
Exit codes:
  0    the run completed
  1    the agent failed, or its answer or its end could not be written
  2    the run could not begin: the command line, the key or the folder
  4    the provider could not be reached (no connection, or no answer at all), or the store could not be used
  5    the run was canceled: by `agentexec cancel`, by SIGTERM, or nobody reads the output any more
  124  the run timed out
  130  the run was interrupted (Ctrl-C; a second one ends the program at once)";

const ENVIRONMENT: &str = "\
Environment:
  ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL
  OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
  AGENTEXEC_STORE                as --store
  AGENTEXEC_ACTIVITY_MESSAGE_*   what the record says, for example _STARTED and _COMPLETE
  NO_COLOR                       no colors
  RUST_LOG                       traces on standard error, for example agentexec=debug

";

#[derive(Debug, Args)]
#[command(after_help = RUN_EXIT_CODES, after_long_help = format!("{ENVIRONMENT}{RUN_EXIT_CODES}"))]
pub(crate) struct Run {
    /// What the agent is asked; `-` reads it from standard input.
    #[arg(value_parser = prompt)]
    pub(crate) prompt: String,

    /// The model: `claude:NAME`, `openai:NAME` (Responses) or `openai-chat:NAME` (Chat Completions, and compatible
    /// servers); without `:NAME` the provider's default. Not given, the key that is set decides; of
    /// two, Anthropic's.
    #[arg(long, value_name = "PROVIDER:NAME")]
    pub(crate) model: Option<ModelChoice>,

    /// The address of a compatible server or a gateway, for example http://localhost:11434/v1. It needs --model.
    ///
    /// A server of your own needs no key. A key that is set is sent to this address, as the official clients do, but
    /// never unencrypted (http://) to another machine.
    #[arg(long, value_name = "URL", requires = "model")]
    pub(crate) base_url: Option<String>,

    /// What the agent is told before the prompt, in place of the built-in instructions.
    #[arg(long, value_name = "TEXT")]
    pub(crate) instructions: Option<String>,

    /// After how many responses of the model it is asked to wrap up with what it has.
    #[arg(long, value_name = "N", default_value = "20", value_parser = turns)]
    pub(crate) max_turns: u32,

    /// How long the run may take, for example 90s or 5m.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// The folder that the tools may see, and nothing outside it.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,

    /// A built-in tool that the agent may use; may be given several times. Default: all of them.
    #[arg(long = "tool", value_name = "NAME", value_parser = crate::files::NAMES)]
    pub(crate) tools: Vec<String>,

    /// For how long the run may go unheard of before it counts as lost, from 1s to 1day.
    ///
    /// It says that it is alive four times in that time. When its process dies, its record says running until then.
    /// A store in memory has no use for it.
    #[arg(long, value_name = "DURATION", default_value_t = LEASE_TTL.into(), value_parser = lease)]
    pub(crate) lease: humantime::Duration,

    /// Print the events of the run as JSON, one a line, and the result as the last line.
    #[arg(long)]
    pub(crate) json: bool,

    /// Run without a key and without a network, against a server in this program that speaks the protocol.
    ///
    /// Rules take the place of a model. The tools, and what the answer says of the files, are real.
    #[arg(long, value_name = "PROTOCOL", num_args = 0..=1, require_equals = true, default_missing_value = "claude")]
    #[arg(conflicts_with_all = ["model", "base_url"])]
    pub(crate) demo: Option<Protocol>,
}

/// A protocol that models speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Anthropic Messages.
    Claude,
    /// OpenAI Responses.
    Openai,
    /// OpenAI Chat Completions, and compatible servers.
    OpenaiChat,
}

impl Protocol {
    /// As `--model` and `--demo` call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Openai => "openai",
            Self::OpenaiChat => "openai-chat",
        }
    }
}

/// The longest lease.
const LEASE_LIMIT: Duration = Duration::from_hours(24);
/// The longest name of a model, in bytes.
const NAME_LIMIT: usize = 256;

/// A protocol, and the name of a model unless it is the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelChoice {
    pub(crate) protocol: Protocol,
    pub(crate) name: Option<String>,
}

impl FromStr for ModelChoice {
    type Err = String;

    /// Only the first colon parts: the names of local models have colons of their own.
    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, name) = match text.split_once(':') {
            Some((provider, name)) => (provider, Some(name.trim())),
            None => (text, None),
        };
        let protocol = match provider {
            "claude" | "anthropic" => Protocol::Claude,
            "openai" => Protocol::Openai,
            "openai-chat" => Protocol::OpenaiChat,
            _ => {
                return Err(format!(
                    "{provider:?} is not a provider; use claude:NAME, openai:NAME or openai-chat:NAME"
                ));
            }
        };
        match name {
            Some("") => {
                Err(format!("the name is missing behind the colon; {provider} alone is its default model"))
            }
            Some(name) if name.len() > NAME_LIMIT => {
                Err(format!("the name is longer than {NAME_LIMIT} bytes"))
            }
            name => Ok(Self { protocol, name: name.map(str::to_owned) }),
        }
    }
}

fn prompt(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("it is empty; say what the agent should do")
    } else {
        Ok(text.to_owned())
    }
}

fn turns(text: &str) -> Result<u32, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number from 1"),
        Ok(turns) => Ok(turns),
    }
}

/// A time that is not nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match age(text)? {
        Duration::ZERO => Err("it must be more than nothing; write it like 90s or 5m".to_owned()),
        duration => Ok(duration),
    }
}

/// Any time.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90s or 5m"))
}

fn lease(text: &str) -> Result<humantime::Duration, String> {
    match age(text)? {
        lease if lease < LEASE_TTL_MIN => {
            Err("below 1s a machine that is busy would lose runs that are well".to_owned())
        }
        lease if lease > LEASE_LIMIT => {
            Err("for longer than 1day nobody would learn what was lost".to_owned())
        }
        lease => Ok(lease.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_the_first_colon_of_a_model_parts() {
        let choice = |text: &str| {
            let ModelChoice { protocol, name } = text.parse()?;
            Ok::<_, String>((protocol, name))
        };
        assert_eq!(choice("claude").unwrap(), (Protocol::Claude, None));
        assert_eq!(choice("anthropic:claude-x").unwrap(), (Protocol::Claude, Some("claude-x".into())));
        assert_eq!(choice("openai:gpt-x").unwrap(), (Protocol::Openai, Some("gpt-x".into())));
        assert_eq!(
            choice("openai-chat:llama3.2:3b").unwrap(),
            (Protocol::OpenaiChat, Some("llama3.2:3b".into()))
        );
    }

    #[test]
    fn a_model_without_provider_or_name_is_refused_with_the_way_out() {
        let refused = |text: &str| text.parse::<ModelChoice>().unwrap_err();
        for text in ["gpt-x", "llama3.2:3b", "", ":x", "OpenAI:x"] {
            assert!(refused(text).contains("is not a provider; use claude:NAME"), "{text}");
        }
        assert!(refused("openai-chat:").contains("the name is missing"));
        assert!(refused("claude: ").contains("the name is missing"));
        assert_eq!(refused(&format!("openai:{}", "x".repeat(257))), "the name is longer than 256 bytes");
    }

    #[test]
    fn a_time_of_nothing_is_refused() {
        assert_eq!(duration("1m 30s").unwrap(), Duration::from_secs(90));
        for text in ["0", "0s", "-1s", "soon", "10"] {
            assert!(duration(text).unwrap_err().ends_with("write it like 90s or 5m"), "{text}");
        }
    }
}
