//! Folding an answer of the Responses API, streamed or whole, into events and one response. No IO.

use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse, StopReason};
use agentexec_agent_core::transcript::{Item, ToolCall};
use agentexec_runner_core::Usage;
use agentexec_runner_http::{
    Fold, FoldError, Progress, ResponseBudget, error_from_text, reports_error, thoughts_left_behind,
};

use super::MAX_OUTPUT_ITEMS;
use super::item::{self, Output, PARAGRAPH};
use super::listed::{self, Listed};
use super::open::{Done, Likeness, Open, OpenItems, meaning, means_the_same, too_many};
use super::previous;
use super::wire::{self, Added, Body, Event, Incomplete, List};
use crate::ids::new_call_id;
use crate::wire::{Text, lenient};

/// Folds the events of one Responses stream into [`ModelEvent`]s and, at the end, a [`ModelResponse`].
///
/// It does no IO: feed it the `data` of each event in order. The body of an unstreamed answer is one such piece.
/// Events are known by the `type` in their JSON, so the `event:` line may be missing; events of an unknown type
/// are skipped.
///
/// The response is put together from the items of `response.output_item.done`, since the terminal event may come
/// with an empty `output`; of that list only those count that did not come before. Nothing depends on
/// `sequence_number`, on `output_index` or on an item keeping its id, also not on a call keeping the id that its output
/// names: it keeps the one that it began with.
///
/// # The end of a stream
/// `response.completed`, `response.incomplete`, `response.failed` and `response.cancelled` end a response.
/// Without one of them it was cut off, whatever came before: the usage and the status are known only there, and
/// OpenAI's own clients fail too. `[DONE]` means nothing here.
///
/// ```
/// use agentexec_agent_core::model::{ModelEvent, StopReason};
/// use agentexec_runner_openai::responses::ResponsesFold;
///
/// let mut fold = ResponsesFold::new("openai-responses");
/// let mut events = Vec::new();
/// fold.push(r#"{"type": "response.output_text.delta", "delta": "Hello"}"#, &mut events)?;
/// assert_eq!(events, [ModelEvent::TextDelta("Hello".into())]);
///
/// let done = r#"{"type": "response.output_item.done", "item":
///     {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}}"#;
/// fold.push(done, &mut events)?;
/// fold.push(r#"{"type": "response.completed", "response": {"status": "completed"}}"#, &mut events)?;
/// let response = fold.finish()?;
/// assert_eq!(response.stop, StopReason::EndTurn);
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
pub struct ResponsesFold {
    origin: Arc<str>,
    /// The items that are done, each with its place if the server said it.
    items: Vec<(Option<i64>, Item)>,
    open: OpenItems,
    /// Whether reasoning was told whose item is not done.
    has_reasoning: bool,
    refusal: String,
    /// What was told of a refusal, should no item tell it.
    refusing: String,
    end: Option<End>,
    /// Whether the response is to leave a note that the model answered without its earlier thoughts.
    leaves_thoughts: bool,
    /// Whether the response is to leave a note of its id.
    notes_id: bool,
    /// The id by which the server has the response, as long as the server and the items agree on the ids of the calls.
    id: Option<String>,
    has_renamed: bool,
    usage: Usage,
    model: Option<String>,
    budget: ResponseBudget,
}

/// How a response ended.
#[derive(Debug, PartialEq)]
enum End {
    Completed,
    /// With the reason.
    Incomplete(String),
}

impl ResponsesFold {
    /// An empty fold. `origin` is the name under which the items keep the form that only this server understands
    /// (see [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol)).
    pub fn new(origin: impl Into<Arc<str>>) -> Self {
        Self {
            origin: origin.into(),
            items: Vec::new(),
            open: OpenItems::default(),
            has_reasoning: false,
            refusal: String::new(),
            refusing: String::new(),
            end: None,
            leaves_thoughts: false,
            notes_id: false,
            id: None,
            has_renamed: false,
            usage: Usage::default(),
            model: None,
            budget: ResponseBudget::default(),
        }
    }

    /// Whether the response leaves a note of its id behind its items, from which
    /// [`Responses::previous_response`](super::Responses::previous_response) goes on. Default: no.
    #[must_use]
    pub fn noting_id(mut self, on: bool) -> Self {
        self.notes_id = on;
        self
    }

    /// Whether the response leaves a note that the model answered without its earlier thoughts.
    pub(super) fn leaving_thoughts(mut self, on: bool) -> Self {
        self.leaves_thoughts = on;
        self
    }

