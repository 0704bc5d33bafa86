//! Run events as JSON: what a program that reads them line by line can rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use agentexec_activity_core::{AgentId, Attempt, Percent, Status};
use agentexec_runner_core::{RunEvent, Usage};
use serde_json::{Value, json};

fn usage() -> Usage {
    let mut usage = Usage::new(100, 20);
    (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) = (60, 10, 5);
    usage
}

fn every_event() -> Vec<(RunEvent, Value)> {
    let id = AgentId::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0001);
    vec![
        (
            RunEvent::RunStarted { id, attempt: Attempt::new(2) },
            json!({"type": "run_started", "id": "018f0000-0000-7000-8000-000000000001", "attempt": 2}),
        ),
        (
            RunEvent::Progress { message: "Reading".into(), percentage: Some(Percent::clamped(30)) },
            json!({"type": "progress", "message": "Reading", "percentage": 30}),
        ),
        (
            RunEvent::Progress { message: "Reading".into(), percentage: None },
            json!({"type": "progress", "message": "Reading", "percentage": null}),
        ),
        (RunEvent::TurnStarted { turn: 1 }, json!({"type": "turn_started", "turn": 1})),
        (RunEvent::TextDelta { text: "Hel".into() }, json!({"type": "text_delta", "text": "Hel"})),
        (RunEvent::ReasoningDelta { text: "Hm".into() }, json!({"type": "reasoning_delta", "text": "Hm"})),
        (
            RunEvent::ToolCallStarted { call_id: "c1".into(), name: "search".into() },
            json!({"type": "tool_call_started", "call_id": "c1", "name": "search"}),
        ),
        (
            RunEvent::ToolCallArguments { call_id: "c1".into(), delta: "{\"q".into() },
            json!({"type": "tool_call_arguments", "call_id": "c1", "delta": "{\"q"}),
        ),
        (
            RunEvent::ToolCallFinished {
                call_id: "c1".into(),
                name: "search".into(),
                output: "3 hits".into(),
                is_error: false,
            },
            json!({"type": "tool_call_finished", "call_id": "c1", "name": "search", "output": "3 hits",
                "is_error": false}),
        ),
        (
            RunEvent::TurnFinished { turn: 1, usage: usage() },
            json!({"type": "turn_finished", "turn": 1, "usage": {"input_tokens": 100, "output_tokens": 20,
                "cached_tokens": 60, "cache_write_tokens": 10, "reasoning_tokens": 5}}),
        ),
        (RunEvent::Heartbeat, json!({"type": "heartbeat"})),
        (
            RunEvent::Retrying { retry: 1, retries: 3, delay_ms: 250, error: "busy".into() },
            json!({"type": "retrying", "retry": 1, "retries": 3, "delay_ms": 250, "error": "busy"}),
        ),
        (RunEvent::FellBack { error: "busy".into() }, json!({"type": "fell_back", "error": "busy"})),
        (RunEvent::Untranslated { items: 2 }, json!({"type": "untranslated", "items": 2})),
        (RunEvent::Recovering { turns: 2 }, json!({"type": "recovering", "turns": 2})),
        (RunEvent::Retracted { turn: 1 }, json!({"type": "retracted", "turn": 1})),
        (
            RunEvent::RunFinished { status: Status::Complete },
            json!({"type": "run_finished", "status": "complete"}),
        ),
        (
            RunEvent::custom("agent_action", json!({"tool": "search"})),
            json!({"type": "custom", "kind": "agent_action", "payload": {"tool": "search"}}),
        ),
    ]
}

#[test]
fn every_event_has_the_documented_json_and_comes_back_from_it() {
    for (event, json) in every_event() {
        assert_eq!(serde_json::to_value(&event).unwrap(), json);
        assert_eq!(serde_json::from_value::<RunEvent>(json).unwrap(), event);
    }
}

#[test]
fn every_event_that_there_is_was_looked_at() {
    // The refusal of an unknown type names all that there are.
    let unknown = serde_json::from_value::<RunEvent>(json!({"type": "?"})).unwrap_err().to_string();
    let looked_at = every_event();
    let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 10, "{unknown}");
    for known in known {
        assert!(looked_at.iter().any(|(_, json)| json["type"] == known), "{known} is not looked at");
    }
}

#[test]
fn usage_that_leaves_numbers_out_counts_them_as_none() {
    let usage: Usage = serde_json::from_value(json!({"input_tokens": 7})).unwrap();
    assert_eq!(usage, Usage::new(7, 0));
}
