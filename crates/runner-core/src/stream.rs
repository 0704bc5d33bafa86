//! A run, event by event.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::error::TrackedError;
use crate::event::RunEvent;

type Outcome<T, E> = Result<T, TrackedError<T, E>>;
type Running<T, E> = Pin<Box<dyn Future<Output = Outcome<T, E>> + Send>>;

/// A run as a stream of its events, made by [`Tracked::run_streamed`](crate::Tracked::run_streamed).
///
/// The run is driven by whoever polls: by reading events, or by awaiting [`output`](Self::output). A reader
/// that pauses pauses the run; spawn a task that reads when the run must go on by itself. When the run fails the
/// stream yields the error as its last item. Dropping it drops the run, which the activity records as canceled.
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
    run: State<T, E>,
}

enum State<T, E> {
    Running(Running<T, E>),
    Ended(Outcome<T, E>),
    Reported,
}

impl<T, E> RunStream<T, E> {
    pub(crate) fn new(events: mpsc::Receiver<RunEvent>, run: Running<T, E>) -> Self {
        Self { events, run: State::Running(run) }
    }

    /// The output, once the run is over; events that were not read are passed over.
    ///
    /// # Errors
    /// Those of [`Tracked::run`](crate::Tracked::run); [`TrackedError::AlreadyReported`] when the stream has
    /// yielded the error already.
    pub async fn output(mut self) -> Outcome<T, E>
    where
        T: Unpin,
        E: Unpin,
    {
        while let Some(event) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
            event?;
        }
        match self.run {
            State::Ended(outcome) => outcome,
            State::Running(run) => run.await,
            State::Reported => Err(TrackedError::AlreadyReported),
        }
    }
}

// Nothing in it is pinned in place: the run is boxed.
impl<T, E> Unpin for RunStream<T, E> {}

impl<T, E> Stream for RunStream<T, E> {
    type Item = Result<RunEvent, TrackedError<T, E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            // What the run has said comes before what it says next, and before its end.
            if let Poll::Ready(Some(event)) = this.events.poll_recv(cx) {
                return Poll::Ready(Some(Ok(event)));
            }
            let State::Running(run) = &mut this.run else { break };
            match run.as_mut().poll(cx) {
                Poll::Ready(outcome) => {
                    this.run = State::Ended(outcome);
                    this.events.close();
                }
                Poll::Pending => {
                    return this.events.poll_recv(cx).map(|event| event.map(Ok));
                }
            }
        }
        if let State::Ended(Err(_)) = &this.run
            && let State::Ended(Err(error)) = std::mem::replace(&mut this.run, State::Reported)
        {
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(None)
    }
}

impl<T, E> fmt::Debug for RunStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.run {
            State::Running(_) => "running",
            State::Ended(_) | State::Reported => "ended",
        };
        f.debug_struct("RunStream").field("state", &state).finish_non_exhaustive()
    }
}
