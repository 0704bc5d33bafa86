//! The lifecycle combinator: any future or agent framework as a tracked activity.
//!
//! Write a [`Runner`] that says how your framework runs; put combinators on it ([`RunExt`]: retry, fallback,
//! timeout) and the lifecycle around it ([`RunExt::tracked`]). The activity then says queued, running with
//! messages and a percentage, and exactly one of complete, error or canceled: also when the work fails, panics,
//! times out, is canceled or is dropped. This crate knows no language model.
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
mod usage;

pub use boxed::BoxRun;
pub use context::{DEFAULT_GRACE, RunContext, Tracking};
pub use error::{Retryable, RunError, TrackedError, error_chain};
pub use event::{EVENT_BUFFER, RunEvent};
pub use fallback::Fallback;
pub use func::{FnRunner, from_fn};
pub use lifecycle::{Lifecycle, OnPanic, Tracked};
pub use prompts::Prompts;
pub use retry::{Retried, Retry};
pub use runner::{Run, RunExt, Runner};
pub use stream::RunStream;
pub use timeout::Timeout;
pub use track::Track;
pub use usage::Usage;

/// The traits that a program needs in scope.
pub mod prelude {
    pub use crate::{RunExt, Runner, Track};
}
