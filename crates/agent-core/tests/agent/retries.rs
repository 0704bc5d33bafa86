//! Models that fail: another try, or another model, goes on from the transcript.

use std::time::Duration;

use agentexec_activity_core::Status;
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{
    Agent, AgentErrorKind, AgentRunner, Finish, ModelError, ModelErrorKind, OnMaxTurns,
};
use agentexec_runner_core::{Retry, RunExt, Usage};

use crate::support::{
    Count, Scene, Seen, add, adding, counted, overloaded, play, play_with, play_with_fallback, said,
};

/// Plays with three retries.
async fn retried(scene: impl Fn() -> Scene) -> Seen {
    play_with(scene, |model| AgentRunner::new(model).turn_retry(Retry::times(0)).retry(Retry::default()))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_run_tools_again_and_turns_and_usage_go_on() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let turns = || {
        [
            Turn::call("look", "{}").costing(10, 5),
            Turn::fail(overloaded()),
            Turn::fail(overloaded()),
            Turn::text("Seen it.").costing(20, 6),
        ]
    };
    let seen = retried(|| Scene::new(agent.clone(), turns())).await;
    assert_eq!(count.get(), 2, "once in each of the two plays");
    assert_eq!(seen.run().output, "Seen it.");
    assert_eq!(seen.run().turns.len(), 2);
    assert_eq!(seen.run().usage(), Usage::new(30, 11));
    assert_eq!(
        said(&seen.requests[3].transcript),
        ["user: How many?", "call call_1: look {}", "output call_1: seen"]
    );
    assert_eq!(seen.messages[3], "Retry 1/3: the model is overloaded (HTTP 529)");
    assert_eq!(seen.messages[4], "Retry 2/3: the model is overloaded (HTTP 529)");
    let turns: Vec<_> = seen.told().into_iter().filter(|event| event.starts_with("turn")).collect();
    assert_eq!(
        turns,
        ["turn 1", "turn 1 finished: 10+5", "turn 2", "turn 2", "turn 2", "turn 2 finished: 20+6"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_takes_no_turn() {
    let turns = || [Turn::fail(overloaded()), adding(), Turn::fail(overloaded()), Turn::text("3")];
    let seen = retried(|| Scene::new(Agent::new("Adder").tool(add()).max_turns(2), turns())).await;
    assert_eq!(seen.run().output, "3");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_for_good_keeps_what_it_did() {
    let turns = || [adding()].into_iter().chain((0..4).map(|_| Turn::fail(overloaded())));
    let seen = retried(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(seen.said().last().unwrap(), "output call_1: 3");
    assert_eq!(seen.error().usage(), Usage::new(10, 5));
    assert_eq!(seen.error().model_error().unwrap().status(), Some(529));
    assert_eq!(seen.messages.last().unwrap(), "Failed after 3 retries: the model is overloaded (HTTP 529)");
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_stays_is_not_tried_again() {
    let refused = || ModelError::new(ModelErrorKind::Authentication, "the key is wrong").with_status(401);
    let seen = retried(|| Scene::new(Agent::new("Adder"), [Turn::fail(refused())])).await;
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.messages.last().unwrap(), "Task failed with error: the key is wrong (HTTP 401)");
}

#[tokio::test]
async fn the_log_has_the_chain_of_causes() {
    let cut = || {
        let cause = std::io::Error::other("connection reset");
        ModelError::new(ModelErrorKind::Unreachable, "no answer from the model").with_source(cause)
    };
    let seen = play(|| Scene::new(Agent::new("Adder"), [Turn::fail(cut())])).await;
    assert_eq!(
        seen.messages.last().unwrap(),
        "Task failed with error: no answer from the model: connection reset"
    );
    assert_eq!(seen.error().to_string(), "no answer from the model");
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_try_has_streamed_is_retracted() {
    let turns = || [Turn::text("There are se").then_fail(overloaded()), Turn::text("There are 7.")];
    let seen = retried(|| Scene::new(Agent::new("Counter"), turns())).await;
    assert_eq!(seen.shown(), "There are 7.");
    assert_eq!(
        seen.told(),
        [
            "started",
            "turn 1",
            "text: There ",
            "text: are ",
            "text: se",
            "retracted 1",
            "progress -: Retry 1/3: the model is overloaded (HTTP 529)",
            "retrying 1/3",
            "turn 1",
            "text: There ",
            "text: are ",
            "text: 7.",
            "turn 1 finished: 0+0",
            "finished: complete",
        ]
    );
    assert_eq!(seen.said(), ["user: How many?", "assistant: There are 7."]);
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_retract_where_nothing_was_streamed() {
    let turns = || [Turn::fail(overloaded()), Turn::text("7")];
    let seen = retried(|| Scene::new(Agent::new("Counter"), turns())).await;
    assert!(!seen.told().contains(&"retracted 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_before_its_end_is_tried_again() {
    let turns = || [Turn::text("There are se").then_cut(), Turn::text("There are 7.")];
    let seen = retried(|| Scene::new(Agent::new("Counter"), turns())).await;
    assert_eq!(seen.run().output, "There are 7.");
    assert_eq!(seen.shown(), "There are 7.");

    let once = |model| AgentRunner::new(model).turn_retry(Retry::times(0));
    let cut = || [Turn::text("There are se").then_cut()];
    let seen = play_with(|| Scene::new(Agent::new("Counter"), cut()), once).await;
    assert_eq!(seen.error().model_error().unwrap().kind(), ModelErrorKind::StreamCut);
    assert_eq!(seen.error().to_string(), "the answer of scripted:model ended before it was complete");
    assert_eq!(seen.said(), ["user: How many?"], "half an answer is none");
}

#[tokio::test]
async fn another_model_goes_on_from_the_transcript() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let turns = || [Turn::call("look", "{}").costing(10, 5), Turn::text("I s").then_fail(overloaded())];
    let scene = || Scene::new(agent.clone(), turns());
    let (seen, asked) = play_with_fallback(scene, || vec![Turn::text("Seen it.").costing(1, 1)]).await;
    assert_eq!(
        said(&asked[0].transcript),
        ["user: How many?", "call call_1: look {}", "output call_1: seen"]
    );
    assert_eq!(count.get(), 2, "once in each of the two plays");
    assert_eq!(seen.run().output, "Seen it.");
    assert_eq!(seen.run().usage(), Usage::new(11, 6));
    assert_eq!(seen.shown(), "Seen it.");
    assert_eq!(
        seen.messages[3..],
        [
            "Primary model failed, using fallback: the model is overloaded (HTTP 529)",
            "Completed with fallback model",
        ]
    );
}

#[tokio::test]
async fn another_model_gets_turns_of_its_own_when_the_first_used_up_its() {
    let scene = || Scene::new(Agent::new("Adder").tool(add()).max_turns(2), [adding(), adding()]);
    let (seen, asked) = play_with_fallback(scene, || vec![adding(), Turn::text("9")]).await;
    assert_eq!(said(&asked[0].transcript).len(), 5, "two turns were taken before");
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("9", Finish::Final));
    assert_eq!(seen.run().turns.len(), 4);

    let (seen, asked) = play_with_fallback(scene, || vec![adding(), adding(), adding()]).await;
    assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { max_turns: 2, .. }), "{:?}", seen.kind());
    assert_eq!(asked.len(), 2);
    assert_eq!(seen.error().turns().len(), 4);
}

/// A model that was told to wrap up and did not is no reason to keep the tools from another.
#[tokio::test]
async fn another_model_has_the_tools_where_the_first_could_not_wrap_up() {
    let policy = OnMaxTurns::Recover { turns: 1, prompt: None };
    let agent = Agent::new("Adder").tool(add()).max_turns(1).on_max_turns(policy);
    let scene = || Scene::new(agent.clone(), [adding(), adding()]);
    let (seen, asked) = play_with_fallback(scene, || vec![Turn::text("3")]).await;
    assert_eq!(asked[0].tools, ["add"]);
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("3", Finish::Final));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_took_too_long_goes_on_from_its_transcript() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let turns = || [Turn::call("look", "{}"), Turn::text("I s").then_never(), Turn::text("Seen it.")];
    let runner = |model| AgentRunner::new(model).timeout(Duration::from_secs(10)).retry(Retry::times(1));
    let seen = play_with(|| Scene::new(agent.clone(), turns()), runner).await;
    assert_eq!(seen.run().output, "Seen it.");
    assert_eq!(count.get(), 2, "once in each of the two plays");
    assert_eq!(seen.shown(), "Seen it.");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_hands_back_what_was_done() {
    let turns = || [adding(), Turn::text("It i").then_never()];
    let runner = |model| AgentRunner::new(model).timeout(Duration::from_secs(10));
    let seen = play_with(|| Scene::new(Agent::new("Adder").tool(add()), turns()), runner).await;
    assert!(seen.outcome.as_ref().unwrap_err().run_error().unwrap().is_timed_out());
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert_eq!(seen.said().last().unwrap(), "output call_1: 3");
    assert_eq!(seen.shown(), "");
    assert_eq!(seen.messages.last().unwrap(), "Task timed out after 10s.");
}
