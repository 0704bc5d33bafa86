//! A run of an agent whose model or whose tool takes for ever: what only a cancellation ends.

use std::time::Duration;

use agentexec::claude::{Claude, ClaudeRunner};
use agentexec::prelude::*;
use anyhow::Result;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::sleep;

use super::end_of;
use crate::line::{Line, Teller};

/// What a test waits for when the tool has begun.
pub const TOOL_STARTED: &str = "the tool has started";
/// What a test waits for when the tool was dropped.
pub const TOOL_DROPPED: &str = "the tool was dropped";

#[derive(Deserialize, JsonSchema)]
struct Nap {}

/// Says that the future which holds it was dropped.
struct Dropped(Teller);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note(TOOL_DROPPED);
    }
}

/// Creates an activity and runs the agent until it ends.
pub(super) async fn run(activities: &Activities, teller: &Teller, model: &str) -> Result<()> {
    let runner = ClaudeRunner::new(Claude::new("key").base_url(model).build()?).tracked(activities);
    let told = teller.clone();
    let nap = tool("nap", "Sleep for an hour.", move |_: Nap, _cx: ToolContext| {
        let dropped = Dropped(told.clone());
        async move {
            dropped.0.note(TOOL_STARTED);
            sleep(Duration::from_hours(1)).await;
            drop(dropped);
            anyhow::Ok("slept".to_owned())
        }
    });
    let agent = Agent::new("Sleeper").instructions("Sleep.").tool(nap);
    let id = activities.create("agent").await?;
    let ended = runner.run(id, agent.input("Sleep well.")).await;
    teller.tell(Line::Ended { id, how: end_of(ended, |run| run.output) });
    Ok(())
}
