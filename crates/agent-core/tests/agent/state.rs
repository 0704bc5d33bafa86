//! A run that is stored after any step, and gone on with elsewhere.

use agentexec_agent_core::model::{ModelRequest, ModelResponse};
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::transcript::{ToolOutputItem, Transcript};
use agentexec_agent_core::{
    Agent, AgentRun, AgentRunner, LoopState, Model, ModelEvent, OnMaxTurns, Step, TurnLoop, TurnRules,
};
use agentexec_runner_core::{Run, RunContext};
use agentexec_tools::{ToolSet, report_status};
use futures_util::TryStreamExt;

use crate::support::{Count, QUESTION, add, counted, tool_call};

/// The steps of a run, in the caller's hands.
struct ByHand {
    turns: TurnLoop,
    model: ScriptedModel,
    tools: ToolSet,
}

impl ByHand {
    fn rules() -> TurnRules {
        TurnRules::new(2, OnMaxTurns::recover())
    }

    fn script() -> Vec<Turn> {
        let report = r#"{"message": "Wrapping up", "percentage": 95}"#;
        let adding = |id| tool_call(id, "add", r#"{"a": 2, "b": 3}"#);
        vec![
            Turn::text("Let me add. ").and_item(adding("a")).and_item(adding("b")).costing(1, 2),
            Turn::default().and_item(adding("c")),
            Turn::default().and_item(tool_call("d", "report_activity", report)),
            Turn::text("It is 5."),
        ]
    }

    fn agent() -> Agent {
        let rules = Self::rules();
        let agent = Agent::new("Adder").tool(add()).tool(report_status());
        agent.max_turns(rules.max_turns).on_max_turns(rules.on_max_turns)
    }

    fn new() -> Self {
        Self {
            turns: TurnLoop::new(Self::rules(), LoopState::new(Transcript::from_user(QUESTION))),
            model: ScriptedModel::new(Self::script()),
            tools: ToolSet::new([add(), report_status()]).unwrap(),
        }
    }

    /// Takes one step; whether there is another.
    async fn step(&mut self) -> bool {
        match self.turns.step(&RunContext::untracked().prompts().wrap_up).unwrap() {
            Step::CallModel { .. } => {
                let response = self.ask().await;
                self.turns.responded(response).unwrap();
                true
            }
            Step::CallTools { calls } => {
                let cx = RunContext::untracked();
                for call in calls {
                    let (call_id, name) = (call.call_id.clone(), call.name.clone());
                    let output = self.tools.dispatch(&cx, call).await.unwrap();
                    self.turns.answered([ToolOutputItem {
                        call_id,
                        name,
                        output: output.text,
                        is_error: output.is_error,
                        media: Vec::new(),
                    }]);
                }
                true
            }
            Step::Done(_) => false,
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&self) -> ModelResponse {
        let request = ModelRequest::new(self.turns.state().transcript.items());
        let events: Vec<_> = self.model.respond(request).try_collect().await.unwrap();
        match events.into_iter().last() {
            Some(ModelEvent::Completed(response)) => *response,
            other => panic!("{other:?}"),
        }
    }
}

/// The rest of the run, by a runner that has never seen it, from the state as it was stored.
async fn go_on(state: &LoopState, taken: usize) -> AgentRun {
    let stored = serde_json::to_string(state).unwrap();
    let state: LoopState = serde_json::from_str(&stored).unwrap();
    let rest = ByHand::script().into_iter().skip(taken);
    let runner = AgentRunner::new(ScriptedModel::new(rest));
    runner.execute(&RunContext::untracked(), ByHand::agent().resume_state(state)).await.unwrap()
}

#[tokio::test]
async fn a_run_that_was_stored_after_any_step_comes_to_the_same_end() {
    let whole = go_on(&LoopState::new(Transcript::from_user(QUESTION)), 0).await;
    assert_eq!((whole.output.as_str(), whole.turns.len()), ("It is 5.", 4));
    let mut by_hand = ByHand::new();
    let mut steps = 0;
    while by_hand.step().await {
        let taken = by_hand.model.requests().len();
        assert_eq!(go_on(by_hand.turns.state(), taken).await, whole, "after step {steps}");
        steps += 1;
    }
    assert_eq!(steps, 7, "four responses, three times tools");
}

#[tokio::test]
async fn a_run_that_was_over_is_over() {
    let model = ScriptedModel::new([Turn::text("7")]);
    let mut by_hand = ByHand { model, ..ByHand::new() };
    while by_hand.step().await {}
    let silent = ScriptedModel::new([]);
    let input = Agent::new("Counter").resume_state(by_hand.turns.into_state());
    let run = AgentRunner::new(silent.clone()).execute(&RunContext::untracked(), input).await.unwrap();
    assert_eq!(run.output, "7");
    assert!(silent.requests().is_empty());
}

/// The process died between the response and the tools, or while they ran.
#[tokio::test]
async fn calls_that_were_open_are_carried_out() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let mut turns =
        TurnLoop::new(TurnRules::new(10, OnMaxTurns::Fail), LoopState::new(Transcript::default()));
    let model = ScriptedModel::new([Turn::call("look", "{}").and_call("look", "{}"), Turn::text("Seen.")]);
    let events: Vec<_> = model.respond(ModelRequest::new(&[])).try_collect().await.unwrap();
    let Some(ModelEvent::Completed(response)) = events.into_iter().last() else { panic!() };
    turns.responded(*response).unwrap();
    turns.answered([ToolOutputItem {
        call_id: "call_1".into(),
        name: "look".into(),
        output: "seen before".into(),
        is_error: false,
        media: Vec::new(),
    }]);
    let run = AgentRunner::new(model)
        .execute(&RunContext::untracked(), agent.resume_state(turns.into_state()))
        .await
        .unwrap();
    assert_eq!(run.output, "Seen.");
    assert_eq!(count.get(), 1, "the first of the two was answered already");
    assert_eq!(run.turns.len(), 2);
}

#[test]
fn a_state_of_a_newer_program_is_refused_with_the_way_out() {
    let newer = |from: &str, to: &str| {
        let stored = serde_json::to_string(&LoopState::new(Transcript::from_user(QUESTION))).unwrap();
        assert!(stored.contains(from), "{stored}");
        serde_json::from_str::<LoopState>(&stored.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let error = newer(r#"{"version":1,"transcript""#, r#"{"version":2,"transcript""#);
    assert!(error.contains("the state has version 2, this program reads up to 1; update it"), "{error}");
    let error = newer(r#"{"version":1,"items""#, r#"{"version":2,"items""#);
    assert!(error.contains("the transcript has version 2, this program reads up to 1; update it"), "{error}");
}

/// Whoever stores states will read them with later versions of this crate.
#[test]
fn the_stored_form_is_what_it_was() {
    let stored = r#"{
        "version": 1,
        "transcript": {"version": 1, "items": [
            {"type": "user", "content": [{"type": "text", "text": "How many?"}]},
            {"type": "tool_call", "id": "call_1", "name": "add", "arguments": "{}"},
            {"type": "tool_output", "call_id": "call_1", "name": "add", "output": "3"}
        ]},
        "turns": [{"usage": {"input_tokens": 3}, "tool_calls": 1, "model": null, "request_id": null}],
        "counted": 1,
        "phase": "ask",
        "recovering": null
    }"#;
    let state: LoopState = serde_json::from_str(stored).unwrap();
    let mut turns = TurnLoop::new(TurnRules::new(2, OnMaxTurns::Fail), state);
    assert_eq!(turns.step("").unwrap(), Step::CallModel { turn: 2, wrap_up: false });
    assert_eq!(turns.state().usage().input_tokens, 3);
}
