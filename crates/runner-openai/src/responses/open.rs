//! The items that have begun and are not done: what was told of them, and which event belongs to which.
//!
//! By the protocol an item keeps its `output_index` and its id from its first event to its last. Servers leave out
//! either, give all items the same, or make up new ids on the way, also for the call that the output is to name.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent};
use agentexec_agent_core::transcript::{AssistantItem, Item, ToolCall};
use serde_json::Value;

use super::MAX_OUTPUT_ITEMS;
use super::item;
use super::wire::{Added, Event};
use crate::wire::Text;

/// With how many items that have begun one is compared that is done, the oldest of its kind. More have begun at once
/// only where somebody means to keep us busy.
const COMPARED: usize = 64;

/// The longest arguments that are compared as JSON, in bytes.
const MAX_MEANT: usize = 256 << 10;

/// How much longer a text may be for the space around it, in bytes.
const MAX_SPACE: usize = 64;

/// The messages and calls that have begun and whose item is not done.
#[derive(Debug, Default)]
pub(super) struct OpenItems(Vec<Open>);

#[derive(Debug)]
pub(super) struct Open {
    output_index: Option<i64>,
    item_id: Option<String>,
    kind: Kind,
    /// What was told of its text or its arguments.
    told: String,
    /// The arguments that it began with, which count where no others come.
    given: String,
    /// Whether a call was done that this one may be, though its id and its place are others.
    is_doubtful: bool,
    /// What it means, once that was asked.
    meaning: OnceLock<Option<u64>>,
}

#[derive(Debug)]
enum Kind {
    Message,
    Call { id: String, name: String },
}

/// A message or a call that is done.
#[derive(Debug)]
pub(super) struct Done<'a> {
    output_index: Option<i64>,
    /// The ids by which it may have begun.
    ids: Vec<&'a str>,
    /// The id and the name of the call, when it is one.
    call: Option<(&'a str, &'a str)>,
    /// Its whole text or arguments.
    whole: &'a str,
    /// What they mean, once that was asked.
    meaning: OnceCell<Option<u64>>,
}

impl<'a> Done<'a> {
    /// What is known of an item that is done, which may have begun as another. `None` of one that is told of only then.
    pub(super) fn of(item: &'a Item) -> Option<Self> {
        let (call, whole) = match item {
            Item::Assistant(said) => (None, &said.text),
            Item::ToolCall(call) => (Some((&*call.id, &*call.name)), &call.arguments),
            _ => return None,
        };
        let ids = item::raw(item).into_iter().flat_map(item::ids).collect();
        Some(Self { output_index: None, ids, call, whole, meaning: OnceCell::new() })
    }

    /// Adds what its event says of it.
    pub(super) fn with(mut self, event: &'a Event<'_>) -> Self {
        self.output_index = event.output_index;
        self.ids.extend(Text::non_empty(event.item_id.as_ref()));
        self
    }
}

