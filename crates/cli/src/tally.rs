//! What a run has taken so far, counted from its events: also of a run that hands nothing back at its end.

use agentexec::runner::{RunEvent, Usage};

/// What a run has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Responses of the model that came to their end.
    pub(crate) turns: u32,
    /// Tools that have answered.
    pub(crate) tool_calls: u32,
    pub(crate) usage: Usage,
}

impl Tally {
    pub(crate) fn count(&mut self, event: &RunEvent) {
        match event {
            RunEvent::ToolCallFinished { .. } => self.tool_calls += 1,
            RunEvent::TurnFinished { usage, .. } => {
                self.turns += 1;
                self.usage += *usage;
            }
            _ => {}
        }
    }
}
