//! Trying again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::context::RunContext;
use crate::error::{Retryable, RunError};
use crate::event::RunEvent;
use crate::runner::Run;

/// How often to try again, and how long to wait before that.
///
/// The wait before the n-th retry is drawn from 0 to `base` x 2^(n-1), at most `longest` (full jitter), or is what
/// the other side asks for where that is longer. There is no retry when the run was asked to stop, when its
/// deadline would pass during the wait, or when the other side asks for more than `patience`.
///
/// ```
/// use std::time::Duration;
/// use agentexec_runner_core::Retry;
///
/// let policy = Retry::times(5).base(Duration::from_millis(200));
/// # let _ = policy;
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    retries: u32,
    base: Duration,
    longest: Duration,
    patience: Duration,
}

impl Default for Retry {
    /// 3 retries, from 1 second on, at most 60 seconds apart unless the other side asks for up to 120.
    fn default() -> Self {
        Self {
            retries: 3,
            base: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            patience: Duration::from_secs(120),
        }
    }
}

impl Retry {
    /// So many retries after the first try, with the default waits.
    #[must_use]
    pub fn times(retries: u32) -> Self {
        Self { retries, ..Self::default() }
    }

    /// Sets the most that the first wait may be. Default: 1 second.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the most that a wait may be, unless the other side asks for longer. Default: 60 seconds.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets the longest wait that the other side may ask for; asked for more, the run fails at once. Default: 120
    /// seconds.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn wait(&self, retry: u32, asked: Option<Duration>) -> Duration {
        let factor = 2_u32.saturating_pow(retry.saturating_sub(1));
        let most = self.base.saturating_mul(factor).min(self.longest);
        most.mul_f64(fastrand::f64()).max(asked.unwrap_or_default())
    }

    /// How long to wait before this retry, from 1, when the other side asks for a wait of its own or for none;
    /// nothing when there must be no retry.
    fn before(&self, cx: &RunContext, retry: u32, asked: Option<Duration>) -> Option<Duration> {
        let too_long = asked.is_some_and(|asked| asked > self.patience);
        if retry > self.retries || too_long || cx.is_canceled() {
            return None;
        }
        let wait = self.wait(retry, asked);
        let in_time = |deadline| Instant::now().checked_add(wait).is_some_and(|then| then < deadline);
        cx.deadline().is_none_or(in_time).then_some(wait)
    }

    async fn announce(&self, cx: &RunContext, retry: u32, wait: Duration, error: &str) {
        let retries = self.retries;
        cx.note(format!("Retry {retry}/{retries}: {error}")).await;
        if cx.is_streamed() {
            let delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            cx.emit(RunEvent::Retrying { retry, retries, delay_ms, error: error.into() }).await;
        }
    }

    /// Waits before a retry, for runners that try a part of their work again: says in the log and to whoever
    /// streams the run that it is tried again and why, then waits. False, and nothing was said, when there must
    /// be no retry; false too when the run was asked to stop meanwhile.
    ///
    /// `retry` is the number of the retry, from 1; `asked` is the wait that the other side asks for; `error` is
    /// why the try failed. Cancel-safe.
    pub async fn pause(&self, cx: &RunContext, retry: u32, asked: Option<Duration>, error: &str) -> bool {
        let Some(wait) = self.before(cx, retry, asked) else { return false };
        self.announce(cx, retry, wait, &cx.redacted(error)).await;
        tokio::select! {
            biased;
            () = cx.canceled() => false,
            () = sleep(wait) => true,
        }
    }
}

/// Whether to try again after an error, and how long the other side asks to wait.
type Decide<E> = dyn Fn(&E) -> Option<Option<Duration>> + Send + Sync;

/// A runner that is tried again, made by [`RunExt::retry`](crate::RunExt::retry).
pub struct Retried<R: Run> {
    runner: R,
    policy: Retry,
    decide: Arc<Decide<R::Error>>,
}

impl<R: Run> Retried<R> {
    pub(crate) fn by_trait(runner: R, policy: Retry) -> Self
    where
        R::Error: Retryable,
    {
        let decide = |error: &R::Error| error.is_retryable().then(|| error.retry_after());
        Self { runner, policy, decide: Arc::new(decide) }
    }

    pub(crate) fn by_predicate<P>(runner: R, policy: Retry, retryable: P) -> Self
    where
        P: Fn(&R::Error) -> bool + Send + Sync + 'static,
    {
        Self { runner, policy, decide: Arc::new(move |error| retryable(error).then_some(None)) }
    }

    /// Whether the error is one to try again after, and how long the other side asks to wait.
    fn asked(&self, error: &RunError<R::Error>) -> Option<Option<Duration>> {
        match error {
            RunError::Failed { error, .. } => (self.decide)(error),
            RunError::TimedOut { .. } => Some(None),
            RunError::Canceled { .. } | RunError::Panicked { .. } => None,
        }
    }
}

impl<R> Run for Retried<R>
where
    R: Run,
    R::Input: Clone,
{
    type Input = R::Input;
    type Output = R::Output;
    type Error = R::Error;

    async fn execute(&self, cx: &RunContext, mut input: R::Input) -> Result<R::Output, RunError<R::Error>> {
        let mut retry = 1;
        loop {
            let error = match self.runner.execute(cx, input.clone()).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let Some(asked) = self.asked(&error) else { return Err(error.after_tries(retry)) };
            let text = error.describe(|error| self.runner.describe_error(error));
            if !self.policy.pause(cx, retry, asked, &text).await {
                return Err(error.after_tries(retry));
            }
            if let Some(resumed) = error.error().and_then(|error| self.runner.resume_after(&input, error)) {
                input = resumed;
            }
            retry = retry.saturating_add(1);
        }
    }

    fn resume_after(&self, input: &R::Input, error: &R::Error) -> Option<R::Input> {
        self.runner.resume_after(input, error)
    }

    fn error_ends_the_run(&self, error: &R::Error) -> bool {
        self.runner.error_ends_the_run(error)
    }

    fn describe_error(&self, error: &R::Error) -> String {
        self.runner.describe_error(error)
    }
}

impl<R: Run + Clone> Clone for Retried<R> {
    fn clone(&self) -> Self {
        Self { runner: self.runner.clone(), policy: self.policy.clone(), decide: Arc::clone(&self.decide) }
    }
}

impl<R: Run + fmt::Debug> fmt::Debug for Retried<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retried")
            .field("runner", &self.runner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
