//! Notes that a model leaves in a transcript for itself.

use agentexec_agent_core::transcript::{Item, Raw};

/// The note that stands in a transcript where the model was asked without its earlier thoughts.
const LEFT_BEHIND: &str = "thoughts_left_behind";

/// An item for the beginning of an answer that the model gave without its earlier thoughts: they stay behind from then
/// on, so that what it thinks next can go back to it.
#[must_use]
pub fn thoughts_left_behind(origin: &str) -> Item {
    Item::Opaque(Raw::note(origin, LEFT_BEHIND.into()))
}

/// Whether an item says that the thoughts before it stay behind.
#[must_use]
pub fn leaves_thoughts_behind(item: &Item, origin: &str) -> bool {
    matches!(item, Item::Opaque(raw) if raw.note_of(origin).is_some_and(|note| note == LEFT_BEHIND))
}
