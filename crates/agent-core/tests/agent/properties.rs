//! The turn loop, driven with responses of any kind: it ends, it answers every call, and it counts.

use agentexec_agent_core::model::{ModelResponse, StopReason};
use agentexec_agent_core::transcript::{Item, Raw, ToolOutputItem, Transcript};
use agentexec_agent_core::{LoopState, OnMaxTurns, Step, TurnLoop, TurnRules};
use agentexec_runner_core::Usage;
use proptest::prelude::*;
use serde_json::json;

use crate::support::tool_call;

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![
        "[a-z]{0,8}".prop_map(Item::assistant),
        // Few ids, so that they come again in one response and from turn to turn.
        "call_[0-2]".prop_map(|id| tool_call(&id, "look", "{}")),
        Just(Item::Opaque(Raw::new("test", json!({"type": "unknown"})))),
    ];
    proptest::collection::vec(item, 0..5)
}

fn response() -> impl Strategy<Value = ModelResponse> {
    let stop = prop_oneof![
        4 => Just(StopReason::EndTurn),
        8 => Just(StopReason::ToolCalls),
        2 => Just(StopReason::Pause),
        1 => Just(StopReason::MaxTokens),
        1 => Just(StopReason::Refusal("no".into())),
        1 => Just(StopReason::Other("moon".into())),
    ];
    (items(), stop).prop_map(|(items, stop)| {
        let mut response = ModelResponse::new(items, stop);
        response.usage = Usage::new(1, 1);
        response
    })
}

fn rules() -> impl Strategy<Value = TurnRules> {
    let policy = prop_oneof![
        Just(OnMaxTurns::Fail),
        Just(OnMaxTurns::Partial),
        (0..4_u32).prop_map(|turns| OnMaxTurns::Recover { turns, prompt: None }),
    ];
    (1..6_u32, policy).prop_map(|(max_turns, policy)| TurnRules::new(max_turns, policy))
}

fn most_turns(rules: &TurnRules) -> usize {
    let more = match rules.on_max_turns {
        OnMaxTurns::Recover { turns, .. } => turns.max(1),
        _ => 0,
    };
    (rules.max_turns + more) as usize
}

fn output(call_id: &str) -> ToolOutputItem {
    ToolOutputItem::new(call_id, "look", "seen")
}

fn stored(turns: TurnLoop, rules: &TurnRules) -> TurnLoop {
    let state = turns.into_state();
    let again: LoopState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(again, state);
    TurnLoop::new(rules.clone(), again)
}

/// Whether each call has exactly one output behind it, and none was made up.
fn is_answered(transcript: &Transcript) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for item in transcript.items() {
        match item {
            Item::ToolCall(call) => open.push(&call.id),
            Item::ToolOutput(output) => match open.iter().position(|id| *id == output.call_id) {
                Some(place) => drop(open.remove(place)),
                None => return false,
            },
            _ => {}
        }
    }
    open.is_empty()
}

proptest! {
    #[test]
    fn the_loop_ends_answers_every_call_and_counts(
        rules in rules(),
        responses in proptest::collection::vec(response(), 12),
        piecemeal in any::<bool>(),
    ) {
        let mut turns = TurnLoop::new(rules.clone(), LoopState::new(Transcript::from_user("go")));
        let mut responses = responses.into_iter();
        let mut taken = 0;
        // Each turn is asked for once and its tools are called once, or call by call.
        let mut steps = 0..(2 + 6 * most_turns(&rules));
        loop {
            prop_assert!(steps.next().is_some(), "it goes on and on");
            turns = stored(turns, &rules);
            match turns.step("wrap up") {
                Ok(Step::CallModel { turn, wrap_up }) => {
                    prop_assert!(is_answered(&turns.state().transcript), "{:?}", turns.state().transcript.items());
                    prop_assert_eq!(turn as usize, taken + 1);
                    prop_assert_eq!(wrap_up, taken >= rules.max_turns as usize);
                    taken += 1;
                    prop_assert!(taken <= most_turns(&rules));
                    if turns.responded(responses.next().unwrap()).is_err() {
                        break;
                    }
                }
                Ok(Step::CallTools { calls }) => {
                    prop_assert!(!calls.is_empty());
                    let answered = if piecemeal { 1 } else { calls.len() };
                    turns.answered(calls.iter().take(answered).map(|call| output(&call.call_id)));
                }
                Ok(Step::Done(_)) => break,
                Ok(other) => panic!("{other:?}"),
                Err(_) => {
                    prop_assert_eq!(taken, most_turns(&rules), "out of turns");
                    break;
                }
            }
        }
        prop_assert!(is_answered(&turns.state().transcript), "{:?}", turns.state().transcript.items());
        prop_assert_eq!(turns.state().turns.len(), taken);
        prop_assert_eq!(turns.state().usage(), Usage::new(taken as u64, taken as u64));
    }
}
