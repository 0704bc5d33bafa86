//! The limit of turns, and the three things that can happen there.

use agentexec_activity_core::{Activities, MemoryStore, Messages, Status};
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::transcript::Item;
use agentexec_agent_core::{
    Agent, AgentErrorKind, AgentRunner, Finish, ModelError, ModelErrorKind, OnMaxTurns,
};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Lifecycle, Prompts, Run, RunContext, RunExt, Usage, prompts};
use agentexec_tools::report_status;

use crate::support::{Count, Scene, add, adding, counted, play, play_with, said};

fn limited(policy: OnMaxTurns) -> Agent {
    Agent::new("Adder").tool(add()).tool(report_status()).max_turns(2).on_max_turns(policy)
}

#[tokio::test]
async fn fail_runs_the_tools_of_the_last_turn_and_hands_everything_back() {
    let seen = play(|| Scene::new(limited(OnMaxTurns::Fail), [adding(), adding()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 2, .. }), "{:?}", seen.kind());
    let add = |id: &str| [format!(r#"call {id}: add {{"a": 1, "b": 2}}"#), format!("output {id}: 3")];
    assert_eq!(seen.said()[1..], [add("call_1"), add("call_2")].concat());
    assert_eq!(seen.error().usage(), Usage::new(20, 10));
    assert_eq!(seen.error().turns().len(), 2);
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
    assert_eq!(
        seen.messages.last().unwrap(),
        "Task failed with error: the agent reached its limit of turns (2) without a final answer; raise \
         max_turns or let it recover"
    );
    assert_eq!(seen.requests.len(), 2);
}

#[tokio::test]
async fn partial_completes_with_what_the_model_said_last() {
    let turns = || [Turn::text("So far 3. ").and_call("add", r#"{"a": 1, "b": 2}"#), adding()];
    let seen = play(|| Scene::new(limited(OnMaxTurns::Partial), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("So far 3. ", Finish::MaxTurns));
    assert_eq!(seen.said().last().unwrap(), "output call_2: 3", "the tools of the last turn ran");
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));
    assert_eq!(seen.messages.last().unwrap(), "Max turns reached");
    assert_eq!(seen.percentages.last(), Some(&100));
}

#[tokio::test]
async fn the_last_text_is_all_that_was_said_in_that_response() {
    let turns = || {
        [
            Turn::text("Old."),
            Turn::text("First, ").and_item(Item::assistant("second.")).and_item(Item::assistant("")),
        ]
        .map(|turn| turn.and_call("add", r#"{"a": 1, "b": 2}"#))
    };
    let seen = play(|| Scene::new(limited(OnMaxTurns::Partial), turns())).await;
    assert_eq!(seen.run().output, "First, second.");

    let seen = play(|| Scene::new(limited(OnMaxTurns::Partial), [adding(), adding()])).await;
    assert_eq!(seen.run().output, "", "nothing was said");
}

#[tokio::test]
async fn an_answer_in_the_last_turn_is_an_answer() {
    for policy in [OnMaxTurns::Fail, OnMaxTurns::Partial, OnMaxTurns::recover()] {
        let seen = play(|| Scene::new(limited(policy.clone()), [adding(), Turn::text("3")])).await;
        assert_eq!((seen.run().output.as_str(), seen.run().finish), ("3", Finish::Final));
        assert_eq!(seen.messages.last().unwrap(), "Task completed successfully.");
    }
}

#[tokio::test]
async fn recover_asks_for_an_answer_with_the_report_tool_alone() {
    let report = r#"{"message": "Wrapping up", "percentage": 95}"#;
    let turns = || {
        [
            adding(),
            adding(),
            Turn::call("report_activity", report).and_call("add", r#"{"a": 1, "b": 2}"#),
            Turn::text("About 3."),
        ]
    };
    let seen = play(|| Scene::new(limited(OnMaxTurns::recover()), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("About 3.", Finish::Recovered));
    assert_eq!(seen.run().turns.len(), 4);
    assert_eq!(seen.requests[1].tools, ["add", "report_activity"]);
    assert_eq!(seen.requests[2].tools, ["report_activity"]);
    assert_eq!(said(&seen.requests[2].transcript)[5], format!("user: {}", prompts::WRAP_UP));
    assert_eq!(
        seen.said()[8..10],
        [
            "output call_3: Status updated",
            "output call_4!: There is no tool named 'add'. The tools are: report_activity.",
        ]
    );
    assert!(seen.messages.contains(&"Wrapping up".to_owned()));
    assert_eq!(seen.statuses.last(), Some(&Status::Complete));
    assert_eq!(seen.messages.last().unwrap(), "Task completed successfully.");
    assert!(seen.told().contains(&"recovering 5".to_owned()));
}

#[tokio::test]
async fn an_agent_without_the_report_tool_recovers_without_tools() {
    let agent = Agent::new("Adder").tool(add()).max_turns(1).on_max_turns(OnMaxTurns::recover());
    let seen = play(|| Scene::new(agent.clone(), [adding(), Turn::text("3")])).await;
    assert_eq!(seen.run().finish, Finish::Recovered);
    assert!(seen.requests[1].tools.is_empty());
}

#[tokio::test]
async fn a_recovery_that_never_ends_fails() {
    let policy = OnMaxTurns::Recover { turns: 3, prompt: None };
    let seen = play(|| Scene::new(limited(policy.clone()), (0..9).map(|_| adding()))).await;
    assert_eq!(seen.requests.len(), 5, "two turns, and three to recover");
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 2, .. }), "{:?}", seen.kind());
    assert_eq!(
        seen.error().to_string(),
        "the agent reached its limit of turns (2, and 3 to wrap up) without a final answer; raise max_turns"
    );
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
    let asked_to_wrap_up = seen.said().iter().filter(|item| item.ends_with(prompts::WRAP_UP)).count();
    assert_eq!(asked_to_wrap_up, 1);
}

#[tokio::test]
async fn no_turns_to_recover_are_one() {
    let policy = OnMaxTurns::Recover { turns: 0, prompt: None };
    let seen = play(|| Scene::new(limited(policy.clone()), [adding(), adding(), Turn::text("3")])).await;
    assert_eq!(seen.run().finish, Finish::Recovered);
}

#[tokio::test]
async fn the_wrap_up_prompt_is_the_agents_else_the_runs() {
    let own = OnMaxTurns::Recover { turns: 5, prompt: Some("Stop now.".into()) };
    for (policy, prompt) in [(own, "user: Stop now."), (OnMaxTurns::recover(), "user: Finish, please.")] {
        let model = ScriptedModel::new([adding(), adding(), Turn::text("3")]);
        let activities = Activities::new(MemoryStore::new());
        let mut prompts = Prompts::default();
        prompts.wrap_up = "Finish, please.".into();
        let runner = AgentRunner::new(model.clone()).tracked(Lifecycle::new(&activities).prompts(prompts));
        let id = activities.create("sum").await.unwrap();
        runner.run(id, limited(policy).input("?")).await.unwrap();
        assert_eq!(said(&model.requests()[2].transcript)[5], prompt);
    }
}

#[tokio::test]
async fn the_runner_says_what_the_agent_does_not() {
    let runner = |model| AgentRunner::new(model).max_turns(1).on_max_turns(OnMaxTurns::Partial);
    let agent = || Agent::new("Adder").tool(add());
    let seen = play_with(|| Scene::new(agent(), [adding()]), runner).await;
    assert_eq!((seen.run().finish, seen.run().turns.len()), (Finish::MaxTurns, 1));

    let own = || agent().max_turns(2).on_max_turns(OnMaxTurns::Fail);
    let seen = play_with(|| Scene::new(own(), [adding(), adding()]), runner).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 2, .. }), "{:?}", seen.kind());
}

#[tokio::test]
async fn no_turns_are_one() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen")).max_turns(0);
    let seen = play(|| Scene::new(agent.clone(), [Turn::call("look", "{}")])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 1, .. }), "{:?}", seen.kind());
    assert_eq!(count.get(), 2, "once in each of the two plays");
}

