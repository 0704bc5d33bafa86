//! Events and the result as JSON, one a line, on standard output.

use std::io;

use agentexec::activity::{AgentId, Message, Percent, Status};
use agentexec::agent::Finish;
use agentexec::runner::{RunEvent, Usage};
use serde::Serialize;

use crate::terminal;
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
pub(crate) fn event(event: &RunEvent) -> io::Result<()> {
    line(event)
}

/// The result.
pub(crate) fn result(report: &Report<'_>) -> io::Result<()> {
    let Report { activity, ended, tally, exit, .. } = report;
    line(&Outcome {
        r#type: "result",
        id: activity.id,
        status: activity.status,
        percentage: activity.percentage,
        message: &activity.message,
        finish: ended.as_ref().ok().map(|run| run.finish),
        output: ended.as_ref().ok().map(|run| run.output.as_str()),
        error: ended.as_ref().err().map(|error| format!("{error:#}")),
        turns: tally.turns,
        tool_calls: tally.tool_calls,
        usage: tally.usage,
        duration_ms: report.duration().as_millis(),
        exit_code: exit.code(),
    })
}

fn line(value: &impl Serialize) -> io::Result<()> {
    terminal::json(&serde_json::to_string(value)?)
}
