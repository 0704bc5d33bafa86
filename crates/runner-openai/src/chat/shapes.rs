//! Lists and objects, as servers write them. A list has an end: one event of a few megabytes can hold millions of empty
//! entries.

use std::fmt;
use std::marker::PhantomData;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

/// The most entries of a list.
const MAX_ENTRIES: usize = super::MAX_TOOL_CALLS;

/// A list, of which no more than [`MAX_ENTRIES`] are held. Nulls in it are skipped, an object in its place is its only
/// entry, and a word that says nothing (`""`, `false`) is a list of none.
#[derive(Debug)]
pub(super) struct Few<T> {
    entries: Vec<T>,
    has_more: bool,
}

impl<T> Few<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries.
    ///
    /// # Errors
    /// [`LimitExceeded`](ModelErrorKind::LimitExceeded) when there were more than are held.
    pub(super) fn all(self) -> Result<Vec<T>, ModelError> {
        if self.has_more {
            let message = format!("a list in the answer has more than {MAX_ENTRIES} entries");
            return Err(ModelError::new(ModelErrorKind::LimitExceeded, message));
        }
        Ok(self.entries)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), has_more: false }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FewVisitor<T> {
    type Value = Few<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut few = Few::default();
        while few.entries.len() < MAX_ENTRIES {
            match list.next_element::<Option<T>>()? {
                Some(entry) => few.entries.extend(entry),
                None => return Ok(few),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            few.has_more = true;
        }
        Ok(few)
    }

    fn visit_map<A: MapAccess<'de>>(self, entry: A) -> Result<Self::Value, A::Error> {
        let entry = T::deserialize(MapAccessDeserializer::new(entry))?;
        Ok(Few { entries: vec![entry], has_more: false })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() { Ok(Few::default()) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
        if on { Err(E::invalid_type(Unexpected::Bool(on), &self)) } else { Ok(Few::default()) }
    }
}

/// An object. Nothing else may stand in its place but what says nothing: some servers write an empty object as an empty
/// list or text.
pub(super) fn object<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_any(ObjectVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            Some(_) => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
            None => Ok(None),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() { Ok(None) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
    }
}
