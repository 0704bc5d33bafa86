//! Progress that is computed from turns.

use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{Agent, AgentRunner, OnMaxTurns};
use agentexec_tools::report_status;

use crate::support::{Scene, add, adding, play, play_with};

#[tokio::test]
async fn each_turn_that_calls_tools_is_reported() {
    let turns = || [adding(), adding(), Turn::text("3")];
    let seen = play(|| Scene::new(Agent::new("Adder").tool(add()), turns())).await;
    assert_eq!(
        seen.messages[2..],
        ["Turn 1: Processing tool calls", "Turn 2: Processing tool calls", "Task completed successfully."]
    );
    assert_eq!(seen.percentages, [0, 0, 10, 20, 100]);
    assert!(seen.told().contains(&"progress 20: Turn 2: Processing tool calls".to_owned()));
}

#[tokio::test]
async fn the_share_is_of_the_limit_and_ends_at_90() {
    let agent = Agent::new("Adder").tool(add()).max_turns(3).on_max_turns(OnMaxTurns::recover());
    let seen = play(|| Scene::new(agent.clone(), (0..5).map(|_| adding()).chain([Turn::text("3")]))).await;
    assert_eq!(seen.percentages, [0, 0, 33, 66, 90, 90, 90, 100]);
}

#[tokio::test]
async fn it_is_never_below_what_the_agent_said_itself() {
    let report = |percentage: u8| {
        Turn::call("report_activity", &format!(r#"{{"message": "Halfway", "percentage": {percentage}}}"#))
    };
    let turns = || [report(50), adding(), report(15), Turn::text("3")];
    let seen = play(|| Scene::new(Agent::new("Adder").tools([add(), report_status()]), turns())).await;
    assert_eq!(
        seen.percentages,
        [0, 0, 10, 50, 50, 50, 15, 100],
        "only the agent itself may go back: {:?}",
        seen.messages
    );
    assert!(seen.told().contains(&"progress 50: Turn 2: Processing tool calls".to_owned()));
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let runner = |model| AgentRunner::new(model).automatic_progress(false);
    let seen =
        play_with(|| Scene::new(Agent::new("Adder").tool(add()), [adding(), Turn::text("3")]), runner).await;
    assert_eq!(seen.messages, ["Waiting to start.", "Task started.", "Task completed successfully."]);
}
