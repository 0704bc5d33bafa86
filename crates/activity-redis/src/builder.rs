//! Setting a store up.

use std::fmt;
use std::time::Duration;

use agentexec_activity_core::Error;

use crate::address::{Address, Addresses};
use crate::keys::Keys;
use crate::link::Link;
use crate::store::RedisStore;

/// The namespace of a store that names none.
pub const DEFAULT_NAMESPACE: &str = "agentexec";
/// How long an operation may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long making a connection may take by default.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sets up a [`RedisStore`].
///
/// ```no_run
/// # async fn example() -> Result<(), agentexec_activity_core::Error> {
/// use std::time::Duration;
///
/// use agentexec_activity_redis::RedisStore;
///
/// let store = RedisStore::builder("rediss://agents:secret@redis.example:6379")
///     .namespace("billing")
///     .tls_ca(std::fs::read("ca.pem").expect("the CA's certificate"))
///     .timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is connected until `connect`"]
pub struct RedisStoreBuilder {
    url: String,
    others: Vec<String>,
    namespace: String,
    tls_ca: Option<Vec<u8>>,
    timeout: Duration,
    connect_timeout: Duration,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            others: Vec::new(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            tls_ca: None,
            timeout: DEFAULT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }

    /// Sets the namespace: 1 to 64 letters, digits, `-`, `_`, `.` and `:`. Stores of different namespaces on one
    /// server know nothing of each other. Default: [`DEFAULT_NAMESPACE`].
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Adds the URL of another node of the same cluster, to be asked when the others cannot be reached. Each
    /// call adds one. A single server has no other: its replicas are found behind its name or proxy.
    pub fn node(mut self, url: impl Into<String>) -> Self {
        self.others.push(url.into());
        self
    }

    /// Sets the certificates (PEM) of the authorities to trust with `rediss://`. Default: those of the system.
    pub fn tls_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls_ca = Some(pem.into());
        self
    }

    /// Sets how long an operation may take, with what is sent again after a connection broke. When it is over the
    /// operation fails with [`Error::Unavailable`], and whether it was carried out is not known. A server that has
    /// been away for longer than this is asked once only. Default: [`DEFAULT_TIMEOUT`], at most a day.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long making a connection may take, with TLS and login. An operation that needs one does not wait
    /// longer than its own time. Default: [`DEFAULT_CONNECT_TIMEOUT`], at most a day.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Connects, and looks at the server: it must be Redis 7.0, Valkey 7.2 or newer, and must not evict keys that
    /// have no time to live. It warns (by `tracing`) when the server saves nothing.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the URL, the namespace or a certificate is not good; [`Error::Unavailable`] with a
    /// [`Failure`](crate::Failure) when the server cannot be reached or refuses, or must not hold records.
    pub async fn connect(self) -> Result<RedisStore, Error> {
        let ca = self.tls_ca.as_deref();
        let keys = Keys::new(&self.namespace)?;
        let first = Address::parse(&self.url, ca)?;
        let others = self.others.iter().map(|url| Address::parse(url, ca)).collect::<Result<_, _>>()?;
        let link = Link::new(keys, Addresses::new(first, others), self.timeout, self.connect_timeout);
        RedisStore::over(link).await
    }
}

/// Without the URL: it may hold a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, timeout, connect_timeout, .. } = self;
        f.debug_struct("RedisStoreBuilder")
            .field("namespace", namespace)
            .field("timeout", timeout)
            .field("connect_timeout", connect_timeout)
            .finish_non_exhaustive()
    }
}
