//! How long a request may take and how much it may bring, each with a named default.

use std::time::Duration;

use crate::sse::SseLimits;

/// The default for [`Timeouts::connect`]: 5 s, as in the official clients.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The default for [`Timeouts::first_byte`]: 600 s, as in the official clients.
pub const DEFAULT_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(600);

/// The default for [`Timeouts::between_bytes`]: 600 s, the read timeout of the official clients.
///
/// It is long on purpose. A reasoning model may send nothing for minutes while it thinks, and cutting it off
/// throws a paid answer away, whereas noticing a stall late only costs the wait. A peer that is gone, rather than
/// silent, is noticed much sooner, by TCP keep-alive and HTTP/2 pings.
pub const DEFAULT_BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(600);

/// The largest JSON body by default, 64 MiB after decompression. It is held in memory.
pub const MAX_BODY: usize = 64 << 20;

/// The longest event stream by default, 1 GiB after decompression. It is never held in memory.
pub const MAX_STREAM: u64 = 1 << 30;

/// The most events of a stream by default, 4 million: a response with more deltas than any model has tokens.
pub const MAX_EVENTS: u64 = 4_000_000;

/// How much of an error body is read by default, 64 KiB after decompression.
pub const MAX_ERROR_BODY: usize = 64 << 10;

/// How long each part of a request may take. A timeout is an error of kind
/// [`Timeout`](agentexec_agent_core::model::ModelErrorKind::Timeout), which is retryable.
///
/// ```
/// use std::time::Duration;
///
/// let mut timeouts = agentexec_runner_http::Timeouts::default();
/// timeouts.request = Some(Duration::from_secs(90));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Until there is a connection, name resolution and TLS included. Default: [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect: Duration,
    /// From the start of a try until the head of the answer, and again from there until the first byte of the body:
    /// some servers answer at once and then think, others think and then answer.
    /// Default: [`DEFAULT_FIRST_BYTE_TIMEOUT`].
    pub first_byte: Duration,
    /// The longest silence inside the body; comments and pings count as bytes, and time in which nobody asks for
    /// the next event does not count. Behind a whole answer to which a server may still add its usage, at most 2 s
    /// ([`EventStream::hurry`](crate::EventStream::hurry)). Default: [`DEFAULT_BETWEEN_BYTES_TIMEOUT`].
    pub between_bytes: Duration,
    /// From the call until the last byte of the body, with all tries and the waits between them. Default: none.
    pub request: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: DEFAULT_CONNECT_TIMEOUT,
            first_byte: DEFAULT_FIRST_BYTE_TIMEOUT,
            between_bytes: DEFAULT_BETWEEN_BYTES_TIMEOUT,
            request: None,
        }
    }
}

/// How much an answer may bring. Past a limit the error is of kind
/// [`LimitExceeded`](agentexec_agent_core::model::ModelErrorKind::LimitExceeded), and no more than the limit was
/// held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest line and the largest event of a stream.
    pub sse: SseLimits,
    /// The largest JSON body in bytes, after decompression. Default: [`MAX_BODY`].
    pub body: usize,
    /// The most bytes of a whole event stream, after decompression. Default: [`MAX_STREAM`].
    pub stream: u64,
    /// The most events of a stream. Default: [`MAX_EVENTS`].
    pub events: u64,
    /// How many bytes of an error body are read; what follows is ignored. Default: [`MAX_ERROR_BODY`].
    pub error_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sse: SseLimits::default(),
            body: MAX_BODY,
            stream: MAX_STREAM,
            events: MAX_EVENTS,
            error_body: MAX_ERROR_BODY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_request_has_the_time_that_the_official_clients_give_it() {
        let timeouts = Timeouts::default();
        assert_eq!(timeouts.connect, Duration::from_secs(5));
        assert_eq!(timeouts.first_byte, Duration::from_secs(600));
        assert_eq!(timeouts.between_bytes, Duration::from_secs(600));
        assert_eq!(timeouts.request, None);
    }
}
