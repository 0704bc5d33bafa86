//! Telling of function calls while their arguments come.

use agentexec_agent_core::model::ModelEvent;
use agentexec_agent_core::transcript::ToolCall;

use super::MAX_OUTPUT_ITEMS;
use super::wire::{Added, Event};
use crate::wire::Text;

/// The calls that have begun and whose item is not done.
#[derive(Debug, Default)]
pub(super) struct OpenCalls(Vec<OpenCall>);

#[derive(Debug)]
struct OpenCall {
    output_index: Option<i64>,
    item_id: Option<String>,
    call_id: String,
    /// Whether a piece of the arguments was told.
    has_delta: bool,
}

impl OpenCalls {
    /// An item has begun: tells of it when it is a call whose id and name are known. Other calls are told of when
    /// their item is done.
    pub(super) fn begin(&mut self, event: &Event<'_>, item: &Added<'_>) -> Option<ModelEvent> {
        let (call_id, name) = item.call()?;
        if self.0.len() >= MAX_OUTPUT_ITEMS || self.0.iter().any(|open| open.call_id == call_id) {
            return None;
        }
        self.0.push(OpenCall {
            output_index: event.output_index,
            item_id: item.id().map(str::to_owned),
            call_id: call_id.to_owned(),
            has_delta: false,
        });
        Some(ModelEvent::ToolCallStarted { call_id: call_id.to_owned(), name: name.to_owned() })
    }

    /// A piece of arguments. It belongs to the call of its `output_index`; servers that leave that out, or send the
    /// same for every item, may still have the `item_id` right; and those that have neither send one call after the
    /// other.
    pub(super) fn delta(&mut self, event: &Event<'_>, delta: String) -> Option<ModelEvent> {
        let id = Text::non_empty(event.item_id.as_ref());
        let (_, open) = self.0.iter_mut().enumerate().max_by_key(|(place, open)| {
            let has_index = event.output_index.is_some() && open.output_index == event.output_index;
            let has_id = id.is_some() && open.item_id.as_deref() == id;
            (has_index, has_id, *place)
        })?;
        open.has_delta = true;
        Some(ModelEvent::ToolCallDelta { call_id: open.call_id.clone(), delta })
    }

    /// The call's item is done: tells what was not told yet.
    pub(super) fn end(&mut self, call: &ToolCall, events: &mut Vec<ModelEvent>) {
        let open = self.0.iter().position(|open| open.call_id == call.id).map(|place| self.0.remove(place));
        if open.is_none() {
            events.push(ModelEvent::ToolCallStarted { call_id: call.id.clone(), name: call.name.clone() });
        }
        if !open.is_some_and(|open| open.has_delta) && !call.arguments.is_empty() {
            let (call_id, delta) = (call.id.clone(), call.arguments.clone());
            events.push(ModelEvent::ToolCallDelta { call_id, delta });
        }
    }
}
