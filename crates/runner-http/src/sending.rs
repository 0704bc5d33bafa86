//! A request on its way: its tries, one after the other.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use agentexec_agent_core::model::ModelError;
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::time::{Sleep, sleep};
use tracing::debug;

use crate::body::Deadlines;
use crate::reply::Reply;
use crate::request::Request;
use crate::retry::{Decision, jitter};
use crate::transport::Transport;

/// A request on its way, for callers who want to tell of each retry. From
/// [`Transport::sending`]; [`Transport::send`] is this with nobody told.
///
/// ```no_run
/// # use agentexec_agent_core::model::ModelError;
/// use agentexec_runner_http::{Reply, Request, Sent, Transport};
///
/// # async fn ask(transport: &Transport, request: Request) -> Result<Reply, ModelError> {
/// let mut sending = transport.sending(request)?;
/// loop {
///     match sending.next().await? {
///         Sent::Retrying(retrying) => println!("again in {:?}: {}", retrying.delay, retrying.error),
///         Sent::Reply(reply) => return Ok(reply),
///     }
/// }
/// # }
/// ```
pub struct Sending {
    transport: Transport,
    url: Url,
    headers: HeaderMap,
    request: Request,
    deadlines: Deadlines,
    retries: u32,
    /// The wait before the next try. It runs from the failure on, whoever asks when and how often.
    wait: Option<Pin<Box<Sleep>>>,
}

/// What became of a try.
#[derive(Debug)]
pub enum Sent {
    /// It failed, and another follows.
    Retrying(Retrying),
    /// There is a reply, and nothing more to ask for.
    Reply(Reply),
}

/// A try that failed and is followed by another.
#[derive(Debug)]
#[non_exhaustive]
pub struct Retrying {
    /// The number of the retry that follows, from 1.
    pub retry: u32,
    /// How many there may be.
    pub retries: u32,
    /// How long is waited before it.
    pub delay: Duration,
    /// Why the try failed.
    pub error: ModelError,
}

impl Sending {
    pub(crate) fn new(transport: Transport, request: Request) -> Result<Self, ModelError> {
        let (url, headers) = (transport.url(&request.path), transport.headers(&request)?);
        let deadlines = transport.deadlines();
        Ok(Self { transport, url, headers, request, deadlines, retries: 0, wait: None })
    }

    /// Another request in place of this one, as a refusal asked for: its tries are its own, and the clock of the whole
    /// request goes on.
    ///
    /// # Errors
    /// As [`Transport::sending`].
    pub fn again(self, request: Request) -> Result<Self, ModelError> {
        let deadlines = self.deadlines;
        Ok(Self { deadlines, ..Self::new(self.transport, request)? })
    }

    /// Waits as the last call said, tries, and says what became of it.
    ///
    /// # Errors
    /// As [`Transport::send`]: the error of the last try. Called again behind an error or a reply, it tries anew.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the try; whether the provider has done (and charged for) its work is then
    /// unknown. A wait that it was in goes on.
    pub async fn next(&mut self) -> Result<Sent, ModelError> {
        if let Some(wait) = &mut self.wait {
            wait.as_mut().await;
            self.wait = None;
        }
        let (url, headers, body) = (&self.url, self.headers.clone(), self.request.body.clone());
        let tried = self.transport.try_once(url, headers, body, self.deadlines.next_try(), self.retries + 1);
        let failed = match tried.await {
            Ok(reply) => return Ok(Sent::Reply(reply)),
            Err(failed) => failed,
        };
        let policy = self.transport.retry_policy();
        match policy.decide(self.retries, failed.failure, failed.hints, jitter()) {
            Decision::After(delay) if self.deadlines.allow(delay) => {
                self.retries += 1;
                debug!(
                    retry = self.retries,
                    delay_ms = delay.as_millis() as u64,
                    "sending the request again"
                );
                self.wait = Some(Box::pin(sleep(delay)));
                let (retry, retries) = (self.retries, policy.max_retries);
                Ok(Sent::Retrying(Retrying { retry, retries, delay, error: failed.error }))
            }
            _ => Err(failed.error.with_tries(self.retries + 1)),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("request", &self.request)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use agentexec_agent_core::model::ModelErrorKind;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::config::Timeouts;
    use crate::retry::RetryPolicy;

    #[tokio::test(start_paused = true)]
    async fn a_request_in_place_of_another_has_no_more_time_than_that_had() {
        let limit = Duration::from_mins(1);
        let timeouts = Timeouts { request: Some(limit), ..Timeouts::default() };
        let transport = Transport::builder("http://127.0.0.1:1").timeouts(timeouts).build().unwrap();
        let sending = transport.sending(Request::post("ask", "{}")).unwrap();
        tokio::time::advance(limit).await;
        let error = sending.again(Request::post("ask", "[]")).unwrap().next().await.unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Timeout, "{error}");
    }

    /// Nothing listens on port 1, so that each try fails at once.
    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_goes_on() {
        let long = Duration::from_secs(100);
        let retry = RetryPolicy { base: long, cap: long, ..RetryPolicy::default() };
        let transport = Transport::builder("http://127.0.0.1:1").retry(retry).build().unwrap();
        let mut sending = transport.sending(Request::post("ask", "{}")).unwrap();
        let Sent::Retrying(told) = sending.next().await.unwrap() else { panic!("a reply from nobody") };
        let last = Duration::from_secs(1);
        let early = timeout(told.delay - last, sending.next()).await;
        assert!(early.is_err(), "the wait is not over: {early:?}");

        let again = Instant::now();
        assert!(matches!(sending.next().await.unwrap(), Sent::Retrying(told) if told.retry == 2));
        let waited = again.elapsed();
        assert!((last..2 * last).contains(&waited), "{waited:?}");
    }
}
