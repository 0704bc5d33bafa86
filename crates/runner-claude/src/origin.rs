//! Which server an item came from.
//!
//! Signatures, encrypted thoughts and server-tool blocks mean something only to the server that made them; a server that
//! speaks the same protocol refuses them. So a raw item names both, as `anthropic@api.anthropic.com`, and a run that
//! goes on elsewhere starts from the neutral forms.

use std::sync::Arc;

use crate::PROTOCOL;

/// The name of the protocol at a server, from the server's base URL (without credentials).
pub(crate) fn origin(base_url: &str) -> Arc<str> {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{PROTOCOL}@{authority}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_protocol_and_server() {
        assert_eq!(&*origin("https://api.anthropic.com"), "anthropic@api.anthropic.com");
        assert_eq!(&*origin("http://localhost:4000/anthropic/v1?x=1"), "anthropic@localhost:4000");
    }
}