/// How much what was told of an item is like one that is done, of which neither an id nor the place says that it is the
/// same. More is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// It can be the beginning of the call, whose place is another.
    Doubtful,
    /// Nothing was told.
    Blank,
    /// It is a message in other words.
    Possible,
    /// It is the beginning, or what is left after the server lost a piece: so many bytes.
    Part(usize),
    /// It means the same.
    Rewritten,
    /// It is the same.
    Same,
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
            self.push(Open::new(event.output_index, id, Kind::Message))?;
        }
        let Some((call_id, name)) = item.call() else { return Ok(None) };
        if self.0.iter().any(|open| open.call_id() == Some(call_id)) {
            return Ok(None);
        }
        let [call_id, name] = [call_id, name].map(str::to_owned);
        let kind = Kind::Call { id: call_id.clone(), name: name.clone() };
        let given = item.arguments().to_owned();
        self.push(Open { given, ..Open::new(event.output_index, id, kind) })?;
        Ok(Some(ModelEvent::ToolCallStarted { call_id, name }))
    }

    fn push(&mut self, open: Open) -> Result<(), ModelError> {
        if self.0.len() >= MAX_OUTPUT_ITEMS {
            return Err(too_many());
        }
        self.0.push(open);
        Ok(())
    }

    /// A piece of text, of a message that may not have been said to begin. Returns how many bytes of it are kept.
    pub(super) fn text(&mut self, event: &Event<'_>, delta: &str) -> Result<usize, ModelError> {
        let id = Text::non_empty(event.item_id.as_ref());
        let index = event.output_index;
        let newest = self.find(event, Kind::is_message);
        match newest.filter(|open| open.has_id(id) || !open.is_at_another(index)) {
            Some(open) => {
                open.tell(delta);
                Ok(delta.len())
            }
            None => {
                self.push(Open { told: delta.to_owned(), ..Open::new(index, id, Kind::Message) })?;
                Ok(delta.len() + id.map_or(0, str::len))
            }
        }
    }

    /// Whether a text as a whole is new: none of it was told.
    pub(super) fn is_news(&mut self, event: &Event<'_>) -> bool {
        self.find(event, Kind::is_message).is_none_or(|open| open.told.is_empty())
    }

    /// A piece of arguments.
    pub(super) fn delta(&mut self, event: &Event<'_>, delta: &str) -> Option<ModelEvent> {
        let open = self.find(event, |kind| !kind.is_message())?;
        open.tell(delta);
        open.call_id().map(|id| ModelEvent::ToolCallDelta { call_id: id.to_owned(), delta: delta.to_owned() })
    }

    /// The arguments as a whole: told when no piece of them was.
    pub(super) fn whole(&mut self, event: &Event<'_>, arguments: &str) -> Option<ModelEvent> {
        let open = self.find(event, |kind| !kind.is_message()).filter(|open| open.told.is_empty())?;
        open.tell(arguments);
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

    /// What has begun as this item, which is done now: by its ids, by its place, else what is most like it and at least
    /// so much. Of several it is the oldest.
    pub(super) fn end(&mut self, done: &Done<'_>, at_least: Likeness) -> Option<Open> {
        let signs: [fn(&Open, &Done<'_>) -> bool; 3] = [
            |open, done| done.call.is_some_and(|(id, _)| open.call_id() == Some(id)),
            |open, done| done.ids.iter().any(|id| open.has_id(Some(id))),
            |open, done| done.output_index.is_some() && open.output_index == done.output_index,
        ];
        let sure =
            signs.iter().find_map(|is| self.0.iter().position(|open| open.is_like(done) && is(open, done)));
        let place = sure.or_else(|| self.likest(done, at_least))?;
        Some(self.0.remove(place))
    }

    /// Where that stands which is most like this item.
    fn likest(&mut self, done: &Done<'_>, at_least: Likeness) -> Option<usize> {
        let told = self.0.iter().filter(|open| open.kind.is_message() && !open.told.is_empty());
        let is_only = told.count() == 1;
        let like = self.0.iter().enumerate().filter(|(_, open)| open.is_like(done)).take(COMPARED);
        let like = like.filter_map(|(place, open)| Some((open.likeness(done, is_only)?, Reverse(place))));
        let (likeness, Reverse(place)) = like.max()?;
        if likeness == Likeness::Doubtful {
            self.0.get_mut(place)?.is_doubtful = true;
            return None;
        }
        (likeness >= at_least).then_some(place)
    }

    /// The oldest of its kind. Of a message that says nothing there is nothing to end.
    pub(super) fn end_of_the_kind(&mut self, done: &Done<'_>) -> Option<Open> {
        let says = |open: &Open| !(open.kind.is_message() && open.told.is_empty());
        let place = self.0.iter().position(|open| open.is_like(done) && says(open))?;
        Some(self.0.remove(place))
    }

    /// What the response is over without finishing, as it was told. A server that never sends a finished item means
    /// it, and a run must not end as if nothing had been asked for. But a call that may have been done under another id
    /// and at another place has been.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Option<i64>, Item)> {
        std::mem::take(&mut self.0).into_iter().filter_map(|open| {
            let output_index = open.output_index;
            let is_nothing = open.is_doubtful || (open.kind.is_message() && open.told.is_empty());
            let (kind, told) = (!is_nothing).then(|| open.into_told())?;
            let item = match kind {
                Kind::Message => Item::Assistant(AssistantItem { text: told, raw: None }),
                Kind::Call { id, name } => Item::ToolCall(ToolCall { id, name, arguments: told, raw: None }),
            };
            Some((output_index, item))
        })
    }
}

