//! Any future, tracked.

use std::fmt::Display;

use agentexec_activity_core::{Activities, AgentId};

use crate::context::RunContext;
use crate::error::TrackedError;
use crate::lifecycle::Lifecycle;

/// Runs any future as a tracked activity: for work that needs no runner.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, MemoryStore};
/// use agentexec_runner_core::Track;
///
/// let activities = Activities::new(MemoryStore::new());
/// let id = activities.create("import").await?;
/// let rows = activities
///     .track(id, |cx| async move {
///         cx.progress("Importing", 40).await;
///         Ok::<_, std::io::Error>(3)
///     })
///     .await?;
/// assert_eq!(rows, 3);
/// # Ok(()) }
/// ```
pub trait Track {
    /// Runs `work` as the work of a queued activity, with the default [`Lifecycle`]; see [`Lifecycle::run`].
    fn track<T, E, F, Fut>(
        &self,
        id: AgentId,
        work: F,
    ) -> impl Future<Output = Result<T, TrackedError<T, E>>> + Send
    where
        F: FnOnce(RunContext) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: Display + Send;
}

impl Track for Activities {
    async fn track<T, E, F, Fut>(&self, id: AgentId, work: F) -> Result<T, TrackedError<T, E>>
    where
        F: FnOnce(RunContext) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: Display + Send,
    {
        Lifecycle::new(self).run(id, work).await
    }
}
