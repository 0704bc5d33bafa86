//! A tool as a model sees it.

use crate::schema::Schema;

/// The most characters of a tool's name. Names are made of `[a-zA-Z0-9_-]`, which every provider takes.
pub const NAME_LIMIT: usize = 64;

/// A tool as a model sees it: its name, what it does, and the schema of its arguments.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolSpec {
    /// The name, `[a-zA-Z0-9_-]{1,64}`.
    pub name: String,
    /// What it does, in words for the model.
    pub description: String,
    /// The schema of its arguments, in no provider's dialect.
    pub parameters: Schema,
}

impl ToolSpec {
    /// A tool of this name, description and argument schema.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Schema) -> Self {
        Self { name: name.into(), description: description.into(), parameters }
    }

    pub(crate) fn has_usable_name(&self) -> bool {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        (1..=NAME_LIMIT).contains(&self.name.len()) && self.name.chars().all(usable)
    }
}
