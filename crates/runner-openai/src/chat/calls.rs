//! Putting tool calls together from pieces.
//!
//! The protocol merges pieces by `index`, and by `id` where there is no index. Compatible servers leave out
//! either or both, give every call the index 0, repeat id and name in each piece, make up an id for each piece,
//! or send calls whole. So a piece goes to the newest call of its id, else to the newest call that it does not
//! contradict ([`Call::takes`]), and to a new call when there is none.
//!
//! Some servers report a call twice: in pieces, and whole once more under the same id. A call that has the id and the
//! name of an earlier one is held back until the end, when its arguments tell whether it is one of its own.

use std::mem;

use agentexec_agent_core::model::{ModelError, ModelErrorKind, ModelEvent};
use agentexec_agent_core::transcript::{Raw, ToolCall};
use agentexec_runner_http::FoldError;
use serde_json::{Map, Value};

use super::MAX_TOOL_CALLS;
use super::wire::{Arguments, CallPiece, FunctionPiece};
use crate::ids::new_call_id;
use crate::wire::Text;

/// The tool calls of one response.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Whether they are told of only at the end.
    is_held: bool,
}

impl Calls {
    /// Calls of which it is not sure yet that they are meant.
    pub(super) fn held() -> Self {
        Self { is_held: true, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.iter().all(Call::is_stray)
    }

    /// Adds a piece to its call, which may be a new one.
    pub(super) fn push(
        &mut self,
        piece: CallPiece<'_>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        match self.place(&piece) {
            Some(place) => self.apply(place, piece, events),
            None => self.push_new(piece, events),
        }
    }

