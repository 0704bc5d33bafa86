//! Folding an Anthropic Messages answer, streamed or whole, into events and one response. No IO.
//!
//! Source of the rules: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent, ModelResponse, StopReason};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_core::Usage;
use agentexec_runner_http::{Fold, FoldError, Progress, ResponseBudget, thoughts_left_behind};
use serde_json::{Map, Value};

use crate::block::Block;
use crate::conversation::paused;
use crate::wire::{Counts, Delta, Event, Message, StopDetails, text_block};

/// The most content blocks of one response. A model that has more to say is out of control.
pub const MAX_CONTENT_BLOCKS: usize = 4096;

/// Folds the events of one Messages stream, or one whole body, into [`ModelEvent`]s and, at the end, a
/// [`ModelResponse`].
///
/// It does no IO: feed it the `data` of each event in order. It holds at most [`MAX_RESPONSE`](crate::MAX_RESPONSE)
/// bytes of what the model said. A body that was not streamed goes through the same handling block by block
/// ([`push_body`](Self::push_body)), so both ways end in the same response.
///
/// ```
/// use agentexec_agent_core::model::{ModelEvent, StopReason};
/// use agentexec_runner_claude::MessagesFold;
///
/// let mut fold = MessagesFold::new("anthropic");
/// let mut events = Vec::new();
/// for data in [
///     r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
///     r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
///     r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
///     r#"{"type":"message_stop"}"#,
/// ] {
///     fold.push(data, &mut events)?;
/// }
/// assert_eq!(events, [ModelEvent::TextDelta("Hello".into())]);
/// assert_eq!(fold.finish()?.stop, StopReason::EndTurn);
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
pub struct MessagesFold {
    /// What the items' own forms are marked with.
    origin: Arc<str>,
    blocks: Vec<Block>,
    budget: ResponseBudget,
    /// Where the newest block of each index stands.
    places: HashMap<u64, usize>,
    /// Whether the newest block came without an index.
    is_unplaced: bool,
    /// Whether anything of a message came.
    has_begun: bool,
    has_ended: bool,
    /// Whether the response is to leave a note that the model answered without its earlier thoughts.
    leaves_thoughts: bool,
    /// The blocks that came with the start of the message, and have not come again.
    given: BTreeMap<u64, Map<String, Value>>,
    counts: Counts,
    model: Option<String>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

impl MessagesFold {
    /// An empty fold. `origin` is the name under which the items keep the form that only this server understands
    /// (see [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol)).
    pub fn new(origin: impl Into<Arc<str>>) -> Self {
        Self {
            origin: origin.into(),
            blocks: Vec::new(),
            budget: ResponseBudget::default(),
            places: HashMap::new(),
            is_unplaced: false,
            has_begun: false,
            has_ended: false,
            leaves_thoughts: false,
            given: BTreeMap::new(),
            counts: Counts::default(),
            model: None,
            stop_reason: None,
            stop_details: None,
        }
    }

    /// Whether the response leaves a note that the model answered without its earlier thoughts.
    pub(crate) fn leaving_thoughts(mut self, on: bool) -> Self {
        self.leaves_thoughts = on;
        self
    }

    /// Takes in the data of one event and appends what it brought to `events`. It goes by its `type`; one without that
    /// reports an error or says nothing. What comes behind the terminal event is ignored.
    ///
    /// # Errors
    /// - An error that the server reports, in an `error` event or bare: its kind by its type.
    /// - [`Protocol`](ModelErrorKind::Protocol): a known event cannot be read or contradicts the ones before it.
    /// - [`StreamCut`](ModelErrorKind::StreamCut): the terminal event came, and no message before it.
    /// - [`LimitExceeded`](ModelErrorKind::LimitExceeded): more than [`MAX_CONTENT_BLOCKS`] blocks, or more than
    ///   [`MAX_RESPONSE`](crate::MAX_RESPONSE) bytes.
    ///
    /// The message then cannot be completed.
    pub fn push(&mut self, data: &str, events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        self.push_named(None, data, events)
    }

    /// The same for an event that has a name, the value of its `event` field. What is called an error or a ping
    /// is one, whatever it holds; anything else goes by the `type` of its JSON, and by its name where that is missing.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_named(
        &mut self,
        name: Option<&str>,
        data: &str,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        self.fold(name, data, events).map_err(ModelError::from)
    }

