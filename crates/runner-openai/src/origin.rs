//! Which server it is.

use agentexec_runner_http::authority;

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

#[cfg(test)]
mod tests {
    use super::*;

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
