//! The lifecycle combinator: any future or agent framework as a tracked activity.
//!
//! An [activity](agentexec_activity_core) is the record of one piece of work. This crate does the work and keeps
//! the record truthful: queued, running with messages and a percentage, and then exactly one of complete, error
//! or canceled, also when the work fails, panics, times out, is canceled or is dropped. It knows no language model
//! and no provider.
//!
//! | you have | use |
//! |---|---|
//! | a future | [`activities.track(id, …)`](Track::track) |
//! | an agent framework | `impl` [`Runner`] for it, then [`.tracked(&activities)`](RunExt::tracked) |
//! | work that fails now and then | [`.retry(…)`](RunExt::retry), [`.fallback(…)`](RunExt::fallback), [`.timeout(…)`](RunExt::timeout), in any order |
//! | a reader who wants to see each step | [`run_streamed`](Tracked::run_streamed), a [`RunStream`] of [`RunEvent`]s |
//! | other needs of grace, store failures or panics | a [`Lifecycle`] with its settings |
//!
//! The work sees its run as a [`RunContext`]: it reports there, and learns there when to stop.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use agentexec_activity_core::{Activities, MemoryStore};
//! use agentexec_runner_core::{Retry, RunExt, from_fn};
//!
//! let primary = from_fn(|cx, question: String| async move {
//!     cx.progress("Asking the large model", 10).await;
//!     Err::<String, _>(std::io::Error::other("overloaded"))
//! });
//! let small = from_fn(|_cx, question: String| async move { Ok::<_, std::io::Error>(format!("{question} 42.")) });
//!
//! let activities = Activities::new(MemoryStore::new());
//! let runner = primary
//!     .retry_if(Retry::times(2).base(Duration::from_millis(1)), |error| error.to_string() == "overloaded")
//!     .fallback(small)
//!     .timeout(Duration::from_mins(5))
//!     .tracked(&activities);
//! let id = activities.create("question").await?;
//! assert_eq!(runner.run(id, "The answer?".into()).await?, "The answer? 42.");
//! # Ok(()) }
//! ```
//!
//! Runs need a Tokio runtime with its timer; the final status of a dropped run is written by a task on it, which
//! [`Activities::shutdown`](agentexec_activity_core::Activities::shutdown) waits for. Runs in a durable store are held
//! by leases, so that one whose process dies does not say running for ever; one task for all runs of a handle renews
//! them, and ends with the last of these.
//!
//! | feature | adds |
//! |---|---|
//! | `testing` | the module `testing`, for the tests of your own runners: what was recorded, and a store that fails |

mod answer;
mod boxed;
mod context;
mod ending;
mod error;
mod event;
mod fallback;
mod func;
mod grace;
mod lifecycle;
pub mod prompts;
mod retry;
mod runner;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod timeout;
mod track;
mod tracked;
mod usage;

pub use boxed::BoxRun;
pub use context::{DEFAULT_GRACE, RunContext, Tracking};
pub use error::{Retryable, RunError, TrackedError, error_chain};
pub use event::{EVENT_BUFFER, RunEvent};
pub use fallback::Fallback;
pub use func::{FnRunner, from_fn};
pub use lifecycle::{Lifecycle, OnPanic};
pub use prompts::Prompts;
pub use retry::{Retried, Retry};
pub use runner::{Run, RunExt, Runner};
pub use stream::RunStream;
pub use timeout::Timeout;
pub use track::Track;
pub use tracked::Tracked;
pub use usage::Usage;

/// The traits that a program needs in scope.
pub mod prelude {
    pub use crate::{RunExt, Runner, Track};
}
