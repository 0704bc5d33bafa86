//! Where and how Claude is asked: credential, address, version, model and limits.

use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_runner_http::{RetryPolicy, SecretString, Timeouts, Transport, TransportBuilder, authority};

use crate::features::{Feature, Features};
use crate::{Messages, PROTOCOL, Thinking};

/// The address of the API.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The value of the `anthropic-version` header: the oldest version in use, which every compatible server knows.
pub const DEFAULT_VERSION: &str = "2023-06-01";

/// The model that is asked when none is named: the current Sonnet, between the quickest and the ablest.
///
/// Source: <https://platform.claude.com/docs/en/about-claude/models/overview>.
pub const DEFAULT_MODEL: &str = "claude-sonnet-5-5";

/// The most tokens of one response, thoughts included, when the request does not say: the API requires a number.
/// It is below [`MAX_UNSTREAMED_TOKENS`], so that it serves both ways. A model with a smaller limit refuses it: set
/// [`Claude::max_tokens`] for one.
pub const DEFAULT_MAX_TOKENS: u32 = 20_000;

/// The most tokens that are asked for without streaming. Above it an answer can take longer than ten minutes, in which
/// networks drop a connection that is silent: the official clients refuse to, here the answer is streamed all the same.
pub const MAX_UNSTREAMED_TOKENS: u32 = 21_333;

const API_KEY: &str = "ANTHROPIC_API_KEY";
const AUTH_TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
const BASE_URL: &str = "ANTHROPIC_BASE_URL";

/// What every request of a model is made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) model: String,
    pub(crate) max_tokens: u32,
    pub(crate) streaming: bool,
    /// What requests go without.
    pub(crate) without: Features,
    /// Whether a request that is refused is sent again with less.
    pub(crate) steps_down: bool,
    /// Whether each request has a key by which the server knows it again.
    pub(crate) idempotency_keys: bool,
    pub(crate) thinking: Option<Thinking>,
    /// What the own forms of items are marked with.
    pub(crate) origin: Arc<str>,
}

type Configure = Arc<dyn Fn(TransportBuilder) -> TransportBuilder + Send + Sync>;

/// The settings of [`Messages`], or of a runner over it.
///
/// ```
/// use agentexec_runner_claude::Claude;
///
/// let model = Claude::new("sk-ant-…").model("claude-opus-5-5").max_tokens(8_000).build()?;
/// # let _ = model;
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
///
/// A local server without a key, or a gateway with a token, that speaks the same protocol:
///
/// ```
/// # use agentexec_runner_claude::Claude;
/// let model = Claude::at("http://localhost:8080").model("some-model").build()?;
/// # let _ = model;
///
/// let model = Claude::with_auth_token("token")
///     .base_url("http://localhost:4000/anthropic")
///     .header("x-team", "research")
///     .prompt_caching(false)
///     .build()?;
/// # let _ = model;
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Claude {
    credential: Option<Credential>,
    base_url: String,
    version: String,
    betas: Vec<String>,
    configure: Vec<Configure>,
    settings: Settings,
}

#[derive(Clone)]
enum Credential {
    ApiKey(SecretString),
    AuthToken(SecretString),
}

impl Claude {
    /// Settings with an API key, which is sent as `x-api-key`.
    pub fn new(api_key: impl Into<SecretString>) -> Self {
        Self::with(Credential::ApiKey(api_key.into()))
    }

    /// Settings with a token, which is sent as `Authorization: Bearer …`. Newer versions of the API take the API
    /// key in this form too.
    pub fn with_auth_token(token: impl Into<SecretString>) -> Self {
        Self::with(Credential::AuthToken(token.into()))
    }

    /// The server under this base URL, without a key: no header for it is sent. The URL is with or without `/v1` at its
    /// end.
    pub fn at(base_url: impl Into<String>) -> Self {
        Self {
            credential: None,
            base_url: base_url.into(),
            version: DEFAULT_VERSION.to_owned(),
            betas: Vec::new(),
            configure: Vec::new(),
            settings: Settings {
                model: DEFAULT_MODEL.to_owned(),
                max_tokens: DEFAULT_MAX_TOKENS,
                streaming: true,
                without: Features::default(),
                steps_down: true,
                idempotency_keys: false,
                thinking: None,
                origin: PROTOCOL.into(),
            },
        }
    }

