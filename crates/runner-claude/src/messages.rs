//! Anthropic Messages as a [`Model`].

use std::mem;
use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest, ModelResponse};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_http::{
    EventStream, Heard, Reply, ReplyBody, Request, Sending, Sent, Steps, StreamEvent, Transport, stream_of,
};
use futures_util::stream::BoxStream;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::encode::encode;
use crate::features::{Feature, Features, Learned};
use crate::fold::{Fold, Folded};
use crate::refusal::refused;
use crate::settings::Settings;
use crate::{PROTOCOL, conversation};

/// The path below the address. The transport does not double a `v1` that the address ends with.
const PATH: &str = "v1/messages";

/// Claude over the Messages API. [`Claude`](crate::Claude) builds it; a clone shares the connections, and what was
/// learned of the server.
///
/// The answer is streamed unless [`Claude::streaming`](crate::Claude::streaming) says otherwise, and both ways
/// give the same response. What the server really sends decides how it is read: a JSON body in place of a stream,
/// and the other way round, is understood.
///
/// # Errors
/// Requests that fail before an answer began are tried again by the transport, which is told by
/// [`ModelEvent::Retrying`]; an error inside a stream, or a stream that ends early, is handed over, and its kind says
/// whether to try again. Errors carry the HTTP status, the request id and the delay that the server asks for, where it
/// gave them.
///
/// # What a server does not know
/// A request that the server refuses since it does not know one of the [`Feature`]s in it is sent
/// again without that, and so are those that follow. The error of the last try is handed over.
///
/// Among the features are the model's thoughts, which go back to it unchanged. Newer models refuse them where anything
/// before them is not as it was when they were thought. They stay behind then for the rest of the conversation; what
/// the model thinks from there on goes back to it.
///
/// Source: <https://platform.claude.com/docs/en/build-with-claude/preserved-thinking>.
#[derive(Clone, Debug)]
pub struct Messages {
    transport: Transport,
    settings: Settings,
    learned: Learned,
}

impl Messages {
    pub(crate) fn new(transport: Transport, settings: Settings) -> Self {
        Self { transport, settings, learned: Learned::default() }
    }
}

impl Model for Messages {
    fn id(&self) -> String {
        format!("{PROTOCOL}:{}", self.settings.model)
    }

    /// The protocol and the server, as `anthropic@api.anthropic.com`: another server cannot read what this one made.
    fn protocol(&self) -> &str {
        &self.settings.origin
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        let without =
            self.settings.without.and(self.learned.of(request.model.unwrap_or(&self.settings.model)));
        let step = Step { without, learned: Features::default(), sent: Features::default() };
        stream_of(Turn { messages: self, request, phase: Phase::Ask(step, None) })
    }
}

/// A request and what has become of it.
struct Turn<'a> {
    messages: &'a Messages,
    request: ModelRequest<'a>,
    phase: Phase,
}

enum Phase {
    /// With the request that was refused, if one was.
    Ask(Step, Option<Box<Sending>>),
    Send(Box<Sending>, Step),
    Read(Box<Reading>),
    /// The terminal event has come.
    Close(Box<Reading>),
    Over,
}

/// A stream that is being read, and the message so far.
struct Reading {
    events: EventStream,
    fold: Fold,
    /// What the response begins with, beside what the model says.
    note: Option<Item>,
}

/// How far a request has been stepped down.
#[derive(Clone, Copy)]
struct Step {
    /// What it goes without.
    without: Features,
    /// What of that was found out just now.
    learned: Features,
    /// What is in it.
    sent: Features,
}

impl Steps for Turn<'_> {
    async fn step(&mut self, told: &mut Vec<ModelEvent>) -> Result<bool, ModelError> {
        self.phase = match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ask(step, refused) => self.ask(step, refused)?,
            Phase::Send(sending, step) => self.send(sending, step, told).await?,
            Phase::Read(reading) => read(reading, told).await?,
            Phase::Close(reading) => {
                let Reading { events, fold, note } = *reading;
                told.push(completed(fold, note, events.request_id()));
                events.finish().await;
                Phase::Over
            }
            Phase::Over => Phase::Over,
        };
        Ok(!matches!(self.phase, Phase::Over))
    }
}

