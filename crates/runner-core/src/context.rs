//! What the work sees of its run.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agentexec_activity_core::{
    self as activity, Activities, AgentId, Attempt, Change, Message, Percent, Written,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::answer::answered;
use crate::error::error_chain;
use crate::event::{EventSink, RunEvent};
use crate::prompts::Prompts;

/// How long work has, after it was asked to stop, to hand back what it has. Then it is dropped.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// What a failing store does to a run.
///
/// Whichever it is: the store has 5 seconds for each answer. Work begins only once its start is recorded; a start
/// is sent again for 2 seconds while the store fails. A final status is sent again for 8 seconds before it is given
/// up with [`TrackedError::Unrecorded`](crate::TrackedError::Unrecorded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tracking {
    /// The run goes on; progress that could not be recorded is traced and forgotten. So does a run whose lease was
    /// lost and whose activity was therefore marked as failed: its caller gets the output in
    /// [`TrackedError::Unrecorded`](crate::TrackedError::Unrecorded).
    #[default]
    BestEffort,
    /// The run is asked to stop as soon as progress could not be recorded, and in a durable store also when its
    /// lease could not be renewed, early enough that its grace ends before the lease does. A grace that is longer
    /// than half of the lease is cut for that. It ends with
    /// [`TrackedError::Unrecorded`](crate::TrackedError::Unrecorded).
    Strict,
}

/// What the work sees of its run: the activity, where to report, when to stop.
///
/// It is owned and cheap to clone, so tasks and callbacks can take one along. Work that runs inside other work
/// (a sub-agent in a tool) gets the context of that run and so reports to the same activity and stops with it.
#[derive(Clone)]
pub struct RunContext {
    shared: Arc<Shared>,
    token: CancellationToken,
    deadline: Option<Instant>,
    /// Whether this is the whole run and not a part that must not speak for it.
    whole: bool,
    call_key: Option<Arc<str>>,
}

struct Shared {
    id: AgentId,
    attempt: Attempt,
    activities: Option<Activities>,
    tracking: Tracking,
    events: EventSink,
    prompts: Arc<Prompts>,
    grace: Duration,
    /// The token of the whole run.
    token: CancellationToken,
    notes: Mutex<Notes>,
}

/// What happened on the way that the end must know.
#[derive(Default)]
struct Notes {
    stop_reason: Option<String>,
    completion: Option<Message>,
    untracked: Option<Untracked>,
}

/// Why a run is to stop that cannot be tracked any more.
pub(crate) enum Untracked {
    /// Its progress could not be recorded.
    Progress(activity::Error),
    /// Its lease could not be kept.
    Lease(activity::Error),
}

impl Untracked {
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Progress(_) => "progress could not be recorded",
            Self::Lease(_) => "the lease could not be kept",
        }
    }

    pub(crate) fn error(&self) -> &activity::Error {
        let (Self::Progress(error) | Self::Lease(error)) = self;
        error
    }

    pub(crate) fn into_error(self) -> activity::Error {
        let (Self::Progress(error) | Self::Lease(error)) = self;
        error
    }
}

/// What a context is made of.
pub(crate) struct Parts {
    pub(crate) id: AgentId,
    pub(crate) attempt: Attempt,
    pub(crate) activities: Option<Activities>,
    pub(crate) tracking: Tracking,
    pub(crate) events: EventSink,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) grace: Duration,
}

