//! The tool by which an agent says how it goes.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::context::ToolContext;
use crate::function::tool;
use crate::tool::{DynTool, Effect};

/// Arguments of `report_activity`.
#[derive(Deserialize, JsonSchema)]
struct Report {
    /// What you are doing now, in a few words for the user.
    message: String,
    /// Your estimate of the overall progress, 0 to 100.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 100))]
    percentage: i64,
}

/// Models write 40 as `40.0` at times.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates, and the number is clamped later"
    )]
    f64::deserialize(from).map(|percentage| percentage.round() as i64)
}

/// The tool `report_activity(message, percentage)`, by which an agent says how it goes. It answers "Status
/// updated". A percentage outside 0 to 100 is clamped.
///
/// It writes to the activity of the run that it is called in. Tell the model to use it with
/// [`prompts::REPORT_STATUS`](agentexec_runner_core::prompts::REPORT_STATUS) in the agent's instructions.
#[must_use]
pub fn report_status() -> DynTool {
    let description = "Report progress on the current task to the user.";
    tool("report_activity", description, |report: Report, cx: ToolContext| async move {
        cx.progress(report.message, report.percentage).await;
        "Status updated"
    })
    .effect(Effect::Idempotent)
}
