//! How a transport is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{Limits, Timeouts};
use crate::origin::{Origin, without_secrets};
use crate::request::insert;
use crate::retry::RetryPolicy;
use crate::transport::Transport;

/// How often a quiet connection is probed, so that a peer that is gone does not look like one that thinks.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// How long a probe may go unanswered.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// Sets up a [`Transport`]. From [`Transport::builder`].
#[derive(Clone)]
pub struct TransportBuilder {
    base_url: String,
    provider: Option<String>,
    default_path: Option<String>,
    /// `None` stands for `authorization: Bearer`.
    keys: Vec<(Option<String>, SecretString)>,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    limits: Limits,
    certificates: Vec<Vec<u8>>,
    proxy: Proxy,
}

#[derive(Clone)]
enum Proxy {
    Off,
    Environment,
    Url(String),
}

impl TransportBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            provider: None,
            default_path: None,
            keys: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
            certificates: Vec::new(),
            proxy: Proxy::Off,
        }
    }

    /// What errors call the provider, for example `OpenAI`. Default: the host of the base URL.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = Some(name.into());
        self
    }

    /// The path to use when the base URL has none: `v1` turns `http://localhost:11434` into
    /// `http://localhost:11434/v1` and leaves `https://host/openai` alone. Default: none.
    #[must_use]
    pub fn default_path(mut self, path: impl Into<String>) -> Self {
        self.default_path = Some(path.into());
        self
    }

    /// Sends the key as `authorization: Bearer KEY`. Default: no key, as local servers want it.
    #[must_use]
    pub fn bearer(mut self, key: SecretString) -> Self {
        self.keys.push((None, key));
        self
    }

    /// Sends a key in a header of its own, for example `x-api-key` (Anthropic) or `api-key` (Azure).
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<String>, key: SecretString) -> Self {
        self.keys.push((Some(name.into()), key));
        self
    }

    /// Sends a header with every request. It replaces one of the same name. For what is secret there is
    /// [`secret_header`](Self::secret_header).
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query pair to every URL, behind those of the base URL, for example Azure's `api-version`.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// How long each part of a request may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How often a request is sent again, and after how long.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How much an answer may bring.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Trusts these root certificates (one or more, PEM) besides those of the operating system.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(pem.into());
        self
    }

    /// Sends everything through this proxy, `http://[user:password@]host:port`. Default: no proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Proxy::Url(url.into());
        self
    }

    /// Uses the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, but for the hosts in
    /// `NO_PROXY`) or the operating system's. Default: no proxy.
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = Proxy::Environment;
        self
    }

    /// Builds the transport. It connects to nothing yet.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`] when the base URL, a header, a key, a certificate or the proxy cannot be
    /// used. The message names which, and shows no secret.
    pub fn build(self) -> Result<Transport, ModelError> {
        let base = self.base()?;
        let own_headers = self.header_map()?;
        let client = self.client()?;
        let secrets = self.keys.into_iter().map(|(_, key)| key).collect();
        let origin = Arc::new(Origin::new(self.provider, &base, secrets));
        // Credentials in the URL become a header here, once, and not with each request. A key goes before them.
        let request = client.post(base).build().map_err(|_| unusable("the base URL cannot be asked"))?;
        let (base, mut headers) = (request.url().clone(), request.headers().clone());
        headers.extend(own_headers);
        Ok(Transport::new(client, base, headers, origin, self.timeouts, self.retry, self.limits))
    }

    fn base(&self) -> Result<Url, ModelError> {
        let mut url = match Url::parse(self.base_url.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(_) => return Err(unusable("the base URL must begin with https:// or http://")),
            Err(error) => {
                let hint = "it must look like https://api.example.com/v1";
                return Err(unusable(format!("the base URL cannot be read ({error}): {hint}")));
            }
        };
        if let Some(path) = self.default_path.as_ref().filter(|_| url.path() == "/") {
            url.set_path(path);
        }
        url.set_fragment(None);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("agentexec/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &self.headers {
            insert(&mut headers, name, value, false)?;
        }
        for (name, key) in &self.keys {
            let key = key.expose_secret();
            if key.trim().is_empty() {
                return Err(unusable("the key is empty"));
            }
            match name {
                Some(name) => insert(&mut headers, name, key, true)?,
                None => insert(&mut headers, "authorization", &format!("Bearer {key}"), true)?,
            }
        }
        Ok(headers)
    }

    fn client(&self) -> Result<reqwest::Client, ModelError> {
        let mut client = reqwest::Client::builder()
            // A key goes to the server that it was set for and to no other.
            .redirect(reqwest::redirect::Policy::none())
            // There is one retry policy, and it is ours.
            .retry(reqwest::retry::never())
            .connect_timeout(self.timeouts.connect)
            .tcp_nodelay(true)
            .tcp_keepalive(PROBE_INTERVAL)
            .http2_keep_alive_interval(PROBE_INTERVAL)
            .http2_keep_alive_timeout(PROBE_TIMEOUT);
        for pem in &self.certificates {
            let certificates = reqwest::Certificate::from_pem_bundle(pem);
            let certificates = certificates.map_err(|_| unusable("a root certificate is not PEM"))?;
            if certificates.is_empty() {
                return Err(unusable("a root certificate file contains no certificate"));
            }
            client = client.tls_certs_merge(certificates);
        }
        client = match &self.proxy {
            Proxy::Off => client.no_proxy(),
            Proxy::Environment => client,
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url.as_str());
                let proxy = proxy.map_err(|_| unusable("the proxy URL cannot be read: http://host:port"))?;
                client.proxy(proxy)
            }
        };
        client
            .build()
            .map_err(|error| unusable("the HTTP client cannot be set up").with_source(error.without_url()))
    }
}

fn unusable(what: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Configuration, what)
}

impl fmt::Debug for TransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A text that is no URL may still be a mistyped one, with a key in it.
        let base_url = Url::parse(&self.base_url).map(|url| without_secrets(&url));
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("TransportBuilder")
            .field("base_url", &base_url.unwrap_or_default())
            .field("provider", &self.provider)
            .field("keys", &self.keys.len())
            .field("headers", &headers)
            .field("timeouts", &self.timeouts)
            .field("retry", &self.retry)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
