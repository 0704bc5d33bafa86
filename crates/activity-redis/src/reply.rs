//! Taking the answer of a script apart.

use agentexec_activity_core::WatchCursor;
use redis::Value;

use crate::failure::Failure;

/// The parts of an answer, in order.
pub(crate) struct Reply(std::vec::IntoIter<Value>);

const OTHER: Failure = Failure::Unreadable("the answer of a script has another form");

impl Reply {
    pub(crate) fn of(value: Value) -> Result<Self, Failure> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            Value::Nil => Ok(Self(Vec::new().into_iter())),
            _ => Err(OTHER),
        }
    }

    /// The next part as a number.
    pub(crate) fn number(&mut self) -> Result<u64, Failure> {
        let part = self.0.next().ok_or(OTHER)?;
        redis::from_redis_value(part).map_err(|_| OTHER)
    }

    /// The next part as a small number.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Failure> {
        self.number()?.try_into().map_err(|_| OTHER)
    }

    /// The next part as bytes; nothing behind the last.
    pub(crate) fn bytes(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.0.next().map(bytes).transpose()
    }

    /// The next part, which must be there, as bytes.
    pub(crate) fn some_bytes(&mut self) -> Result<Vec<u8>, Failure> {
        self.bytes()?.ok_or(OTHER)
    }

    /// The next part as the place of an event; nothing behind the last.
    pub(crate) fn place(&mut self) -> Result<Option<WatchCursor>, Failure> {
        self.bytes()?.map(|id| place(&id)).transpose()
    }

    /// The next part, which must be there, as the place of an event.
    pub(crate) fn some_place(&mut self) -> Result<WatchCursor, Failure> {
        self.place()?.ok_or(OTHER)
    }

    /// The next part as an answer with parts of its own; nothing behind the last.
    pub(crate) fn inner(&mut self) -> Result<Option<Self>, Failure> {
        self.0.next().map(Self::of).transpose()
    }
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, Failure> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(OTHER),
    }
}

/// The place that the id of a stream entry names: the life is its upper half.
fn place(id: &[u8]) -> Result<WatchCursor, Failure> {
    let text = std::str::from_utf8(id).map_err(|_| OTHER)?;
    let (life, number) = text.split_once('-').ok_or(OTHER)?;
    let part = |text: &str| text.parse::<u64>().map(u128::from).map_err(|_| OTHER);
    Ok(WatchCursor::new(part(life)? << 64 | part(number)?))
}

/// The id of the stream entry at a place.
pub(crate) fn entry_id(place: WatchCursor) -> String {
    format!("{}-{}", life(place), place.number() & u128::from(u64::MAX))
}

/// The life of the events that a place is in.
pub(crate) fn life(place: WatchCursor) -> u128 {
    place.number() >> 64
}
