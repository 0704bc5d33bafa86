//! Why Redis refused or failed, in words that say what to do.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::Error;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis refused or failed: the source of an [`Error::Unavailable`] of this store.
///
/// No text holds a password. Whoever wants to tell the cases apart takes it out of the error:
///
/// ```
/// use agentexec_activity_core::Error;
/// use agentexec_activity_redis::Failure;
///
/// fn is_full(error: &Error) -> bool {
///     let Error::Unavailable { source, .. } = error else { return false };
///     matches!(source.downcast_ref(), Some(Failure::OutOfMemory))
/// }
/// # assert!(is_full(&Error::unavailable("Redis", Failure::OutOfMemory)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no connection to the server, or it broke.
    #[error("no connection to {server}; check the address, and that the server runs and can be reached")]
    Unreachable {
        /// The server, without credentials.
        server: String,
        /// What the network said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server cannot be trusted by its certificate, or speaks no TLS.
    #[error(
        "no TLS with {server}; check that it speaks TLS and which authority signed its certificate (`tls_ca`)"
    )]
    Tls {
        /// The server, without credentials.
        server: String,
        /// What the TLS library said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server did not answer in time. Whether it has carried the operation out is not known.
    #[error("{server} gave no answer within {after:?}; whether it has carried this out is not known")]
    NoAnswer {
        /// The server, without credentials.
        server: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server refused the user or the password, or wants one.
    #[error("{server} refused the login; check the user and the password in the URL ({said})")]
    Login {
        /// The server, without credentials.
        server: String,
        /// What it said.
        said: String,
    },
    /// The user may not run a command or touch a key that the store needs.
    #[error(
        "the Redis user may not do what the store needs; give it the rules that the documentation lists ({said})"
    )]
    NotPermitted {
        /// What the server said.
        said: String,
    },
    /// The server is at its `maxmemory` and refuses writes. Reads, purges and renewals of leases go on.
    #[error("Redis is at its maxmemory and refuses writes; raise maxmemory, or purge old activities")]
    OutOfMemory,
    /// The server refuses writes for the time being: it cannot save to its disk, or too few replicas follow it.
    #[error("Redis refuses writes for now ({said})")]
    NotWriting {
        /// What it said.
        said: String,
    },
    /// The server is a replica, or has just become one.
    #[error("{server} is a read-only replica; use the address of the primary")]
    ReadOnly {
        /// The server, without credentials.
        server: String,
    },
    /// The server is loading its data, or a script keeps it busy.
    #[error("{server} is not ready yet ({said}); wait until it is")]
    NotReady {
        /// The server, without credentials.
        server: String,
        /// What it said.
        said: String,
    },
    /// The cluster cannot serve the slot of the namespace, or moves it.
    #[error("the cluster does not serve the slot of this namespace for now ({said})")]
    Cluster {
        /// What the node said.
        said: String,
    },
    /// The server would remove records when memory runs out.
    #[error(
        "Redis has a maxmemory and evicts keys by {policy}, which would remove records; set maxmemory-policy to noeviction"
    )]
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// The server is too old.
    #[error("the server is Redis {version}; this store needs Redis 7.0 or Valkey 7.2, or newer")]
    TooOld {
        /// Its version.
        version: String,
    },
    /// The namespace was written by a newer version of this crate.
    #[error(
        "the namespace has format {found} and this version knows {known}; use the newer version everywhere"
    )]
    NewerFormat {
        /// The format of the namespace.
        found: u64,
        /// The newest format that this version knows.
        known: u64,
    },
    /// What is stored is not what this store writes.
    #[error("what is stored in this namespace cannot be read ({0}); does something else write to its keys?")]
    Unreadable(&'static str),
    /// Anything else that the server said.
    #[error("Redis answered with an error ({said})")]
    Server {
        /// What it said.
        said: String,
    },
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::unavailable("Redis", failure)
    }
}

impl Failure {
    /// What an error of the client means for this server.
    pub(crate) fn of(server: &str, error: RedisError) -> Self {
        let (server, said) = (server.to_owned(), said(&error));
        match error.kind() {
            ErrorKind::Io if is_of_tls(&error) => Self::Tls { server, source: Box::new(error) },
            ErrorKind::Io | ErrorKind::Parse => Self::Unreachable { server, source: Box::new(error) },
            ErrorKind::AuthenticationFailed => Self::Login { server, said },
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoPerm => Self::NotPermitted { said },
                ServerErrorKind::ReadOnly => Self::ReadOnly { server },
                ServerErrorKind::BusyLoading => Self::NotReady { server, said },
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown => Self::Cluster { said },
                _ => Self::by_code(server, error.code().unwrap_or_default(), said),
            },
            _ => Self::by_code(server, error.code().unwrap_or_default(), said),
        }
    }

    fn by_code(server: String, code: &str, said: String) -> Self {
        match code {
            "OOM" => Self::OutOfMemory,
            "WRONGPASS" | "NOAUTH" => Self::Login { server, said },
            "MISCONF" | "NOREPLICAS" => Self::NotWriting { said },
            "BUSY" => Self::NotReady { server, said },
            "WRONGTYPE" => Self::Unreadable("a key is of another kind"),
            // What older servers say of a command within a script.
            _ if said.contains("The user executing the script can't") => Self::NotPermitted { said },
            _ => Self::Server { said },
        }
    }

    /// Whether it may pass by itself soon.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::ReadOnly { .. } | Self::NotReady { .. } | Self::Cluster { .. }
        )
    }

    /// Whether another connection may do better.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::ReadOnly { .. })
    }
}

/// The TLS library tells what it refuses as data that is not valid.
fn is_of_tls(error: &RedisError) -> bool {
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn StdError + Send + Sync>>());
    let source = shared.and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}

/// What the server said: its code and its words, not where in a script that was.
fn said(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let detail = detail.split(" script: ").next().unwrap_or_default();
    match error.code() {
        Some(code) if !detail.is_empty() => format!("{code} {detail}"),
        Some(code) => code.to_owned(),
        None => error.to_string(),
    }
}