impl RunContext {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { id, attempt, activities, tracking, events, prompts, grace } = parts;
        let (token, notes) = (CancellationToken::new(), Mutex::default());
        let shared =
            Shared { id, attempt, activities, tracking, events, prompts, grace, token: token.clone(), notes };
        Self { shared: Arc::new(shared), token, deadline: None, whole: true, call_key: None }
    }

    /// A context that is tracked nowhere: for tests, and to use a runner without an activity.
    #[must_use]
    pub fn untracked() -> Self {
        Self::new(Parts {
            id: AgentId::new(),
            attempt: Attempt::FIRST,
            activities: None,
            tracking: Tracking::BestEffort,
            events: EventSink::default(),
            prompts: Arc::default(),
            grace: DEFAULT_GRACE,
        })
    }

    /// The activity.
    #[must_use]
    pub fn id(&self) -> AgentId {
        self.shared.id
    }

    /// The attempt at it.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.shared.attempt
    }

    /// The handle that the run is tracked by; nothing when it is not tracked.
    #[must_use]
    pub fn activities(&self) -> Option<&Activities> {
        self.shared.activities.as_ref()
    }

    /// The prompts of this run.
    #[must_use]
    pub fn prompts(&self) -> &Prompts {
        &self.shared.prompts
    }

    /// How long work has to hand back what it has after [`token`](Self::token) fired.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.shared.grace
    }

    /// Reports how it goes. A percentage outside 0 to 100 is clamped. What could not be written is traced, or
    /// fails the run, as [`Tracking`] says.
    pub async fn progress(&self, message: impl Into<Message>, percentage: impl Into<i64>) {
        let asked = percentage.into();
        let percentage = Percent::clamped(asked);
        if i64::from(percentage.get()) != asked {
            tracing::debug!(id = %self.id(), asked, "a percentage outside 0 to 100 was clamped");
        }
        self.report(message.into(), Some(percentage), false).await;
    }

    /// Reports how it goes and leaves the percentage as it is.
    pub async fn note(&self, message: impl Into<Message>) {
        self.report(message.into(), None, false).await;
    }

    /// Reports how it goes by a percentage that was computed and not said by the agent: it never lowers the
    /// present one, and is clamped to 0 to 100.
    pub async fn progress_at_least(&self, message: impl Into<Message>, percentage: impl Into<i64>) {
        self.report(message.into(), Some(Percent::clamped(percentage.into())), true).await;
    }

    async fn report(&self, message: Message, percentage: Option<Percent>, only_raise: bool) {
        let Err(error) = self.write(message, percentage, only_raise).await else { return };
        match self.shared.tracking {
            Tracking::BestEffort => {
                tracing::warn!(id = %self.id(), error = error_chain(&error), "progress could not be recorded");
            }
            Tracking::Strict => self.fail_tracking(Untracked::Progress(error)),
        }
    }

    /// Stops the run since it cannot be tracked any more.
    pub(crate) fn fail_tracking(&self, untracked: Untracked) {
        let what = untracked.what();
        self.notes(|notes| {
            notes.untracked.get_or_insert(untracked);
        });
        self.cancel(what);
    }

    /// Reports how it goes, to a stream too, and says whether that was recorded. Untracked, it records nothing and
    /// says so with nothing.
    ///
    /// # Errors
    /// Those of [`Activities::write`]. They do not touch the run, whatever [`Tracking`] says.
    pub async fn update(
        &self,
        message: impl Into<Message>,
        percentage: Option<Percent>,
    ) -> Result<Option<Written>, activity::Error> {
        self.write(message.into(), percentage, false).await
    }

    async fn write(
        &self,
        message: Message,
        percentage: Option<Percent>,
        only_raise: bool,
    ) -> Result<Option<Written>, activity::Error> {
        let said = self.is_streamed().then(|| message.to_string());
        let written = self.record(message, percentage, only_raise).await;
        if let Some(message) = said {
            let recorded = written.as_ref().ok().copied().flatten();
            // An automatic percentage may have left a higher one in place; then that is what a stream hears.
            let percentage = percentage.map(|asked| recorded.map_or(asked, |written| written.percentage));
            self.emit(RunEvent::Progress { message, percentage }).await;
        }
        written
    }

    async fn record(
        &self,
        message: Message,
        percentage: Option<Percent>,
        only_raise: bool,
    ) -> Result<Option<Written>, activity::Error> {
        let Some(activities) = self.activities() else { return Ok(None) };
        let change = Change::Progress { percentage, only_raise };
        answered(activities.write(self.id(), Some(self.attempt()), change, message)).await.map(Some)
    }

    /// The text as it may be stored: what the redaction hook of the activities makes of it.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        self.activities().map_or_else(|| text.to_owned(), |activities| activities.redacted(text))
    }

    /// Sets what the log says when the run completes, in place of the configured message. The last message
    /// counts; a part of a run ([`child`](Self::child)) has no say in it.
    pub fn complete_with(&self, message: impl Into<Message>) {
        if self.whole {
            self.notes(|notes| notes.completion = Some(message.into()));
        }
    }

    /// Forgets what [`complete_with`](Self::complete_with) was told by work that failed after all.
    pub(crate) fn forget_completion(&self) {
        if self.whole {
            self.notes(|notes| notes.completion = None);
        }
    }

    pub(crate) fn completion(&self) -> Option<Message> {
        self.notes(|notes| notes.completion.clone())
    }

    /// Says something to whoever streams this run; nothing happens when nobody does. Waits while the reader is
    /// [`EVENT_BUFFER`](crate::EVENT_BUFFER) events behind. Cancel-safe: a dropped call has said nothing.
    ///
    /// A part of a run ([`child`](Self::child)) is heard with [`RunEvent::Progress`] and [`RunEvent::Custom`] alone:
    /// the turns and the text of a sub-agent are not those of the run.
    pub async fn emit(&self, event: RunEvent) {
        let passes = matches!(event, RunEvent::Progress { .. } | RunEvent::Custom { .. });
        if self.whole || passes {
            self.shared.events.send(event).await;
        }
    }

    /// Whether somebody streams this run, so that events are worth making.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.shared.events.is_open()
    }

    /// Fires when the work should stop: the run was canceled, or a deadline passed.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether the work should stop.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the work should stop. Cancel-safe.
    pub async fn canceled(&self) {
        self.token.cancelled().await;
    }

    /// When the nearest deadline passes, if there is one.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Asks the whole run to stop, from wherever in it this is called. The first reason counts. To stop one part
    /// alone, cancel the [`token`](Self::token) of its [`child`](Self::child).
    pub fn cancel(&self, reason: impl Into<String>) {
        self.notes(|notes| {
            notes.stop_reason.get_or_insert(reason.into());
        });
        self.shared.token.cancel();
    }

    /// Asks the whole run to stop once its turn is over, from wherever in it this is called: the model's response is
    /// read to its end and the tools that it asks for answer. A run that ends with that turn anyway completes. Work
    /// without turns takes no notice.
    pub fn cancel_after_turn(&self) {
        self.shared.events.last_turn().store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to stop once its turn is over. A runner with turns looks between two of them, and
    /// then [`cancel`](Self::cancel)s the run. Never in a part of it ([`child`](Self::child)): the turns of a sub-agent
    /// are within one of the run, which waits for its tools.
    #[must_use]
    pub fn is_last_turn(&self) -> bool {
        self.whole && self.shared.events.last_turn().load(Ordering::Relaxed)
    }

    /// Why the run was asked to stop, once it was.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<String> {
        self.notes(|notes| notes.stop_reason.clone())
    }

    /// A part of the run, for a tool or a sub-agent: it reports to the same activity and stops with the run, but
    /// can also be stopped alone, by its own token, has no say in [`complete_with`](Self::complete_with), and
    /// [`emit`](Self::emit)s only what is not about turns and text. Its deadline is the nearer of the run's and
    /// `deadline`, for the work to see; whoever sets it must enforce it.
    #[must_use]
    pub fn child(&self, deadline: Option<Instant>) -> Self {
        Self { whole: false, ..self.bounded(deadline) }
    }

    /// The same run with a token of its own, below this one, and the nearer deadline.
    pub(crate) fn bounded(&self, deadline: Option<Instant>) -> Self {
        let deadline = match (self.deadline, deadline) {
            (Some(outer), Some(inner)) => Some(outer.min(inner)),
            (outer, inner) => outer.or(inner),
        };
        let (shared, token) = (Arc::clone(&self.shared), self.token.child_token());
        Self { shared, token, deadline, whole: self.whole, call_key: self.call_key.clone() }
    }

    /// The same part of the run, as a tool call whose effects have this key.
    #[must_use]
    pub fn with_call_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.call_key = Some(key.into());
        self
    }

    /// The key of the tool call that this is a part of; nothing outside of tools. A sub-agent's calls are told by it
    /// from those of the agent around it.
    #[must_use]
    pub fn call_key(&self) -> Option<&str> {
        self.call_key.as_deref()
    }

    pub(crate) fn take_untracked(&self) -> Option<Untracked> {
        self.notes(|notes| notes.untracked.take())
    }

    /// A panic while the notes were held leaves each of them whole.
    fn notes<T>(&self, with: impl FnOnce(&mut Notes) -> T) -> T {
        with(&mut self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("canceled", &self.is_canceled())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