impl Turn<'_> {
    /// Writes the request.
    fn ask(&self, step: Step, refused: Option<Box<Sending>>) -> Result<Phase, ModelError> {
        let Messages { transport, settings, .. } = self.messages;
        let body = encode(&self.request, settings, step.without)?;
        let mut outgoing = Request::json(PATH, &body)?.stream(body.stream);
        if settings.idempotency_keys {
            outgoing = outgoing.header("idempotency-key", format!("agentexec-{}", Uuid::new_v4().simple()));
        }
        let step = Step { sent: body.sent, ..step };
        let sending = match refused {
            Some(refused) => refused.again(outgoing)?,
            None => transport.sending(outgoing)?,
        };
        Ok(Phase::Send(Box::new(sending), step))
    }

    /// Tries once more.
    async fn send(
        &self,
        mut sending: Box<Sending>,
        step: Step,
        told: &mut Vec<ModelEvent>,
    ) -> Result<Phase, ModelError> {
        match sending.next().await {
            Ok(Sent::Reply(reply)) => {
                self.messages.learned.learn(self.model(), step.learned);
                self.open(reply, step, told)
            }
            Ok(Sent::Retrying(retrying)) => {
                let (retry, retries, delay) = (retrying.retry, retrying.retries, retrying.delay);
                told.push(ModelEvent::Retrying { retry, retries, delay, error: retrying.error.to_string() });
                Ok(Phase::Send(sending, step))
            }
            Err(error) => Ok(Phase::Ask(self.step_down(step, error)?, Some(sending))),
        }
    }

    /// The next step after this error, if there is one. Each feature is left out once, so there is an end to it.
    fn step_down(&self, step: Step, error: ModelError) -> Result<Step, ModelError> {
        let steps_down = self.messages.settings.steps_down;
        let Some(feature) = refused(&error, step.sent).filter(|_| steps_down) else { return Err(error) };
        let (model, request_id) = (self.model(), error.request_id());
        if feature == Feature::EchoedReasoning {
            tracing::debug!(
                model,
                request_id,
                "the model does not know its thoughts again; asking without them"
            );
        } else {
            tracing::warn!(model, request_id, ?feature, "the server refuses a feature; asking without it");
        }
        Ok(Step { without: step.without.with(feature), learned: step.learned.with(feature), ..step })
    }

    fn model(&self) -> &str {
        self.request.model.unwrap_or(&self.messages.settings.model)
    }

    /// Servers answer with a body where a stream was asked for, and the other way round: what came decides.
    fn open(&self, reply: Reply, step: Step, told: &mut Vec<ModelEvent>) -> Result<Phase, ModelError> {
        let origin = &self.messages.settings.origin;
        let note = step.learned.has(Feature::EchoedReasoning).then(|| conversation::left_behind(origin));
        let (fold, status) = (Fold::of(Arc::clone(origin)), reply.status());
        match reply.into_body() {
            ReplyBody::Events(events) => Ok(Phase::Read(Box::new(Reading { events, fold, note }))),
            ReplyBody::Json(body) => {
                let read = fold.read(body.bytes());
                let read = read.map_err(|error| of(error, status, body.request_id()))?;
                let (events, fold) = read.ok_or_else(|| body.error())?;
                told.extend(events);
                told.push(completed(fold, note, body.request_id()));
                Ok(Phase::Over)
            }
        }
    }
}

/// Reads what there is to tell next, all that came at once.
async fn read(mut reading: Box<Reading>, told: &mut Vec<ModelEvent>) -> Result<Phase, ModelError> {
    let Reading { events, fold, .. } = &mut *reading;
    let mut read = match events.next_or_heartbeat().await? {
        Some(Heard::Event(event)) => take_in(fold, &event, told),
        Some(_) => {
            told.push(ModelEvent::Heartbeat);
            Ok(Read::More)
        }
        None => return Err(events.cut()),
    };
    while let Ok(Read::More) = read
        && let Some(event) = events.next_in_hand()
    {
        read = take_in(fold, &event, told);
    }
    let (status, request_id) = (events.status(), events.request_id());
    match read.map_err(|error| of(error, status, request_id))? {
        Read::More => Ok(Phase::Read(reading)),
        // What was said before it is told first, since closing may take a moment.
        Read::Whole => Ok(Phase::Close(reading)),
    }
}

/// Whether the message is whole.
enum Read {
    More,
    Whole,
}

/// Folds an event of a stream.
fn take_in(fold: &mut Fold, event: &StreamEvent<'_>, told: &mut Vec<ModelEvent>) -> Result<Read, ModelError> {
    match fold.push_named(event.name(), event.data()) {
        Ok(Folded::Quiet) => told.push(ModelEvent::Heartbeat),
        Ok(Folded::Event(said)) => told.push(said),
        Ok(Folded::Done(rest)) => {
            told.extend(rest);
            return Ok(Read::Whole);
        }
        Ok(Folded::Failed) => return Err(event.error()),
        // Where the JSON itself is at fault the transport knows more: it may have been cut off.
        Err(error) => return Err(event.json::<IgnoredAny>().err().unwrap_or(error)),
    }
    Ok(Read::More)
}

fn completed(fold: Fold, note: Option<Item>, request_id: Option<&str>) -> ModelEvent {
    let mut response: ModelResponse = fold.finish();
    response.items.splice(0..0, note);
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
