//! A runner with the lifecycle around it.

use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::AgentId;

use crate::context::RunContext;
use crate::error::{Retryable, RunError, TrackedError};
use crate::event::EventSink;
use crate::fallback::Fallback;
use crate::lifecycle::{Ended, Lifecycle};
use crate::retry::{Retried, Retry};
use crate::runner::{Run, RunExt};
use crate::stream::RunStream;
use crate::timeout::Timeout;

/// A runner with the lifecycle around it, made by [`RunExt::tracked`].
///
/// It takes the id of a queued activity where an untracked runner takes a context, so a second lifecycle on the
/// same activity cannot be written by accident. Combinators may also be put on it afterwards; they go inside,
/// so that the lifecycle stays the outermost.
#[derive(Debug)]
pub struct Tracked<R> {
    runner: Arc<R>,
    lifecycle: Lifecycle,
}

impl<R> Clone for Tracked<R> {
    fn clone(&self) -> Self {
        Self { runner: Arc::clone(&self.runner), lifecycle: self.lifecycle.clone() }
    }
}

impl<R: Run> Tracked<R> {
    pub(crate) fn new(runner: R, lifecycle: Lifecycle) -> Self {
        Self { runner: Arc::new(runner), lifecycle }
    }

    /// Runs as the work of a queued activity.
    ///
    /// # Errors
    /// [`TrackedError::NotStarted`] before any work was done, when the activity is unknown, running already or
    /// has ended, or the store failed; [`TrackedError::Run`] as [`Lifecycle`] says;
    /// [`TrackedError::Unrecorded`], with the output or the error in it, when the final status could not be
    /// written.
    ///
    /// # Cancellation
    /// As for [`Lifecycle::run`]: dropping the future drops the work and marks the activity as canceled.
    pub async fn run(
        &self,
        id: AgentId,
        input: R::Input,
    ) -> Result<R::Output, TrackedError<R::Output, R::Error>> {
        self.run_into(id, input, EventSink::default()).await.outcome
    }

    async fn run_into(&self, id: AgentId, input: R::Input, events: EventSink) -> Ended<R::Output, R::Error> {
        let runner = &self.runner;
        let work = |cx: RunContext| async move { runner.execute(&cx, input).await };
        self.lifecycle.supervise(id, events, work, |error| runner.describe_error(error)).await
    }

    /// The same run, event by event. It goes on only while the stream (or its
    /// [`output`](RunStream::output)) is polled; dropping the stream drops the run.
    pub fn run_streamed(&self, id: AgentId, input: R::Input) -> RunStream<R::Output, R::Error>
    where
        R: 'static,
    {
        let (sink, events) = EventSink::channel();
        let (tracked, last_turn) = (self.clone(), Arc::clone(sink.last_turn()));
        RunStream::new(events, last_turn, Box::pin(async move { tracked.run_into(id, input, sink).await }))
    }
}

/// Combinators that are put on a tracked runner go inside the lifecycle.
impl<R: Run> Tracked<R> {
    fn inside<Q: Run>(self, wrap: impl FnOnce(Arc<R>) -> Q) -> Tracked<Q> {
        Tracked::new(wrap(self.runner), self.lifecycle)
    }

    /// See [`RunExt::retry`].
    pub fn retry(self, policy: Retry) -> Tracked<Retried<Arc<R>>>
    where
        R::Input: Clone,
        R::Error: Retryable,
    {
        self.inside(|runner| runner.retry(policy))
    }

    /// See [`RunExt::retry_if`].
    pub fn retry_if<P>(self, policy: Retry, retryable: P) -> Tracked<Retried<Arc<R>>>
    where
        R::Input: Clone,
        P: Fn(&R::Error) -> bool + Send + Sync + 'static,
    {
        self.inside(|runner| runner.retry_if(policy, retryable))
    }

    /// See [`RunExt::fallback`].
    pub fn fallback<B>(self, other: B) -> Tracked<Fallback<Arc<R>, B>>
    where
        R::Input: Clone,
        B: Run<Input = R::Input, Output = R::Output>,
        B::Error: Into<R::Error>,
    {
        self.inside(|runner| runner.fallback(other))
    }

    /// See [`RunExt::fallback_if`].
    pub fn fallback_if<B, P>(self, other: B, wanted: P) -> Tracked<Fallback<Arc<R>, B>>
    where
        R::Input: Clone,
        B: Run<Input = R::Input, Output = R::Output>,
        B::Error: Into<R::Error>,
        P: Fn(&RunError<R::Error>) -> bool + Send + Sync + 'static,
    {
        self.inside(|runner| runner.fallback_if(other, wanted))
    }

    /// See [`RunExt::timeout`].
    pub fn timeout(self, limit: Duration) -> Tracked<Timeout<Arc<R>>> {
        self.inside(|runner| runner.timeout(limit))
    }
}
