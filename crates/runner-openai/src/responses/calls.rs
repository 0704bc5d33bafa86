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
    name: String,
    /// What was told of the arguments.
    arguments: String,
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
            name: name.to_owned(),
            arguments: String::new(),
        });
        Some(ModelEvent::ToolCallStarted { call_id: call_id.to_owned(), name: name.to_owned() })
    }

    /// A piece of arguments. It belongs to the call of its `output_index`; servers that leave that out, or send the
    /// same for every item, may still have the `item_id` right; and those that have neither send one call after the
    /// other.
    pub(super) fn delta(&mut self, event: &Event<'_>, delta: &str) -> Option<ModelEvent> {
        let open = self.find(event)?;
        open.arguments.push_str(delta);
        Some(ModelEvent::ToolCallDelta { call_id: open.call_id.clone(), delta: delta.to_owned() })
    }

    /// The arguments as a whole: told when no piece of them was.
    pub(super) fn whole(&mut self, event: &Event<'_>, arguments: &str) -> Option<ModelEvent> {
        let open = self.find(event).filter(|open| open.arguments.is_empty())?;
        arguments.clone_into(&mut open.arguments);
        Some(ModelEvent::ToolCallDelta { call_id: open.call_id.clone(), delta: arguments.to_owned() })
    }

    fn find(&mut self, event: &Event<'_>) -> Option<&mut OpenCall> {
        let id = Text::non_empty(event.item_id.as_ref());
        let (_, open) = self.0.iter_mut().enumerate().max_by_key(|(place, open)| {
            let has_index = event.output_index.is_some() && open.output_index == event.output_index;
            let has_id = id.is_some() && open.item_id.as_deref() == id;
            (has_index, has_id, *place)
        })?;
        Some(open)
    }

    /// The call's item is done: tells what was not told yet.
    pub(super) fn end(&mut self, call: &ToolCall, events: &mut Vec<ModelEvent>) {
        let open = self.0.iter().position(|open| open.call_id == call.id).map(|place| self.0.remove(place));
        if open.is_none() {
            events.push(ModelEvent::ToolCallStarted { call_id: call.id.clone(), name: call.name.clone() });
        }
        if open.is_none_or(|open| open.arguments.is_empty()) && !call.arguments.is_empty() {
            let (call_id, delta) = (call.id.clone(), call.arguments.clone());
            events.push(ModelEvent::ToolCallDelta { call_id, delta });
        }
    }

    /// The calls that the response is over without finishing, as they were told. A server that never sends a finished
    /// item means them, and a run must not end as if nothing had been asked for.
    pub(super) fn take(&mut self) -> impl Iterator<Item = ToolCall> {
        let calls = std::mem::take(&mut self.0).into_iter();
        calls.map(|open| ToolCall { id: open.call_id, name: open.name, arguments: open.arguments, raw: None })
    }
}
