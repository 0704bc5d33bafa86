//! Who answers: the names that errors call a provider by, and the secrets that they must not repeat.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::error::Facts;
use crate::text::excerpt;
use agentexec_agent_core::model::ModelError;

/// Shorter secrets are not looked for in messages: they would be found in ordinary words.
const MIN_REDACTED: usize = 8;

/// The server behind a transport, as people know it.
pub(crate) struct Origin {
    /// `OpenAI`, or the host.
    pub(crate) provider: String,
    /// Host and port.
    pub(crate) address: String,
    /// The base URL without credentials and query.
    pub(crate) base: String,
    pub(crate) is_https: bool,
    /// Whether the host is this machine.
    pub(crate) is_loopback: bool,
    secrets: Vec<SecretString>,
}

impl Origin {
    pub(crate) fn new(provider: Option<String>, url: &Url, mut secrets: Vec<SecretString>) -> Self {
        let host = url.host_str().unwrap_or_default();
        let address = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        secrets.extend(url.password().map(SecretString::from));
        Self {
            provider: provider.unwrap_or_else(|| host.to_owned()),
            address,
            base: without_secrets(url),
            is_https: url.scheme() == "https",
            is_loopback: is_loopback(host),
            secrets,
        }
    }

    /// Blots out the secrets that a server has sent back. To be done before a text is cut, and a secret with it.
    pub(crate) fn redact<'t>(&self, text: impl Into<Cow<'t, str>>) -> Cow<'t, str> {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret);
        secrets.filter(|secret| secret.len() >= MIN_REDACTED).fold(text.into(), |text, secret| {
            if text.contains(secret) { text.replace(secret, "[redacted]").into() } else { text }
        })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("provider", &self.provider)
            .field("base", &self.base)
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

impl Origin {
    /// The JSON without secrets that are spelled with escapes, if there are any.
    fn redact_json(&self, json: &str) -> Option<String> {
        if self.secrets.is_empty() || !json.contains('\\') {
            return None;
        }
        let mut value = serde_json::from_str(json).ok()?;
        self.redact_value(&mut value).then(|| value.to_string())
    }

    /// Whether there was a secret in it.
    fn redact_value(&self, value: &mut Value) -> bool {
        let both = |one, other| one | other;
        match value {
            Value::String(text) => match self.redact(text.as_str()) {
                Cow::Borrowed(_) => false,
                Cow::Owned(clean) => {
                    *text = clean;
                    true
                }
            },
            Value::Array(items) => items.iter_mut().map(|item| self.redact_value(item)).fold(false, both),
            Value::Object(members) => {
                members.values_mut().map(|member| self.redact_value(member)).fold(false, both)
            }
            _ => false,
        }
    }
}

/// A URL for messages: without credentials, query and fragment.
pub(crate) fn without_secrets(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
}

/// The host of a URL, and its port where the URL names one. It need not be a URL that can be used.
#[must_use]
pub fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The head of an answer, shared by everything that is read from its body.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) origin: Arc<Origin>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// OpenAI and those who speak its protocol say `x-request-id`, Anthropic says `request-id`.
    pub(crate) fn request_id(&self) -> Option<&str> {
        let mut ids = ["x-request-id", "request-id"].into_iter().filter_map(|name| self.header(name));
        ids.find(|id| !id.is_empty() && self.origin.redact(*id) == *id)
    }

    /// Adds status and request id to an error about this answer.
    pub(crate) fn complete(&self, error: ModelError) -> ModelError {
        let error = error.with_status(self.status);
        match self.request_id() {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }

    /// A body as text, without the secrets that it repeats.
    pub(crate) fn text<'b>(&self, body: &'b [u8]) -> Cow<'b, str> {
        let text = self.origin.redact(String::from_utf8_lossy(body));
        self.origin.redact_json(&text).map_or(text, Cow::Owned)
    }

    /// Adds the beginning of what it is about, too.
    pub(crate) fn complete_with(&self, error: ModelError, body: &[u8]) -> ModelError {
        self.complete(error.with_body(excerpt(&self.text(body))))
    }

    /// The error that the provider describes inside an answer that began well.
    pub(crate) fn reported(&self, body: &[u8]) -> ModelError {
        let text = self.text(body);
        self.complete(Facts::read(&text).into_error(None, Some(&self.origin), &text))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("status", &self.status)
            .field("request_id", &self.request_id())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
