//! Requests that got no answer, or not the whole of one: which wire, which clock, and what to look at.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};

use crate::origin::Origin;
use crate::text::one_line;

/// There was no answer.
pub(crate) fn no_answer(error: reqwest::Error, origin: &Origin, connect_timeout: Duration) -> ModelError {
    let address = &origin.address;
    let (kind, message) = if error.is_connect() && error.is_timeout() {
        (ModelErrorKind::Timeout, format!("no connection to {address} within {connect_timeout:?}"))
    } else if error.is_dns() {
        let message =
            format!("the name in {address} cannot be resolved: is the base URL right, is there a network?");
        (ModelErrorKind::Unreachable, message)
    } else if error.is_connect() {
        (ModelErrorKind::Unreachable, format!("no connection to {address}: {}", cause(&error, origin)))
    } else if error.is_builder() {
        (ModelErrorKind::Configuration, format!("the request to {address} cannot be sent"))
    } else {
        (ModelErrorKind::Unreachable, format!("the connection to {address} broke before an answer came"))
    };
    // The URL may hold what must not be shown.
    ModelError::new(kind, message).with_source(error.without_url())
}

/// The answer broke off.
pub(crate) fn broke_off(error: reqwest::Error, origin: &Origin) -> ModelError {
    let message = format!("{}: the connection broke in the middle of the answer", origin.provider);
    ModelError::new(ModelErrorKind::StreamCut, message).with_source(error.without_url())
}

/// Nothing came at all.
pub(crate) fn no_first_byte(origin: &Origin, timeout: Duration) -> ModelError {
    late(format!("{} sent no answer within {timeout:?} (first byte timeout)", origin.provider))
}

/// Nothing more came.
pub(crate) fn silent(origin: &Origin, timeout: Duration) -> ModelError {
    let provider = &origin.provider;
    late(format!(
        "{provider} stopped in the middle of the answer: nothing for {timeout:?} (timeout between bytes)"
    ))
}

/// The request has used up its time.
pub(crate) fn request_too_long(origin: &Origin, timeout: Duration) -> ModelError {
    late(format!("the request to {} was not over within {timeout:?} (request timeout)", origin.provider))
}

/// The answer passed a limit.
pub(crate) fn too_much(origin: &Origin, what: impl fmt::Display) -> ModelError {
    ModelError::new(ModelErrorKind::LimitExceeded, format!("{}: the answer is {what}", origin.provider))
}

fn late(message: String) -> ModelError {
    ModelError::new(ModelErrorKind::Timeout, message)
}

/// Why there is no connection, in words that do not depend on the operating system where we know some.
fn cause(error: &reqwest::Error, origin: &Origin) -> String {
    let mut kind = None;
    let mut deepest: &dyn Error = error;
    while let Some(below) = deepest.source() {
        kind = kind.or_else(|| below.downcast_ref().map(io::Error::kind));
        deepest = below;
    }
    let words = match kind {
        Some(io::ErrorKind::ConnectionRefused) if origin.is_loopback => {
            "connection refused. Is the local server running, on this port?"
        }
        Some(io::ErrorKind::ConnectionRefused) => "connection refused, nothing listens there",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "no network leads there",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
            "the connection was closed at once"
        }
        _ => {
            let tls = if origin.is_https { "TLS failed: " } else { "" };
            return format!("{tls}{}", one_line(&origin.redact(deepest.to_string())));
        }
    };
    words.to_owned()
}
