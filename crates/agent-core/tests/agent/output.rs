//! Structured output: what has the form is taken, what has not is asked for once more.

use std::collections::BTreeMap;

use agentexec_activity_core::Status;
use agentexec_agent_core::model::StopReason;
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, Finish, OnMaxTurns, OutputFormat};
use agentexec_runner_core::{Run, RunContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Scene, add, adding, play, play_with_fallback, said};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
pub(crate) struct Total {
    pub(crate) total: i64,
}

pub(crate) const GOOD: &str = r#"{"total": 3}"#;
pub(crate) const BAD: &str = r#"{"total": "three"}"#;

fn adder() -> Agent {
    Agent::new("Adder").tool(add()).output::<Total>()
}

#[tokio::test]
async fn an_answer_of_the_form_is_a_value() {
    let seen = play(|| Scene::new(adder(), [adding(), Turn::text(GOOD)])).await;
    assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 3 });
    assert_eq!((seen.run().output.as_str(), seen.run().finish), (GOOD, Finish::Final));
    let asked: Vec<_> = seen.requests.iter().map(|asked| asked.output.clone().unwrap()).collect();
    assert!(asked.iter().all(|format| format.name() == "Total"), "each turn is asked with the form");
    assert_eq!(asked[0].schema()["required"], json!(["total"]));
}

#[tokio::test]
async fn an_answer_of_another_form_is_asked_for_again_with_what_is_wrong() {
    let seen = play(|| Scene::new(adder(), [adding(), Turn::text(BAD), Turn::text(GOOD)])).await;
    assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 3 });
    let said = seen.said();
    assert_eq!(said[said.len() - 3], format!("assistant: {BAD}"));
    let asked = &said[said.len() - 2];
    assert!(asked.starts_with("user: Your answer does not have the required form: at `total`: "), "{asked}");
    assert_eq!(seen.run().turns.len(), 3);
    assert_eq!(seen.shown(), GOOD, "what did not fit is not left on the screen");
}

#[tokio::test]
async fn a_second_answer_of_another_form_fails_the_run_with_everything_in_it() {
    for second in [BAD, ""] {
        let seen = play(|| Scene::new(adder(), [adding(), Turn::text("three"), Turn::text(second)])).await;
        match seen.kind() {
            AgentErrorKind::Output { format, text, .. } => {
                assert_eq!((format.as_str(), text.as_str()), ("Total", second));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(seen.statuses.last(), Some(&Status::Error));
        assert!(
            seen.messages.last().unwrap().contains("the model's answer is not a Total"),
            "{:?}",
            seen.messages
        );
        assert_eq!(seen.error().turns().len(), 3);
        assert_eq!(seen.shown(), "");
    }
}

#[tokio::test]
async fn who_goes_on_from_there_asks_again() {
    let scene = || Scene::new(adder(), [Turn::text("three"), Turn::text(BAD)]);
    let (seen, asked) = play_with_fallback(scene, || vec![Turn::text(GOOD)]).await;
    assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 3 });
    let told = said(&asked[0].transcript).pop().unwrap();
    assert!(told.starts_with("user: Your answer does not have the required form"), "{told}");
    assert_eq!(seen.shown(), GOOD);
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_again_and_does_not_take_all_turns() {
    let turns = || [Turn::text(""), Turn::text(""), Turn::text(GOOD)];
    let seen = play(|| Scene::new(adder(), turns())).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Output { .. }), "{:?}", seen.kind());
    assert_eq!(seen.requests.len(), 2);
}

#[tokio::test]
async fn an_answer_of_another_form_in_the_last_turn_says_so() {
    for policy in [OnMaxTurns::Fail, OnMaxTurns::Partial] {
        let agent = || adder().max_turns(1).on_max_turns(policy.clone());
        let seen = play(|| Scene::new(agent(), [Turn::text(BAD)])).await;
        assert!(matches!(seen.kind(), AgentErrorKind::Output { .. }), "{:?}", seen.kind());
    }
    let agent = || adder().max_turns(1).on_max_turns(OnMaxTurns::recover());
    let seen = play(|| Scene::new(agent(), [Turn::text(BAD), Turn::text(GOOD)])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), (GOOD, Finish::Recovered));
}

