//! The bytes of an answer, read under the clocks that the user set.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use agentexec_agent_core::model::ModelError;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::config::Timeouts;
use crate::failure;
use crate::origin::{Head, Origin};

/// How long an error body is waited for: the status is already known, and a request that failed should say so.
const BEGINNING_WAIT: Duration = Duration::from_secs(10);

/// How long the end of a finished stream is waited for.
const DRAIN_WAIT: Duration = Duration::from_millis(50);

/// How long is waited behind a whole answer for what the server adds to it.
const EPILOGUE_WAIT: Duration = Duration::from_secs(2);

/// How many bytes behind the end of a stream are read and thrown away.
const DRAIN_LIMIT: usize = 16 << 10;

/// When a request must be over, and a try must have brought the head of its answer, or the first byte behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    timeouts: Timeouts,
    /// `None`: never, as with a duration that no clock can hold.
    request: Option<Instant>,
    first_byte: Option<Instant>,
}

impl Deadlines {
    /// Starts the clock of the whole request.
    pub(crate) fn start(timeouts: Timeouts) -> Self {
        let request = timeouts.request.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { timeouts, request, first_byte: None }
    }

    /// Starts the clock of one try.
    pub(crate) fn next_try(mut self) -> Self {
        self.first_byte = Instant::now().checked_add(self.timeouts.first_byte);
        self
    }

    /// Starts the clock anew: the head of the answer is here, and the body may take as long.
    pub(crate) fn answered(self) -> Self {
        self.next_try()
    }

    /// Whether the request may still run when `delay` is over.
    pub(crate) fn allow(&self, delay: Duration) -> bool {
        let then = Instant::now().checked_add(delay);
        self.request.is_none_or(|request| then.is_some_and(|then| then < request))
    }

    /// Waits for the first byte, or for what comes before it.
    pub(crate) async fn before_first_byte<T>(
        &self,
        origin: &Origin,
        future: impl Future<Output = T>,
    ) -> Result<T, ModelError> {
        let late = || failure::no_first_byte(origin, self.timeouts.first_byte);
        self.until(self.first_byte, late, origin, future).await
    }

    async fn until<T>(
        &self,
        deadline: Option<Instant>,
        late: impl FnOnce() -> ModelError,
        origin: &Origin,
        future: impl Future<Output = T>,
    ) -> Result<T, ModelError> {
        // A stream that is always ready never lets a timer speak, so the clock is asked first.
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if !is_over(self.request) {
            let first = [deadline, self.request].into_iter().flatten().min();
            let outcome = match first {
                Some(first) => timeout_at(first, future).await.ok(),
                None => Some(future.await),
            };
            if let Some(value) = outcome {
                return Ok(value);
            }
            if !is_over(self.request) {
                return Err(late());
            }
        }
        Err(failure::request_too_long(origin, self.timeouts.request.unwrap_or_default()))
    }
}

/// The body of an answer. Dropping it aborts the request.
pub(crate) struct Body {
    response: reqwest::Response,
    pub(crate) head: Arc<Head>,
    deadlines: Deadlines,
    has_begun: bool,
    /// Since when nothing has come. It outlives a call that was given up in a `select!`, so that polling again
    /// does not start the clock anew.
    waiting_since: Option<Instant>,
    /// Until when more is waited for, whatever comes.
    end: Option<Instant>,
    returned: Option<Bytes>,
}

impl Body {
    pub(crate) fn new(response: reqwest::Response, head: Arc<Head>, deadlines: Deadlines) -> Self {
        Self { response, head, deadlines, has_begun: false, waiting_since: None, end: None, returned: None }
    }

