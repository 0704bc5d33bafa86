//! The turn loop as a state machine without IO.
//!
//! [`TurnLoop::step`] says what to do next: call the model, call tools, or stop. The caller does it and reports
//! back. The state between two steps is a [`LoopState`]: it serializes, so a run can be stored after any step
//! and resumed elsewhere.
//!
//! ```
//! use agentexec_agent_core::model::{ModelResponse, StopReason};
//! use agentexec_agent_core::{Item, LoopState, OnMaxTurns, Step, Transcript, TurnLoop, TurnRules};
//!
//! let rules = TurnRules::new(10, OnMaxTurns::Fail);
//! let mut turns = TurnLoop::new(rules, LoopState::new(Transcript::from_user("hello")));
//! assert_eq!(turns.step("wrap up").unwrap(), Step::CallModel { turn: 1, wrap_up: false });
//!
//! turns.responded(ModelResponse::new(vec![Item::assistant("Hi.")], StopReason::EndTurn)).unwrap();
//! assert!(matches!(turns.step("wrap up").unwrap(), Step::Done(_)));
//! ```

use agentexec_runner_core::Usage;
use agentexec_tools::CallRequest;
use serde::{Deserialize, Serialize};

use crate::agent::{OnMaxTurns, OnToolUse};
use crate::error::AgentErrorKind;
use crate::model::{ModelResponse, StopReason};
use crate::outcome::{Finish, TurnReport};
use crate::output::{OutputFormat, unfenced};
use crate::transcript::{Item, ToolCall, ToolOutputItem, Transcript, answer};

/// The version of a stored state. It grows when an older reader would misunderstand a newer state.
pub const STATE_VERSION: u32 = 1;

/// How many turns there are, and when a run is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TurnRules {
    /// How many responses of the model a run may take.
    pub max_turns: u32,
    /// What happens when they are used up and the model still asks for tools.
    pub on_max_turns: OnMaxTurns,
    /// What happens when tools have answered.
    pub on_tool_use: OnToolUse,
    /// Whether an answer that was cut off is taken as it is.
    pub accept_truncated: bool,
    /// The form that the final answer must have.
    pub output: Option<OutputFormat>,
}

impl TurnRules {
    /// So many turns, and this when they are used up; everything else as an agent has it that says nothing of it.
    #[must_use]
    pub fn new(max_turns: u32, on_max_turns: OnMaxTurns) -> Self {
        let on_tool_use = OnToolUse::default();
        Self { max_turns, on_max_turns, on_tool_use, accept_truncated: false, output: None }
    }
}

/// How often an answer that does not have the form that was asked for is asked for again.
const REASKS: u32 = 1;

/// Where a run stands between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoopState {
    #[serde(deserialize_with = "known_version")]
    version: u32,
    /// Everything said so far.
    pub transcript: Transcript,
    /// The turns taken so far.
    pub turns: Vec<TurnReport>,
    /// How many turns count against the limit.
    counted: u32,
    /// What the newest response stands for.
    phase: Phase,
    /// How many turns are left for wrapping up, once that has begun.
    recovering: Option<u32>,
    /// How often the final answer was asked for again, since it did not have its form.
    #[serde(default)]
    reasked: u32,
    /// The final answer, where it is not all of the newest text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The model is to be asked.
    Ask,
    /// It has said its last word.
    Final,
    /// A tool that ends the run has answered.
    Tool,
    /// Its last word was cut off.
    Truncated,
    /// Its last word does not have its form: the model is to be asked for it again.
    Reask,
}

fn known_version<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    if version > STATE_VERSION {
        return Err(serde::de::Error::custom(format_args!(
            "the state has version {version}, this program reads up to {STATE_VERSION}; update it"
        )));
    }
    Ok(version)
}

impl LoopState {
    /// A run that begins with this transcript.
    #[must_use]
    pub fn new(transcript: Transcript) -> Self {
        Self {
            version: STATE_VERSION,
            transcript,
            turns: Vec::new(),
            counted: 0,
            phase: Phase::Ask,
            recovering: None,
            reasked: 0,
            answer: None,
        }
    }

