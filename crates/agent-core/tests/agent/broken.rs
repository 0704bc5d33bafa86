//! Responses that had begun and broke off: asked for again within the run, and never shown twice.

use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, Scope, Status};
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{Agent, AgentErrorKind, AgentRunner, ModelError, ModelErrorKind};
use agentexec_runner_core::Retry;

use crate::support::{Count, Scene, add, adding, counted, overloaded, play, play_beside, play_with, said};

fn counter() -> Agent {
    Agent::new("Counter").tool(add())
}

fn silent() -> ModelError {
    ModelError::new(ModelErrorKind::Timeout, "no byte for 60 s").with_status(200)
}

#[tokio::test(start_paused = true)]
async fn a_response_that_broke_off_is_asked_for_again_and_shown_once() {
    let turns = || [adding(), Turn::text("There a").then_cut(), Turn::text("There are 3.").costing(1, 1)];
    let seen = play(|| Scene::new(counter(), turns())).await;
    assert_eq!(seen.run().output, "There are 3.");
    assert_eq!(seen.shown(), "There are 3.");
    assert_eq!(seen.run().turns.len(), 2, "a response that broke off is no turn");
    assert_eq!(said(&seen.requests[1].transcript), said(&seen.requests[2].transcript));
    let told = seen.told();
    let since = told.iter().position(|event| event == "retracted 2").unwrap();
    assert_eq!(
        told[since..since + 3],
        [
            "retracted 2",
            "progress -: Retry 1/2: the answer of scripted:model ended before it was complete",
            "retrying 1/2",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn tools_that_ran_are_not_run_again() {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let turns = || [Turn::call("look", "{}"), Turn::text("S").then_fail(overloaded()), Turn::text("Seen.")];
    let seen = play(|| Scene::new(agent.clone(), turns())).await;
    assert_eq!(seen.run().output, "Seen.");
    assert_eq!(count.get(), 2, "once in each of the two plays");
}

#[tokio::test(start_paused = true)]
async fn silence_after_the_answer_began_is_tried_again_and_so_is_an_error_in_its_place() {
    for error in [silent, || overloaded().with_status(200)] {
        let seen = play(|| Scene::new(counter(), [Turn::fail(error()), Turn::text("3")])).await;
        assert_eq!((seen.run().output.as_str(), seen.requests.len()), ("3", 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_never_answered_is_left_to_the_transport() {
    let seen = play(|| Scene::new(counter(), [Turn::fail(overloaded())])).await;
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.error().model_error().unwrap().status(), Some(529));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_go_away_is_not_tried_again() {
    let refused = || ModelError::new(ModelErrorKind::InvalidRequest, "no such tool").with_status(200);
    let seen = play(|| Scene::new(counter(), [Turn::text("I ").then_fail(refused())])).await;
    assert_eq!(seen.requests.len(), 1);
    assert_eq!(seen.shown(), "");
}

#[tokio::test(start_paused = true)]
async fn each_turn_has_its_retries_and_no_more() {
    let cut = || Turn::text("I ").then_cut();
    let turns = || [cut(), cut(), adding(), cut(), cut(), Turn::text("3")];
    let seen = play(|| Scene::new(counter(), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.requests.len()), ("3", 6));

    let seen = play(|| Scene::new(counter(), [adding(), cut(), cut(), cut()])).await;
    assert_eq!(seen.error().model_error().unwrap().kind(), ModelErrorKind::StreamCut);
    assert_eq!(seen.error().tries(), 3);
    assert_eq!(seen.said().last().unwrap(), "output call_1: 3", "what was done is kept");
    assert_eq!(seen.requests.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_no_room_for_a_retry() {
    let runner = |model| {
        let runner = AgentRunner::new(model).turn_retry(Retry::times(5).base(Duration::from_secs(1)));
        agentexec_runner_core::RunExt::timeout(runner, Duration::from_secs(30))
    };
    let asks_to_wait = || overloaded().with_retry_after(Duration::from_secs(60));
    let seen =
        play_with(|| Scene::new(counter(), [Turn::text("I ").then_fail(asks_to_wait())]), runner).await;
    assert_eq!(seen.requests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_while_it_waits_for_a_retry_says_so() {
    let asks_to_wait = || overloaded().with_retry_after(Duration::from_secs(60));
    let turns = || [Turn::text("I ").then_fail(asks_to_wait()), Turn::text("unreachable")];
    let stop = async |activities: &Activities, id: AgentId| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        activities.request_cancel(&Scope::all(), id, "no longer needed").await.unwrap();
    };
    let seen = play_beside(|| Scene::new(counter(), turns()), AgentRunner::new, stop).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Stopped), "{:?}", seen.kind());
    assert_eq!(seen.statuses.last(), Some(&Status::Canceled));
}