    /// The next bytes, never none of them; `None` at the end. Cancel-safe.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ModelError> {
        if let Some(returned) = self.returned.take() {
            return Ok(Some(returned));
        }
        loop {
            let chunk = self.wait().await?.map_err(|error| failure::broke_off(error, &self.head.origin))?;
            self.waiting_since = None;
            match chunk {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    self.has_begun = true;
                    return Ok(Some(bytes));
                }
                None => return Ok(None),
            }
        }
    }

    /// What there is yet must come within [`EPILOGUE_WAIT`] of the first call.
    pub(crate) fn hurry(&mut self) {
        self.end.get_or_insert_with(|| Instant::now() + EPILOGUE_WAIT);
    }

    async fn wait(&mut self) -> Result<reqwest::Result<Option<Bytes>>, ModelError> {
        let origin = &self.head.origin;
        if !self.has_begun {
            return self.deadlines.before_first_byte(origin, self.response.chunk()).await;
        }
        let timeout = self.deadlines.timeouts.between_bytes;
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let late = || failure::silent(origin, timeout);
        if self.end.is_some_and(|end| end <= Instant::now()) {
            return Err(late());
        }
        let deadline = [since.checked_add(timeout), self.end].into_iter().flatten().min();
        self.deadlines.until(deadline, late, origin, self.response.chunk()).await
    }

    /// Makes `bytes` the next chunk.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.returned = Some(bytes).filter(|bytes| !bytes.is_empty());
    }

    /// The rest of the body, when it is not larger than `limit` bytes.
    pub(crate) async fn whole(&mut self, limit: usize) -> Result<Vec<u8>, ModelError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len().saturating_add(chunk.len()) > limit {
                return Err(failure::too_much(&self.head.origin, format_args!("larger than {limit} bytes")));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// The beginning of the rest: at most `limit` bytes, and no more than what came within [`BEGINNING_WAIT`].
    pub(crate) async fn beginning(&mut self, limit: usize) -> Vec<u8> {
        let end = Instant::now() + BEGINNING_WAIT;
        let mut beginning = Vec::new();
        while beginning.len() < limit
            && let Ok(Ok(Some(chunk))) = timeout_at(end, self.chunk()).await
        {
            let room = limit - beginning.len();
            beginning.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        }
        beginning
    }

    /// Waits a moment for the end of a body of which nothing more is wanted. A connection whose body was read to
    /// its end serves the next request; any other is closed, and the next request pays for a new one.
    pub(crate) async fn drain(&mut self) {
        let end = Instant::now() + DRAIN_WAIT;
        let mut room = DRAIN_LIMIT;
        while let Ok(Ok(Some(chunk))) = timeout_at(end, self.chunk()).await {
            let Some(left) = room.checked_sub(chunk.len()) else { return };
            room = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn origin() -> Origin {
        Origin::new(None, &reqwest::Url::parse("http://host").unwrap(), Vec::new())
    }

    fn deadlines(first_byte: u64, request: u64) -> Deadlines {
        within(Duration::from_secs(first_byte), Duration::from_secs(request))
    }

    fn within(first_byte: Duration, request: Duration) -> Deadlines {
        let timeouts = Timeouts { first_byte, request: Some(request), ..Timeouts::default() };
        Deadlines::start(timeouts).next_try()
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_that_runs_out_first_is_named() {
        let error = deadlines(1, 2).before_first_byte(&origin(), pending::<()>()).await.unwrap_err();
        assert_eq!(error.message(), "host sent no answer within 1s (first byte timeout)");
        let error = deadlines(2, 1).before_first_byte(&origin(), pending::<()>()).await.unwrap_err();
        assert_eq!(error.message(), "the request to host was not over within 1s (request timeout)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_always_ready_does_not_outlive_the_request() {
        let deadlines = deadlines(10, 1);
        deadlines.before_first_byte(&origin(), ready(())).await.unwrap();
        assert!(deadlines.allow(Duration::from_millis(999)) && !deadlines.allow(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        deadlines.before_first_byte(&origin(), ready(())).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_as_long_as_the_head_before_it() {
        let deadlines = within(Duration::from_secs(4), Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(3)).await;
        let deadlines = deadlines.answered();
        tokio::time::advance(Duration::from_secs(3)).await;
        deadlines.before_first_byte(&origin(), ready(())).await.unwrap();
        let error = deadlines.before_first_byte(&origin(), pending::<()>()).await.unwrap_err();
        assert_eq!(error.message(), "host sent no answer within 4s (first byte timeout)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_duration_that_no_clock_can_hold_never_ends() {
        let deadlines = within(Duration::MAX, Duration::MAX);
        tokio::time::advance(Duration::from_secs(1 << 30)).await;
        deadlines.before_first_byte(&origin(), ready(())).await.unwrap();
    }
}
