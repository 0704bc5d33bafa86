//! Anthropic Messages as a [`Model`].

use agentexec_agent_core::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse,
};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_http::{EventStream, Reply, ReplyBody, Request, Transport};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::IgnoredAny;

use crate::PROTOCOL;
use crate::conversation::Thoughts;
use crate::encode::encode;
use crate::fold::{Fold, Folded};
use crate::settings::{MAX_UNSTREAMED_TOKENS, Settings};

/// The path below the address. The transport does not double a `v1` that the address ends with.
const PATH: &str = "v1/messages";

type Events = BoxStream<'static, Result<ModelEvent, ModelError>>;

/// Claude over the Messages API. [`Claude`](crate::Claude) builds it; a clone shares the connections.
///
/// The answer is streamed unless [`Claude::streaming`](crate::Claude::streaming) says otherwise, and both ways
/// give the same response. What the server really sends decides how it is read: a JSON body in place of a stream,
/// and the other way round, is understood.
///
/// # Errors
/// Requests that fail before an answer began are tried again by the transport; an error inside a stream, or a
/// stream that ends early, is handed over, and its kind says whether to try again. Errors carry the HTTP status,
/// the request id and the delay that the server asks for, where it gave them.
///
/// # Thoughts and their signatures
/// The model's thoughts go back to it unchanged. Newer models refuse them where anything before them is not as it
/// was when they were thought (other instructions, other tools, another account). The request is then sent once
/// more without any earlier thoughts, which every model takes.
///
/// Source: <https://platform.claude.com/docs/en/build-with-claude/preserved-thinking>.
#[derive(Clone, Debug)]
pub struct Messages {
    transport: Transport,
    settings: Settings,
}

impl Messages {
    pub(crate) fn new(transport: Transport, settings: Settings) -> Self {
        Self { transport, settings }
    }

    async fn ask(&self, request: ModelRequest<'_>) -> Result<Events, ModelError> {
        let reply = match self.send(&request, Thoughts::Kept).await {
            Err(error) if refuses_thoughts(&error) && has_thoughts(request.items) => {
                tracing::debug!(
                    request_id = error.request_id(),
                    "the model does not know its thoughts again; asking without them"
                );
                self.send(&request, Thoughts::Dropped).await?
            }
            reply => reply?,
        };
        let status = reply.status();
        match reply.into_body() {
            ReplyBody::Events(events) => Ok(streamed(events)),
            ReplyBody::Json(body) => {
                let (events, fold) =
                    Fold::whole(body.bytes()).map_err(|error| of(error, status, body.request_id()))?;
                let completed = completed(fold, body.request_id());
                Ok(stream::iter(events.into_iter().chain([completed]).map(Ok)).boxed())
            }
        }
    }

    async fn send(&self, request: &ModelRequest<'_>, thoughts: Thoughts) -> Result<Reply, ModelError> {
        let body = encode(request, &self.settings, thoughts)?;
        if !self.settings.streaming && body.max_tokens > MAX_UNSTREAMED_TOKENS {
            let message = format!(
                "an answer of up to {} tokens can take longer than a silent connection lives; stream it, or ask \
                 for at most {MAX_UNSTREAMED_TOKENS} tokens",
                body.max_tokens
            );
            return Err(ModelError::new(ModelErrorKind::InvalidRequest, message));
        }
        let request = Request::json(PATH, &body)?.stream(self.settings.streaming);
        self.transport.send(request).await
    }
}

impl Model for Messages {
    fn id(&self) -> String {
        format!("{PROTOCOL}:{}", self.settings.model)
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        stream::once(self.ask(request)).try_flatten().boxed()
    }
}

/// A stream that is being read, and the message so far.
struct Turn {
    events: EventStream,
    fold: Fold,
}

fn streamed(events: EventStream) -> Events {
    let turn = Turn { events, fold: Fold::new() };
    stream::unfold(Some(turn), |turn| async move {
        let mut turn = turn?;
        match turn.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(turn))),
            Ok(None) => Some((Ok(turn.complete().await), None)),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Turn {
    /// The next thing that the model says; `None` after the terminal event.
    async fn next(&mut self) -> Result<Option<ModelEvent>, ModelError> {
        while let Some(event) = self.events.next().await? {
            match self.fold.push(event.data()) {
                Ok(Folded::Quiet) => {}
                Ok(Folded::Event(said)) => return Ok(Some(said)),
                Ok(Folded::Done) => return Ok(None),
                Ok(Folded::Failed) => return Err(event.error()),
                Err(error) => {
                    // Where the JSON itself is at fault the transport knows more: it may have been cut off.
                    let error = event.json::<IgnoredAny>().err().unwrap_or(error);
                    return Err(of(error, self.events.status(), self.events.request_id()));
                }
            }
        }
        Err(self.events.cut())
    }

    async fn complete(self) -> ModelEvent {
        let completed = completed(self.fold, self.events.request_id());
        self.events.finish().await;
        completed
    }
}

fn completed(fold: Fold, request_id: Option<&str>) -> ModelEvent {
    let mut response: ModelResponse = fold.finish();
    response.request_id = request_id.map(str::to_owned);
    ModelEvent::Completed(Box::new(response))
}

/// The error with the answer that it came in.
fn of(error: ModelError, status: u16, request_id: Option<&str>) -> ModelError {
    let error = error.with_status(status);
    match request_id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The API has no code for it; the message reads ``messages.1.content.0: Invalid `signature` in `thinking` block``,
/// and then why.
fn refuses_thoughts(error: &ModelError) -> bool {
    let message = error.message();
    error.kind() == ModelErrorKind::InvalidRequest
        && message.contains("signature")
        && message.contains("thinking")
}

fn has_thoughts(items: &[Item]) -> bool {
    items.iter().any(|item| matches!(item, Item::Reasoning(reasoning) if reasoning.raw.is_some()))
}