    /// Adds a call that is new whatever its index and id say, as each call of an unstreamed answer is.
    pub(super) fn push_new(
        &mut self,
        piece: CallPiece<'_>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        if self.calls.len() >= MAX_TOOL_CALLS {
            let message = format!("the model asked for more than {MAX_TOOL_CALLS} tools in one response");
            return Err(ModelError::new(ModelErrorKind::LimitExceeded, message).into());
        }
        self.calls.push(Call { index: piece.index, ..Call::default() });
        self.apply(self.calls.len() - 1, piece, events)
    }

    /// The calls in the order in which they began.
    pub(super) fn finish(mut self, origin: &str, events: &mut Vec<ModelEvent>) -> Vec<ToolCall> {
        self.calls.retain(|call| !call.is_stray());
        self.join_repetitions(events);
        for place in 0..self.calls.len() {
            self.announce(place, events);
        }
        self.calls.into_iter().map(|call| call.into_item(origin)).collect()
    }

    /// Makes one of the calls that were reported twice.
    fn join_repetitions(&mut self, events: &mut Vec<ModelEvent>) {
        let mut calls: Vec<Call> = Vec::with_capacity(self.calls.len());
        for call in mem::take(&mut self.calls) {
            let alike = |first: &Call| first.may_be(&call);
            let as_text = calls.iter().position(|first| alike(first) && first.goes_on_in(&call));
            // JSON is read for one comparison alone, however many calls share an id.
            let newest = calls.iter().rposition(alike);
            let as_json =
                || newest.filter(|place| calls.get(*place).is_some_and(|first| first.equals(&call)));
            match as_text.or_else(as_json).and_then(|place| calls.get_mut(place)) {
                Some(first) => events.extend(first.join(call)),
                None => calls.push(call),
            }
        }
        self.calls = calls;
    }

    /// Where the call stands that the piece belongs to.
    fn place(&mut self, piece: &CallPiece<'_>) -> Option<usize> {
        let id = Text::non_empty(piece.id.as_ref());
        let last = self.calls.len().checked_sub(1)?;
        let is_possible = |place: usize, call: &Call| match piece.index {
            Some(index) => call.index.is_none_or(|own| own == index),
            None => place == last || call.has_id(id),
        };
        let mut calls = self.calls.iter_mut().enumerate();
        let is_own = |(place, call): (usize, &mut Call)| {
            call.has_id(id) && is_possible(place, call) && !call.is_behind(piece)
        };
        if let Some(own) = calls.rposition(is_own) {
            return Some(own);
        }
        let mut is_newest = true;
        let newest_first = self.calls.iter_mut().enumerate().rev();
        let mut possible = newest_first.filter(|(place, call)| is_possible(*place, call));
        possible
            .find_map(|(place, call)| call.takes(piece, mem::replace(&mut is_newest, false)).then_some(place))
    }

    fn apply(
        &mut self,
        place: usize,
        piece: CallPiece<'_>,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), FoldError> {
        let Some(call) = self.calls.get_mut(place) else { return Ok(()) };
        let delta = call.apply(piece);
        match (&call.id, delta) {
            (Some(call_id), Some(delta)) => {
                events.push(ModelEvent::ToolCallDelta { call_id: call_id.clone(), delta });
            }
            (None, _) if !call.name.is_empty() && !self.is_held => self.announce_new(place, events),
            _ => {}
        }
        Ok(())
    }

    /// Tells of the call, unless it may be an earlier one that is reported again.
    fn announce_new(&mut self, place: usize, events: &mut Vec<ModelEvent>) {
        let calls = self.calls.get(..=place).and_then(<[Call]>::split_last);
        if !calls.is_some_and(|(call, earlier)| earlier.iter().any(|first| first.may_be(call))) {
            self.announce(place, events);
        }
    }

    /// Gives the call the id that it keeps, and tells of it. A call that is known already is left alone.
    fn announce(&mut self, place: usize, events: &mut Vec<ModelEvent>) {
        let Some(call) = self.calls.get(place).filter(|call| call.id.is_none()) else { return };
        // Two calls with one id could not both be answered.
        let free = |id: &&String| self.calls.iter().all(|other| other.id.as_ref() != Some(*id));
        let id = call.wire_id.as_ref().filter(free).cloned().unwrap_or_else(new_call_id);
        events.push(ModelEvent::ToolCallStarted { call_id: id.clone(), name: call.name.clone() });
        if !call.arguments.is_empty() {
            events.push(ModelEvent::ToolCallDelta { call_id: id.clone(), delta: call.arguments.clone() });
        }
        if let Some(call) = self.calls.get_mut(place) {
            call.id = Some(id);
        }
    }
}

#[derive(Debug, Default)]
struct Call {
    index: Option<i64>,
    /// The id as the server says it; pieces are matched by it.
    wire_id: Option<String>,
    /// The id that the rest of the program knows: set when the call is announced and never changed.
    id: Option<String>,
    name: String,
    arguments: String,
    progress: Progress,
    extra: Map<String, Value>,
}

impl Call {
    /// Whether nothing came of it: neither name nor arguments. A nameless call must be answered all the same.
    fn is_stray(&self) -> bool {
        self.name.is_empty() && self.arguments.trim().is_empty()
    }

    /// Whether the other, which was not told of, may be this one once more.
    fn may_be(&self, other: &Self) -> bool {
        let has_its_id = self.wire_id.is_some() && self.wire_id == other.wire_id;
        let has_its_name = other.name.is_empty() || self.name == other.name;
        has_its_id && has_its_name && other.id.is_none()
    }

    /// Whether the arguments of one are the beginning of those of the other.
    fn goes_on_in(&self, other: &Self) -> bool {
        self.arguments.starts_with(&other.arguments) || other.arguments.starts_with(&self.arguments)
    }

    /// Whether the arguments are the same in other words.
    fn equals(&self, other: &Self) -> bool {
        let read = |call: &Self| serde_json::from_str::<Value>(&call.arguments).ok();
        read(self).is_some_and(|arguments| Some(arguments) == read(other))
    }

