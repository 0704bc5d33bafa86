//! One request to a model and its answer, streamed or not, through a fold: what all protocols do alike.

use std::mem;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse};
use futures_util::stream::BoxStream;
use serde::de::IgnoredAny;

use crate::events::{EventStream, Heard, StreamEvent};
use crate::features::{Adaptation, Features, OptionalFeature};
use crate::fold::{Fold, FoldError, Progress};
use crate::reply::{JsonBody, ReplyBody};
use crate::request::Request;
use crate::sending::{Sending, Sent};
use crate::steps::{Steps, stream_of};
use crate::surrogates::Surrogates;
use crate::transport::Transport;

/// A request to a model in the words of a protocol, and how its answer is read. Without IO.
pub trait Exchange: Send {
    /// What the request may go without.
    type Feature: OptionalFeature;
    /// What reads the answer.
    type Fold: Fold;

    /// The model that is asked.
    fn model(&self) -> &str;

    /// Writes the request without these features.
    ///
    /// # Errors
    /// When the protocol has no words for what is asked.
    fn ask(&self, without: Features<Self::Feature>) -> Result<Asked<Self::Feature>, ModelError>;

    /// What this refusal asks to leave out, of the features that were `sent`. Nothing when it says anything else.
    fn refused(&self, error: &ModelError, sent: Features<Self::Feature>) -> Option<LeaveOut<Self::Feature>>;

    /// An empty fold, for the answer to a request that went without `once`, as a refusal of this one asked.
    fn fold(&self, once: Features<Self::Feature>) -> Self::Fold;
}

/// A request, and which features are in it.
#[derive(Clone, Debug)]
pub struct Asked<F: OptionalFeature> {
    /// The request.
    pub request: Request,
    /// Of the features that it could go without, those that are in it.
    pub sent: Features<F>,
}

/// What a refusal asks to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOut<F> {
    /// The model does not know it, which is remembered.
    Always(F),
    /// It does not fit here, which says nothing of the next request.
    Once(F),
}

/// Sends a request and folds what comes back. One that is refused for a feature that the server does not know is sent
/// again without it, each feature once, and what was found out is remembered. Dropping the stream aborts the request.
pub fn respond<'a, X: Exchange + 'a>(
    transport: &'a Transport,
    adaptation: &'a Adaptation<X::Feature>,
    exchange: X,
) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
    let without = adaptation.for_model(exchange.model());
    let phase = Phase::Ask(Step { without, ..Step::default() }, None);
    stream_of(Turn { transport, adaptation, exchange, phase })
}

struct Turn<'a, X: Exchange> {
    transport: &'a Transport,
    adaptation: &'a Adaptation<X::Feature>,
    exchange: X,
    phase: Phase<X>,
}

enum Phase<X: Exchange> {
    /// With the request that was refused, if one was.
    Ask(Step<X::Feature>, Option<Box<Sending>>),
    Send(Box<Sending>, Step<X::Feature>),
    Read(Box<Reading<X::Fold>>),
    /// The answer is whole.
    Close(Box<Reading<X::Fold>>),
    Over,
}

/// How far a request has been stepped down.
#[derive(Clone, Copy)]
struct Step<F> {
    /// What it goes without.
    without: Features<F>,
    /// What of that was found out just now and is to be remembered once the server takes the request.
    learned: Features<F>,
    /// What of that is left out of this request only.
    once: Features<F>,
    /// What is in it.
    sent: Features<F>,
}

struct Reading<F> {
    events: EventStream,
    fold: F,
    surrogates: Surrogates,
}

impl<F: OptionalFeature> Default for Step<F> {
    fn default() -> Self {
        let none = Features::NONE;
        Self { without: none, learned: none, once: none, sent: none }
    }
}

impl<F: OptionalFeature> Step<F> {
    /// What the request may still go without.
    fn left(self) -> Features<F> {
        self.sent.except(self.without)
    }

    fn down(self, out: LeaveOut<F>) -> Self {
        match out {
            LeaveOut::Always(feature) => {
                Self { without: self.without.with(feature), learned: self.learned.with(feature), ..self }
            }
            LeaveOut::Once(feature) => {
                Self { without: self.without.with(feature), once: self.once.with(feature), ..self }
            }
        }
    }
}