    /// Takes in the data of one event and appends what it brought to `events`. What comes behind the terminal event
    /// is ignored.
    ///
    /// # Errors
    /// - An error that the server reports, in an `error` event, bare, or as the end of the response
    ///   (`response.failed`): its kind by its code.
    /// - [`Server`](ModelErrorKind::Server), not retryable: the response was cancelled at the server.
    /// - [`Protocol`](ModelErrorKind::Protocol): the data is not JSON, a field that is needed has another type, or a
    ///   body says that the response is not finished.
    /// - [`LimitExceeded`](ModelErrorKind::LimitExceeded): more than [`MAX_OUTPUT_ITEMS`] items, or more than
    ///   [`MAX_RESPONSE`](crate::MAX_RESPONSE) bytes.
    pub fn push(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        self.fold(None, data, events).map_err(ModelError::from)
    }

    /// Whether the terminal event came.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The response.
    ///
    /// # Errors
    /// [`StreamCut`](ModelErrorKind::StreamCut): no terminal event came.
    pub fn finish(mut self) -> Result<ModelResponse, ModelError> {
        let Some(end) = self.end else {
            return Err(ModelError::new(
                ModelErrorKind::StreamCut,
                "the stream ended before the response did: no terminal event came",
            ));
        };
        // A server that gives every item its place may finish them in another order.
        if self.items.iter().all(|(place, _)| place.is_some()) {
            self.items.sort_by_key(|(place, _)| *place);
        }
        let note = self.leaves_thoughts.then(|| thoughts_left_behind(&self.origin));
        let mut items: Vec<Item> =
            note.into_iter().chain(self.items.into_iter().map(|(_, item)| item)).collect();
        let has_calls = items.iter().any(|item| matches!(item, Item::ToolCall(_)));
        let is_whole = end == End::Completed;
        let stop = match end {
            _ if !self.refusal.is_empty() => StopReason::Refusal(self.refusal),
            End::Incomplete(reason) => match reason.as_str() {
                "content_filter" => StopReason::ContentFilter,
                // Mostly `max_output_tokens`. Some servers give no reason: it is not whole all the same.
                _ => StopReason::MaxTokens,
            },
            End::Completed if has_calls => StopReason::ToolCalls,
            End::Completed => StopReason::EndTurn,
        };
        let note = self.id.filter(|_| self.notes_id && !self.has_renamed && is_whole);
        items.extend(note.map(|id| previous::note(&self.origin, &id)));
        let mut response = ModelResponse::new(items, stop);
        response.usage = self.usage;
        response.model = self.model;
        Ok(response)
    }

    fn event(
        &mut self,
        kind: &str,
        event: &Event<'_>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        let delta = Text::non_empty(event.delta.as_ref());
        match (kind, delta) {
            ("response.output_text.delta", Some(delta)) => {
                self.budget.spend(self.open.text(event, delta)?)?;
                events.push(ModelEvent::TextDelta(delta.to_owned()));
            }
            ("response.output_text.done", _) => {
                let whole = Text::non_empty(event.text.as_ref()).unwrap_or_default();
                if !whole.is_empty() && self.open.is_news(event) && !self.has_said(whole) {
                    self.budget.spend(self.open.text(event, whole)?)?;
                    events.push(ModelEvent::TextDelta(whole.to_owned()));
                }
            }
            ("response.refusal.done", _) if self.refusing.is_empty() => {
                let whole = Text::non_empty(event.refusal.as_ref()).unwrap_or_default();
                self.budget.spend(whole.len())?;
                whole.clone_into(&mut self.refusing);
            }
            ("response.refusal.delta", Some(delta)) => {
                self.budget.spend(delta.len())?;
                self.refusing.push_str(delta);
            }
            ("response.function_call_arguments.delta", Some(delta)) => {
                self.budget.spend(delta.len())?;
                events.extend(self.open.delta(event, delta));
            }
            ("response.function_call_arguments.done", _) => {
                let whole = Text::non_empty(event.arguments.as_ref()).unwrap_or_default();
                self.budget.spend(whole.len())?;
                events.extend(self.open.whole(event, whole));
            }
            ("response.reasoning_summary_text.delta" | "response.reasoning_text.delta", Some(delta)) => {
                self.has_reasoning = true;
                events.push(ModelEvent::ReasoningDelta(delta.to_owned()));
            }
            ("response.reasoning_summary_part.added", _) if event.summary_index > Some(0) => {
                events.push(ModelEvent::ReasoningDelta(PARAGRAPH.to_owned()));
            }
            ("response.output_item.added", _) => {
                let Some(raw) = event.item else { return Ok(()) };
                let item: Added<'_> = lenient(raw);
                if item.call().is_none_or(|(id, _)| self.call(id).is_none()) {
                    self.budget.spend(item.weight())?;
                    events.extend(self.open.begin(event, &item)?);
                }
            }
            ("response.output_item.done", _) => self.done(event, events)?,
            _ => {}
        }
        Ok(())
    }

