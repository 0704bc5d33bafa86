//! Folds the events of a stream, or one whole body, into a [`ModelResponse`]. It does no IO.
//!
//! Each event is pushed as the JSON text it came as. What a consumer may show at once comes back as a
//! [`ModelEvent`]; everything else is kept until [`Fold::finish`]. A body that was not streamed goes through the
//! same handling block by block ([`Fold::whole`]), so both ways end in the same response.
//!
//! ```
//! use agentexec_runner_claude::fold::{Fold, Folded};
//!
//! let mut fold = Fold::new();
//! fold.push(r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#)?;
//! fold.push(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#)?;
//! fold.push(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#)?;
//! assert_eq!(fold.push(r#"{"type":"message_stop"}"#)?, Folded::Done(vec![]));
//! assert_eq!(fold.finish().usage.output_tokens, 1);
//! # Ok::<(), agentexec_agent_core::model::ModelError>(())
//! ```
//!
//! Source of the rules: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse, StopReason};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_core::Usage;
use agentexec_runner_http::{ResponseBudget, error_from_value};
use serde_json::{Map, Value};

use crate::block::Block;
use crate::wire::{Counts, Delta, Event, Message, StopDetails};
use crate::{PROTOCOL, conversation};

/// What one event came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Folded {
    /// Nothing to show: a part of a block, a ping, or an event of a kind that nobody here knows.
    Quiet,
    /// Something that the model said.
    Event(ModelEvent),
    /// The event is an error of the provider. The message does not go on.
    Failed,
    /// The terminal event, with what there is to show yet: content that came with the start of the message and not
    /// again. [`Fold::finish`] gives the response.
    Done(Vec<ModelEvent>),
}

impl From<Option<ModelEvent>> for Folded {
    fn from(event: Option<ModelEvent>) -> Self {
        event.map_or(Self::Quiet, Self::Event)
    }
}

/// The message so far.
///
/// It holds at most [`MAX_RESPONSE`](crate::MAX_RESPONSE) bytes of what the model said.
#[derive(Debug)]
pub struct Fold {
    /// What the items' own forms are marked with.
    origin: Arc<str>,
    blocks: Vec<Block>,
    budget: ResponseBudget,
    /// Where the newest block of each index stands.
    places: HashMap<u64, usize>,
    /// Whether anything of a message came.
    has_begun: bool,
    /// The blocks that came with the start of the message, and have not come again.
    given: BTreeMap<u64, Map<String, Value>>,
    counts: Counts,
    model: Option<String>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

impl Default for Fold {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold {
    /// An empty message. The items' own forms are marked with [`PROTOCOL`] alone.
    #[must_use]
    pub fn new() -> Self {
        Self::of(PROTOCOL.into())
    }

    /// An empty message of the server that `origin` names.
    pub(crate) fn of(origin: Arc<str>) -> Self {
        Self {
            origin,
            blocks: Vec::new(),
            budget: ResponseBudget::default(),
            places: HashMap::new(),
            has_begun: false,
            given: BTreeMap::new(),
            counts: Counts::default(),
            model: None,
            stop_reason: None,
            stop_details: None,
        }
    }

    /// Adds one event of a stream, in the JSON it came as. It goes by its `type`; one without that reports an error or
    /// says nothing.
    ///
    /// # Errors
    /// [`ModelErrorKind::Protocol`] when a known event cannot be read or contradicts the ones before it, and
    /// [`ModelErrorKind::LimitExceeded`] when the message is larger than [`MAX_RESPONSE`](crate::MAX_RESPONSE).
    /// The message then cannot be completed.
    pub fn push(&mut self, data: &str) -> Result<Folded, ModelError> {
        self.push_named(None, data)
    }

