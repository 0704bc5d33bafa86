//! Folding a Chat Completions answer, streamed or whole, into events and one response. No IO.

use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse};
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw};
use agentexec_runner_core::Usage;
use agentexec_runner_http::{Fold, FoldError, Progress, ResponseBudget, reports_error};
use serde_json::json;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::ends::{Reason, stop_reason};
use super::reasoning::Reasoning;
use super::shapes::Few;
use super::wire::{CallPiece, Choice, Chunk, Message, usage};
use crate::wire::{Text, lenient};

/// Folds the events of one Chat Completions stream into [`ModelEvent`]s and, at the end, a [`ModelResponse`].
///
/// It does no IO: feed it the `data` of each event in order. The whole body of an unstreamed answer is one
/// such piece.
///
/// # The end of a stream
/// Two things end a response: a `finish_reason`, since nothing of the answer follows it (only the usage does),
/// and `[DONE]`, since some servers never send a reason. A stream with neither was cut off, however cleanly
/// the connection closed, and [`finish`](Self::finish) says so. A reason beside a piece of the answer is believed only
/// at the end of the stream: some servers send one with each piece.
///
/// ```
/// use agentexec_runner_openai::chat::ChatFold;
/// use agentexec_agent_core::model::{ModelEvent, StopReason};
///
/// let mut fold = ChatFold::new("openai-chat");
/// let mut events = Vec::new();
/// fold.push(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#, &mut events)?;
/// fold.push(r#"{"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}"#, &mut events)?;
/// assert_eq!(events, [ModelEvent::TextDelta("Hel".into()), ModelEvent::TextDelta("lo".into())]);
///
/// let response = fold.finish(&mut events)?;
/// assert_eq!(response.stop, StopReason::EndTurn);
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
pub struct ChatFold {
    origin: Arc<str>,
    has_choice: bool,
    /// Whether the answer comes in deltas, so that a message beside them repeats it.
    has_deltas: bool,
    /// The newest message beside the deltas. It counts at the end, for what they did not say.
    beside: Option<Box<RawValue>>,
    text: String,
    refusal: String,
    reasoning: Reasoning,
    calls: Calls,
    /// The deprecated `function_call`, held back until it is sure that it does not only repeat a call of `tool_calls`.
    legacy_calls: Calls,
    /// Of several the worst.
    finish_reason: Option<Reason>,
    /// Whether the reason came with a piece of the answer: some servers say it with each.
    is_provisional: bool,
    done: bool,
    usage: Usage,
    model: Option<String>,
    budget: ResponseBudget,
}

impl ChatFold {
    /// An empty fold. `origin` is the name under which the items keep what only this server understands (see
    /// [`Raw::protocol`]).
    pub fn new(origin: impl Into<Arc<str>>) -> Self {
        Self {
            origin: origin.into(),
            has_choice: false,
            has_deltas: false,
            beside: None,
            text: String::new(),
            refusal: String::new(),
            reasoning: Reasoning::default(),
            calls: Calls::default(),
            legacy_calls: Calls::held(),
            finish_reason: None,
            is_provisional: false,
            done: false,
            usage: Usage::default(),
            model: None,
            budget: ResponseBudget::default(),
        }
    }

    /// Takes in the data of one event and appends what it brought to `events`. What comes behind `[DONE]` is
    /// ignored.
    ///
    /// # Errors
    /// - An error that the server reports, in a chunk of its own or beside a choice: its kind by its code.
    /// - [`Protocol`](ModelErrorKind::Protocol): the data is not JSON, or a field that is needed has another type.
    /// - [`LimitExceeded`](ModelErrorKind::LimitExceeded): more than [`MAX_TOOL_CALLS`](super::MAX_TOOL_CALLS)
    ///   calls, or more than [`MAX_RESPONSE`](crate::MAX_RESPONSE) bytes.
    pub fn push(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        self.fold(None, data, events).map_err(ModelError::from)
    }