impl<X: Exchange> Steps for Turn<'_, X> {
    async fn step(&mut self, told: &mut Vec<ModelEvent>) -> Result<bool, ModelError> {
        self.phase = match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ask(step, refused) => self.ask(step, refused)?,
            Phase::Send(sending, step) => self.send(sending, step, told).await?,
            Phase::Read(reading) => read(reading, told).await?,
            Phase::Close(reading) => {
                let Reading { events, fold, .. } = *reading;
                let (status, request_id) = (events.status(), events.request_id().map(str::to_owned));
                events.finish().await;
                complete(fold, status, request_id.as_deref(), told)?;
                Phase::Over
            }
            Phase::Over => Phase::Over,
        };
        Ok(!matches!(self.phase, Phase::Over))
    }
}

impl<X: Exchange> Turn<'_, X> {
    /// Writes the request.
    fn ask(&self, step: Step<X::Feature>, refused: Option<Box<Sending>>) -> Result<Phase<X>, ModelError> {
        let Asked { request, sent } = self.exchange.ask(step.without)?;
        let sending = match refused {
            Some(refused) => refused.again(request)?,
            None => self.transport.sending(request)?,
        };
        Ok(Phase::Send(Box::new(sending), Step { sent, ..step }))
    }

    /// Tries once more.
    async fn send(
        &mut self,
        mut sending: Box<Sending>,
        step: Step<X::Feature>,
        told: &mut Vec<ModelEvent>,
    ) -> Result<Phase<X>, ModelError> {
        let reply = match sending.next().await {
            Ok(Sent::Reply(reply)) => reply,
            Ok(Sent::Retrying(retrying)) => {
                let (retry, retries, delay) = (retrying.retry, retrying.retries, retrying.delay);
                told.push(ModelEvent::Retrying { retry, retries, delay, error: retrying.error.to_string() });
                return Ok(Phase::Send(sending, step));
            }
            Err(error) => return Ok(Phase::Ask(self.step_down(step, error)?, Some(sending))),
        };
        self.adaptation.learn(self.exchange.model(), step.learned);
        let fold = self.exchange.fold(step.once);
        // Servers answer with a body where a stream was asked for, and the other way round: what came decides.
        match reply.into_body() {
            ReplyBody::Json(body) => read_body(&body, fold, told).map(|()| Phase::Over),
            ReplyBody::Events(events) => {
                Ok(Phase::Read(Box::new(Reading { events, fold, surrogates: Surrogates::default() })))
            }
        }
    }

    /// The next step after this error, if there is one. Each feature is left out once, so there is an end to it.
    fn step_down(&self, step: Step<X::Feature>, error: ModelError) -> Result<Step<X::Feature>, ModelError> {
        if !self.adaptation.steps_down() {
            return Err(error);
        }
        let Some(out) = self.exchange.refused(&error, step.left()) else { return Err(error) };
        let (model, request_id) = (self.exchange.model(), error.request_id());
        match out {
            LeaveOut::Always(feature) => {
                tracing::warn!(
                    model,
                    request_id,
                    ?feature,
                    "the server refuses a feature; asking without it"
                );
            }
            LeaveOut::Once(feature) => {
                tracing::debug!(model, request_id, ?feature, "refused; asking without it this once");
            }
        }
        Ok(step.down(out))
    }
}

fn read_body(body: &JsonBody, mut fold: impl Fold, told: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
    let mut folded = fold.whole(body.bytes(), told);
    if let Err(FoldError::Unreadable(_)) = folded
        && let Some(mended) = Surrogates::default().mend(&String::from_utf8_lossy(body.bytes()))
    {
        folded = fold.whole(mended.as_bytes(), told);
    }
    if let Err(failed) = folded {
        return Err(match failed {
            FoldError::Reported(error) => like(body.error(), &error),
            FoldError::ReportedIn(part, error) => like(body.error_in(&part), &error),
            FoldError::Unreadable(error) => {
                body.json::<IgnoredAny>().err().unwrap_or_else(|| body.complete(error))
            }
            FoldError::Other(error) => identified(error, body.status(), body.request_id()),
        });
    }
    fold.close();
    if fold.progress() == Progress::Partial {
        let error = ModelError::new(ModelErrorKind::Protocol, "the answer is JSON, but no response");
        return Err(body.complete(error));
    }
    complete(fold, body.status(), body.request_id(), told)
}

