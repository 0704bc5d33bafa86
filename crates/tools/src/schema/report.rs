//! What a dialect could not say, and what became of it.

use std::collections::BTreeSet;
use std::fmt;

/// What became of a keyword that the dialect does not take as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// It is not enforced any more, wholly or in part. Where words can say it, the description does.
    Dropped,
    /// It has another form with the same meaning, counting null as "left out" (see
    /// [`Schema::drop_nulls`](super::Schema::drop_nulls)).
    Rewritten,
    /// The schema cannot be sent in this dialect at all.
    Unsupported,
}

/// One keyword that the dialect does not take as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Entry {
    /// Where the keyword stands: a JSON pointer into the schema that was converted, empty for its root.
    pub pointer: String,
    /// The keyword, or the one that comes nearest when the rule is about something that is missing.
    pub keyword: String,
    /// What became of it.
    pub action: Action,
    /// Why, in words for the developer who wrote the schema.
    pub reason: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Dropped => "dropped",
            Action::Rewritten => "rewritten",
            Action::Unsupported => "unsupported",
        };
        let place = if self.pointer.is_empty() { "the root" } else { &self.pointer };
        write!(f, "`{}` at {place} {action}: {}", self.keyword, self.reason)
    }
}

/// How much a converted schema uses of what providers limit.
///
/// Anthropic counts optional and union parameters over all strict schemas of a request together, so a caller
/// with several strict tools adds these up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Size {
    /// Properties of all objects, those of definitions included.
    pub properties: usize,
    /// Properties that their object does not require.
    pub optional: usize,
    /// Schemas with `anyOf` or with more than one type.
    pub unions: usize,
    /// Values of all enums.
    pub enum_values: usize,
    /// Characters of all property names, definition names, enum values and const values.
    pub name_chars: usize,
    /// Objects and arrays within each other, the root being the first; references are not followed.
    pub depth: usize,
}

/// What a dialect could not say about a schema. Empty if it took everything as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    entries: BTreeSet<Entry>,
    size: Size,
}

impl Report {
    /// The entries, ordered by pointer, each named once.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Whether the converted schema can be sent in this dialect. If not, fall back on a dialect that is not
    /// strict.
    pub fn is_expressible(&self) -> bool {
        self.entries.iter().all(|entry| entry.action != Action::Unsupported)
    }

    /// Whether the converted schema accepts what the original accepts and nothing else, but for keys that the
    /// original does not name. Keywords that draft 2020-12 counts as annotations (`format` is one) constrain
    /// nothing, so losing them is no loss; nor is it one when `oneOf` becomes `anyOf`, since serde takes the first
    /// form that fits. A schema that names no type counts as one of the types that its keywords are about.
    pub fn is_lossless(&self) -> bool {
        self.entries.iter().all(|entry| match entry.action {
            Action::Rewritten => true,
            Action::Dropped => super::rules::is_annotation(&entry.keyword),
            Action::Unsupported => false,
        })
    }

    /// Whether the dialect took everything as it was.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much the converted schema uses of what providers limit. Zero for the dialects that are not strict,
    /// which nobody limits.
    pub fn size(&self) -> Size {
        self.size
    }

    pub(super) fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    pub(super) fn add(&mut self, action: Action, pointer: &str, keyword: &str, reason: impl Into<String>) {
        self.entries.insert(Entry {
            pointer: pointer.to_owned(),
            keyword: keyword.to_owned(),
            action,
            reason: reason.into(),
        });
    }
}

/// One line for each entry.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}
