//! The engine: a model, the turn loop, and the tools of an agent, driven inside a run.

use std::sync::Arc;
use std::time::Duration;

use agentexec_runner_core::{Retry, RunContext, RunEvent, Runner};
use agentexec_tools::{CallRequest, ToolSet};

use crate::agent::{Agent, AgentInput, DEFAULT_MAX_TURNS, OnMaxTurns, REPORT_TOOL};
use crate::calls::carry_out;
use crate::error::{AgentError, AgentErrorKind};
use crate::model::{Model, ModelRequest, ToolChoice};
use crate::outcome::{AgentRun, Finish};
use crate::respond::respond;
use crate::turn_loop::{LoopState, Step, TurnLoop, TurnRules};

/// How many tools of one turn run at the same time unless the runner says otherwise.
pub const DEFAULT_PARALLEL_TOOLS: usize = 8;

/// How often a response that broke off is asked for again unless the runner says otherwise.
pub const DEFAULT_TURN_RETRIES: u32 = 2;

/// The most that progress which was computed from turns says: the rest is for the final answer.
const AUTOMATIC_PROGRESS_LIMIT: u32 = 90;

/// Carries agents out with a model. `OpenAiRunner` and `ClaudeRunner` are this with their model.
///
/// After each turn that calls tools it reports "Turn N: Processing tool calls", with a percentage computed from
/// the limit of turns, at most 90 and never below what the agent itself reported.
///
/// # Errors
/// A run fails with an [`AgentError`]: why, the transcript, the turns and what they have cost. A retry or a
/// fallback goes on from there.
///
/// # Cancellation
/// When the run's token fires, the model's stream and the tools are dropped and the error holds the transcript so
/// far, in which every tool call is answered.
#[derive(Clone, Debug)]
pub struct AgentRunner {
    model: Arc<dyn Model>,
    rules: TurnRules,
    parallel_tools: usize,
    automatic_progress: bool,
    turn_retry: Retry,
}

impl AgentRunner {
    /// Agents with this model, [`DEFAULT_MAX_TURNS`], and [`OnMaxTurns::Fail`].
    pub fn new(model: impl Model) -> Self {
        Self {
            model: Arc::new(model),
            rules: TurnRules::new(DEFAULT_MAX_TURNS, OnMaxTurns::Fail),
            parallel_tools: DEFAULT_PARALLEL_TOOLS,
            automatic_progress: true,
            turn_retry: Retry::times(DEFAULT_TURN_RETRIES)
                .base(Duration::from_millis(500))
                .longest(Duration::from_secs(8)),
        }
    }

    /// Sets the limit of turns of agents that have none of their own; 0 is taken as 1. Default:
    /// [`DEFAULT_MAX_TURNS`].
    #[must_use]
    pub fn max_turns(mut self, turns: u32) -> Self {
        self.rules.max_turns = turns;
        self
    }

    /// Sets what happens at the limit of turns for agents that do not say. Default: [`OnMaxTurns::Fail`].
    #[must_use]
    pub fn on_max_turns(mut self, policy: OnMaxTurns) -> Self {
        self.rules.on_max_turns = policy;
        self
    }

    /// Sets how many tools of one turn run at the same time; 0 is taken as 1. Default:
    /// [`DEFAULT_PARALLEL_TOOLS`].
    #[must_use]
    pub fn parallel_tools(mut self, tools: usize) -> Self {
        self.parallel_tools = tools.max(1);
        self
    }

    /// Sets whether each turn that calls tools reports progress by itself. Default: it does.
    ///
    /// An agent that runs within a tool of another reports to the same activity. Switch it off for the inner one,
    /// or its turns count as progress of the whole.
    #[must_use]
    pub fn automatic_progress(mut self, on: bool) -> Self {
        self.automatic_progress = on;
        self
    }