    /// An item is done, as its event says.
    fn done(&mut self, event: &Event<'_>, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        let Some(raw) = event.item else { return Ok(()) };
        self.budget.spend(raw.get().len())?;
        let output = item::read(serde_json::from_str(raw.get())?, &self.origin);
        if self.takes_again(&output.item, events) {
            return Ok(());
        }
        let done = Done::of(&output.item).map(|done| done.with(event));
        let begun = done.and_then(|done| self.open.end(&done, Likeness::Blank));
        self.item(event.output_index, output, begun, events)
    }

    /// An item is done, whose place is `place` and which has begun as `begun`.
    fn item(
        &mut self,
        place: Option<i64>,
        output: Output,
        begun: Option<Open>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        if self.items.len() >= MAX_OUTPUT_ITEMS {
            return Err(too_many().into());
        }
        let Output { mut item, refusal, is_renamed } = output;
        self.has_renamed |= is_renamed;
        match &mut item {
            Item::Assistant(said) => {
                let [told, _] = begun.map(Open::into_parts).unwrap_or_default();
                if said.text.is_empty() && refusal.is_empty() && !told.is_empty() {
                    item::say(said, told);
                } else {
                    let rest = said.text.strip_prefix(&told).filter(|rest| !rest.is_empty());
                    events.extend(rest.map(|rest| ModelEvent::TextDelta(rest.to_owned())));
                }
            }
            Item::Reasoning(reasoning) => {
                let told = std::mem::take(&mut self.has_reasoning);
                if !told && !reasoning.text.is_empty() {
                    events.push(ModelEvent::ReasoningDelta(reasoning.text.clone()));
                }
            }
            Item::ToolCall(call) => self.call_done(call, begun, events),
            _ => {}
        }
        self.refusal.push_str(&refusal);
        self.items.push((place, item));
        Ok(())
    }

    /// A call is done: tells what was not told yet. It keeps the id that it was told by.
    fn call_done(&mut self, call: &mut ToolCall, begun: Option<Open>, events: &mut Vec<ModelEvent>) {
        if self.call(&call.id).is_some() {
            // Two calls with one id could not both be answered.
            item::rename_call(call, &new_call_id());
            self.has_renamed = true;
        }
        match begun.as_ref().and_then(Open::call_id) {
            Some(id) if id != call.id => {
                item::rename_call(call, id);
                self.has_renamed = true;
            }
            Some(_) => {}
            None => {
                let (call_id, name) = (call.id.clone(), call.name.clone());
                events.push(ModelEvent::ToolCallStarted { call_id, name });
            }
        }
        let [told, given] = begun.map(Open::into_parts).unwrap_or_default();
        if call.arguments.is_empty() {
            call.arguments = if told.is_empty() { given } else { told };
        } else if let Some(rest) = call.arguments.strip_prefix(&told).filter(|rest| !rest.is_empty()) {
            let (call_id, delta) = (call.id.clone(), rest.to_owned());
            events.push(ModelEvent::ToolCallDelta { call_id, delta });
        }
    }

    /// Whether it is an item that came before, once more. A call that came without all of its arguments gets the rest.
    fn takes_again(&mut self, item: &Item, events: &mut Vec<ModelEvent>) -> bool {
        let Item::ToolCall(call) = item else {
            return self.items.iter().any(|(_, known)| item::is_again(known, item));
        };
        let mut known = self.items.iter_mut().filter_map(|(_, item)| match item {
            Item::ToolCall(known) if known.id == call.id && known.name == call.name => Some(known),
            _ => None,
        });
        let Some(known) = known.next() else { return false };
        match call.arguments.strip_prefix(&known.arguments) {
            Some(rest) if !rest.is_empty() && meaning(&known.arguments).is_none() => {
                let (call_id, delta) = (call.id.clone(), rest.to_owned());
                events.push(ModelEvent::ToolCallDelta { call_id, delta });
                known.arguments.push_str(rest);
                known.raw.clone_from(&call.raw);
                true
            }
            Some("") => true,
            _ => call.arguments.trim().is_empty() || means_the_same(&known.arguments, &call.arguments),
        }
    }

    /// Whether a message that is done has this text in it.
    fn has_said(&self, text: &str) -> bool {
        self.items.iter().any(|(_, item)| matches!(item, Item::Assistant(said) if said.text.contains(text)))
    }

    fn call(&self, id: &str) -> Option<&ToolCall> {
        self.items.iter().find_map(|(_, item)| match item {
            Item::ToolCall(call) if call.id == id => Some(call),
            _ => None,
        })
    }

