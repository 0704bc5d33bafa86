//! For the tests of your own runners: what was recorded, and a store that fails on demand.

mod failing;
mod recording;

pub use failing::FailingStore;
pub use recording::Recorded;