    /// Takes in a whole body: the events are those that a stream of it would have had, each block in one piece.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_body(&mut self, body: &[u8], events: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        self.whole(body, events).map_err(ModelError::from)
    }

    /// Whether the terminal event came.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The response: every block as an item in the order in which it began, with its own form. Behind those of a turn
    /// that the server paused stands a note that says so.
    ///
    /// What is missing is made up for: a message without a stop reason ended its turn, or asks for tools when it
    /// has tool calls.
    ///
    /// # Errors
    /// [`StreamCut`](ModelErrorKind::StreamCut): the terminal event did not come.
    pub fn finish(self) -> Result<ModelResponse, ModelError> {
        if !self.has_ended {
            let message = "the stream ended before the message did: no message_stop came";
            return Err(ModelError::new(ModelErrorKind::StreamCut, message));
        }
        let note = self.leaves_thoughts.then(|| thoughts_left_behind(&self.origin));
        let blocks = self.blocks.into_iter().map(|block| block.into_item(&self.origin));
        let mut items: Vec<Item> = note.into_iter().chain(blocks).collect();
        let stop = stop_reason(self.stop_reason, self.stop_details, &items);
        if stop == StopReason::Pause {
            items.push(paused(&self.origin));
        }
        let mut response = ModelResponse::new(items, stop);
        response.usage = usage(self.counts);
        response.model = self.model;
        Ok(response)
    }

    /// Takes in an event that can be read.
    fn event(&mut self, event: Event<'_>, data: &str, told: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        match event.kind.as_str() {
            "content_block_delta" => {
                self.budget.spend(event.delta.as_ref().map_or(0, |delta| delta.weight(data)))?;
                told.extend(self.extend(event.index, event.delta.unwrap_or_default(), data)?);
            }
            "content_block_start" => {
                self.budget.spend(data.len())?;
                told.extend(self.start(event.index, event.content_block.unwrap_or_default())?);
            }
            // Of a block that is none there is nothing to end.
            "content_block_stop" => told.extend(self.block(event.index).ok().and_then(Block::stop)),
            // What was said before is of no message that goes on.
            "message_start" if !self.blocks.is_empty() => {
                let message = "the server began the message anew in the middle of it";
                return Err(ModelError::new(ModelErrorKind::StreamCut, message).into());
            }
            "message_start" => {
                self.has_begun = true;
                if let Some(mut message) = event.message {
                    self.give(message.content.take().unwrap_or_default(), data)?;
                    self.open(*message);
                }
            }
            "message_delta" => self.close_with(event.delta.unwrap_or_default(), event.usage),
            "message_stop" => self.end(told)?,
            "error" => return Err(FoldError::reported(data)),
            // A whole message, as the only event of a stream.
            "message" => self.whole(data.as_bytes(), told)?,
            _ => {}
        }
        Ok(())
    }

    /// Adds a delta to its block. Text that no block takes is one of its own: some gateways leave out where it begins.
    fn extend(
        &mut self,
        index: Option<u64>,
        delta: Delta<'_>,
        data: &str,
    ) -> Result<Option<ModelEvent>, FoldError> {
        let is_text = delta.kind() == "text_delta";
        match self.block(index) {
            Ok(block) if !is_text || block.takes_text() => {
                if delta.is_unknown() {
                    block.grow(data);
                }
                Ok(block.extend(delta))
            }
            Err(error) if !is_text => Err(error),
            _ => self.start(index, text_block(delta.text.as_str())),
        }
    }

    /// The newest block with this index. Without an index it is the newest of all, also where only its start had none.
    fn block(&mut self, index: Option<u64>) -> Result<&mut Block, FoldError> {
        let place = index.and_then(|index| self.places.get(&index).copied());
        let newest = self.blocks.len().checked_sub(1);
        place
            .or(newest.filter(|_| index.is_none() || self.is_unplaced))
            .and_then(|place| self.blocks.get_mut(place))
            .ok_or_else(|| {
                let index = index.map_or_else(String::new, |index| format!(" {index}"));
                FoldError::unreadable(format!("an event is for content block{index}, which was never opened"))
            })
    }

    fn start(
        &mut self,
        index: Option<u64>,
        raw: Map<String, Value>,
    ) -> Result<Option<ModelEvent>, FoldError> {
        self.given.remove(&index.unwrap_or(self.blocks.len() as u64));
        if raw.is_empty() {
            return Ok(None);
        }
        if self.blocks.len() >= MAX_CONTENT_BLOCKS {
            return Err(too_many().into());
        }
        let (block, event) = Block::start(raw);
        self.is_unplaced = index.is_none();
        if let Some(index) = index {
            self.places.insert(index, self.blocks.len());
        }
        self.blocks.push(block);
        Ok(event)
    }

    /// Takes blocks that are complete, and tells what there is to show of them.
    fn take(
        &mut self,
        blocks: impl IntoIterator<Item = (u64, Map<String, Value>)>,
        told: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        for (index, block) in blocks {
            told.extend(self.start(Some(index), block)?);
            told.extend(self.block(Some(index))?.stop());
        }
        Ok(())
    }

    /// Keeps the blocks that came with the start of the message. Most servers that send any send them again.
    fn give(&mut self, content: Vec<Map<String, Value>>, data: &str) -> Result<(), FoldError> {
        if !content.is_empty() {
            self.budget.spend(data.len())?;
        }
        self.given.extend((0..).zip(content));
        Ok(())
    }

    /// The message is said to be over. One that never began is no answer, not even an empty one.
    fn end(&mut self, told: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if !self.has_begun && self.blocks.is_empty() && self.stop_reason.is_none() {
            let message = "the stream ended without an answer in it";
            return Err(ModelError::new(ModelErrorKind::StreamCut, message).into());
        }
        let given = mem::take(&mut self.given);
        self.take(given, told)?;
        self.has_ended = true;
        Ok(())
    }

    fn open(&mut self, message: Message) {
        self.model = message.model.or(self.model.take());
        self.stop_reason = message.stop_reason.or(self.stop_reason.take());
        self.stop_details = message.stop_details.or(self.stop_details.take());
        self.count(message.usage);
    }

    fn close_with(&mut self, delta: Delta<'_>, counts: Option<Box<Counts>>) {
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

impl Fold for MessagesFold {
    fn fold(&mut self, name: Option<&str>, data: &str, told: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        if self.has_ended {
            return Ok(());
        }
        match name {
            Some("error") => return Err(FoldError::reported(data)),
            Some("ping") => return Ok(()),
            _ => {}
        }
        match Event::read(name, data)? {
            Some(event) => self.event(event, data, told),
            None => Ok(()),
        }
    }

    fn whole(&mut self, body: &[u8], told: &mut Vec<ModelEvent>) -> Result<(), FoldError> {
        self.budget.spend(body.len())?;
        let mut message: Message = serde_json::from_slice(body)?;
        if message.error.is_some() {
            return Err(FoldError::reported(&String::from_utf8_lossy(body)));
        }
        let Some(content) = message.content.take() else {
            return Err(FoldError::unreadable("the answer is no message: it has no `content`"));
        };
        self.take((0..).zip(content), told)?;
        self.open(message);
        self.has_ended = true;
        Ok(())
    }

    /// Neither means anything here: a message says when it is over.
    fn close(&mut self) {}

    fn progress(&self) -> Progress {
        if self.has_ended { Progress::Over } else { Progress::Partial }
    }

    fn finish(self, _: &mut Vec<ModelEvent>) -> Result<ModelResponse, ModelError> {
        self.finish()
    }
}

/// Shows sizes, not what the model said.
impl fmt::Debug for MessagesFold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesFold")
            .field("blocks", &self.blocks.len())
            .field("stop_reason", &self.stop_reason)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

fn too_many() -> ModelError {
    let message = format!("the model produced more than {MAX_CONTENT_BLOCKS} blocks in one response");
    ModelError::new(ModelErrorKind::LimitExceeded, message)
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
            StopReason::Refusal(said.unwrap_or_default())
        }
        Some(other) => StopReason::Other(other.to_owned()),
        None if items.iter().any(|item| matches!(item, Item::ToolCall(_))) => StopReason::ToolCalls,
        None => StopReason::EndTurn,
    }
}

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
