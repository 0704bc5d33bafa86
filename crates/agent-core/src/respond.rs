//! One response of a model: its stream, told as run events, down to the whole.

use std::time::Duration;

use agentexec_runner_core::{Retry, RunContext, RunEvent};
use futures_util::StreamExt;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use crate::error::AgentErrorKind;
use crate::model::{Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse};

/// How long nothing must have been told of a response before a sign of life is.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Asks the model and tells what it streams, and whether it streamed anything. When the response fails or the
/// run is stopped, what was told is retracted. A response that had begun and broke off is asked for again, as the
/// policy says; one that never began was tried often enough by whoever carried the request.
pub(crate) async fn respond(
    cx: &RunContext,
    model: &dyn Model,
    request: ModelRequest<'_>,
    turn: u32,
    retries: &Retry,
) -> Result<(ModelResponse, bool), AgentErrorKind> {
    let mut tries = 0;
    for retry in 1_u32.. {
        let mut told = false;
        let response = tokio::select! {
            biased;
            () = cx.canceled() => None,
            response = fold(cx, model, request, &mut told, &mut tries) => Some(response),
        };
        if let Some(Ok(response)) = response {
            return Ok((response, told));
        }
        if told {
            cx.emit(RunEvent::Retracted { turn }).await;
        }
        let Some(Err(error)) = response else { break };
        let again = broke_off(&error, told)
            && retries.pause(cx, retry, error.retry_after(), &error.to_string()).await;
        if !again && !cx.is_canceled() {
            return Err(error.with_tries(tries).into());
        }
    }
    Err(AgentErrorKind::Stopped)
}

/// Whether the response had begun and may come whole the next time. A request that was given up was sent again often
/// enough.
fn broke_off(error: &ModelError, told: bool) -> bool {
    let answered = error.status().is_some_and(|status| (200..300).contains(&status));
    error.is_retryable()
        && error.tries().is_none()
        && (told || answered || error.kind() == ModelErrorKind::StreamCut)
}

/// Reads the response to its end, notes whether anything was told of it, and counts how often the request was sent.
async fn fold(
    cx: &RunContext,
    model: &dyn Model,
    request: ModelRequest<'_>,
    told: &mut bool,
    tries: &mut u32,
) -> Result<ModelResponse, ModelError> {
    *tries += 1;
    let mut events = model.respond(request);
    let mut last_told = Instant::now();
    while let Some(event) = events.next().await {
        let event = match event? {
            ModelEvent::Completed(response) => return Ok(*response),
            ModelEvent::Retrying { retry, retries, delay, error } => {
                *tries += 1;
                say_retry(cx, (retry, retries), delay, &error).await;
                continue;
            }
            ModelEvent::Heartbeat if last_told.elapsed() < HEARTBEAT_INTERVAL => {
                consume_budget().await;
                continue;
            }
            ModelEvent::Heartbeat => RunEvent::Heartbeat,
            ModelEvent::TextDelta(text) => RunEvent::TextDelta { text },
            ModelEvent::ReasoningDelta(text) => RunEvent::ReasoningDelta { text },
            ModelEvent::ToolCallStarted { call_id, name } => RunEvent::ToolCallStarted { call_id, name },
            ModelEvent::ToolCallDelta { call_id, delta } => RunEvent::ToolCallArguments { call_id, delta },
        };
        *told |= event != RunEvent::Heartbeat;
        cx.emit(event).await;
        last_told = Instant::now();
        // A model whose next event is always there already would otherwise never let the run be canceled.
        consume_budget().await;
    }
    let message = format!("the answer of {} ended before it was complete", model.id());
    Err(ModelError::new(ModelErrorKind::StreamCut, message))
}

/// What a retry of the engine's own says too. Nothing was told of the response, so nothing is retracted.
async fn say_retry(cx: &RunContext, (retry, retries): (u32, u32), delay: Duration, error: &str) {
    let error = cx.redacted(error);
    cx.note(format!("Retry {retry}/{retries}: {error}")).await;
    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    cx.emit(RunEvent::Retrying { retry, retries, delay_ms, error }).await;
}
