//! Events and the result as JSON, one a line, on standard output.

use agentexec::activity::{AgentId, Message, Percent, Status};
use agentexec::agent::Finish;
use agentexec::runner::{RunEvent, Usage};
use serde::Serialize;

use crate::ended::output;
use crate::terminal::{self, Unwritten};
use crate::view::Report;

/// The last line.
#[derive(Serialize)]
struct Outcome<'a> {
    r#type: &'static str,
    id: AgentId,
    status: Status,
    percentage: Percent,
    message: &'a Message,
    /// How a run that completed came to its end.
    finish: Option<Finish>,
    output: Option<&'a str>,
    error: Option<String>,
    turns: u32,
    tool_calls: u32,
    usage: Usage,
    duration_ms: u128,
    exit_code: u8,
}

/// An event, as `RunEvent` serializes.
pub(crate) fn event(event: &RunEvent) -> Result<(), Unwritten> {
    terminal::json(event)
}

/// The result.
pub(crate) fn result(report: &Report<'_>) -> Result<(), Unwritten> {
    let Report { activity, ended, tally, exit, .. } = report;
    terminal::json(&Outcome {
        r#type: "result",
        id: activity.id,
        status: activity.status,
        percentage: activity.percentage,
        message: &activity.message,
        finish: output(ended).map(|run| run.finish),
        output: output(ended).map(|run| run.output.as_str()),
        error: ended.as_ref().err().map(|error| format!("{error:#}")),
        turns: tally.turns,
        tool_calls: tally.tool_calls,
        usage: tally.usage,
        duration_ms: report.duration.as_millis(),
        exit_code: exit.code(),
    })
}
