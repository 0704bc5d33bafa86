//! The turn loop over the protocol: what is final, what counts, and when it ends.

use agentexec_agent_core::model::{ModelErrorKind, ToolChoice};
use agentexec_agent_core::transcript::Transcript;
use agentexec_agent_core::{Agent, AgentErrorKind, DEFAULT_MAX_TURNS, Finish, OnMaxTurns, OnToolUse};
use agentexec_runner_claude::RetryPolicy;
use serde_json::{Value, json};

use crate::support::{Answer, Reply, both, error, play, play_with};
use crate::tools::{Count, add, counted};

const ADD: (&str, &str, &str) = ("toolu_1", "add", r#"{"a": 1, "b": 2}"#);

fn adding() -> Answer {
    Answer::calls([ADD])
}

fn adder() -> Agent {
    Agent::new("Adder").tool(add())
}

#[tokio::test]
async fn text_without_a_call_is_the_final_output() {
    both(async |streaming| {
        let seen = play(streaming, &adder(), [Answer::text("Hello.")]).await;
        let run = seen.run();
        assert_eq!((&*run.output, run.finish, run.turns.len()), ("Hello.", Finish::Final, 1));
        assert_eq!(seen.shown(), "Hello.");
    })
    .await;
}

#[tokio::test]
async fn text_beside_a_call_is_not_final() {
    both(async |streaming| {
        let mut first = adding();
        first.content.insert(0, json!({"type": "text", "text": "Let me add."}));
        let seen = play(streaming, &adder(), [first, Answer::text("It is 3.")]).await;
        assert_eq!((&*seen.run().output, seen.run().turns.len()), ("It is 3.", 2));
        let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"});
        let mut sent = seen.newest()["content"][0].clone();
        sent.as_object_mut().unwrap().remove("cache_control");
        assert_eq!(sent, result);
    })
    .await;
}

#[tokio::test]
async fn each_response_is_a_turn_and_there_are_ten() {
    both(async |streaming| {
        let answers = (0..DEFAULT_MAX_TURNS + 1)
            .map(|turn| Answer::calls([(&*format!("toolu_{turn}"), "add", r#"{"a": 1, "b": 2}"#)]));
        let seen = play(streaming, &adder(), answers).await;
        assert_eq!((seen.run().finish, seen.bodies.len()), (Finish::MaxTurns, 10));
        assert_eq!(seen.run().turns.len(), 10);
    })
    .await;
}

/// An agent of one turn that calls a tool in it, and then what is asked for.
async fn at_the_limit(streaming: bool, policy: OnMaxTurns) -> (crate::support::Seen, usize) {
    let ran = Count::default();
    let agent = Agent::new("Adder").tool(counted("add", &ran, "3")).max_turns(1).on_max_turns(policy);
    let mut first = adding();
    first.content.insert(0, json!({"type": "text", "text": "Let me add."}));
    let seen = play(streaming, &agent, [first, Answer::text("Summed up.")]).await;
    (seen, ran.get())
}

#[tokio::test]
async fn at_the_limit_of_turns_the_tools_run_and_the_run_fails_with_its_work() {
    both(async |streaming| {
        let (seen, ran) = at_the_limit(streaming, OnMaxTurns::Fail).await;
        assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 1, .. }), "{:?}", seen.kind());
        assert_eq!((ran, seen.bodies.len()), (1, 1));
        assert!(seen.transcript().open_calls().is_empty());
        assert_eq!(seen.error().usage().output_tokens, 20);
    })
    .await;
}

#[tokio::test]
async fn at_the_limit_of_turns_the_run_completes_with_what_there_is() {
    both(async |streaming| {
        let (seen, ran) = at_the_limit(streaming, OnMaxTurns::Partial).await;
        assert_eq!((&*seen.run().output, seen.run().finish, ran), ("Let me add.", Finish::MaxTurns, 1));
        assert_eq!(seen.messages.last().unwrap(), "Max turns reached");
    })
    .await;
}

#[tokio::test]
async fn at_the_limit_of_turns_the_model_wraps_up() {
    both(async |streaming| {
        let (seen, ran) = at_the_limit(streaming, OnMaxTurns::recover()).await;
        assert_eq!((&*seen.run().output, seen.run().finish, ran), ("Summed up.", Finish::Recovered, 1));
        let last = seen.newest()["content"].as_array().unwrap();
        assert_eq!((&last[0]["type"], &last[1]["type"]), (&json!("tool_result"), &json!("text")));
        assert_eq!(seen.bodies[1].get("tools"), None);
    })
    .await;
}

#[tokio::test]
async fn a_demand_for_tools_holds_until_tools_were_called_once() {
    both(async |streaming| {
        for (choice, sent) in [
            (ToolChoice::Required, json!({"type": "any"})),
            (ToolChoice::Tool("add".into()), json!({"type": "tool", "name": "add"})),
        ] {
            let agent = adder().tool_choice(choice);
            let seen = play(streaming, &agent, [adding(), Answer::text("It is 3.")]).await;
            assert_eq!(seen.run().output, "It is 3.");
            assert_eq!(seen.bodies[0]["tool_choice"], sent);
            assert_eq!(seen.bodies[1].get("tool_choice"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_error_after_tools_ran_does_not_run_them_again() {
    both(async |streaming| {
        let ran = Count::default();
        let agent = Agent::new("Adder").tool(counted("add", &ran, "3"));
        let busy = || Reply::from(error(529, "overloaded_error", "Overloaded"));
        let end = || Reply::from(Answer::text("It is 3."));
        let seen = play(streaming, &agent, [adding().into(), busy(), busy(), end()]).await;
        assert_eq!((&*seen.run().output, ran.get()), ("It is 3.", 1));
        assert_eq!(seen.bodies[1], seen.bodies[3], "the same request again");

        let without_retries = |claude: agentexec_runner_claude::Claude| claude.retry(RetryPolicy::none());
        let seen = play_with(streaming, agent.input("Go"), [adding().into(), busy()], without_retries).await;
        assert_eq!(seen.model_error(), (ModelErrorKind::Overloaded, Some(529)));
        let transcript: Transcript = seen.transcript().clone();
        let seen = play_with(streaming, agent.resume(transcript), [end()], |claude| claude).await;
        assert_eq!((&*seen.run().output, ran.get()), ("It is 3.", 2), "once in each run");
        assert_eq!(seen.bodies[0]["messages"].as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn usage_is_summed_over_the_run_and_kept_for_each_turn() {
    both(async |streaming| {
        let seen = play(streaming, &adder(), [adding(), Answer::text("It is 3.")]).await;
        let usage = seen.run().usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (222, 40));
        assert_eq!((usage.cached_tokens, usage.cache_write_tokens), (200, 2));
        assert_eq!(usage.reasoning_tokens, 10);
        let per_turn: Vec<(u64, u64)> = seen
            .run()
            .turns
            .iter()
            .map(|turn| (turn.usage.input_tokens, turn.usage.reasoning_tokens))
            .collect();
        assert_eq!(per_turn, [(111, 5), (111, 5)]);
        assert_eq!(seen.run().turns[0].request_id.as_deref(), Some("req_test"));
    })
    .await;
}

#[tokio::test]
async fn a_run_may_end_with_what_a_tool_answered() {
    both(async |streaming| {
        for policy in [OnToolUse::Stop, OnToolUse::StopAt(vec!["add".into()])] {
            let seen = play(streaming, &adder().on_tool_use(policy), [adding()]).await;
            assert_eq!((&*seen.run().output, seen.run().finish), ("3", Finish::Tool));
            assert_eq!((seen.bodies.len(), seen.run().transcript.open_calls().len()), (1, 0));
        }
    })
    .await;
}

/// Requests of a run as the server saw them: what came before stands at the beginning of each, as it was.
#[tokio::test]
async fn each_request_of_a_run_begins_with_the_one_before() {
    both(async |streaming| {
        let thought = json!({"type": "thinking", "thinking": "Hm", "signature": "s"});
        let turns = (0..4).map(|turn| {
            let mut answer = Answer::calls([(&*format!("toolu_{turn}"), "add", r#"{"a": 1, "b": 2}"#)]);
            answer.content.insert(0, thought.clone());
            answer
        });
        let agent = adder().instructions("Add.");
        let seen = play(streaming, &agent, turns.chain([Answer::text("Done.")])).await;
        let unmarked: Vec<Value> = seen.bodies.iter().cloned().map(without_breakpoints).collect();
        for turns in unmarked.windows(2) {
            for fixed in ["tools", "system", "model", "max_tokens"] {
                assert_eq!(turns[0][fixed].to_string(), turns[1][fixed].to_string());
            }
            let [before, now] = [0, 1].map(|turn| turns[turn]["messages"].to_string());
            assert!(now.starts_with(before.strip_suffix(']').unwrap()), "{before}\n{now}");
        }
        for body in &seen.bodies {
            assert!(body.to_string().matches("cache_control").count() <= 4);
        }
    })
    .await;
}

fn without_breakpoints(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_breakpoints).collect(),
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| name != "cache_control");
            kept.map(|(name, value)| (name, without_breakpoints(value))).collect()
        }
        other => other,
    }
}