    /// The same for an event that has a name, the value of its `event` field. What is called an error or a ping
    /// is one, whatever it holds; anything else goes by the `type` of its JSON, and by its name where that is missing.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_named(&mut self, name: Option<&str>, data: &str) -> Result<Folded, ModelError> {
        match name {
            Some("error") => return Ok(Folded::Failed),
            Some("ping") => return Ok(Folded::Quiet),
            _ => {}
        }
        let Some(event) = Event::read(name, data).map_err(|error| unreadable("event", &error))? else {
            return Ok(Folded::Quiet);
        };
        match event.kind.as_str() {
            "content_block_delta" => {
                self.budget.spend(event.delta.as_ref().map_or(0, |delta| delta.weight(data)))?;
                let block = self.block(event.index)?;
                Ok(event.delta.and_then(|delta| block.extend(delta)).into())
            }
            "content_block_start" => {
                self.budget.spend(data.len())?;
                self.start(event.index, event.content_block.unwrap_or_default())
            }
            // Of a block that is none there is nothing to end.
            "content_block_stop" => Ok(self.block(event.index).ok().and_then(Block::stop).into()),
            "message_start" => {
                self.has_begun = true;
                if let Some(mut message) = event.message {
                    self.give(message.content.take().unwrap_or_default(), data)?;
                    self.open(*message);
                }
                Ok(Folded::Quiet)
            }
            "message_delta" => {
                self.close(event.delta.unwrap_or_default(), event.usage);
                Ok(Folded::Quiet)
            }
            "message_stop" => self.end().map(Folded::Done),
            "error" => Ok(Folded::Failed),
            _ => Ok(Folded::Quiet),
        }
    }

    /// Reads a whole body: the events that a stream of it would have had, each block in one piece, and the
    /// message, ready for [`Fold::finish`].
    ///
    /// # Errors
    /// [`ModelErrorKind::Protocol`] when the body is not a message, [`ModelErrorKind::StreamCut`] when it ends in the
    /// middle of one, and the error that it reports, if it does.
    pub fn whole(body: &[u8]) -> Result<(Vec<ModelEvent>, Self), ModelError> {
        let reported = || error_from_value(&serde_json::from_slice(body).unwrap_or_default());
        Self::new().read(body)?.ok_or_else(reported)
    }

    /// Reads a whole body into an empty message. `None` is one that reports an error.
    pub(crate) fn read(mut self, body: &[u8]) -> Result<Option<(Vec<ModelEvent>, Self)>, ModelError> {
        let mut message: Message = serde_json::from_slice(body).map_err(|error| match error.is_eof() {
            true => ModelError::new(
                ModelErrorKind::StreamCut,
                "Anthropic: the answer ended before it was complete",
            ),
            false => unreadable("answer", &error),
        })?;
        if message.error.is_some() {
            return Ok(None);
        }
        let Some(content) = message.content.take() else {
            return Err(protocol("Anthropic sent an answer that is not a message: it has no `content`"));
        };
        let events = self.take((0..).zip(content))?;
        self.open(message);
        Ok(Some((events, self)))
    }

    /// The response: every block as an item in the order in which it began, with its own form. Behind those of a turn
    /// that the server paused stands a note that says so.
    ///
    /// What is missing is made up for: a message without a stop reason ended its turn, or asks for tools when it
    /// has tool calls.
    #[must_use]
    pub fn finish(self) -> ModelResponse {
        let mut items: Vec<Item> =
            self.blocks.into_iter().map(|block| block.into_item(&self.origin)).collect();
        let stop = stop_reason(self.stop_reason, self.stop_details, &items);
        if stop == StopReason::Pause {
            items.push(conversation::paused(&self.origin));
        }
        let mut response = ModelResponse::new(items, stop);
        response.usage = usage(self.counts);
        response.model = self.model;
        response
    }

    /// The newest block with this index. Without an index it is the newest of all.
    fn block(&mut self, index: Option<u64>) -> Result<&mut Block, ModelError> {
        let place = match index {
            Some(index) => self.places.get(&index).copied(),
            None => self.blocks.len().checked_sub(1),
        };
        place.and_then(|place| self.blocks.get_mut(place)).ok_or_else(|| {
            let index = index.map_or_else(String::new, |index| format!(" {index}"));
            protocol(format!("Anthropic sent an event for content block{index}, which was never opened"))
        })
    }

    fn start(&mut self, index: Option<u64>, raw: Map<String, Value>) -> Result<Folded, ModelError> {
        self.given.remove(&index.unwrap_or(self.blocks.len() as u64));
        if raw.is_empty() {
            return Ok(Folded::Quiet);
        }
        let (block, event) = Block::start(raw)?;
        if let Some(index) = index {
            self.places.insert(index, self.blocks.len());
        }
        self.blocks.push(block);
        Ok(event.into())
    }

