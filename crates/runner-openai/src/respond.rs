//! One request and its answer, streamed or not, through a fold: what both protocols do alike.
//!
//! A request that is refused for a parameter that the server does not know is sent again without it, see
//! [`features`](crate::features).

use std::mem;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse};
use agentexec_runner_http::{
    EventStream, Heard, JsonBody, ReplyBody, Sending, Sent, Steps, StreamEvent, stream_of,
};
use futures_util::stream::BoxStream;
use serde::de::IgnoredAny;

use crate::client::{Asked, Client};
use crate::error::Failure;
use crate::features::{Feature, Features};
use crate::refusal::{has_foreign_thoughts, has_lost_response, refused};

/// What a protocol makes of an answer. Without IO.
pub(crate) trait Fold: Send {
    /// Takes in the data of one event, or a whole body.
    fn fold(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), Failure>;

    /// Says that `[DONE]` came, or that the body of an unstreamed answer was read to its end.
    fn close(&mut self);

    /// Whether what came so far is a whole response.
    fn has_ended(&self) -> bool;

    /// Whether anything useful can follow.
    fn wants_more(&self) -> bool;

    /// Says that the model answers without what it thought before.
    fn leave_thoughts_behind(&mut self) {}

    /// The response.
    fn finish(self, events: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError>;
}

/// Sends a request and folds what comes back; `encode` writes it without the features that it is given. Dropping the
/// stream aborts the request.
pub(crate) fn respond<'a, F, E>(
    client: &'a Client,
    model: &'a str,
    encode: E,
    fold: F,
) -> BoxStream<'a, Result<ModelEvent, ModelError>>
where
    F: Fold + 'a,
    E: Fn(Features) -> Result<Asked, ModelError> + Send + 'a,
{
    let phase = Phase::Ask(Step::first(client.adaptation.for_model(model)), Box::new(fold), None);
    stream_of(Turn { client, model, encode, phase })
}

struct Turn<'a, F, E> {
    client: &'a Client,
    /// The model that is asked.
    model: &'a str,
    encode: E,
    phase: Phase<F>,
}

enum Phase<F> {
    /// With the request that was refused, if one was.
    Ask(Step, Box<F>, Option<Box<Sending>>),
    Send(Box<Sending>, Step, Box<F>),
    Read(Box<Reading<F>>),
    Over,
}

/// How far a request has been stepped down.
#[derive(Clone, Copy)]
struct Step {
    /// What it goes without.
    without: Features,
    /// What of that was found out just now and is to be remembered once the server takes the request.
    learned: Features,
    /// Whether the model's earlier thoughts were left out just now.
    leaves_thoughts: bool,
    /// What is in it.
    sent: Features,
}

struct Reading<F> {
    events: EventStream,
    fold: Box<F>,
}

impl Step {
    fn first(without: Features) -> Self {
        Self { without, learned: Features::NONE, leaves_thoughts: false, sent: Features::NONE }
    }

    /// The next step after this refusal, if there is one. Each feature is left out once, so there is an end to it.
    fn down(self, error: &ModelError) -> Option<Self> {
        let sent = self.sent.iter().filter(|feature| !self.without.has(*feature)).collect();
        if let Some(feature) = refused(error, sent) {
            let learned = self.learned.with(feature);
            return Some(Self { without: self.without.with(feature), learned, ..self });
        }
        // That it is so with this conversation says nothing of the next.
        if has_foreign_thoughts(error, sent) {
            let without = self.without.with(Feature::EchoedReasoning);
            return Some(Self { without, leaves_thoughts: true, ..self });
        }
        let lost = has_lost_response(error, sent);
        lost.then(|| Self { without: self.without.with(Feature::PreviousResponse), ..self })
    }
}

impl<F: Fold, E: Fn(Features) -> Result<Asked, ModelError> + Send> Steps for Turn<'_, F, E> {
    async fn step(&mut self, told: &mut Vec<ModelEvent>) -> Result<bool, ModelError> {
        self.phase = match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ask(step, fold, refused) => {
                let Asked { request, sent } = (self.encode)(step.without)?;
                let sending = match refused {
                    Some(refused) => refused.again(request)?,
                    None => self.client.transport.sending(request)?,
                };
                Phase::Send(Box::new(sending), Step { sent, ..step }, fold)
            }
            Phase::Send(sending, step, fold) => {
                send(self.client, self.model, (sending, step, fold), told).await?
            }
            Phase::Read(reading) => read(reading, told).await?,
            Phase::Over => Phase::Over,
        };
        Ok(!matches!(self.phase, Phase::Over))
    }
}

/// Tries once more.
async fn send<F: Fold>(
    client: &Client,
    model: &str,
    (mut sending, step, mut fold): (Box<Sending>, Step, Box<F>),
    told: &mut Vec<ModelEvent>,
) -> Result<Phase<F>, ModelError> {
    let reply = match sending.next().await {
        Ok(Sent::Reply(reply)) => reply,
        Ok(Sent::Retrying(retrying)) => {
            let (error, delay) = (retrying.error.to_string(), retrying.delay);
            let (retry, retries) = (retrying.retry, retrying.retries);
            told.push(ModelEvent::Retrying { retry, retries, delay, error });
            return Ok(Phase::Send(sending, step, fold));
        }
        Err(error) if client.adaptation.steps_down => {
            let Some(lower) = step.down(&error) else { return Err(error) };
            tracing::warn!(model, without = ?lower.without, "refused: the request is sent again with less");
            return Ok(Phase::Ask(lower, fold, Some(sending)));
        }
        Err(error) => return Err(error),
    };
    if step.learned != Features::NONE {
        client.adaptation.learn(model, step.learned);
    }
    if step.leaves_thoughts {
        fold.leave_thoughts_behind();
    }
    // Servers answer with a body where a stream was asked for, and the other way round: what came decides.
    match reply.into_body() {
        ReplyBody::Json(body) => read_body(&body, *fold, told),
        ReplyBody::Events(events) => Ok(Phase::Read(Box::new(Reading { events, fold }))),
    }
}

