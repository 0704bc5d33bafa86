//! What a run of an agent does, streamed and not, over the store in memory and the real lifecycle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agents;
mod answers;
mod broken;
mod calls;
mod cancel;
mod events;
mod fatal;
mod limits;
mod media;
mod output;
mod progress;
mod properties;
mod refusals;
mod retries;
mod state;
mod subagents;
mod support;
mod tool_use;
mod turns;
mod usage;
