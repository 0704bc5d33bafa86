//! The items that have begun and are not done: what was told of them, and which event belongs to which.
//!
//! By the protocol an item keeps its `output_index` and its id from its first event to its last. Servers leave out
//! either, give all items the same, or make up new ids on the way, also for the call that the output is to name.

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent};
use agentexec_agent_core::transcript::{AssistantItem, Item, ToolCall};

use super::MAX_OUTPUT_ITEMS;
use super::wire::{Added, Event};
use crate::wire::Text;

/// The messages and calls that have begun and whose item is not done.
#[derive(Debug, Default)]
pub(super) struct OpenItems(Vec<Open>);

#[derive(Debug)]
pub(super) struct Open {
    output_index: Option<i64>,
    item_id: Option<String>,
    kind: Kind,
    /// What was told of its text or its arguments.
    pub(super) told: String,
}

#[derive(Debug)]
enum Kind {
    Message,
    Call { id: String, name: String },
}

/// An item that is done.
#[derive(Debug)]
pub(super) struct Done<'a> {
    pub(super) output_index: Option<i64>,
    /// The ids by which it may have begun.
    pub(super) ids: &'a [&'a str],
    /// The id and the name of the call, when it is one.
    pub(super) call: Option<(&'a str, &'a str)>,
    /// Its whole text or arguments.
    pub(super) whole: &'a str,
}

/// The error for a response of too many items.
pub(super) fn too_many() -> ModelError {
    let message = format!("the model produced more than {MAX_OUTPUT_ITEMS} items in one response");
    ModelError::new(ModelErrorKind::LimitExceeded, message)
}

impl OpenItems {
    /// An item has begun. A call is told of when its id and name are known; other calls are told of when their item is
    /// done.
    pub(super) fn begin(
        &mut self,
        event: &Event<'_>,
        item: &Added<'_>,
    ) -> Result<Option<ModelEvent>, ModelError> {
        let id = item.id().or(Text::non_empty(event.item_id.as_ref()));
        if item.is_message() {
            self.push(event.output_index, id, Kind::Message, "")?;
        }
        let Some((call_id, name)) = item.call() else { return Ok(None) };
        if self.0.iter().any(|open| open.call_id() == Some(call_id)) {
            return Ok(None);
        }
        let [call_id, name] = [call_id, name].map(str::to_owned);
        let kind = Kind::Call { id: call_id.clone(), name: name.clone() };
        self.push(event.output_index, id, kind, "")?;
        Ok(Some(ModelEvent::ToolCallStarted { call_id, name }))
    }

    fn push(
        &mut self,
        output_index: Option<i64>,
        id: Option<&str>,
        kind: Kind,
        told: &str,
    ) -> Result<(), ModelError> {
        if self.0.len() >= MAX_OUTPUT_ITEMS {
            return Err(too_many());
        }
        let item_id = id.map(str::to_owned);
        self.0.push(Open { output_index, item_id, kind, told: told.to_owned() });
        Ok(())
    }

    /// A piece of text, of a message that may not have been said to begin. Returns how many bytes of it are kept.
    pub(super) fn text(&mut self, event: &Event<'_>, delta: &str) -> Result<usize, ModelError> {
        let id = Text::non_empty(event.item_id.as_ref());
        let index = event.output_index;
        let newest = self.find(event, Kind::is_message);
        match newest.filter(|open| open.has_id(id) || !open.is_at_another(index)) {
            Some(open) => {
                open.told.push_str(delta);
                Ok(delta.len())
            }
            None => {
                self.push(index, id, Kind::Message, delta)?;
                Ok(delta.len() + id.map_or(0, str::len))
            }
        }
    }

    /// A piece of arguments.
    pub(super) fn delta(&mut self, event: &Event<'_>, delta: &str) -> Option<ModelEvent> {
        let open = self.find(event, |kind| !kind.is_message())?;
        open.told.push_str(delta);
        open.call_id().map(|id| ModelEvent::ToolCallDelta { call_id: id.to_owned(), delta: delta.to_owned() })
    }

