//! The two traits: what a user writes, and what combinators compose.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::context::RunContext;
use crate::error::{Retryable, RunError};
use crate::fallback::Fallback;
use crate::lifecycle::Lifecycle;
use crate::retry::{Retried, Retry};
use crate::timeout::Timeout;
use crate::tracked::Tracked;

/// What carries a run from input to output. This is the trait to implement for a framework of your own: say how
/// it runs, and put the lifecycle around it with [`RunExt::tracked`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, MemoryStore, Scope, Status};
/// use agentexec_runner_core::{RunContext, RunExt, Runner};
///
/// struct Shout;
///
/// impl Runner for Shout {
///     type Input = String;
///     type Output = String;
///     type Error = std::io::Error;
///
///     async fn run(&self, cx: &RunContext, input: String) -> Result<String, Self::Error> {
///         cx.progress("Taking a breath", 50).await;
///         Ok(input.to_uppercase())
///     }
/// }
///
/// let activities = Activities::new(MemoryStore::new());
/// let id = activities.create("shout").await?;
/// let output = Shout.tracked(&activities).run(id, "hello".to_owned()).await?;
/// assert_eq!(output, "HELLO");
///
/// let detail = activities.detail(&Scope::all(), id).await?.unwrap();
/// assert_eq!(detail.activity.status, Status::Complete);
/// # Ok(()) }
/// ```
pub trait Runner: Send + Sync {
    /// What a run begins with.
    type Input: Send + 'static;
    /// What a run gives.
    type Output: Send + 'static;
    /// Why a run fails. Its alternate form (`{:#}`) is what the activity's log says, see
    /// [`describe`](Self::describe).
    type Error: Display + Send + Sync + 'static;

