//! The tool calls of a turn: carried out together, answered in order.

use agentexec_runner_core::{RunContext, RunEvent};
use agentexec_tools::{CallRequest, FatalToolError, ToolOutput, ToolSet};
use futures_util::{StreamExt, stream};

use crate::transcript::ToolOutputItem;

/// Carries calls out, at most so many at once. Every call has its output, in call order, also when one of them
/// is fatal: then those that run are dropped, and those that wait do not begin.
pub(crate) async fn carry_out(
    cx: &RunContext,
    tools: &ToolSet,
    calls: &[CallRequest],
    at_once: usize,
) -> (Vec<ToolOutputItem>, Option<FatalToolError>) {
    let (outputs, fatal) = race(cx, tools, calls, at_once).await;
    let mut items = Vec::with_capacity(calls.len());
    for (call, output) in calls.iter().zip(outputs) {
        let (call_id, name) = (call.call_id.clone(), call.name.clone());
        let output = match output {
            Some(output) => output,
            None => {
                let output = stopped(&name, fatal.as_ref());
                tell(cx, call_id.clone(), name.clone(), &output).await;
                output
            }
        };
        let ToolOutput { text: output, is_error, media, .. } = output;
        items.push(ToolOutputItem { call_id, name, output, is_error, media });
    }
    (items, fatal)
}

/// The outputs there are when all calls have answered or one was fatal. The other calls are dropped then.
async fn race(
    cx: &RunContext,
    tools: &ToolSet,
    calls: &[CallRequest],
    at_once: usize,
) -> (Vec<Option<ToolOutput>>, Option<FatalToolError>) {
    let mut outputs: Vec<Option<ToolOutput>> = calls.iter().map(|_| None).collect();
    let mut answers = stream::iter(calls.iter().cloned().enumerate())
        .map(|(place, call)| async move { (place, dispatch(cx, tools, call).await) })
        .buffer_unordered(at_once);
    while let Some((place, (output, fatal))) = answers.next().await {
        if let Some(slot) = outputs.get_mut(place) {
            *slot = Some(output);
        }
        if fatal.is_some() {
            return (outputs, fatal);
        }
    }
    (outputs, None)
}

async fn dispatch(
    cx: &RunContext,
    tools: &ToolSet,
    call: CallRequest,
) -> (ToolOutput, Option<FatalToolError>) {
    let (call_id, name) = (call.call_id.clone(), call.name.clone());
    let (output, fatal) = match tools.dispatch(cx, call).await {
        Ok(output) => (output, None),
        Err(fatal) => (ToolOutput::error(&fatal.message), Some(fatal)),
    };
    tell(cx, call_id, name, &output).await;
    (output, fatal)
}

async fn tell(cx: &RunContext, call_id: String, name: String, output: &ToolOutput) {
    if cx.is_streamed() {
        let (output, is_error) = (output.text.clone(), output.is_error);
        cx.emit(RunEvent::ToolCallFinished { call_id, name, output, is_error }).await;
    }
}

/// The output of a call that the fatal error of another cut short.
fn stopped(name: &str, fatal: Option<&FatalToolError>) -> ToolOutput {
    let by = fatal.map(|fatal| format!(": the tool '{}' ended the run", fatal.name)).unwrap_or_default();
    ToolOutput::error(format!("Tool '{name}' was stopped before it finished{by}."))
}
