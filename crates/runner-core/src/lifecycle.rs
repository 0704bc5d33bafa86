//! The lifecycle: running, then exactly one of complete, error or canceled, whatever happens.

use std::any::Any;
use std::fmt::Display;
use std::future::pending;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{
    Activities, AgentId, Attempt, Change, HeldLease, Message, Percent, Status, StopRequest,
};
use futures_util::FutureExt;
use humantime::format_duration;
use tokio::runtime::Handle;

use crate::context::{DEFAULT_GRACE, Parts, RunContext, Tracking, Untracked};
use crate::ending::Ending;
use crate::error::{RunError, TrackedError, error_chain};
use crate::event::{EventSink, RunEvent};
use crate::grace::{Driven, drive};
use crate::prompts::Prompts;

/// What happens when the work panics (in builds that unwind).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPanic {
    /// The run fails with [`RunError::Panicked`].
    #[default]
    Fail,
    /// The activity is marked as failed, then the panic goes on.
    Resume,
}

/// The lifecycle around work, with its settings. `&Activities` converts into one with the defaults.
///
/// | what happens | final status | what the caller gets |
/// |---|---|---|
/// | the work returns an output | complete, 100 % | the output |
/// | the work returns an error | error | [`RunError::Failed`] with that error |
/// | a deadline passes | error | [`RunError::TimedOut`] with what was handed back |
/// | it is asked to cancel | canceled | [`RunError::Canceled`] with what was handed back |
/// | the future is dropped | canceled | nothing; the write goes on in the background |
/// | the work panics | error | [`RunError::Panicked`], or the panic |
/// | its lease is not renewed, in a durable store | error, by whoever takes it for lost | what the work returns, in [`TrackedError::Unrecorded`]; [`Tracking::Strict`] stops it before |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use agentexec_activity_core::{Activities, MemoryStore};
/// use agentexec_runner_core::{Lifecycle, Tracking};
///
/// let activities = Activities::new(MemoryStore::new());
/// let lifecycle = Lifecycle::new(&activities).grace(Duration::from_secs(1)).tracking(Tracking::Strict);
/// let id = activities.create("sum").await?;
/// let sum = lifecycle
///     .run(id, |cx| async move {
///         cx.progress("Adding", 50).await;
///         Ok::<_, std::io::Error>(1 + 1)
///     })
///     .await?;
/// assert_eq!(sum, 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lifecycle {
    activities: Activities,
    grace: Duration,
    tracking: Tracking,
    on_panic: OnPanic,
    prompts: Arc<Prompts>,
}

/// How a tracked run ended.
pub(crate) struct Ended<T, E> {
    pub(crate) outcome: Result<T, TrackedError<T, E>>,
    /// The final status, once it is written, for a stream to announce.
    pub(crate) announce: Option<Status>,
}

impl From<&Activities> for Lifecycle {
    fn from(activities: &Activities) -> Self {
        Self::new(activities)
    }
}

impl Lifecycle {
    /// The lifecycle over `activities`, with default settings.
    #[must_use]
    pub fn new(activities: &Activities) -> Self {
        Self {
            activities: activities.clone(),
            grace: DEFAULT_GRACE,
            tracking: Tracking::default(),
            on_panic: OnPanic::default(),
            prompts: Arc::default(),
        }
    }

    /// Sets how long work has to hand back what it has, once it was asked to stop. Default: 5 seconds.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets what a failing store does to a run. Default: [`Tracking::BestEffort`].
    #[must_use]
    pub fn tracking(mut self, tracking: Tracking) -> Self {
        self.tracking = tracking;
        self
    }