    /// Takes in what a repetition has and this had not.
    fn join(&mut self, again: Self) -> Option<ModelEvent> {
        for (key, value) in again.extra {
            self.extra.entry(key).or_insert(value);
        }
        let rest = again.arguments.strip_prefix(&self.arguments).filter(|rest| !rest.is_empty())?;
        self.arguments.push_str(rest);
        let call_id = self.id.clone()?;
        Some(ModelEvent::ToolCallDelta { call_id, delta: rest.to_owned() })
    }

    /// Whether the piece, which has the id of this call, begins another: this is whole, and it says a name again with
    /// the beginning of arguments, or another name.
    fn is_behind(&mut self, piece: &CallPiece<'_>) -> bool {
        let Some(function) = &piece.function else { return false };
        let Some(name) = Text::non_empty(function.name.as_ref()) else { return false };
        (name != self.name || function.begins_arguments()) && self.progress.is_whole(&self.arguments)
    }

    fn has_id(&self, id: Option<&str>) -> bool {
        id.is_some() && self.wire_id.as_deref() == id
    }

    /// Whether the piece, whose id no call has, can be a part of this call.
    fn takes(&mut self, piece: &CallPiece<'_>, is_newest: bool) -> bool {
        let is_at_its_index = piece.index.is_some() && piece.index == self.index;
        let function = piece.function.as_ref();
        let name = function.and_then(|function| Text::non_empty(function.name.as_ref()));
        if self.wire_id.is_some() && Text::non_empty(piece.id.as_ref()).is_some() {
            // Another id is another call, which says its name; a piece without one has an id of its own.
            return name.is_none()
                && is_newest
                && is_at_its_index
                && !self.progress.is_whole(&self.arguments);
        }
        match name {
            None => true,
            Some(_) if self.name.is_empty() => true,
            Some(name) if self.name != name => false,
            // A server that knows the call by its id repeats the name; others may begin the next call of this name.
            Some(_) => {
                (self.wire_id.is_some() && is_at_its_index)
                    || !function.is_some_and(FunctionPiece::has_arguments)
                    || !self.progress.is_whole(&self.arguments)
            }
        }
    }

    /// Takes the piece in: the first id stays, the name overwrites, arguments append. Returns what the arguments grew
    /// by.
    fn apply(&mut self, piece: CallPiece<'_>) -> Option<String> {
        if let Some(id) = Text::non_empty(piece.id.as_ref()) {
            self.wire_id.get_or_insert_with(|| id.to_owned());
        }
        self.extra.extend(piece.extra.into_iter().filter(|(_, value)| !value.is_null()));
        let function = piece.function?;
        if let Some(name) = Text::non_empty(function.name.as_ref()) {
            name.clone_into(&mut self.name);
        }
        match function.arguments {
            Some(Arguments::Piece(text)) if !text.is_empty() => {
                self.arguments.push_str(&text);
                Some(text.into_owned())
            }
            // An object is the whole: a repetition replaces it.
            Some(Arguments::Whole(json)) => {
                let json = json.to_string();
                let news = self.arguments.is_empty().then(|| json.clone());
                self.arguments = json;
                self.progress = Progress::default();
                news
            }
            _ => None,
        }
    }

    fn into_item(self, origin: &str) -> ToolCall {
        let extra = (!self.extra.is_empty()).then_some(Value::Object(self.extra));
        ToolCall {
            id: self.id.unwrap_or_else(new_call_id),
            name: self.name,
            arguments: self.arguments,
            raw: extra.map(|extra| Raw::new(origin, extra)),
        }
    }
}

/// How far the arguments were looked at. Each byte is read once, however often it is asked for.
#[derive(Debug, Default)]
struct Progress {
    read: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl Progress {
    /// Whether the text is a whole JSON object or array. Nothing else can stand behind one.
    fn is_whole(&mut self, json: &str) -> bool {
        for byte in json.bytes().skip(self.read) {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole |= self.depth == 0;
                }
                _ => {}
            }
        }
        self.read = json.len();
        self.whole
    }
}