    fn with(credential: Credential) -> Self {
        Self { credential: Some(credential), ..Self::at(DEFAULT_BASE_URL) }
    }

    /// Settings from the environment: the API key of `ANTHROPIC_API_KEY`, else the token of
    /// `ANTHROPIC_AUTH_TOKEN`; the address of `ANTHROPIC_BASE_URL`, if there is one; and the proxies that the
    /// usual variables name. A variable that is empty counts as absent.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`] when there is neither a key nor a token, and the address is Anthropic's: other
    /// servers may need none. It names the variables.
    pub fn from_env() -> Result<Self, ModelError> {
        let settings = Self::from_variables(|name| std::env::var(name).ok())?;
        Ok(settings.transport(TransportBuilder::proxy_from_env))
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, ModelError> {
        let read = |name| read(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let base_url = read(BASE_URL).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let claude = if let Some(key) = read(API_KEY) {
            Self::new(key)
        } else if let Some(token) = read(AUTH_TOKEN) {
            Self::with_auth_token(token)
        } else if authority(&base_url) == authority(DEFAULT_BASE_URL) {
            let message = format!(
                "there is no credential for Anthropic: set {API_KEY} to an API key, or {AUTH_TOKEN} to a token, or \
                 pass one in the program; or set {BASE_URL} to a server that needs none"
            );
            return Err(ModelError::new(ModelErrorKind::Configuration, message));
        } else {
            Self::at(&*base_url)
        };
        Ok(claude.base_url(base_url))
    }

    /// The model to ask. Default: [`DEFAULT_MODEL`].
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.settings.model = name.into();
        self
    }

    /// The address, with or without `/v1` at its end. Default: [`DEFAULT_BASE_URL`].
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The value of the `anthropic-version` header. Default: [`DEFAULT_VERSION`]. From `2026-10-21` on, a request
    /// with a temperature or top-p is refused.
    ///
    /// Source: <https://platform.claude.com/docs/en/api/versioning>.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a feature to the `anthropic-beta` header. May be called repeatedly.
    #[must_use]
    pub fn beta(mut self, feature: impl Into<String>) -> Self {
        self.betas.push(feature.into());
        self
    }

    /// Adds a header to every request, for example one that a gateway asks for. It replaces one of ours, but not
    /// the credential's.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.transport(move |transport| transport.header(name.clone(), value.clone()))
    }