    /// Sets what a panic does. Default: [`OnPanic::Fail`].
    #[must_use]
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// Sets the prompts that runners find in their context.
    #[must_use]
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = Arc::new(prompts);
        self
    }

    /// Runs any future as the work of a queued activity.
    ///
    /// # Errors
    /// [`TrackedError::NotStarted`] before any work was done, when the activity is unknown, running already or
    /// has ended, or the store failed; [`TrackedError::Run`] as [`Lifecycle`] says;
    /// [`TrackedError::Unrecorded`], with the output or the error in it, when the final status could not be
    /// written.
    ///
    /// # Cancellation
    /// Dropping the future drops the work and marks the activity as canceled, by a write in the background that
    /// [`Activities::shutdown`] waits for; also when it was still starting. Before its first poll nothing has
    /// begun.
    pub async fn run<T, E, F, Fut>(&self, id: AgentId, work: F) -> Result<T, TrackedError<T, E>>
    where
        F: FnOnce(RunContext) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Display,
    {
        let work = |cx| {
            let work = work(cx);
            async move { work.await.map_err(RunError::failed) }
        };
        self.supervise(id, EventSink::default(), work, |error| format!("{error:#}")).await.outcome
    }

    /// Start, work, final status.
    pub(crate) async fn supervise<T, E, F, Fut>(
        &self,
        id: AgentId,
        events: EventSink,
        work: F,
        describe: impl Fn(&E) -> String,
    ) -> Ended<T, E>
    where
        F: FnOnce(RunContext) -> Fut,
        Fut: Future<Output = Result<T, RunError<E>>>,
    {
        let (ending, attempt) = match Ending::start(&self.activities, id).await {
            Ok(started) => started,
            Err(error) => return Ended { outcome: Err(TrackedError::NotStarted(error)), announce: None },
        };
        let cx = self.context(id, attempt, events);
        // Whatever took the context along hears when the run is over, dropped ones included.
        let _over = cx.token().clone().drop_guard();
        cx.emit(RunEvent::RunStarted { id, attempt }).await;

        let (result, panic) = self.drive(&cx, work, ending.lease()).await;
        let untracked = cx.take_untracked();
        let (change, message) = match &untracked {
            Some(untracked) => self.untracked(untracked),
            None => self.verdict(&cx, &result, describe),
        };
        let recorded = ending.write(attempt, change, message).await;
        if let (Some(panic), OnPanic::Resume) = (panic, self.on_panic) {
            if let Err(error) = recorded {
                tracing::error!(%id, error = error_chain(&error), "a panic could not be recorded");
            }
            resume_unwind(panic);
        }
        let announce = recorded.as_ref().ok().map(|written| written.status);
        let outcome = match untracked.map(Untracked::into_error).or(recorded.err()) {
            None => result.map_err(TrackedError::Run),
            Some(source) => Err(TrackedError::Unrecorded { outcome: Box::new(result), source }),
        };
        Ended { outcome, announce }
    }

    /// The final status of a run that was stopped since it could not be tracked.
    fn untracked(&self, untracked: &Untracked) -> (Change, Message) {
        let text = format!("{}: {}", untracked.what(), error_chain(untracked.error()));
        let message = self.activities.messages().error(self.activities.redacted(&text));
        (Change::Fail { percentage: None }, message.into())
    }

    fn context(&self, id: AgentId, attempt: Attempt, events: EventSink) -> RunContext {
        RunContext::new(Parts {
            id,
            attempt,
            activities: Some(self.activities.clone()),
            tracking: self.tracking,
            events,
            prompts: Arc::clone(&self.prompts),
            grace: self.grace,
        })
    }

    /// Drives the work until it ends, or is asked to stop and its grace is over.
    async fn drive<T, E, F, Fut>(
        &self,
        cx: &RunContext,
        work: F,
        lease: Option<&HeldLease>,
    ) -> (Result<T, RunError<E>>, Option<Box<dyn Any + Send>>)
    where
        F: FnOnce(RunContext) -> Fut,
        Fut: Future<Output = Result<T, RunError<E>>>,
    {
        let given = cx.clone();
        // The call of `work` stands inside, since a closure can panic before it gives a future.
        let work = pin!(AssertUnwindSafe(async move { work(given).await }).catch_unwind());
        let asked = async {
            tokio::select! {
                grace = self.asked_to_stop(cx, lease) => grace,
                () = cx.canceled() => self.grace,
            }
        };
        let (ended, stopped) = match drive(work, asked, || ()).await {
            Driven::Finished(ended) => (Some(ended), cx.is_canceled()),
            Driven::Stopped(handed_back) => (handed_back, true),
        };
        match ended {
            Some(Err(panic)) => (Err(RunError::Panicked { message: panic_message(&*panic) }), Some(panic)),
            Some(Ok(Err(error))) if stopped => (Err(canceled(cx, Some(error))), None),
            Some(Ok(result)) => (result, None),
            None => (Err(canceled(cx, None)), None),
        }
    }

    /// Stops the run when somebody asks for it, or has taken its activity over, and says how long it has for that.
    ///
    /// Work that nobody starts again goes on when its lease is lost: it may be paid for, and its caller gets the
    /// output all the same, in [`TrackedError::Unrecorded`]. [`Tracking::Strict`] stops it before the lease ends.
    async fn asked_to_stop(&self, cx: &RunContext, lease: Option<&HeldLease>) -> Duration {
        let stop = tokio::select! {
            stop = self.activities.stop_requested(cx.id(), cx.attempt()) => stop,
            grace = self.lease_runs_out(cx, lease) => return grace,
        };
        match stop {
            StopRequest::Cancel(reason) => cx.cancel(reason.to_string()),
            StopRequest::Ended(Status::Error) if self.may_have_been_reaped(lease) => {
                tracing::warn!(id = %cx.id(), "a run goes on that was taken for lost: its lease was not renewed");
                cx.canceled().await;
            }
            StopRequest::Ended(status) => {
                cx.cancel(format!("somebody else has marked the activity as {status}"));
            }
            _ => cx.cancel("another attempt has replaced this one, or the activity was purged"),
        }
        self.grace
    }

    /// Whether the activity may have ended since the run seemed lost, and not since somebody wanted that; then a run
    /// that nobody starts again goes on.
    fn may_have_been_reaped(&self, lease: Option<&HeldLease>) -> bool {
        self.tracking == Tracking::BestEffort && lease.is_some_and(HeldLease::may_have_expired)
    }

    /// Sees to it that the lease is renewed, until a strict run has to stop since it is not. Its grace ends before
    /// the lease does, however short that makes it.
    async fn lease_runs_out(&self, cx: &RunContext, lease: Option<&HeldLease>) -> Duration {
        let Some(lease) = lease else { return pending().await };
        let attended = lease.attend(|heartbeat| {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(heartbeat);
            }
        });
        let runs_out = async {
            match self.tracking {
                Tracking::Strict => lease.running_out(self.grace).await,
                Tracking::BestEffort => pending().await,
            }
        };
        tokio::select! {
            () = attended => pending().await,
            lost = runs_out => {
                cx.fail_tracking(Untracked::Lease(lost));
                self.grace.min(lease.time_left())
            }
        }
    }

    /// The final status, and what the log says.
    fn verdict<T, E>(
        &self,
        cx: &RunContext,
        result: &Result<T, RunError<E>>,
        describe: impl Fn(&E) -> String,
    ) -> (Change, Message) {
        let messages = self.activities.messages();
        let error = match result {
            Ok(_) => {
                let message = cx.completion().unwrap_or_else(|| messages.complete.as_str().into());
                return (Change::Complete { percentage: Percent::FULL }, message);
            }
            Err(error) => error,
        };
        let text = || self.activities.redacted(&error.describe(&describe));
        let message = match error {
            RunError::Canceled { reason, .. } => {
                let reason = self.activities.redacted(reason);
                return (Change::Cancel, messages.canceled(reason).into());
            }
            error if error.tries() > 1 => text(),
            RunError::TimedOut { after, .. } => messages.timed_out(format_duration(*after)),
            RunError::Failed { .. } | RunError::Panicked { .. } => messages.error(text()),
        };
        (Change::Fail { percentage: None }, message.into())
    }
}

fn canceled<E>(cx: &RunContext, error: Option<RunError<E>>) -> RunError<E> {
    let reason = cx.cancel_reason().unwrap_or_else(|| "its token was canceled".to_owned());
    RunError::Canceled { reason, error: error.and_then(RunError::into_error) }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