/// The message says what happened, and belongs to whoever runs the service.
#[tokio::test]
async fn the_message_of_partial_can_be_set() {
    let store = MemoryStore::new();
    let messages = Messages::from_lookup(|key| key.ends_with("MAX_TURNS").then(|| "Out of turns".into()));
    let activities = Activities::builder(store.clone()).messages(messages).build();
    let id = activities.create("sum").await.unwrap();
    let runner = AgentRunner::new(ScriptedModel::new([adding(), adding()])).tracked(&activities);
    runner.run(id, limited(OnMaxTurns::Partial).input("?")).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), "Out of turns");
}

#[tokio::test]
async fn partial_never_answers_with_what_was_said_before_the_question() {
    let agent = limited(OnMaxTurns::Partial);
    let earlier = [Item::user("One?"), Item::assistant("It is 1."), Item::user("Two?")].into_iter().collect();
    let runner = AgentRunner::new(ScriptedModel::new([adding(), adding()]));
    let run = runner.execute(&RunContext::untracked(), agent.resume(earlier)).await.unwrap();
    assert_eq!((run.output.as_str(), run.finish), ("", Finish::MaxTurns));
}

#[tokio::test]
async fn a_fallback_that_used_up_its_turns_says_so() {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let down = ModelError::new(ModelErrorKind::Overloaded, "overloaded");
    let primary = AgentRunner::new(ScriptedModel::new([Turn::fail(down)]));
    let other = AgentRunner::new(ScriptedModel::new([adding(), adding()]));
    let id = activities.create("test").await.unwrap();
    let runner = primary.fallback(other).tracked(&activities);
    runner.run(id, limited(OnMaxTurns::Partial).input("Go")).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), "Max turns reached");
}