    /// Carries the run out. It should return soon after `cx.token()` fires, with an error that holds what was
    /// done; after the grace period it is dropped.
    fn run(
        &self,
        cx: &RunContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// Where a retry or a fallback goes on after `error`: an input that holds the work done so far, taken from
    /// the error (a fallback behind retries asks with the first `input` and the last `error`). Nothing, the
    /// default, starts afresh.
    fn resume(&self, input: &Self::Input, error: &Self::Error) -> Option<Self::Input> {
        let _ = (input, error);
        None
    }

    /// Whether no other runner may take over after `error`: a tool of the user's said that the run must end, for
    /// example. Default: none is the last word.
    fn ends_the_run(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// The error as the activity's log says it, before redaction. Default: its alternate form, which shows the
    /// chain of causes for `anyhow` and for the errors of agentexec; use
    /// [`error_chain`](crate::error_chain) for other errors.
    fn describe(&self, error: &Self::Error) -> String {
        format!("{error:#}")
    }
}

/// A runner whose error says how the run ended. Every [`Runner`] is one; combinators are only this. Not to be
/// implemented by hand.
pub trait Run: Send + Sync {
    /// What a run begins with.
    type Input: Send + 'static;
    /// What a run gives.
    type Output: Send + 'static;
    /// The error of the runner at the bottom.
    type Error: Display + Send + Sync + 'static;

    /// Carries the run out in the context of a run that is under way.
    fn execute(
        &self,
        cx: &RunContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, RunError<Self::Error>>> + Send;

    /// See [`Runner::resume`].
    fn resume_after(&self, input: &Self::Input, error: &Self::Error) -> Option<Self::Input>;

    /// See [`Runner::ends_the_run`].
    fn error_ends_the_run(&self, error: &Self::Error) -> bool;

    /// See [`Runner::describe`].
    fn describe_error(&self, error: &Self::Error) -> String;
}

impl<R: Runner> Run for R {
    type Input = R::Input;
    type Output = R::Output;
    type Error = R::Error;

    async fn execute(&self, cx: &RunContext, input: R::Input) -> Result<R::Output, RunError<R::Error>> {
        self.run(cx, input).await.map_err(RunError::failed)
    }

    fn resume_after(&self, input: &R::Input, error: &R::Error) -> Option<R::Input> {
        self.resume(input, error)
    }

    fn error_ends_the_run(&self, error: &R::Error) -> bool {
        self.ends_the_run(error)
    }

    fn describe_error(&self, error: &R::Error) -> String {
        self.describe(error)
    }
}

/// A runner that is shared is a runner.
impl<R: Run> Run for Arc<R> {
    type Input = R::Input;
    type Output = R::Output;
    type Error = R::Error;

    async fn execute(&self, cx: &RunContext, input: R::Input) -> Result<R::Output, RunError<R::Error>> {
        (**self).execute(cx, input).await
    }

    fn resume_after(&self, input: &R::Input, error: &R::Error) -> Option<R::Input> {
        (**self).resume_after(input, error)
    }

    fn error_ends_the_run(&self, error: &R::Error) -> bool {
        (**self).error_ends_the_run(error)
    }

    fn describe_error(&self, error: &R::Error) -> String {
        (**self).describe_error(error)
    }
}

/// The combinators. They compose in any order and read as a sentence:
/// `runner.retry(Retry::default()).fallback(other).timeout(limit).tracked(&activities)`.
pub trait RunExt: Run + Sized {
    /// Tries again after an error that says it may go away ([`Retryable`]), as `policy` says.
    ///
    /// The next try goes on from where the failed one stopped when the runner can ([`Runner::resume`]; agents
    /// do); otherwise it starts afresh with a copy of the input.
    fn retry(self, policy: Retry) -> Retried<Self>
    where
        Self::Input: Clone,
        Self::Error: Retryable,
    {
        Retried::by_trait(self, policy)
    }

    /// Tries again after an error for which `retryable` holds, and after a deadline of one try. How long the other
    /// side asks to wait is not known here; that takes [`retry`](Self::retry).
    fn retry_if<P>(self, policy: Retry, retryable: P) -> Retried<Self>
    where
        Self::Input: Clone,
        P: Fn(&Self::Error) -> bool + Send + Sync + 'static,
    {
        Retried::by_predicate(self, policy, retryable)
    }

    /// Lets `other` take over when this fails for whatever reason but cancellation, an outer deadline, and an error
    /// that [ends the run](Runner::ends_the_run).
    ///
    /// It goes on from where this one stopped when this can ([`Runner::resume`]; agents do).
    fn fallback<B>(self, other: B) -> Fallback<Self, B>
    where
        Self::Input: Clone,
        B: Run<Input = Self::Input, Output = Self::Output>,
        B::Error: Into<Self::Error>,
    {
        Fallback::new(self, other)
    }

    /// Lets `other` take over when this fails with an error for which `wanted` holds. Cancellation and an outer
    /// deadline are never asked about.
    fn fallback_if<B, P>(self, other: B, wanted: P) -> Fallback<Self, B>
    where
        Self::Input: Clone,
        B: Run<Input = Self::Input, Output = Self::Output>,
        B::Error: Into<Self::Error>,
        P: Fn(&RunError<Self::Error>) -> bool + Send + Sync + 'static,
    {
        Fallback::new(self, other).only_if(wanted)
    }

    /// Stops the work after `limit`: its token fires, it has the grace period to hand back what it has, then it
    /// is dropped. An output within the grace period counts.
    fn timeout(self, limit: Duration) -> Timeout<Self> {
        Timeout::new(self, limit)
    }

    /// Puts the lifecycle around this: running, then exactly one of complete, error or canceled. Takes
    /// `&Activities`, or a [`Lifecycle`] that was set up further.
    fn tracked(self, lifecycle: impl Into<Lifecycle>) -> Tracked<Self> {
        Tracked::new(self, lifecycle.into())
    }

    /// Erases the type, to keep different runners of the same input, output and error in one place.
    fn boxed(self) -> crate::BoxRun<Self::Input, Self::Output, Self::Error>
    where
        Self: 'static,
    {
        crate::BoxRun::new(self)
    }
}

impl<R: Run> RunExt for R {}
