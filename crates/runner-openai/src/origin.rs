//! Which server an item came from.
//!
//! Reasoning, signatures and unknown items mean something only to the server that made them, and two servers of
//! one protocol refuse each other's: OpenAI has never heard of Gemini's thought signatures, and one
//! organization cannot decrypt the reasoning of another. So [`Raw::protocol`] names both, as
//! `openai-chat@api.openai.com`, and a run that goes on elsewhere starts from the neutral forms.
//!
//! [`Raw::protocol`]: agentexec_agent_core::transcript::Raw::protocol

use std::sync::Arc;

/// The name of a protocol at a server, from the server's base URL (without credentials).
pub(crate) fn origin(protocol: &str, base_url: &str) -> Arc<str> {
    format!("{protocol}@{}", authority(base_url)).into()
}

/// Whether OpenAI's own models answer there, at OpenAI or at Azure.
pub(crate) fn is_openai(base_url: &str) -> bool {
    let authority = authority(base_url);
    let host = authority.split(':').next().unwrap_or_default();
    host == "api.openai.com" || OPENAI_DOMAINS.iter().any(|domain| host.ends_with(domain))
}

/// OpenAI by region, and Azure: public, government, and by the names of its newer resources.
const OPENAI_DOMAINS: [&str; 5] = [
    ".api.openai.com",
    ".openai.azure.com",
    ".openai.azure.us",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
];

fn authority(base_url: &str) -> &str {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_protocol_and_server() {
        assert_eq!(&*origin("openai-chat", "http://localhost:11434/v1"), "openai-chat@localhost:11434");
    }

    #[test]
    fn openai_is_known_by_its_host() {
        for url in [
            "https://api.openai.com/v1",
            "https://eu.api.openai.com",
            "https://x.openai.azure.com/openai/v1",
            "https://x.cognitiveservices.azure.com/openai/deployments/d",
            "https://x.services.ai.azure.com/openai/v1",
        ] {
            assert!(is_openai(url), "{url}");
        }
        for url in [
            "http://localhost:8000/v1",
            "https://api.openai.com.evil.example",
            "https://x.example/api.openai.com",
            "https://fakeopenai.azure.com.example",
        ] {
            assert!(!is_openai(url), "{url}");
        }
    }
}