    /// What the turns so far have cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.turns.iter().map(|turn| turn.usage).sum()
    }

    /// Whether tools have been called: in this run, or since the user spoke last in the transcript that it goes on
    /// from.
    pub(crate) fn has_called_tools(&self) -> bool {
        let newest = self.transcript.items().rsplit(|item| matches!(item, Item::User(_))).next();
        let has_answered = |items: &[Item]| items.iter().any(|item| matches!(item, Item::ToolOutput(_)));
        self.turns.iter().any(|turn| turn.tool_calls > 0) || newest.is_some_and(has_answered)
    }

    /// Whether the newest response asks for tools.
    pub(crate) fn asks_for_tools(&self) -> bool {
        self.turns.last().is_some_and(|turn| turn.tool_calls > 0)
    }

    /// The same with the turns counted anew: for another try after the limit was reached.
    pub(crate) fn with_fresh_limit(mut self) -> Self {
        self.counted = 0;
        self.recovering = None;
        self.reasked = 0;
        self
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Ask the model, then report with [`TurnLoop::responded`].
    CallModel {
        /// The number of the turn, from 1.
        turn: u32,
        /// Whether it is asked to wrap up: with no tool but `report_activity`.
        wrap_up: bool,
    },
    /// Carry these calls out, then report with [`TurnLoop::answered`].
    CallTools {
        /// The calls that no output answers yet, in order.
        calls: Vec<CallRequest>,
    },
    /// The run is over.
    Done(Finish),
}

/// The turn loop: rules, and the state of a run.
#[derive(Clone, Debug)]
pub struct TurnLoop {
    rules: TurnRules,
    state: LoopState,
}