    /// Whether what came so far is a whole response.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.done || self.finish_reason.is_some()
    }

    /// The response. What could not be told of before is appended to `events`.
    ///
    /// # Errors
    /// - [`StreamCut`](ModelErrorKind::StreamCut): neither a `finish_reason` nor `[DONE]` came.
    /// - [`Protocol`](ModelErrorKind::Protocol): there was no choice in it, so it was no response.
    /// - [`Server`](ModelErrorKind::Server), [`Overloaded`](ModelErrorKind::Overloaded): the reason says that the
    ///   server failed half-way.
    pub fn finish(mut self, events: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError> {
        if !self.has_ended() {
            return Err(ModelError::new(
                ModelErrorKind::StreamCut,
                "the stream ended before the response did: neither a finish_reason nor [DONE] came",
            ));
        }
        if !self.has_choice {
            return Err(ModelError::new(
                ModelErrorKind::Protocol,
                "the answer holds no choice, so no response",
            ));
        }
        self.catch_up(events)?;
        if self.calls.is_empty() {
            self.calls = self.legacy_calls;
        }
        let calls = self.calls.finish(&self.origin, events);
        let stop = stop_reason(self.finish_reason, &self.refusal, !calls.is_empty())?;

        let mut items: Vec<Item> = Vec::with_capacity(calls.len() + 2);
        items.extend(self.reasoning.into_item(&self.origin).map(Item::Reasoning));
        if !self.text.is_empty() || !self.refusal.is_empty() {
            let refusal = (!self.refusal.is_empty()).then(|| json!({ "refusal": self.refusal }));
            let raw = refusal.map(|value| Raw::new(&*self.origin, value));
            items.push(Item::Assistant(AssistantItem { text: self.text, raw }));
        }
        items.extend(calls.into_iter().map(Item::ToolCall));

        let mut response = ModelResponse::new(items, stop);
        response.usage = self.usage;
        response.model = self.model;
        Ok(response)
    }

    /// Takes in a chunk, which came in this `data`.
    fn chunk(&mut self, chunk: Chunk<'_>, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if let Some(reported) = chunk.error() {
            return Err(FoldError::reported(reported.get()));
        }
        if chunk.is_foreign() && reports_error(data) {
            return Err(FoldError::reported(data));
        }
        if let Some(said) = chunk.usage {
            self.usage = usage(said);
        }
        if self.model.is_none() {
            self.model = Text::non_empty(chunk.model.as_ref()).map(str::to_owned);
        }
        let has_choices = chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        // The last chunk has no choices: what was said is all.
        self.is_provisional &= has_choices || chunk.usage.is_none();
        // One choice was asked for. Some servers count it up from chunk to chunk, so only within one do others differ.
        let mut first = None;
        let is_first =
            |choice: &Choice<'_>| choice.index.is_none_or(|index| *first.get_or_insert(index) == index);
        let choices = chunk.choices.unwrap_or_default().all()?;
        choices.into_iter().filter(is_first).try_for_each(|choice| self.choice(choice, events))
    }

    fn choice(&mut self, choice: Choice<'_>, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if let Some(reported) = choice.error() {
            return Err(FoldError::reported_in(reported.get()));
        }
        self.has_choice = true;
        let mut weight = 0;
        if let Some(delta) = choice.delta {
            weight = self.message(delta, events, Calls::push)?;
            self.has_deltas |= weight > 0;
        }
        match choice.message {
            Some(message) if self.has_deltas => self.beside = Some(message.to_owned()),
            Some(message) => {
                let message = serde_json::from_str(message.get())?;
                weight += self.message(message, events, Calls::push_new)?;
            }
            None => {}
        }
        self.is_provisional |= weight > 0;
        if let Some(reason) = Text::non_empty(choice.finish_reason.as_ref()) {
            let reason = Reason::read(reason);
            self.finish_reason = Some(match self.finish_reason.take() {
                Some(before) => before.or_worse(reason),
                None => reason,
            });
            self.is_provisional = weight > 0;
        }
        Ok(())
    }

    /// Takes in a message or a piece of one, and returns how many bytes of it are kept.
    fn message(
        &mut self,
        message: Message<'_>,
        events: &mut Vec<ModelEvent>,
        push_call: impl Fn(&mut Calls, CallPiece<'_>, &mut Vec<ModelEvent>) -> Result<(), FoldError>,
    ) -> Result<usize, FoldError> {
        let weight = message.weight();
        self.budget.spend(weight)?;
        events.extend(self.reasoning.push(&message)?.map(ModelEvent::ReasoningDelta));
        if let Some(Text(text)) = message.content
            && !text.is_empty()
        {
            self.text.push_str(&text);
            events.push(ModelEvent::TextDelta(text.into_owned()));
        }
        if let Some(Text(refusal)) = message.refusal {
            self.refusal.push_str(&refusal);
        }
        for piece in message.tool_calls.unwrap_or_default().all()? {
            push_call(&mut self.calls, piece.into_function(), events)?;
        }
        if let Some(function) = message.function_call {
            self.legacy_calls.push(function.into(), events)?;
        }
        Ok(weight)
    }

    /// Takes what the deltas did not say from the message that stood beside them.
    fn catch_up(&mut self, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        let Some(beside) = self.beside.take() else { return Ok(()) };
        let mut message: Message<'_> = lenient(&beside);
        let rest = |Text(text): Text<'_>| text.strip_prefix(&*self.text).map(str::to_owned);
        message.content = message.content.and_then(rest).map(|rest| Text(rest.into()));
        message.refusal = message.refusal.filter(|_| self.refusal.is_empty());
        if !self.reasoning.is_empty() {
            (message.reasoning, message.reasoning_content) = (None, None);
            (message.reasoning_details, message.thinking_blocks) = (None, None);
        }
        if !self.calls.is_empty() || !self.legacy_calls.is_empty() {
            (message.tool_calls, message.function_call) = (None, None);
        }
        self.message(message, events, Calls::push_new)?;
        Ok(())
    }
}

/// Shows sizes, not what the model said.
impl fmt::Debug for ChatFold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatFold")
            .field("text_bytes", &self.text.len())
            .field("finish_reason", &self.finish_reason)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Fold for ChatFold {
    fn fold(&mut self, _: Option<&str>, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if self.done {
            return Ok(());
        }
        if data.starts_with("[DONE]") {
            self.done = true;
            return Ok(());
        }
        if !data.trim_start().starts_with('[') {
            return self.chunk(serde_json::from_str(data)?, data, events);
        }
        // Gemini puts an error into a list.
        let chunks: Few<Chunk<'_>> = serde_json::from_str(data)?;
        chunks.all()?.into_iter().try_for_each(|chunk| self.chunk(chunk, data, events))
    }

    fn close(&mut self) {
        self.done = true;
    }

    fn progress(&self) -> Progress {
        match self.finish_reason {
            _ if self.done => Progress::Over,
            None => Progress::Partial,
            Some(_) if self.is_provisional => Progress::Provisional,
            // The usage is still to come.
            Some(_) => Progress::Whole,
        }
    }

    fn finish(self, events: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError> {
        self.finish(events)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