    /// The arguments as a whole: told when no piece of them was.
    pub(super) fn whole(&mut self, event: &Event<'_>, arguments: &str) -> Option<ModelEvent> {
        let open = self.find(event, |kind| !kind.is_message()).filter(|open| open.told.is_empty())?;
        arguments.clone_into(&mut open.told);
        open.call_id()
            .map(|id| ModelEvent::ToolCallDelta { call_id: id.to_owned(), delta: arguments.to_owned() })
    }

    /// The item that a piece belongs to: that of its `output_index`; servers that leave that out, or send the same for
    /// every item, may still have the `item_id` right; and those that have neither send one item after the other.
    fn find(&mut self, event: &Event<'_>, is: impl Fn(&Kind) -> bool) -> Option<&mut Open> {
        let id = Text::non_empty(event.item_id.as_ref());
        let possible = self.0.iter_mut().enumerate().filter(|(_, open)| is(&open.kind));
        let (_, open) = possible.max_by_key(|(place, open)| {
            let has_index = event.output_index.is_some() && open.output_index == event.output_index;
            (has_index, open.has_id(id), *place)
        })?;
        Some(open)
    }

    /// What has begun as this item, which is done now. The surest sign decides, and of several the oldest.
    pub(super) fn end(&mut self, done: &Done<'_>) -> Option<Open> {
        let signs: [fn(&Open, &Done<'_>) -> bool; 5] = [
            |open, done| done.call.is_some_and(|(id, _)| open.call_id() == Some(id)),
            |open, done| done.ids.iter().any(|id| open.has_id(Some(id))),
            |open, done| done.output_index.is_some() && open.output_index == done.output_index,
            Open::may_become,
            Open::may_be,
        ];
        let place = signs
            .iter()
            .find_map(|is| self.0.iter().position(|open| open.is_like(done) && is(open, done)))?;
        Some(self.0.remove(place))
    }

    /// What the response is over without finishing, as it was told. A server that never sends a finished item means
    /// it, and a run must not end as if nothing had been asked for.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Option<i64>, Item)> {
        std::mem::take(&mut self.0).into_iter().filter_map(|open| {
            let Open { output_index, kind, told, .. } = open;
            let item = match kind {
                Kind::Message if told.is_empty() => return None,
                Kind::Message => Item::Assistant(AssistantItem { text: told, raw: None }),
                Kind::Call { id, name } => Item::ToolCall(ToolCall { id, name, arguments: told, raw: None }),
            };
            Some((output_index, item))
        })
    }
}

impl Open {
    /// The id by which a call was told of.
    pub(super) fn call_id(&self) -> Option<&str> {
        match &self.kind {
            Kind::Call { id, .. } => Some(id),
            Kind::Message => None,
        }
    }

    fn has_id(&self, id: Option<&str>) -> bool {
        id.is_some() && self.item_id.as_deref() == id
    }

    fn is_at_another(&self, output_index: Option<i64>) -> bool {
        self.output_index.zip(output_index).is_some_and(|(own, other)| own != other)
    }

    /// Whether both are messages, or calls of one tool.
    fn is_like(&self, done: &Done<'_>) -> bool {
        match (&self.kind, done.call) {
            (Kind::Message, None) => true,
            (Kind::Call { name, .. }, Some((_, other))) => name == other,
            _ => false,
        }
    }

    /// Whether both have an id. It is asked where they have none in common.
    fn has_another_id(&self, done: &Done<'_>) -> bool {
        self.item_id.is_some() && !done.ids.is_empty()
    }

    /// Whether it can be the beginning of this item, or what is left of one after the server lost a piece.
    fn may_become(&self, done: &Done<'_>) -> bool {
        if self.kind.is_message() {
            let is_another = self.is_at_another(done.output_index) && self.has_another_id(done);
            !is_another && (done.whole.is_empty() || done.whole.contains(&self.told))
        } else {
            done.whole.contains(&self.told)
        }
    }

    /// Whether it is a message of which nothing says that it is another, though it does not say quite the same.
    fn may_be(&self, done: &Done<'_>) -> bool {
        self.kind.is_message() && !self.is_at_another(done.output_index) && !self.has_another_id(done)
    }
}

impl Kind {
    fn is_message(&self) -> bool {
        matches!(self, Self::Message)
    }
}
