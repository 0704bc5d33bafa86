//! `report_status`: the tool by which an agent says how it goes.

use agentexec_activity_core::{Activities, AgentId, MemoryStore};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{RunContext, Track};
use agentexec_tools::{Effect, ToolOutput, report_status};

use crate::support::{call, call_in};

/// Lets an agent report with these arguments; what was recorded of its activity, and what it read.
async fn report(arguments: &str) -> (MemoryStore, AgentId, ToolOutput) {
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move { call_in(&cx, report_status(), arguments).await };
    let answer = activities.track(id, work).await.unwrap();
    (store, id, answer)
}

#[test]
fn its_name_and_arguments_are_those_of_the_reference() {
    let tool = report_status();
    assert_eq!(tool.spec().name, "report_activity");
    let schema = tool.spec().parameters.as_value();
    assert_eq!(schema["required"], serde_json::json!(["message", "percentage"]));
    assert_eq!(schema["properties"]["message"]["type"], "string");
    assert_eq!(schema["properties"]["percentage"]["type"], "integer");
    assert_eq!(schema["properties"]["percentage"]["minimum"], 0);
    assert_eq!(schema["properties"]["percentage"]["maximum"], 100);
    assert_eq!(tool.settings().effect, Effect::Idempotent);
}

#[tokio::test]
async fn it_updates_the_activity() {
    let (store, id, answer) = report(r#"{"message": "Reading", "percentage": 40}"#).await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("Status updated", false));
    assert_eq!(store.messages(id)[2], "Reading");
    assert_eq!(store.percentages(id), [0, 0, 40, 100]);
}

#[tokio::test]
async fn a_percentage_is_clamped_and_rounded() {
    for (said, recorded) in
        [("150", 100), ("-7", 0), ("40.0", 40), ("39.5", 40), ("1e300", 100), ("-1e300", 0)]
    {
        let (store, id, answer) = report(&format!(r#"{{"message": "Reading", "percentage": {said}}}"#)).await;
        assert_eq!(answer.text, "Status updated", "{said}");
        assert_eq!(store.percentages(id)[2], recorded, "{said}");
    }
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let (store, id, answer) = report(r#"{"message": "Reading", "percentage": "half"}"#).await;
    assert!(answer.is_error);
    assert!(answer.text.contains("at `percentage`: invalid type: string \"half\""), "{}", answer.text);
    assert_eq!(store.percentages(id), [0, 0, 100]);
}

#[tokio::test]
async fn it_works_in_a_run_that_is_not_tracked() {
    assert_eq!(
        call(report_status(), r#"{"message": "Reading", "percentage": 40}"#).await.text,
        "Status updated"
    );
}