impl Open {
    fn new(output_index: Option<i64>, id: Option<&str>, kind: Kind) -> Self {
        let item_id = id.map(str::to_owned);
        let (told, given, meaning) = (String::new(), String::new(), OnceLock::new());
        Self { output_index, item_id, kind, told, given, is_doubtful: false, meaning }
    }

    /// What was told of it, or else what it began with.
    fn into_told(self) -> (Kind, String) {
        let Self { kind, told, given, .. } = self;
        (kind, if told.is_empty() { given } else { told })
    }

    /// What was told of its text or its arguments, and the arguments that it began with.
    pub(super) fn into_parts(self) -> [String; 2] {
        [self.told, self.given]
    }

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

    /// `is_only` says whether, if it is a message, it is the only one of which anything was told.
    fn likeness(&self, done: &Done<'_>, is_only: bool) -> Option<Likeness> {
        let (told, whole) = (self.told.as_str(), done.whole);
        let is_message = self.kind.is_message();
        let likeness = if told.is_empty() {
            Likeness::Blank
        } else if told == whole {
            return Some(Likeness::Same);
        } else if self.means_the_same(done) {
            return Some(Likeness::Rewritten);
        } else if whole.starts_with(told) || whole.ends_with(told) {
            Likeness::Part(told.len())
        } else if is_message && whole.is_empty() {
            Likeness::Part(0)
        } else {
            return self.may_be(done, is_only).then_some(Likeness::Possible);
        };
        let is_another = self.is_at_another(done.output_index) && self.has_another_id(done);
        match is_another {
            false => Some(likeness),
            true => (!is_message && !self.is_doubtful).then_some(Likeness::Doubtful),
        }
    }

    /// Whether this, of which something was told, means the same.
    fn means_the_same(&self, done: &Done<'_>) -> bool {
        let (told, whole) = (self.told.as_str(), done.whole);
        if self.kind.is_message() {
            return told.len().abs_diff(whole.len()) <= MAX_SPACE && told.trim() == whole.trim();
        }
        let meaning_of_told = *self.meaning.get_or_init(|| meaning(told));
        meaning_of_told.is_some() && meaning_of_told == *done.meaning.get_or_init(|| meaning(whole))
    }

    /// Whether it may be this message in other words: as the only one, or as one of which no id says that it is another.
    fn may_be(&self, done: &Done<'_>, is_only: bool) -> bool {
        let is_unknown = is_only || !self.has_another_id(done);
        self.kind.is_message() && !self.is_at_another(done.output_index) && is_unknown
    }

    fn tell(&mut self, more: &str) {
        self.told.push_str(more);
        self.is_doubtful = false;
        self.meaning.take();
    }
}

/// What arguments mean however they are written, if they are JSON and not too long: a hash of it, which takes no place.
pub(super) fn meaning(arguments: &str) -> Option<u64> {
    let read = |arguments| serde_json::from_str::<Value>(arguments).ok();
    let value = Some(arguments).filter(|arguments| arguments.len() <= MAX_MEANT).and_then(read)?;
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Some(hasher.finish())
}

/// Whether both arguments mean something, and the same.
pub(super) fn means_the_same(one: &str, other: &str) -> bool {
    let meaning_of_one = meaning(one);
    meaning_of_one.is_some() && meaning_of_one == meaning(other)
}

impl Kind {
    fn is_message(&self) -> bool {
        matches!(self, Self::Message)
    }
}
