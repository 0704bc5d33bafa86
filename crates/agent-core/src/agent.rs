//! What an agent is, and what a run of it begins with.

use std::fmt;
use std::sync::Arc;

use agentexec_tools::{DynTool, ToolSet, ToolSetError};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::model::{ModelSettings, ToolChoice};
use crate::output::OutputFormat;
use crate::transcript::{ToolOutputItem, Transcript, UserItem};
use crate::turn_loop::{LoopState, TurnRules};

/// How many turns an agent has unless it or the runner says otherwise.
pub const DEFAULT_MAX_TURNS: u32 = 10;
/// How many turns an agent has to wrap up unless it says otherwise.
pub const DEFAULT_RECOVERY_TURNS: u32 = 5;

/// The name of the tool by which an agent reports how it goes: it stays while the agent wraps up, and ends no run.
pub(crate) const REPORT_TOOL: &str = "report_activity";

/// What happens when an agent has used all its turns and still asks for tools.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMaxTurns {
    /// The run fails; its error holds the transcript and the usage.
    Fail,
    /// The run completes with what the model said last; the activity's log says "Max turns reached".
    Partial,
    /// The model is asked to wrap up and gets so many more turns, with no tool but `report_activity`. The run
    /// completes with that answer, and fails when these turns pass without one.
    Recover {
        /// How many more turns; 0 is taken as 1.
        turns: u32,
        /// What it is asked; nothing means the wrap-up prompt of the run.
        prompt: Option<String>,
    },
}

impl OnMaxTurns {
    /// Recover with [`DEFAULT_RECOVERY_TURNS`] and the wrap-up prompt of the run.
    #[must_use]
    pub fn recover() -> Self {
        Self::Recover { turns: DEFAULT_RECOVERY_TURNS, prompt: None }
    }
}

/// What happens when tools have answered. A tool that reports how it goes (`report_activity`) and one that
/// answered with an error never end a run: the model is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnToolUse {
    /// The model is asked again, with what they answered.
    #[default]
    RunAgain,
    /// The run completes with what the first tool of the turn answered.
    Stop,
    /// The run completes with what the first of these tools answered; after others the model is asked again.
    StopAt(Vec<String>),
}

impl OnToolUse {
    /// Whether the run ends with this answer.
    pub(crate) fn ends_with(&self, answer: &ToolOutputItem) -> bool {
        let named = match self {
            Self::RunAgain => false,
            Self::Stop => true,
            Self::StopAt(names) => names.contains(&answer.name),
        };
        named && !answer.is_error && answer.name != REPORT_TOOL
    }
}

/// A definition: name, instructions, model, tools, limits. Cloning is cheap.
///
/// ```
/// use agentexec_agent_core::{Agent, OnMaxTurns};
/// use agentexec_runner_core::prompts;
///
/// let agent = Agent::new("Researcher")
///     .instructions(format!("Research the topic. {}", prompts::REPORT_STATUS))
///     .tool(agentexec_tools::report_status())
///     .max_turns(20)
///     .on_max_turns(OnMaxTurns::recover());
/// # assert_eq!(agent.name(), "Researcher");
/// ```
#[derive(Clone)]
pub struct Agent {
    definition: Arc<Definition>,
}

#[derive(Clone)]
struct Definition {
    name: String,
    instructions: Option<String>,
    model: Option<String>,
    tools: Result<ToolSet, ToolSetError>,
    tool_choice: ToolChoice,
    settings: ModelSettings,
    max_turns: Option<u32>,
    on_max_turns: Option<OnMaxTurns>,
    on_tool_use: OnToolUse,
    accept_truncated: bool,
    output: Option<OutputFormat>,
}

impl Agent {
    /// An agent of this name, without instructions and tools.
    pub fn new(name: impl Into<String>) -> Self {
        let definition = Definition {
            name: name.into(),
            instructions: None,
            model: None,
            tools: Ok(ToolSet::default()),
            tool_choice: ToolChoice::Auto,
            settings: ModelSettings::default(),
            max_turns: None,
            on_max_turns: None,
            on_tool_use: OnToolUse::default(),
            accept_truncated: false,
            output: None,
        };
        Self { definition: Arc::new(definition) }
    }

    fn change(mut self, change: impl FnOnce(&mut Definition)) -> Self {
        change(Arc::make_mut(&mut self.definition));
        self
    }

