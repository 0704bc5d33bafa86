//! A run, event by event.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::error::TrackedError;
use crate::event::RunEvent;
use crate::lifecycle::Ended;

type Running<T, E> = Pin<Box<dyn Future<Output = Ended<T, E>> + Send>>;

/// A run as a stream of its events, made by [`Tracked::run_streamed`](crate::Tracked::run_streamed).
///
/// The run is driven by whoever polls: by reading events, or by awaiting [`output`](Self::output). A reader
/// that pauses pauses the run, deadlines and cancellation included; spawn a task that reads when the run must go
/// on by itself. The last event is [`RunEvent::RunFinished`], once the final status is written. When the run
/// fails the stream yields the error as its last item. Dropping it drops the run, which the activity records as
/// canceled; before its first poll nothing has begun.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, MemoryStore};
/// use agentexec_runner_core::{RunEvent, RunExt, from_fn};
/// use futures_util::TryStreamExt;
///
/// let hello = from_fn(|cx, name: &'static str| async move {
///     cx.emit(RunEvent::TextDelta { text: "Hello ".into() }).await;
///     cx.emit(RunEvent::TextDelta { text: name.into() }).await;
///     Ok::<_, std::io::Error>(format!("Hello {name}"))
/// });
/// let activities = Activities::new(MemoryStore::new());
/// let id = activities.create("greeting").await?;
///
/// let mut events = hello.tracked(&activities).run_streamed(id, "Ada");
/// let mut streamed = String::new();
/// while let Some(event) = events.try_next().await? {
///     if let RunEvent::TextDelta { text } = event {
///         streamed.push_str(&text);
///     }
/// }
/// assert_eq!(events.output().await?, streamed);
/// # Ok(()) }
/// ```
#[must_use = "the run goes on only while this is polled"]
pub struct RunStream<T, E> {
    events: mpsc::Receiver<RunEvent>,
    state: State<T, E>,
    last_turn: Arc<AtomicBool>,
}

enum State<T, E> {
    Running(Running<T, E>),
    /// The run is over; what it said last may still be unread.
    Over(Ended<T, E>),
    Reported,
}

impl<T, E> RunStream<T, E> {
    pub(crate) fn new(
        events: mpsc::Receiver<RunEvent>,
        last_turn: Arc<AtomicBool>,
        run: Running<T, E>,
    ) -> Self {
        Self { events, state: State::Running(run), last_turn }
    }

    /// Asks the run to stop once its turn is over; see
    /// [`RunContext::cancel_after_turn`](crate::RunContext::cancel_after_turn). To stop it at once, drop the stream,
    /// or ask by [`Activities::request_cancel`](agentexec_activity_core::Activities::request_cancel).
    pub fn cancel_after_turn(&self) {
        self.last_turn.store(true, Ordering::Relaxed);
    }

    /// The output, once the run is over; events that were not read are passed over.
    ///
    /// # Errors
    /// Those of [`Tracked::run`](crate::Tracked::run); [`TrackedError::AlreadyReported`] when the stream has
    /// yielded the error already.
    ///
    /// # Cancellation
    /// Dropping the future drops the run, as dropping the stream does.
    pub async fn output(mut self) -> Result<T, TrackedError<T, E>> {
        while let Some(event) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
            event?;
        }
        match self.state {
            State::Over(ended) => ended.outcome,
            State::Running(_) | State::Reported => Err(TrackedError::AlreadyReported),
        }
    }

    /// What is left once the run is over: events that were not read, the last event, the error.
    fn next_left(&mut self) -> Option<Result<RunEvent, TrackedError<T, E>>> {
        // Not `poll_recv`, which may hold back what is there when the task has done much in one go.
        if let Ok(event) = self.events.try_recv() {
            return Some(Ok(event));
        }
        let State::Over(ended) = &mut self.state else { return None };
        if let Some(status) = ended.announce.take() {
            return Some(Ok(RunEvent::RunFinished { status }));
        }
        if ended.outcome.is_ok() {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Reported) {
            State::Over(ended) => ended.outcome.err().map(Err),
            State::Running(_) | State::Reported => None,
        }
    }
}

// Nothing in it is pinned in place: the run is boxed.
impl<T, E> Unpin for RunStream<T, E> {}

impl<T, E> Stream for RunStream<T, E> {
    type Item = Result<RunEvent, TrackedError<T, E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let State::Running(run) = &mut this.state {
            // What the run has said comes before what it says next.
            if let Poll::Ready(Some(event)) = this.events.poll_recv(cx) {
                return Poll::Ready(Some(Ok(event)));
            }
            let Poll::Ready(ended) = run.as_mut().poll(cx) else {
                return match this.events.poll_recv(cx) {
                    Poll::Ready(Some(event)) => Poll::Ready(Some(Ok(event))),
                    Poll::Ready(None) | Poll::Pending => Poll::Pending,
                };
            };
            this.state = State::Over(ended);
            // A task that the work left behind is not waited for, and no longer heard.
            this.events.close();
        }
        Poll::Ready(this.next_left())
    }
}

impl<T, E> fmt::Debug for RunStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Running(_) => "running",
            State::Over(_) | State::Reported => "over",
        };
        f.debug_struct("RunStream").field("state", &state).finish_non_exhaustive()
    }
}
