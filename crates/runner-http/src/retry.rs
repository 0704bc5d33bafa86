//! When a request is sent again, and after how long: a pure decision, apart from the client that carries it out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use agentexec_agent_core::model::{ModelError, ModelErrorKind};

/// The default for [`RetryPolicy::max_retries`].
pub const DEFAULT_MAX_RETRIES: u32 = 2;

/// The default for [`RetryPolicy::base`].
pub const DEFAULT_BACKOFF_BASE: Duration = Duration::from_millis(500);

/// The default for [`RetryPolicy::cap`].
pub const DEFAULT_BACKOFF_CAP: Duration = Duration::from_secs(8);

/// The default for [`RetryPolicy::max_retry_after`].
pub const DEFAULT_MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// How often a request is sent again, and after how long.
///
/// The rules are those of the official OpenAI and Anthropic clients: connection errors, timeouts, 408, 409, 429 and
/// 5xx are tried again unless the server says otherwise by `x-should-retry`, which can also force it;
/// `retry-after-ms`, then `retry-after` (seconds, fractions of them or an HTTP date) set the delay. Ours go further
/// in four points: an account without quota is not asked again; an error body that came with status 200 counts as
/// the error it is; a delay in an error body (Gemini's `RetryInfo`) counts where the headers name none; and a server
/// that wants a long wait gets no hidden sleep, since only the caller knows what else it could do in that time.
///
/// Only a request that has brought nothing yet is sent again: a stream that has begun is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many times at most, behind the first try. Default: [`DEFAULT_MAX_RETRIES`].
    pub max_retries: u32,
    /// The delay before the first retry; it doubles from one to the next. Default: [`DEFAULT_BACKOFF_BASE`].
    pub base: Duration,
    /// The longest delay of our own. Default: [`DEFAULT_BACKOFF_CAP`]. Each delay is multiplied by a random
    /// number from 0.75 to 1, so that clients that failed together do not come back together.
    pub cap: Duration,
    /// The longest delay that a server may ask for. Above it the request is given up at once, with the delay in
    /// [`ModelError::retry_after`](agentexec_agent_core::model::ModelError::retry_after).
    /// Default: [`DEFAULT_MAX_RETRY_AFTER`].
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: DEFAULT_MAX_RETRIES,
            base: DEFAULT_BACKOFF_BASE,
            cap: DEFAULT_BACKOFF_CAP,
            max_retry_after: DEFAULT_MAX_RETRY_AFTER,
        }
    }
}

impl RetryPolicy {
    /// Never sends a request twice.
    #[must_use]
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// What to do behind a failed try, when `retries` came before it. `jitter` is from 0 to 1.
    pub(crate) fn decide(&self, retries: u32, failure: Failure, hints: Hints, jitter: f64) -> Decision {
        let wanted = match (failure, hints.should_retry) {
            (Failure::Final, _) => false,
            (_, Some(said)) => said,
            (Failure::Transient, None) => true,
            (Failure::Status(status), None) => is_retried(status),
        };
        if !wanted || retries >= self.max_retries {
            return Decision::GiveUp;
        }
        match hints.retry_after {
            Some(delay) if delay > self.max_retry_after => Decision::GiveUp,
            Some(delay) => Decision::After(delay),
            None => Decision::After(self.backoff(retries, jitter)),
        }
    }

    fn backoff(&self, retries: u32, jitter: f64) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(retries));
        let delay = doubled.min(self.cap);
        Duration::try_from_secs_f64(delay.as_secs_f64() * (0.75 + 0.25 * jitter)).unwrap_or(delay)
    }
}

/// Whether a status is worth another try.
pub(crate) fn is_retried(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..=599)
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer, one that broke off or came too late, or one that says that it will pass.
    Transient,
    /// An answer with an error status.
    Status(u16),
    /// In a way that the same request cannot get around.
    Final,
}

impl Failure {
    /// How a try failed that ended without an error status.
    pub(crate) fn of(kind: ModelErrorKind) -> Self {
        if kind.is_retryable() { Self::Transient } else { Self::Final }
    }
}

/// What to do behind a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    After(Duration),
    GiveUp,
}

/// What a server says of trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) should_retry: Option<bool>,
    /// More than zero; anything else counts as not said.
    pub(crate) retry_after: Option<Duration>,
}

impl Hints {
    /// Reads the headers of an answer that came at `now`.
    pub(crate) fn read<'h>(header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Self {
        let should_retry = header("x-should-retry").and_then(|value| value.trim().parse().ok());
        // A number in `retry-after-ms` is the server's word, even when it is not one we can use.
        let delay = match header("retry-after-ms").and_then(number) {
            Some(millis) => duration(millis / 1000.0),
            None => header("retry-after").and_then(|value| retry_after(value.trim(), now)),
        };
        Self { should_retry, retry_after: delay.filter(|delay| !delay.is_zero()) }
    }

    /// With the delay that the body names where the headers name none.
    pub(crate) fn or_in_body(self, error: &ModelError) -> Self {
        Self { retry_after: self.retry_after.or(error.retry_after()), ..self }
    }

    /// Tells the caller what the server said of trying again. Without quota no word of the server's helps.
    pub(crate) fn tell(self, mut error: ModelError) -> ModelError {
        if let Some(delay) = self.retry_after {
            error = error.with_retry_after(delay);
        }
        match self.should_retry {
            Some(said) if error.kind() != ModelErrorKind::QuotaExceeded => error.with_retryable(said),
            _ => error,
        }
    }
}