    /// Sets how often a response that broke off is asked for again: its stream was cut, went silent or ended in
    /// an error that may go away. What was streamed of it is [retracted](RunEvent::Retracted). Requests that were
    /// never answered are the transport's to try again. Default: [`DEFAULT_TURN_RETRIES`] for each turn, from half
    /// a second on, at most 8 seconds apart; `Retry::times(0)` never asks again.
    #[must_use]
    pub fn turn_retry(mut self, policy: Retry) -> Self {
        self.turn_retry = policy;
        self
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// Drives the loop until it is done or fails; the loop holds everything either way.
    async fn drive(
        &self,
        cx: &RunContext,
        agent: &Agent,
        turns: &mut TurnLoop,
    ) -> Result<Finish, AgentErrorKind> {
        let tools = agent.tool_set()?;
        let foreign = turns.state().transcript.foreign_to(self.model.protocol());
        if foreign > 0 {
            cx.note(untranslated(foreign)).await;
            cx.emit(RunEvent::Untranslated { items: foreign }).await;
        }
        loop {
            let was_recovering = turns.turns_to_recover().is_some();
            match turns.step(&cx.prompts().wrap_up)? {
                Step::Done(finish) => return Ok(finish),
                Step::CallModel { .. } if cx.is_canceled() => return Err(AgentErrorKind::Stopped),
                Step::CallModel { turn, .. } if cx.is_last_turn() && turn > 1 => {
                    cx.cancel("it was asked to stop after its turn");
                    return Err(AgentErrorKind::Stopped);
                }
                Step::CallModel { turn, wrap_up } => {
                    if let (false, Some(left)) = (was_recovering, turns.turns_to_recover()) {
                        cx.emit(RunEvent::Recovering { turns: left }).await;
                    }
                    self.ask(cx, agent, tools, turns, turn, wrap_up).await?;
                }
                Step::CallTools { calls } => self.answer(cx, tools, turns, &calls).await?,
            }
        }
    }

    /// Asks the model for one response and takes it into the transcript.
    async fn ask(
        &self,
        cx: &RunContext,
        agent: &Agent,
        tools: &ToolSet,
        turns: &mut TurnLoop,
        turn: u32,
        wrap_up: bool,
    ) -> Result<(), AgentErrorKind> {
        cx.emit(RunEvent::TurnStarted { turn }).await;
        let tools = at_hand(tools, wrap_up);
        let state = turns.state();
        let free = wrap_up || state.has_called_tools();
        let mut request = ModelRequest::new(state.transcript.items());
        request.model = agent.model_name();
        request.instructions = agent.instructions_text();
        request.tools = tools.specs();
        request.tool_choice = if free { reset(agent.chosen_tool()) } else { agent.chosen_tool() };
        request.settings = agent.model_settings();
        request.output = agent.format();
        let (response, told) = respond(cx, &*self.model, request, turn, &self.turn_retry).await?;
        let usage = response.usage;
        let reasked = turns.reasked();
        let taken = turns.responded(response);
        if told && (taken.is_err() || turns.reasked() > reasked) {
            cx.emit(RunEvent::Retracted { turn }).await;
        }
        if taken.is_err() || !turns.state().asks_for_tools() {
            cx.emit(RunEvent::TurnFinished { turn, usage }).await;
        }
        taken
    }

    /// Carries out the calls of a turn and takes the answers into the transcript.
    async fn answer(
        &self,
        cx: &RunContext,
        tools: &ToolSet,
        turns: &mut TurnLoop,
        calls: &[CallRequest],
    ) -> Result<(), AgentErrorKind> {
        let turn = turns.next_turn().saturating_sub(1);
        self.report_turn(cx, turn, turns.rules().max_turns).await;
        let tools = at_hand(tools, turns.turns_to_recover().is_some());
        let (outputs, fatal) = carry_out(cx, &tools, calls, self.parallel_tools).await;
        match fatal {
            Some(_) => turns.answered_fatally(outputs),
            None => turns.answered(outputs),
        }
        if let Some(report) = turns.state().turns.last() {
            cx.emit(RunEvent::TurnFinished { turn, usage: report.usage }).await;
        }
        match fatal {
            Some(error) => Err(error.into()),
            // Otherwise a run that was stopped amid its last tools would end as the limit of turns says.
            None if cx.is_canceled() => Err(AgentErrorKind::Stopped),
            None => Ok(()),
        }
    }

    /// Reports a turn that calls tools. Calls that a transcript came with belong to no turn.
    async fn report_turn(&self, cx: &RunContext, turn: u32, max_turns: u32) {
        if self.automatic_progress && turn > 0 {
            let share = turn.saturating_mul(100) / max_turns;
            let percentage = share.min(AUTOMATIC_PROGRESS_LIMIT);
            let report = cx.progress_at_least(format!("Turn {turn}: Processing tool calls"), percentage);
            // A store that does not answer must not hold up a run that is to stop.
            tokio::select! {
                () = report => {}
                () = cx.canceled() => {}
            }
        }
    }
}

/// What the log says of items that the model cannot be shown.
fn untranslated(items: u32) -> String {
    let them = if items == 1 { "1 item".to_owned() } else { format!("{items} items") };
    format!("Going on without {them} that only another provider can read")
}

/// The agent's tools; while it wraps up, only the one by which it reports.
fn at_hand(tools: &ToolSet, wrap_up: bool) -> ToolSet {
    if wrap_up { tools.only(|spec| spec.name == REPORT_TOOL) } else { tools.clone() }
}

/// A demand for tools holds until tools were called once.
fn reset(choice: &ToolChoice) -> &ToolChoice {
    match choice {
        ToolChoice::Required | ToolChoice::Tool(_) => &ToolChoice::Auto,
        choice => choice,
    }
}

impl Runner for AgentRunner {
    type Input = AgentInput;
    type Output = AgentRun;
    type Error = AgentError;

    async fn run(&self, cx: &RunContext, input: AgentInput) -> Result<AgentRun, AgentError> {
        let AgentInput { agent, state } = input;
        let mut turns = TurnLoop::new(agent.rules(&self.rules), state);
        let ended = self.drive(cx, &agent, &mut turns).await;
        let finish = match ended {
            Ok(finish) => finish,
            Err(kind) => return Err(AgentError::new(kind, turns.into_state())),
        };
        if finish == Finish::MaxTurns
            && let Some(activities) = cx.activities()
        {
            cx.complete_with(activities.messages().max_turns.as_str());
        }
        let output = turns.output(finish);
        let LoopState { transcript, turns, .. } = turns.into_state();
        Ok(AgentRun { output, finish, transcript, turns, format: agent.format().cloned() })
    }

    /// A tool that ends the run ends it for every model.
    fn ends_the_run(&self, error: &AgentError) -> bool {
        matches!(error.kind(), AgentErrorKind::FatalTool(_))
    }

    /// Goes on from the transcript: tools that ran are not run again.
    fn resume(&self, input: &AgentInput, error: &AgentError) -> Option<AgentInput> {
        if !error.is_resumable() {
            return None;
        }
        let state = error.state().clone();
        Some(input.agent.resume_state(match error.kind() {
            AgentErrorKind::MaxTurns { .. } | AgentErrorKind::Output { .. } => state.with_fresh_limit(),
            _ => state,
        }))
    }
}