    /// Takes blocks that are complete, and says what there is to show of them.
    fn take(
        &mut self,
        blocks: impl IntoIterator<Item = (u64, Map<String, Value>)>,
    ) -> Result<Vec<ModelEvent>, ModelError> {
        let mut events = Vec::new();
        for (index, block) in blocks {
            if let Folded::Event(event) = self.start(Some(index), block)? {
                events.push(event);
            }
            events.extend(self.block(Some(index))?.stop());
        }
        Ok(events)
    }

    /// Keeps the blocks that came with the start of the message. Most servers that send any send them again.
    fn give(&mut self, content: Vec<Map<String, Value>>, data: &str) -> Result<(), ModelError> {
        if !content.is_empty() {
            self.budget.spend(data.len())?;
        }
        self.given.extend((0..).zip(content));
        Ok(())
    }

    /// The message is said to be over. One that never began is no answer, not even an empty one.
    fn end(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        if !self.has_begun && self.blocks.is_empty() && self.stop_reason.is_none() {
            let message = "Anthropic: the stream ended without an answer in it";
            return Err(ModelError::new(ModelErrorKind::StreamCut, message));
        }
        let given = mem::take(&mut self.given);
        self.take(given)
    }

    fn open(&mut self, message: Message) {
        self.model = message.model.or(self.model.take());
        self.stop_reason = message.stop_reason.or(self.stop_reason.take());
        self.stop_details = message.stop_details.or(self.stop_details.take());
        self.count(message.usage);
    }

    fn close(&mut self, delta: Delta<'_>, counts: Option<Box<Counts>>) {
        self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
        self.stop_details = delta.stop_details.or(self.stop_details.take());
        self.count(counts);
    }

    /// Counts are cumulative: a newer one replaces the older, and one that is left out keeps it.
    fn count(&mut self, newer: Option<Box<Counts>>) {
        let Some(newer) = newer else { return };
        let older = self.counts;
        self.counts = Counts {
            input_tokens: newer.input_tokens.or(older.input_tokens),
            output_tokens: newer.output_tokens.or(older.output_tokens),
            cache_read_input_tokens: newer.cache_read_input_tokens.or(older.cache_read_input_tokens),
            cache_creation_input_tokens: newer
                .cache_creation_input_tokens
                .or(older.cache_creation_input_tokens),
            thinking_tokens: newer.thinking_tokens.or(older.thinking_tokens),
        };
    }
}

/// `input_tokens` of the wire leaves out what was read from or written to the cache; ours counts all of it.
fn usage(counts: Counts) -> Usage {
    let cached = counts.cache_read_input_tokens.unwrap_or_default();
    let written = counts.cache_creation_input_tokens.unwrap_or_default();
    let fresh = counts.input_tokens.unwrap_or_default();
    let mut usage = Usage::new(
        fresh.saturating_add(cached).saturating_add(written),
        counts.output_tokens.unwrap_or_default(),
    );
    usage.cached_tokens = cached;
    usage.cache_write_tokens = written;
    usage.reasoning_tokens = counts.thinking_tokens.unwrap_or_default();
    usage
}

fn stop_reason(reason: Option<String>, details: Option<StopDetails>, items: &[Item]) -> StopReason {
    match reason.as_deref() {
        Some("end_turn" | "stop_sequence") => StopReason::EndTurn,
        Some("tool_use") => StopReason::ToolCalls,
        Some("max_tokens") => StopReason::MaxTokens,
        Some("pause_turn") => StopReason::Pause,
        Some("model_context_window_exceeded") => StopReason::ContextWindow,
        Some("refusal") => {
            let said = details.and_then(|details| details.explanation).filter(|said| !said.is_empty());
            StopReason::Refusal(said.unwrap_or_else(|| text_of(items)))
        }
        Some(other) => StopReason::Other(other.to_owned()),
        None if items.iter().any(|item| matches!(item, Item::ToolCall(_))) => StopReason::ToolCalls,
        None => StopReason::EndTurn,
    }
}

fn text_of(items: &[Item]) -> String {
    let texts = items.iter().filter_map(|item| match item {
        Item::Assistant(item) => Some(item.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Says where reading failed. The words of the JSON error stay out: they can quote what the model said.
fn unreadable(what: &str, error: &serde_json::Error) -> ModelError {
    let place = format!("line {}, column {}", error.line(), error.column());
    let why = if error.is_data() { "has a field of the wrong type" } else { "is not JSON" };
    protocol(format!("Anthropic sent an {what} that cannot be read: it {why} ({place})"))
}

pub(crate) fn protocol(message: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Protocol, message)
}

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