fn read_body<F: Fold>(
    body: &JsonBody,
    mut fold: F,
    told: &mut Vec<ModelEvent>,
) -> Result<Phase<F>, ModelError> {
    let data = String::from_utf8_lossy(body.bytes());
    if let Err(failure) = fold.fold(&data, told) {
        return Err(match failure {
            Failure::Reported(error) => like(body.error(), &error),
            Failure::ReportedIn(part, error) => like(body.error_in(&part), &error),
            Failure::Unreadable(error) => {
                body.json::<IgnoredAny>().err().unwrap_or_else(|| body.complete(error))
            }
            Failure::Other(error) => identified(error, body.status(), body.request_id()),
        });
    }
    fold.close();
    if !fold.has_ended() {
        let error = ModelError::new(ModelErrorKind::Protocol, "the answer is JSON, but no response");
        return Err(body.complete(error));
    }
    complete(fold, body.status(), body.request_id(), told)
}

/// Reads on until there is something to tell, and with that tells all that came at once.
async fn read<F: Fold>(
    mut reading: Box<Reading<F>>,
    told: &mut Vec<ModelEvent>,
) -> Result<Phase<F>, ModelError> {
    let Reading { events, fold } = &mut *reading;
    while told.is_empty() && fold.wants_more() {
        if fold.has_ended() {
            events.hurry();
        }
        let read = match events.next_or_heartbeat().await {
            Ok(Some(Heard::Event(event))) => take_in(&mut **fold, &event, told),
            Ok(Some(_)) => {
                told.push(ModelEvent::Heartbeat);
                Ok(())
            }
            Ok(None) => {
                if events.is_done() {
                    fold.close();
                }
                if !fold.has_ended() {
                    return Err(events.cut());
                }
                break;
            }
            Err(error) if fold.has_ended() => {
                tracing::debug!(%error, "the stream broke behind the end of the response");
                break;
            }
            Err(error) => return Err(error),
        };
        let read = read.and_then(|()| {
            while fold.wants_more()
                && let Some(event) = events.next_in_hand()
            {
                take_in(&mut **fold, &event, told)?;
            }
            Ok(())
        });
        read.map_err(|error| identified(error, events.status(), events.request_id()))?;
    }
    if !told.is_empty() {
        return Ok(Phase::Read(reading));
    }
    let Reading { events, fold } = *reading;
    let (status, request_id) = (events.status(), events.request_id().map(str::to_owned));
    events.finish().await;
    complete(*fold, status, request_id.as_deref(), told)
}

/// Folds an event of a stream. One that says nothing of the answer is a sign of life, unless it is called an error.
fn take_in(
    fold: &mut impl Fold,
    event: &StreamEvent<'_>,
    told: &mut Vec<ModelEvent>,
) -> Result<(), ModelError> {
    let (before, is_whole) = (told.len(), fold.has_ended());
    let is_error = event.name() == Some("error");
    match fold.fold(event.data(), told) {
        Ok(()) if is_error && told.len() == before && !fold.has_ended() => return Err(event.error()),
        Ok(()) => {}
        Err(Failure::Unreadable(error)) if is_whole => {
            tracing::debug!(%error, "the stream cannot be read behind the end of the response");
            fold.close();
        }
        Err(Failure::Unreadable(_)) if is_error => return Err(event.error()),
        Err(Failure::Unreadable(error)) => {
            return Err(event.json::<IgnoredAny>().err().unwrap_or_else(|| event.complete(error)));
        }
        Err(Failure::Reported(error)) => return Err(like(event.error(), &error)),
        Err(Failure::ReportedIn(part, error)) => return Err(like(event.error_in(&part), &error)),
        Err(Failure::Other(error)) => return Err(error),
    }
    if told.len() == before && fold.wants_more() {
        told.push(ModelEvent::Heartbeat);
    }
    Ok(())
}

fn complete<F: Fold>(
    fold: F,
    status: u16,
    request_id: Option<&str>,
    told: &mut Vec<ModelEvent>,
) -> Result<Phase<F>, ModelError> {
    let mut response = fold.finish(told).map_err(|error| identified(error, status, request_id))?;
    response.request_id = request_id.map(str::to_owned);
    told.push(ModelEvent::Completed(Box::new(response)));
    Ok(Phase::Over)
}

/// The transport's reading of an error, with what the protocol knows of retrying.
fn like(error: ModelError, known: &ModelError) -> ModelError {
    if known.is_retryable() { error } else { error.with_retryable(false) }
}

/// The error with the answer that it came in.
fn identified(error: ModelError, status: u16, request_id: Option<&str>) -> ModelError {
    let error = error.with_status(status);
    match request_id {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}