/// Reads on, and tells all that came at once.
async fn read<X: Exchange>(
    mut reading: Box<Reading<X::Fold>>,
    told: &mut Vec<ModelEvent>,
) -> Result<Phase<X>, ModelError> {
    let Reading { events, fold, surrogates } = &mut *reading;
    if fold.progress() == Progress::Whole {
        events.hurry();
    }
    let mut read = match events.next_or_heartbeat().await {
        Ok(Some(Heard::Event(event))) => take_in(fold, surrogates, &event, told),
        Ok(Some(_)) => {
            told.push(ModelEvent::Heartbeat);
            Ok(())
        }
        Ok(None) => {
            if events.is_done() {
                fold.close();
            }
            let is_cut = fold.progress() == Progress::Partial;
            return if is_cut { Err(events.cut()) } else { Ok(Phase::Close(reading)) };
        }
        Err(error) if fold.progress() == Progress::Whole => {
            tracing::debug!(%error, "the stream broke behind the end of the response");
            return Ok(Phase::Close(reading));
        }
        Err(error) => return Err(error),
    };
    while read.is_ok()
        && fold.progress() != Progress::Over
        && let Some(event) = events.next_in_hand()
    {
        read = take_in(fold, surrogates, &event, told);
    }
    read.map_err(|error| identified(error, events.status(), events.request_id()))?;
    // What was said before the end is told first, since closing may take a moment.
    Ok(if fold.progress() == Progress::Over { Phase::Close(reading) } else { Phase::Read(reading) })
}

/// Folds an event of a stream. One that says nothing of the answer is a sign of life, unless it is called an error.
fn take_in(
    fold: &mut impl Fold,
    surrogates: &mut Surrogates,
    event: &StreamEvent<'_>,
    told: &mut Vec<ModelEvent>,
) -> Result<(), ModelError> {
    let (before, was_whole) = (told.len(), fold.progress() >= Progress::Whole);
    let is_error = event.name() == Some("error");
    let mut folded = fold.fold(event.name(), event.data(), told);
    if let Err(FoldError::Unreadable(_)) = folded
        && let Some(mended) = surrogates.mend(event.data())
    {
        folded = fold.fold(event.name(), &mended, told);
    }
    match folded {
        Ok(()) if is_error && told.len() == before && fold.progress() < Progress::Whole => {
            return Err(event.error());
        }
        Ok(()) => {}
        Err(FoldError::Unreadable(error)) if was_whole => {
            tracing::debug!(%error, "the stream cannot be read behind the end of the response");
            fold.close();
        }
        Err(FoldError::Unreadable(_)) if is_error => return Err(event.error()),
        // Where the JSON itself is at fault the transport knows more: it may have been cut off.
        Err(FoldError::Unreadable(error)) => {
            return Err(event.json::<IgnoredAny>().err().unwrap_or_else(|| event.complete(error)));
        }
        Err(FoldError::Reported(error)) => return Err(like(event.error(), &error)),
        Err(FoldError::ReportedIn(part, error)) => return Err(like(event.error_in(&part), &error)),
        Err(FoldError::Other(error)) => return Err(error),
    }
    if told.len() == before && fold.progress() != Progress::Over {
        told.push(ModelEvent::Heartbeat);
    }
    Ok(())
}

fn complete(
    fold: impl Fold,
    status: u16,
    request_id: Option<&str>,
    told: &mut Vec<ModelEvent>,
) -> Result<(), ModelError> {
    let mut response: ModelResponse =
        fold.finish(told).map_err(|error| identified(error, status, request_id))?;
    response.request_id = request_id.map(str::to_owned);
    told.push(ModelEvent::Completed(Box::new(response)));
    Ok(())
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