    /// The response is over. `said` is what the type of the event says of it.
    fn end(
        &mut self,
        said: Option<&str>,
        body: Body<'_>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        let status = Text::non_empty(body.status.as_ref());
        // Some servers leave the status of the response as it was when the stream began.
        let status = status.filter(|status| said.is_none() || !matches!(*status, "in_progress" | "queued"));
        // Where the two differ, the response is no better than the worse of them.
        let worse = [said, status].into_iter().flatten().max_by_key(|status| severity(status));
        let end = match worse.unwrap_or("completed") {
            "failed" => return Err(FoldError::Reported(failed(&body))),
            "cancelled" => {
                let error =
                    ModelError::new(ModelErrorKind::Server, "the response was cancelled at the server");
                return Err(error.with_code("cancelled").with_retryable(false).into());
            }
            "incomplete" => {
                let details: Incomplete<'_> = body.incomplete_details.map(lenient).unwrap_or_default();
                let reason = Text::non_empty(details.reason.as_ref()).unwrap_or("incomplete");
                End::Incomplete(reason.to_owned())
            }
            status @ ("in_progress" | "queued") => {
                let message = format!(
                    "the answer is a response that is not finished ({status}): is it a background response?"
                );
                return Err(ModelError::new(ModelErrorKind::Protocol, message).into());
            }
            _ => End::Completed,
        };
        self.id = Text::non_empty(body.id.as_ref()).map(str::to_owned);
        self.model = Text::non_empty(body.model.as_ref()).map(str::to_owned);
        self.usage = body.usage.map(wire::usage).unwrap_or_default();
        if let Some(list) = body.output {
            self.list(&list, events)?;
        }
        self.items.extend(self.open.take());
        if self.refusal.is_empty() {
            self.refusal = std::mem::take(&mut self.refusing);
        }
        self.end = Some(end);
        Ok(())
    }

    /// The items of the whole response, those that came before among them.
    fn list(&mut self, list: &List<'_>, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if list.is_too_long {
            return Err(too_many().into());
        }
        let missing = listed::missing(&mut self.items, &mut self.open, &list.items, &self.origin)?;
        for Listed { place, size, output, begun } in missing {
            if !self.takes_again(&output.item, events) {
                self.budget.spend(size)?;
                self.item(Some(place), output, begun, events)?;
            }
        }
        Ok(())
    }
}

/// How bad an end is that a status speaks of.
fn severity(status: &str) -> u8 {
    match status {
        "failed" => 3,
        "cancelled" => 2,
        "incomplete" => 1,
        _ => 0,
    }
}

/// Why a response failed. Codes that nobody here knows are of this one request (`invalid_prompt`,
/// `image_too_large`, …), so only those that are known to pass are worth a retry.
fn failed(body: &Body<'_>) -> ModelError {
    let Some(error) = body.error else {
        return ModelError::new(ModelErrorKind::Server, "the response failed without a reason");
    };
    let error = error_from_text(error.get());
    match error.code() {
        Some(code) if error.kind() == ModelErrorKind::Server && !PASSING.contains(&code) => {
            error.with_retryable(false)
        }
        _ => error,
    }
}

/// Codes of a failed response that say that the server failed.
const PASSING: [&str; 3] = ["server_error", "internal_error", "vector_store_timeout"];

/// Shows sizes, not what the model said.
impl fmt::Debug for ResponsesFold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponsesFold")
            .field("items", &self.items.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Fold for ResponsesFold {
    fn fold(&mut self, _: Option<&str>, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if self.has_ended() || data.starts_with("[DONE]") {
            return Ok(());
        }
        let Some(event) = Event::read(data)? else { return Ok(()) };
        match Text::non_empty(event.kind.as_ref()) {
            Some("error") => Err(FoldError::reported(data)),
            Some(
                kind @ ("response.completed"
                | "response.incomplete"
                | "response.failed"
                | "response.cancelled"),
            ) => {
                let body = event.response.map(|raw| serde_json::from_str(raw.get())).transpose()?;
                self.end(kind.strip_prefix("response."), body.unwrap_or_default(), events)
            }
            Some(kind) => self.event(kind, &event, events),
            None if event.is_response() => self.end(None, serde_json::from_str(data)?, events),
            None if reports_error(data) => Err(FoldError::reported(data)),
            None => Ok(()),
        }
    }

    /// Neither means anything here: a body is a response by what it says.
    fn close(&mut self) {}

    fn progress(&self) -> Progress {
        if self.has_ended() { Progress::Over } else { Progress::Partial }
    }

    fn finish(self, _events: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError> {
        self.finish()
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