impl TurnLoop {
    /// A loop by these rules from this state on. A limit of 0 turns is taken as 1.
    #[must_use]
    pub fn new(mut rules: TurnRules, state: LoopState) -> Self {
        rules.max_turns = rules.max_turns.max(1);
        Self { rules, state }
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &TurnRules {
        &self.rules
    }

    /// Where the run stands.
    #[must_use]
    pub fn state(&self) -> &LoopState {
        &self.state
    }

    /// Where the run stands.
    #[must_use]
    pub fn into_state(self) -> LoopState {
        self.state
    }

    /// How many turns are left for wrapping up; nothing before that has begun.
    #[must_use]
    pub fn turns_to_recover(&self) -> Option<u32> {
        self.state.recovering
    }

    /// How often the final answer was asked for again, since it did not have the form that was asked for.
    #[must_use]
    pub fn reasked(&self) -> u32 {
        self.state.reasked
    }

    /// The number of the turn that the model is asked for next, or was asked for last.
    #[must_use]
    pub fn next_turn(&self) -> u32 {
        u32::try_from(self.state.turns.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// What to do next. `wrap_up` is what the model is asked when its turns are used up and the rules say
    /// [`OnMaxTurns::Recover`] without a prompt of their own.
    ///
    /// # Errors
    /// [`AgentErrorKind::MaxTurns`] when the turns are used up and the rules say [`OnMaxTurns::Fail`], or wrapping
    /// up took its turns too.
    pub fn step(&mut self, wrap_up: &str) -> Result<Step, AgentErrorKind> {
        let calls: Vec<CallRequest> = self.state.transcript.placed_open_calls().map(request).collect();
        if !calls.is_empty() {
            return Ok(Step::CallTools { calls });
        }
        match self.state.phase {
            Phase::Ask | Phase::Reask => {}
            Phase::Tool => return Ok(Step::Done(Finish::Tool)),
            Phase::Truncated => return Ok(Step::Done(Finish::Truncated)),
            Phase::Final if self.state.recovering.is_some() => return Ok(Step::Done(Finish::Recovered)),
            Phase::Final => return Ok(Step::Done(Finish::Final)),
        }
        match self.state.recovering {
            Some(0) => return Err(self.out_of_turns()),
            None if self.state.counted >= self.rules.max_turns => {
                if let Some(end) = self.at_the_limit(wrap_up) {
                    return end;
                }
            }
            _ => {}
        }
        Ok(Step::CallModel { turn: self.next_turn(), wrap_up: self.state.recovering.is_some() })
    }

    /// What the rules say at the limit; nothing when the run goes on, wrapping up.
    fn at_the_limit(&mut self, wrap_up: &str) -> Option<Result<Step, AgentErrorKind>> {
        match &self.rules.on_max_turns {
            // An answer that was just found not to have its form is not one to complete with.
            OnMaxTurns::Partial if self.state.phase == Phase::Reask => Some(Err(self.out_of_turns())),
            OnMaxTurns::Fail => Some(Err(self.out_of_turns())),
            OnMaxTurns::Partial => Some(Ok(Step::Done(Finish::MaxTurns))),
            OnMaxTurns::Recover { turns, prompt } => {
                let prompt = prompt.as_deref().unwrap_or(wrap_up);
                self.state.transcript.push(Item::user(prompt));
                self.state.recovering = Some((*turns).max(1));
                None
            }
        }
    }

    fn out_of_turns(&self) -> AgentErrorKind {
        let wrap_up = match (&self.rules.on_max_turns, self.state.recovering) {
            (OnMaxTurns::Recover { turns, .. }, Some(_)) => (*turns).max(1),
            _ => 0,
        };
        AgentErrorKind::MaxTurns { max_turns: self.rules.max_turns, wrap_up }
    }

    /// Takes the model's response into the transcript, and what it cost into the turns.
    ///
    /// A final answer that does not have the form that was asked for is followed by what is wrong with it, in the
    /// user's place, and the model is asked again.
    ///
    /// # Errors
    /// When the response is not one to go on from: a refusal, a response that was cut off, or one that a filter
    /// stopped. Nothing of it gets into the transcript and it does not count against the limit of turns, so its
    /// tool calls are not run and whoever goes on asks the same again: providers refuse a transcript that ends in
    /// half an answer. Its text is in the error, behind what was said before the provider paused. Also when the final
    /// answer does not have its form again; then it is in the transcript.
    pub fn responded(&mut self, response: ModelResponse) -> Result<(), AgentErrorKind> {
        let ModelResponse { items, stop, usage, model, request_id } = response;
        let calls = items.iter().filter(|item| matches!(item, Item::ToolCall(_))).count();
        let accepted = stop == StopReason::MaxTokens && calls == 0 && self.accepts_truncated(&items);
        let said = self.state.transcript.newest().iter().chain(&items);
        let unusable = if accepted { None } else { unusable(&stop, said) };
        let calls = if unusable.is_none() { calls } else { 0 };
        let mut report = TurnReport::new(usage, u32::try_from(calls).unwrap_or(u32::MAX));
        (report.model, report.request_id) = (model, request_id);
        self.state.turns.push(report);
        if let Some(error) = unusable {
            return Err(error);
        }
        self.state.counted = self.state.counted.saturating_add(1);
        self.state.recovering = self.state.recovering.map(|left| left.saturating_sub(1));
        self.state.transcript.extend(items);
        self.state.phase = match stop {
            _ if calls > 0 => Phase::Ask,
            StopReason::Pause => Phase::Ask,
            StopReason::MaxTokens => Phase::Truncated,
            _ => Phase::Final,
        };
        self.check_form()
    }

    /// A response that was cut off amid its reasoning has no answer to take.
    fn accepts_truncated(&self, items: &[Item]) -> bool {
        let has_text = items.iter().filter_map(Item::assistant_text).any(|text| !text.is_empty());
        self.rules.accept_truncated && self.rules.output.is_none() && has_text
    }

    /// Asks again when the final answer does not have its form, neither as a whole nor in its last part: a model may say
    /// something before it, or say it twice.
    fn check_form(&mut self) -> Result<(), AgentErrorKind> {
        self.state.answer = None;
        let Some(format) = self.rules.output.as_ref().filter(|_| self.state.phase == Phase::Final) else {
            return Ok(());
        };
        let text = self.state.transcript.final_text();
        let Err(error) = format.admits_as_meant(&text) else {
            let inside = unfenced(&text);
            self.state.answer = (inside != text.trim()).then(|| inside.to_owned());
            return Ok(());
        };
        let has_form = |part: &String| *part != text && format.admits_as_meant(part).is_ok();
        let last = self.state.transcript.last_texts().into_iter().find(has_form);
        self.state.answer = last.map(|part| unfenced(&part).to_owned());
        if self.state.answer.is_some() {
            return Ok(());
        }
        let gives_up = self.state.reasked >= REASKS || self.is_last_turn();
        // Also when the run ends with it: whoever goes on from here asks again, and is told what is wrong.
        self.state.reasked += 1;
        self.state.phase = Phase::Reask;
        self.state.transcript.push(Item::user(format!(
            "Your answer does not have the required form: {error}. Answer again, with nothing but JSON that fits \
             the schema."
        )));
        if gives_up {
            return Err(AgentErrorKind::Output { format: format.name().to_owned(), error, text });
        }
        Ok(())
    }

    /// Whether the model is not to be asked again, whatever the newest response says.
    fn is_last_turn(&self) -> bool {
        let recovers = matches!(self.rules.on_max_turns, OnMaxTurns::Recover { .. });
        match self.state.recovering {
            Some(left) => left == 0,
            None => self.state.counted >= self.rules.max_turns && !recovers,
        }
    }

    /// Takes the answers of tools into the transcript. Calls that it leaves open come with the next
    /// [`step`](Self::step) again.
    pub fn answered(&mut self, outputs: impl IntoIterator<Item = ToolOutputItem>) {
        self.answered_fatally(outputs);
        // While it wraps up, the only tool is the one that ends no run.
        if self.ending_answer().is_some() {
            self.state.phase = Phase::Tool;
        }
    }

    /// Takes the answers of tools of which one ended the run with an error: no other ends it well, so whoever goes on
    /// from there asks the model.
    pub fn answered_fatally(&mut self, outputs: impl IntoIterator<Item = ToolOutputItem>) {
        self.state.transcript.extend(outputs.into_iter().map(Item::ToolOutput));
    }

    /// What the tool answered with which the run is to end: the first in the newest turn.
    fn ending_answer(&self) -> Option<&ToolOutputItem> {
        let newest =
            self.state.transcript.items().rsplit(|item| !matches!(item, Item::ToolOutput(_))).next()?;
        newest.iter().find_map(|item| match item {
            Item::ToolOutput(answer) if self.rules.on_tool_use.ends_with(answer) => Some(answer),
            _ => None,
        })
    }

    /// What a run that came to this end has to say.
    #[must_use]
    pub fn output(&self, finish: Finish) -> String {
        let transcript = &self.state.transcript;
        match finish {
            Finish::MaxTurns => transcript.last_text(),
            Finish::Tool => self.ending_answer().map(|answer| answer.output.clone()).unwrap_or_default(),
            Finish::Final | Finish::Recovered | Finish::Truncated => {
                self.state.answer.clone().unwrap_or_else(|| transcript.final_text())
            }
        }
    }
}

fn request((place, call): (usize, &ToolCall)) -> CallRequest {
    CallRequest::new(&call.id, &call.name, &call.arguments).at(place)
}

/// Why a response is not one to go on from. `items` are its own, behind those from before a pause.
fn unusable<'a>(stop: &StopReason, items: impl Iterator<Item = &'a Item>) -> Option<AgentErrorKind> {
    let said = || answer(items);
    match stop {
        StopReason::Refusal(text) if text.is_empty() => Some(AgentErrorKind::Refused { text: said() }),
        StopReason::Refusal(text) => Some(AgentErrorKind::Refused { text: text.clone() }),
        StopReason::MaxTokens => Some(AgentErrorKind::Truncated { partial: said() }),
        StopReason::ContentFilter => Some(AgentErrorKind::ContentFilter { partial: said() }),
        StopReason::ContextWindow => Some(AgentErrorKind::ContextWindow { partial: said() }),
        StopReason::EndTurn | StopReason::ToolCalls | StopReason::Pause | StopReason::Other(_) => None,
    }
}
