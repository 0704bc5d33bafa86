//! Where the server is: one address, or several nodes of a cluster, of which one has the slot of the namespace.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agentexec_activity_core::Error;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};

/// A server, with the credentials for it.
#[derive(Clone)]
pub(crate) struct Address {
    client: Client,
}

impl Address {
    /// The address that a URL names; `ca` are certificates (PEM) to trust instead of those of the system.
    pub(crate) fn parse(url: &str, ca: Option<&[u8]>) -> Result<Self, Error> {
        // What the client says of a bad URL does not show it: there may be a password in it.
        let info = url.into_connection_info().map_err(|error| {
            Error::invalid("url", format!("{error}; a good one is redis://user:password@host:6379/0"))
        })?;
        let settings = info.redis_settings().clone();
        // A name for the client would take another permission.
        let settings = settings.set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let info =
            info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            choose_crypto();
        }
        let client = match ca {
            None => Client::open(info),
            Some(ca) => {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
                Client::build_with_tls(info, certificates)
            }
        };
        let client = client.map_err(|error| Error::invalid("url", error.to_string()))?;
        Ok(Self { client })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn info(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// The node of this name in the same cluster: the same credentials, and TLS as here. A node that does not
    /// know its own name is at the host that was asked.
    fn node(&self, name: &str) -> Option<Self> {
        let (host, port) = name.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let info = self.info().clone();
        let addr = match info.addr().clone() {
            ConnectionAddr::Tcp(asked, _) => ConnectionAddr::Tcp(named(host, asked), port),
            ConnectionAddr::TcpTls { host: asked, insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: named(host, asked), port, insecure, tls_params }
            }
            _ => return None,
        };
        let client = Client::open(info.set_addr(addr)).ok()?;
        Some(Self { client })
    }
}

fn named(host: &str, asked: String) -> String {
    if host.is_empty() || host == "?" { asked } else { host.trim_matches(['[', ']']).to_owned() }
}

/// Without credentials.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.info();
        match info.addr() {
            ConnectionAddr::TcpTls { .. } => write!(f, "rediss://{}", info.addr())?,
            ConnectionAddr::Unix(_) => write!(f, "unix:{}", info.addr())?,
            _ => write!(f, "redis://{}", info.addr())?,
        }
        match info.redis_settings().db() {
            0 => Ok(()),
            db => write!(f, "/{db}"),
        }
    }
}

/// The TLS library takes the process's choice of cryptography and panics where there is none.
fn choose_crypto() {
    use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

    if CryptoProvider::get_default().is_none() {
        // Somebody else may have chosen in between.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}

/// The addresses that were given, and the one that is used.
pub(crate) struct Addresses {
    given: Vec<Address>,
    used: Mutex<Used>,
}

struct Used {
    /// Which of the given ones.
    index: usize,
    address: Address,
}

impl Addresses {
    pub(crate) fn new(first: Address, others: Vec<Address>) -> Self {
        let used = Mutex::new(Used { index: 0, address: first.clone() });
        let given = [first].into_iter().chain(others).collect();
        Self { given, used }
    }

    pub(crate) fn current(&self) -> Address {
        self.lock().address.clone()
    }

    /// Goes to another one after a failure: a node that a redirection has named may be gone for good.
    pub(crate) fn next(&self) {
        let mut used = self.lock();
        used.index = (used.index + 1) % self.given.len().max(1);
        if let Some(address) = self.given.get(used.index) {
            used.address = address.clone();
        }
    }

    /// Goes to the node of this name, and says whether there can be one.
    pub(crate) fn redirect(&self, node: &str) -> bool {
        let mut used = self.lock();
        let Some(address) = used.address.node(node) else { return false };
        used.address = address;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        let address = Address::parse("redis://user:hunter2@db.example:7000/3", None).unwrap();
        assert_eq!(address.to_string(), "redis://db.example:7000/3");
        let error = Address::parse("redis://user:hunter2@[bad", None).err().unwrap().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_redirection_keeps_credentials_and_fills_in_the_host() {
        let first = Address::parse("redis://user:secret@one.example:7000", None).unwrap();
        let addresses = Addresses::new(first, Vec::new());
        assert!(addresses.redirect("two.example:7001"));
        let current = addresses.current();
        assert_eq!(current.to_string(), "redis://two.example:7001");
        assert_eq!(current.info().redis_settings().username(), Some("user"));
        assert!(addresses.redirect(":7002"));
        assert_eq!(addresses.current().to_string(), "redis://two.example:7002");
        assert!(!addresses.redirect("nonsense"));
        addresses.next();
        assert_eq!(addresses.current().to_string(), "redis://one.example:7000");
    }
}