/// Seconds, whole or not, or an HTTP date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match number(value) {
        Some(seconds) => duration(seconds),
        None => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

fn number(value: &str) -> Option<f64> {
    value.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn duration(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// A number from 0 to 1, good enough to spread retries.
pub(crate) fn jitter() -> f64 {
    // Each `RandomState` has keys of its own: the standard library's source of randomness.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn hints(headers: &[(&str, &'static str)]) -> Hints {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        Hints::read(header, SystemTime::UNIX_EPOCH + NOW)
    }

    fn decide(status: u16, headers: &[(&str, &'static str)]) -> Decision {
        RetryPolicy::default().decide(0, Failure::Status(status), hints(headers), 1.0)
    }

    const OWN: Decision = Decision::After(DEFAULT_BACKOFF_BASE);

    #[test]
    fn these_statuses_are_tried_again_and_no_other() {
        let retried: Vec<u16> =
            (300..700).filter(|status| decide(*status, &[]) != Decision::GiveUp).collect();
        let expected: Vec<u16> = [408, 409, 429].into_iter().chain(500..600).collect();
        assert_eq!(retried, expected);
    }

    #[test]
    fn the_server_has_the_last_word_on_whether() {
        assert_eq!(decide(503, &[("x-should-retry", "false")]), Decision::GiveUp);
        assert_eq!(decide(400, &[("x-should-retry", "true")]), OWN);
        assert_eq!(decide(503, &[("x-should-retry", "perhaps")]), OWN);
        assert_eq!(decide(400, &[("x-should-retry", "perhaps")]), Decision::GiveUp);
        let forced = hints(&[("x-should-retry", "true")]);
        assert_eq!(RetryPolicy::default().decide(0, Failure::Final, forced, 1.0), Decision::GiveUp);
        assert_eq!(RetryPolicy::default().decide(2, Failure::Status(503), forced, 1.0), Decision::GiveUp);
    }

    #[test]
    fn the_server_says_how_long() {
        let millis = |n| Decision::After(Duration::from_millis(n));
        for (headers, expected) in [
            (&[("retry-after-ms", "250")][..], millis(250)),
            (&[("retry-after-ms", "12.5")], Decision::After(Duration::from_micros(12_500))),
            (&[("retry-after", "3")], millis(3000)),
            (&[("retry-after", " 1.5 ")], millis(1500)),
            (&[("retry-after-ms", "250"), ("retry-after", "3")], millis(250)),
            (&[("retry-after-ms", "soon"), ("retry-after", "3")], millis(3000)),
            (&[("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT")], millis(10_000)),
            (&[("retry-after", "120")], millis(120_000)),
        ] {
            assert_eq!(decide(429, headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_delay_that_means_nothing_becomes_our_own() {
        for value in ["0", "-5", "0.0", "soon", "", "NaN", "inf", "-inf", "Tue, 14 Nov 2023 22:13:10 GMT"] {
            assert_eq!(decide(429, &[("retry-after", value)]), OWN, "{value:?}");
        }
        for millis in ["0", "-250"] {
            assert_eq!(decide(429, &[("retry-after-ms", millis), ("retry-after", "3")]), OWN, "{millis:?}");
        }
    }

    #[test]
    fn a_delay_above_the_limit_is_handed_to_the_caller() {
        for value in ["120.001", "86400", "1e300", "Tue, 14 Nov 2023 22:16:00 GMT"] {
            assert_eq!(decide(429, &[("retry-after", value)]), Decision::GiveUp, "{value:?}");
        }
        assert_eq!(hints(&[("retry-after", "86400")]).retry_after, Some(Duration::from_secs(86400)));
    }

    #[test]
    fn our_own_delay_doubles_up_to_the_cap_and_is_spread() {
        let policy = RetryPolicy { max_retries: u32::MAX, ..RetryPolicy::default() };
        let delay = |retries, jitter| policy.decide(retries, Failure::Transient, Hints::default(), jitter);
        let after = |seconds| Decision::After(Duration::from_secs_f64(seconds));
        for (retries, longest) in
            [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (4_000_000, 8.0)]
        {
            assert_eq!(delay(retries, 1.0), after(longest));
            assert_eq!(delay(retries, 0.0), after(longest * 0.75));
        }
    }

    #[test]
    fn two_retries_by_default_and_none_on_request() {
        let decide =
            |policy: RetryPolicy, retries| policy.decide(retries, Failure::Transient, Hints::default(), 1.0);
        assert_ne!(decide(RetryPolicy::default(), 1), Decision::GiveUp);
        assert_eq!(decide(RetryPolicy::default(), 2), Decision::GiveUp);
        assert_eq!(decide(RetryPolicy::none(), 0), Decision::GiveUp);
    }

    #[test]
    fn jitter_stays_between_zero_and_one_and_varies() {
        let all: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(all.iter().all(|one| (0.0..=1.0).contains(one)));
        assert!(all.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
