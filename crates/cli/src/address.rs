//! Whether what is sent to a base URL or a store can be read on the way.

use std::net::IpAddr;

/// Whether nobody on the way can read what is sent there: it is encrypted, or it stays on this machine. A URL that
/// is hard to read counts as one that everybody can listen to.
pub(crate) fn is_private(url: &str) -> bool {
    let url = url.trim();
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    if ["https", "rediss"].iter().any(|encrypted| scheme.eq_ignore_ascii_case(encrypted)) {
        return true;
    }
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    is_loopback(without_port(host))
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_or_on_this_machine_is_private() {
        for url in [
            "https://gateway.example/v1",
            "HTTPS://gateway.example",
            "http://localhost:11434/v1",
            " http://LOCALHOST ",
            "http://127.0.0.1:8080/?a=b",
            "http://[::1]:8080/v1",
            "http://user:pw@127.0.0.1/v1",
            "rediss://redis.example",
            "redis://127.0.0.1:6379/2?namespace=a",
        ] {
            assert!(is_private(url), "{url}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for url in [
            "http://192.168.1.7:8000/v1",
            "http://gateway.example/v1",
            "http://localhost.example/v1",
            "http://localhost@gateway.example/v1",
            "http://gateway.example\\@localhost/v1",
            "http://gateway.example/@localhost",
            "http://gateway.example#@localhost",
            "http:/localhost@gateway.example",
            "localhost:11434",
            "redis://redis.example:6379",
            "",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