    /// The most tokens of one response when the request does not say. Default: [`DEFAULT_MAX_TOKENS`].
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.settings.max_tokens = tokens;
        self
    }

    /// Whether answers are streamed. Default: true. Without streaming the text comes in one piece, unless more than
    /// [`MAX_UNSTREAMED_TOKENS`] are asked for.
    #[must_use]
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.settings.streaming = streaming;
        self
    }

    /// Whether requests carry breakpoints for the prompt cache: behind the tools, behind the instructions and on
    /// the newest turns. Default: true, since every turn of an agent repeats the one before it.
    ///
    /// Source: <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>.
    #[must_use]
    pub fn prompt_caching(self, caching: bool) -> Self {
        self.set(Feature::PromptCache, caching)
    }

    /// Whether the server holds the model to the schemas of tools (`strict`), where these can be expressed in the
    /// dialect that it takes. Default: true. The first request with a set of tools is slower for it, while the server
    /// compiles the schemas.
    ///
    /// Source: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/strict-tool-use>.
    #[must_use]
    pub fn strict_tools(self, strict: bool) -> Self {
        self.set(Feature::StrictTools, strict)
    }

    /// Leaves a feature out of every request: for servers that ignore what they do not know. What a server refuses
    /// by name is found out and left out, see [`step_down`](Self::step_down).
    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        self.set(feature, false)
    }

    /// Whether a request that the server refuses for a [`Feature`] that it does not know is sent again without it.
    /// What was learned so is remembered for the model, and shared by clones. Default: true.
    #[must_use]
    pub fn step_down(mut self, on: bool) -> Self {
        self.settings.steps_down = on;
        self
    }

    /// Whether each request has an `idempotency-key`, the same on every try, for gateways that know it. Default:
    /// false, as the official clients do.
    #[must_use]
    pub fn idempotency_keys(mut self, on: bool) -> Self {
        self.settings.idempotency_keys = on;
        self
    }

    fn set(mut self, feature: Feature, on: bool) -> Self {
        let without = self.settings.without;
        self.settings.without =
            if on { without.except(Features::NONE.with(feature)) } else { without.with(feature) };
        self
    }

    /// How much the model thinks and what is shown of it. Default: not sent, so as the model does by default.
    #[must_use]
    pub fn thinking(mut self, thinking: Thinking) -> Self {
        self.settings.thinking = Some(thinking);
        self
    }

    /// The timeouts of the transport. Default: [`Timeouts::default`].
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.transport(move |transport| transport.timeouts(timeouts))
    }

    /// What the transport retries, and how often. Default: [`RetryPolicy::default`].
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.transport(move |transport| transport.retry(policy))
    }

    /// Sets up whatever else the transport has: a proxy, root certificates, limits. May be called more than once;
    /// what is set last counts.
    #[must_use]
    pub fn transport(
        mut self,
        configure: impl Fn(TransportBuilder) -> TransportBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }

    /// The model over these settings.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`] when the address, a header or the credential cannot be used.
    pub fn build(self) -> Result<Messages, ModelError> {
        let transport = self.builder().build()?;
        let settings = Settings { origin: transport.origin(PROTOCOL), ..self.settings };
        Ok(Messages::new(transport, settings))
    }

    fn builder(&self) -> TransportBuilder {
        let mut transport = Transport::builder(&self.base_url)
            .provider("Anthropic")
            .header("anthropic-version", &self.version);
        transport = match self.credential.clone() {
            Some(Credential::ApiKey(key)) => transport.secret_header("x-api-key", key),
            Some(Credential::AuthToken(token)) => transport.bearer(token),
            None => transport,
        };
        if !self.betas.is_empty() {
            transport = transport.header("anthropic-beta", self.betas.join(","));
        }
        self.configure.iter().fold(transport, |transport, configure| configure(transport))
    }
}

impl fmt::Debug for Claude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credential = match self.credential {
            Some(Credential::ApiKey(_)) => "API key",
            Some(Credential::AuthToken(_)) => "auth token",
            None => "none",
        };
        // The transport shows neither the credential nor the values of headers, nor a password in the address.
        f.debug_struct("Claude")
            .field("credential", &credential)
            .field("version", &self.version)
            .field("betas", &self.betas)
            .field("settings", &self.settings)
            .field("transport", &self.builder())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Claude, ModelError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Claude::from_variables(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_key_goes_before_a_token_and_an_empty_one_is_none() {
        let both = from(&[(API_KEY, "key\n"), (AUTH_TOKEN, "token")]).unwrap();
        assert!(matches!(both.credential, Some(Credential::ApiKey(_))));
        let token = from(&[(API_KEY, " "), (AUTH_TOKEN, "token")]).unwrap();
        assert!(matches!(token.credential, Some(Credential::AuthToken(_))));
        assert_eq!(token.base_url, DEFAULT_BASE_URL);
        let elsewhere = from(&[(API_KEY, "key"), (BASE_URL, "http://localhost:1/v1")]).unwrap();
        assert_eq!(elsewhere.base_url, "http://localhost:1/v1");
    }

    #[test]
    fn without_a_credential_the_error_names_the_variables_unless_another_server_is_asked() {
        for variables in [&[][..], &[(BASE_URL, "https://api.anthropic.com/v1")]] {
            let error = from(variables).unwrap_err();
            assert_eq!(error.kind(), ModelErrorKind::Configuration);
            for name in [API_KEY, AUTH_TOKEN, BASE_URL] {
                assert!(error.message().contains(name), "{error}");
            }
        }
        let local = from(&[(BASE_URL, "http://localhost:1")]).unwrap();
        assert!(local.credential.is_none());
        assert_eq!(local.base_url, "http://localhost:1");
    }

    #[test]
    fn debug_shows_no_secret() {
        let claude =
            Claude::new("sk-secret").base_url("http://user:sk-secret@localhost").header("x-key", "sk-secret");
        assert!(!format!("{claude:?}").contains("sk-secret"), "{claude:?}");
    }
}