    /// Sets the instructions (system prompt). Default: none.
    #[must_use]
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.change(|agent| agent.instructions = Some(instructions.into()))
    }

    /// Sets the name of the model, in the provider's words. Default: the runner's. Every runner that carries the agent
    /// out asks for it, a fallback too: leave it out where the fallback is another model.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.change(|agent| agent.model = Some(model.into()))
    }

    /// Adds a tool. Two tools of one name, or a name that no provider takes, are reported when the agent is run.
    #[must_use]
    pub fn tool(self, tool: impl Into<DynTool>) -> Self {
        self.tools([tool.into()])
    }

    /// Adds tools, as [`tool`](Self::tool) does.
    #[must_use]
    pub fn tools(self, tools: impl IntoIterator<Item = DynTool>) -> Self {
        self.change(|agent| {
            if let Ok(known) = &agent.tools {
                agent.tools = ToolSet::new(known.iter().cloned().chain(tools));
            }
        })
    }

    /// Sets whether and which tool the model must call. A demand holds until tools have been called once, since
    /// it would never end otherwise. Default: the model decides.
    #[must_use]
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        self.change(|agent| agent.tool_choice = choice)
    }

    /// Sets sampling and limits of the model's responses. Default: the provider's.
    #[must_use]
    pub fn settings(self, settings: ModelSettings) -> Self {
        self.change(|agent| agent.settings = settings)
    }

    /// Sets how many responses of the model a run may take; 0 is taken as 1. Default: the runner's, which is
    /// [`DEFAULT_MAX_TURNS`].
    #[must_use]
    pub fn max_turns(self, turns: u32) -> Self {
        self.change(|agent| agent.max_turns = Some(turns))
    }

    /// Sets what happens at the limit of turns. Default: the runner's.
    #[must_use]
    pub fn on_max_turns(self, policy: OnMaxTurns) -> Self {
        self.change(|agent| agent.on_max_turns = Some(policy))
    }

    /// Sets what happens when tools have answered. Default: the model is asked again.
    #[must_use]
    pub fn on_tool_use(self, policy: OnToolUse) -> Self {
        self.change(|agent| agent.on_tool_use = policy)
    }

    /// Sets whether an answer that the limit of output tokens cut off is taken as it is; the run then completes
    /// with [`Finish::Truncated`](crate::Finish::Truncated). A tool call that was cut off is never carried out,
    /// and an answer of a certain form ([`output`](Self::output)) is never taken cut off. Default: the run fails.
    #[must_use]
    pub fn accept_truncated(self, accept: bool) -> Self {
        self.change(|agent| agent.accept_truncated = accept)
    }

    /// Sets the form of the final answer: that of `T`, as JSON. The provider is told its schema. An answer that
    /// does not fit is asked for once more, with what is wrong with it, which takes a turn; then the run fails
    /// with [`AgentErrorKind::Output`](crate::AgentErrorKind::Output). [`AgentRun::parse`](crate::AgentRun::parse)
    /// gives the value. Default: any text.
    #[must_use]
    pub fn output<T: DeserializeOwned + JsonSchema>(self) -> Self {
        self.output_format(OutputFormat::of::<T>())
    }

    /// Sets the form of the final answer, as [`output`](Self::output) does, to one that is no type.
    #[must_use]
    pub fn output_format(self, format: OutputFormat) -> Self {
        self.change(|agent| agent.output = Some(format))
    }

    /// What a run begins with: what the user says, as text or, with images and files, in
    /// [`Part`](crate::transcript::Part)s.
    ///
    /// ```
    /// use agentexec_agent_core::Agent;
    /// use agentexec_agent_core::transcript::{Media, Part};
    ///
    /// let agent = Agent::new("Critic");
    /// let in_words = agent.input("What do you think of the Mona Lisa?");
    /// let shown = agent.input([Part::text("What is this?"), Media::image_url("https://example.com/a.png").into()]);
    /// # assert_eq!(shown.transcript().items().len(), in_words.transcript().items().len());
    /// ```
    #[must_use]
    pub fn input(&self, said: impl Into<UserItem>) -> AgentInput {
        self.resume(Transcript::from_user(said))
    }

    /// A run that goes on from a transcript, for example that of an error, or of a run whose user has an answer to
    /// its answer. Its turns count anew.
    #[must_use]
    pub fn resume(&self, transcript: Transcript) -> AgentInput {
        AgentInput { agent: self.clone(), state: LoopState::new(transcript) }
    }

    /// A run that goes on from a state that was stored. Its turns and its usage count on.
    ///
    /// Calls that were asked for and have no output yet are carried out first, perhaps for the second time: the
    /// process may have died behind the effect and before the answer. A tool guards against that with its
    /// [`effect_key`](agentexec_tools::ToolContext::effect_key); to give such a call up instead, push an output
    /// for it (see [`Transcript::open_calls`] and [`Effect`](agentexec_tools::Effect)).
    #[must_use]
    pub fn resume_state(&self, state: LoopState) -> AgentInput {
        AgentInput { agent: self.clone(), state }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    pub(crate) fn instructions_text(&self) -> Option<&str> {
        self.definition.instructions.as_deref()
    }

    pub(crate) fn model_name(&self) -> Option<&str> {
        self.definition.model.as_deref()
    }

    pub(crate) fn tool_set(&self) -> Result<&ToolSet, ToolSetError> {
        self.definition.tools.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn chosen_tool(&self) -> &ToolChoice {
        &self.definition.tool_choice
    }

    pub(crate) fn format(&self) -> Option<&OutputFormat> {
        self.definition.output.as_ref()
    }

    pub(crate) fn model_settings(&self) -> &ModelSettings {
        &self.definition.settings
    }

    /// Its own rules, else the runner's.
    pub(crate) fn rules(&self, default: &TurnRules) -> TurnRules {
        TurnRules {
            max_turns: self.definition.max_turns.unwrap_or(default.max_turns),
            on_max_turns: self
                .definition
                .on_max_turns
                .clone()
                .unwrap_or_else(|| default.on_max_turns.clone()),
            on_tool_use: self.definition.on_tool_use.clone(),
            accept_truncated: self.definition.accept_truncated,
            output: self.definition.output.clone(),
        }
    }
}

/// Without the instructions, which do not belong into a log.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |tools: &ToolSet| tools.specs().iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
        f.debug_struct("Agent")
            .field("name", &self.definition.name)
            .field("model", &self.definition.model)
            .field("tools", &self.definition.tools.as_ref().map(names))
            .finish_non_exhaustive()
    }
}

/// What a run of an agent begins with: the agent, and the transcript so far. Cloning copies the transcript.
#[derive(Clone, Debug)]
pub struct AgentInput {
    pub(crate) agent: Agent,
    pub(crate) state: LoopState,
}

impl AgentInput {
    /// The agent.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The transcript that the run begins with.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.state.transcript
    }
}
