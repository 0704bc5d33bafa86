//! One response of a model: its stream, told as run events, down to the whole.

use agentexec_runner_core::{RunContext, RunEvent};
use futures_util::StreamExt;
use tokio::task::coop::consume_budget;

use crate::error::AgentErrorKind;
use crate::model::{Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse};

/// Asks the model and tells what it streams, and whether it streamed anything. When the response fails or the
/// run is stopped, what was told is retracted.
pub(crate) async fn respond(
    cx: &RunContext,
    model: &dyn Model,
    request: ModelRequest<'_>,
    turn: u32,
) -> Result<(ModelResponse, bool), AgentErrorKind> {
    let mut told = false;
    let response = tokio::select! {
        biased;
        () = cx.canceled() => Err(AgentErrorKind::Stopped),
        response = fold(cx, model, request, &mut told) => response.map_err(AgentErrorKind::Model),
    };
    if told && response.is_err() {
        cx.emit(RunEvent::Retracted { turn }).await;
    }
    response.map(|response| (response, told))
}

async fn fold(
    cx: &RunContext,
    model: &dyn Model,
    request: ModelRequest<'_>,
    told: &mut bool,
) -> Result<ModelResponse, ModelError> {
    let mut events = model.respond(request);
    while let Some(event) = events.next().await {
        let event = match event? {
            ModelEvent::Completed(response) => return Ok(*response),
            ModelEvent::TextDelta(text) => RunEvent::TextDelta { text },
            ModelEvent::ReasoningDelta(text) => RunEvent::ReasoningDelta { text },
            ModelEvent::ToolCallStarted { call_id, name } => RunEvent::ToolCallStarted { call_id, name },
            ModelEvent::ToolCallDelta { call_id, delta } => RunEvent::ToolCallArguments { call_id, delta },
        };
        *told = true;
        cx.emit(event).await;
        // A model whose next event is always there already would otherwise never let the run be canceled.
        consume_budget().await;
    }
    let message = format!("the answer of {} ended before it was complete", model.id());
    Err(ModelError::new(ModelErrorKind::StreamCut, message))
}