#[tokio::test]
async fn who_goes_on_from_the_last_turn_is_asked_too() {
    let recovering = OnMaxTurns::Recover { turns: 1, prompt: None };
    for (policy, turns) in [(OnMaxTurns::Fail, 1), (OnMaxTurns::Partial, 1), (recovering, 2)] {
        let agent = || adder().max_turns(1).on_max_turns(policy.clone());
        let scene = || Scene::new(agent(), (0..turns).map(|_| Turn::text(BAD)));
        let (seen, asked) = play_with_fallback(scene, || vec![Turn::text(GOOD)]).await;
        assert_eq!(asked.len(), 1, "{policy:?}");
        assert_eq!((seen.run().output.as_str(), seen.run().finish), (GOOD, Finish::Final), "{policy:?}");

        // Going on from the very state leaves no turn, and an answer without its form is nothing to complete with.
        let failed = play(scene).await;
        let state = failed.error().state().clone();
        let model = ScriptedModel::new([Turn::text(GOOD)]);
        let runner = AgentRunner::new(model);
        let again = runner.execute(&RunContext::untracked(), agent().resume_state(state)).await;
        match again {
            Ok(run) => assert_eq!(run.output, GOOD, "{policy:?}"),
            Err(error) => {
                let kept = error.error().unwrap();
                assert!(matches!(kept.kind(), AgentErrorKind::MaxTurns { .. }), "{policy:?}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_schema_is_asked_for_again() {
    let schema =
        || json!({"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]});
    let agent = || Agent::new("Adder").output_format(OutputFormat::from_schema("total", schema()).unwrap());
    let seen = play(|| Scene::new(agent(), [Turn::text(BAD), Turn::text(GOOD)])).await;
    assert_eq!((seen.run().output.as_str(), seen.shown().as_str()), (GOOD, GOOD));
    let asked = &seen.said()[2];
    assert!(asked.contains(r#"at `/total`: the value is not of type "integer""#), "{asked}");

    let seen = play(|| Scene::new(agent(), [Turn::text("42"), Turn::text("{}"), Turn::text(GOOD)])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Output { .. }), "{:?}", seen.kind());
    assert_eq!(seen.requests.len(), 2);
}

#[tokio::test]
async fn a_form_without_a_type_is_checked_by_its_owner() {
    let even = |value: &serde_json::Value| match value["total"].as_i64() {
        Some(total) if total % 2 == 0 => Ok(()),
        _ => Err("the total must be even".to_owned()),
    };
    let format = || OutputFormat::from_unchecked_schema("even", json!({"type": "object"})).check(even);
    let agent = || Agent::new("Adder").output_format(format());
    let seen = play(|| Scene::new(agent(), [Turn::text(GOOD), Turn::text(r#"{"total": 4}"#)])).await;
    assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 4 });
    assert!(seen.said()[2].contains("the total must be even"), "{:?}", seen.said());
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_taken_only_where_that_is_wanted() {
    let cut = || Turn::text("So far ").stopping(StopReason::MaxTokens);
    let seen = play(|| Scene::new(Agent::new("Talker").accept_truncated(true), [cut()])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("So far ", Finish::Truncated));
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));

    let with_call = || Turn::text("So far ").and_call("add", r#"{"a": 1"#).stopping(StopReason::MaxTokens);
    let agent = || Agent::new("Talker").tool(add()).accept_truncated(true);
    let seen = play(|| Scene::new(agent(), [with_call()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Truncated { .. }), "{:?}", seen.kind());

    // The limit went into reasoning.
    let silent = || Turn::text("").stopping(StopReason::MaxTokens);
    let seen = play(|| Scene::new(Agent::new("Thinker").accept_truncated(true), [silent()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Truncated { .. }), "{:?}", seen.kind());

    let seen = play(|| Scene::new(adder().accept_truncated(true), [cut()])).await;
    assert!(
        matches!(seen.kind(), AgentErrorKind::Truncated { .. }),
        "a form is never half: {:?}",
        seen.kind()
    );
}

/// Where every property is required, null stands for one that was left out; beside it a null may be an answer.
#[tokio::test]
async fn nulls_that_are_answers_stay_beside_nulls_for_what_was_left_out() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Stock {
        /// Null where nobody counted.
        counts: BTreeMap<String, Option<u32>>,
        #[serde(deserialize_with = "Option::deserialize")]
        seen_by: Option<String>,
        #[serde(default)]
        rows: Vec<Row>,
        #[serde(default)]
        limit: u32,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Row {
        #[serde(default)]
        n: u32,
    }
    let answer = r#"{"counts": {"a": null}, "seen_by": null, "rows": [{"n": null}], "limit": null}"#;
    let seen = play(|| Scene::new(Agent::new("Counter").output::<Stock>(), [Turn::text(answer)])).await;
    let counts = BTreeMap::from([("a".to_owned(), None)]);
    let stock = Stock { counts, seen_by: None, rows: vec![Row { n: 0 }], limit: 0 };
    assert_eq!(seen.run().parse::<Stock>().unwrap(), stock);
    assert_eq!(seen.run().output, answer, "the answer is what the model said");

    let node = json!({
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"]},
            "opt": {"type": "integer"},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["a"],
    });
    let answer = r#"{"a": null, "opt": null, "next": {"a": null, "opt": null, "next": null, "list": null},
        "list": [{"a": null, "opt": null}]}"#;
    let format = || OutputFormat::from_schema("node", node.clone()).unwrap();
    let seen = play(|| Scene::new(Agent::new("Finder").output_format(format()), [Turn::text(answer)])).await;
    assert_eq!((seen.run().output.as_str(), seen.requests.len()), (answer, 1));
}

#[tokio::test]
async fn a_null_for_what_was_left_out_is_not_what_is_wrong() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Limited {
        #[serde(default)]
        limit: u32,
        total: i64,
    }
    let wrong = r#"{"limit": null, "total": "three"}"#;
    let right = r#"{"limit": null, "total": 3}"#;
    let turns = || [Turn::text(wrong), Turn::text(right)];
    let by_schema = || {
        let schema = OutputFormat::of::<Limited>().schema().clone();
        Agent::new("Adder").output_format(OutputFormat::from_schema("limited", schema).unwrap())
    };
    for agent in [Agent::new("Adder").output::<Limited>(), by_schema()] {
        let seen = play(|| Scene::new(agent.clone(), turns())).await;
        let asked = &seen.said()[2];
        assert!(asked.contains("total") && !asked.contains("limit"), "{asked}");
        assert_eq!(seen.run().output, right);
    }
}
