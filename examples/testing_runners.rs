//! How to test a runner: what was recorded is read from the store, which also fails on demand; a script plays the
//! model. The program shows what the tests below it assert.
//!
//! `cargo test -p agentexec-examples --example testing_runners` runs them.
#![allow(clippy::print_stdout)]

use agentexec::prelude::*;
use agentexec::runner::testing::Recorded;

/// The runner under test.
struct Importer;

impl Runner for Importer {
    type Input = Vec<&'static str>;
    type Output = u32;
    type Error = anyhow::Error;

    async fn run(&self, cx: &RunContext, rows: Vec<&'static str>) -> anyhow::Result<u32> {
        cx.progress(format!("Importing {} rows", rows.len()), 10).await;
        let mut sum = 0;
        for row in rows {
            sum += row.parse::<u32>().map_err(|_| anyhow::anyhow!("'{row}' is no number"))?;
        }
        Ok(sum)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Clones of a store share what they keep: one goes to the activities, the other is looked at.
    let store = MemoryStore::new();
    let activities = Activities::new(store.clone());
    let runner = Importer.tracked(&activities);
    for rows in [vec!["1", "2"], vec!["1", "two"]] {
        let id = activities.create("import").await?;
        // Whether it went well is in the record too.
        let _ = runner.run(id, rows).await;
        println!("statuses:    {:?}", store.statuses(id));
        println!("percentages: {:?}", store.percentages(id));
        println!("messages:    {:#?}", store.messages(id));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use agentexec::agent::AgentRunner;
    use agentexec::agent::testing::{ScriptedModel, Turn};
    use agentexec::runner::Tracking;
    use agentexec::runner::testing::FailingStore;

    use super::*;

    #[tokio::test]
    async fn a_run_that_ends_well_is_running_and_then_complete() {
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("import").await.unwrap();

        let sum = Importer.tracked(&activities).run(id, vec!["1", "2"]).await.unwrap();

        assert_eq!(sum, 3);
        assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
        assert_eq!(store.percentages(id), [0, 0, 10, 100]);
    }

    #[tokio::test]
    async fn an_error_is_recorded_and_handed_to_the_caller() {
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("import").await.unwrap();

        let error = Importer.tracked(&activities).run(id, vec!["1", "two"]).await.unwrap_err();

        assert_eq!(error.to_string(), "'two' is no number");
        assert_eq!(store.statuses(id).last(), Some(&Status::Error));
        assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: 'two' is no number");
    }

    /// A store that takes the start and then fails, which the runner must survive.
    #[tokio::test]
    async fn progress_that_cannot_be_written_does_not_kill_the_run_unless_it_should() {
        for (tracking, ends) in [(Tracking::BestEffort, Status::Complete), (Tracking::Strict, Status::Error)]
        {
            let store = FailingStore::default();
            let activities = Activities::new(store.clone());
            let id = activities.create("import").await.unwrap();
            let lifecycle = Lifecycle::new(&activities).tracking(tracking);

            let result = lifecycle
                .run(id, |cx| {
                    store.fail_next(1);
                    async move { Importer.run(&cx, vec!["1"]).await }
                })
                .await;

            assert_eq!(result.is_ok(), ends == Status::Complete);
            assert_eq!(store.statuses(id).last(), Some(&ends));
        }
    }

    #[tokio::test]
    async fn an_agent_is_tested_against_a_script_of_its_model() {
        let model = ScriptedModel::new([
            Turn::call("report_activity", r#"{"message": "Counting", "percentage": 60}"#),
            Turn::text("Three."),
        ]);
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("count").await.unwrap();
        let agent = Agent::new("Counter").instructions("Count.").tool(report_status());

        let runner = AgentRunner::new(model.clone()).tracked(&activities);
        let run = runner.run(id, agent.input("1 + 2?")).await.unwrap();

        assert_eq!(run.output, "Three.");
        assert!(store.messages(id).contains(&"Counting".to_owned()));
        let asked = model.requests();
        assert_eq!(asked[0].instructions.as_deref(), Some("Count."));
        assert_eq!(asked[1].transcript.open_calls(), [] as [&agentexec::agent::transcript::ToolCall; 0]);
    }
}
