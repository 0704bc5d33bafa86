//! Where the server is and how it is asked.

use std::env::VarError;
use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_runner_http::{RetryPolicy, SecretString, Timeouts, Transport, TransportBuilder};

use crate::chat::{self, ChatCompletions};
use crate::client::Client;
use crate::origin::is_openai;
use crate::responses::{self, Responses};

/// OpenAI's own address.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

/// The model that is asked unless another is named.
pub const DEFAULT_MODEL: &str = "gpt-5.4-mini";

type Configure = Arc<dyn Fn(TransportBuilder) -> TransportBuilder + Send + Sync>;

/// Where the server is and how it is asked: OpenAI, Azure, or any server that speaks one of its protocols.
///
/// From here comes a model: [`responses`](Self::responses) for OpenAI itself, [`chat`](Self::chat) for what
/// every compatible server understands.
///
/// ```
/// use agentexec_runner_openai::OpenAi;
///
/// // OpenAI.
/// let model = OpenAi::new("sk-…").model("gpt-5.4").responses()?;
///
/// // A local server without a key: Ollama, vLLM, llama.cpp.
/// let model = OpenAi::at("http://localhost:11434").model("qwen3").chat()?;
///
/// // Azure, by a deployment.
/// let model = OpenAi::at("https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT")
///     .api_key("…")
///     .key_header("api-key")
///     .api_version("2024-10-21")
///     .chat()?;
///
/// // Azure, by the newer address, where the deployment is the model. Its token of Entra ID would go without `key_header`.
/// let model = OpenAi::at("https://NAME.openai.azure.com/openai/v1")
///     .api_key("…")
///     .key_header("api-key")
///     .model("DEPLOYMENT")
///     .responses()?;
/// # Ok::<(), agentexec_agent_core::model::ModelError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct OpenAi {
    base_url: String,
    api_key: Option<SecretString>,
    key_header: Option<String>,
    model: String,
    strict_tools: Option<bool>,
    idempotency_keys: bool,
    configure: Vec<Configure>,
}

impl OpenAi {
    /// OpenAI itself, with this key.
    pub fn new(api_key: impl Into<SecretString>) -> Self {
        Self::at(DEFAULT_BASE_URL).api_key(api_key)
    }

    /// The server under this base URL, without a key. The path may be left out when it is `/v1`.
    pub fn at(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: None,
            key_header: None,
            model: DEFAULT_MODEL.to_owned(),
            strict_tools: None,
            idempotency_keys: false,
            configure: Vec::new(),
        }
    }

    /// What the environment says, in the variables of the official clients:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `OPENAI_API_KEY` | the key; may be missing when `OPENAI_BASE_URL` names a server other than OpenAI's |
    /// | `OPENAI_BASE_URL` | the base URL, with or without `/v1`; default [`DEFAULT_BASE_URL`] |
    /// | `OPENAI_ORG_ID` | the [`organization`](Self::organization) |
    /// | `OPENAI_PROJECT_ID` | the [`project`](Self::project) |
    ///
    /// An empty variable counts as missing. The proxy that `HTTPS_PROXY` and its like name is used.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`], naming the variable and the way out.
    pub fn from_env() -> Result<Self, ModelError> {
        let settings = Self::from_variables(|name| std::env::var(name))?;
        Ok(settings.transport(TransportBuilder::proxy_from_env))
    }

    fn from_variables(get: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, ModelError> {
        let get = |name: &str| match get(name) {
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(configuration(format!("{name} is not valid UTF-8"))),
        };
        let mut settings = Self::at(get("OPENAI_BASE_URL")?.unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()));
        match get("OPENAI_API_KEY")? {
            Some(key) => settings = settings.api_key(key),
            None if is_openai(&settings.base_url) => {
                return Err(configuration(
                    "OPENAI_API_KEY is not set: set it to your key, or set OPENAI_BASE_URL to a server that \
                     needs none (for example http://localhost:11434/v1)",
                ));
            }
            None => {}
        }
        if let Some(organization) = get("OPENAI_ORG_ID")? {
            settings = settings.organization(organization);
        }
        if let Some(project) = get("OPENAI_PROJECT_ID")? {
            settings = settings.project(project);
        }
        Ok(settings)
    }

    /// The base URL, with or without a slash at its end. One without a path gets `/v1`. Default:
    /// [`DEFAULT_BASE_URL`].
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The key. Default: none, and then no header for it is sent.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sends the key in this header in place of `authorization: Bearer KEY`; Azure wants `api-key`.
    pub fn key_header(mut self, name: impl Into<String>) -> Self {
        self.key_header = Some(name.into());
        self
    }

    /// The model's name. Default: [`DEFAULT_MODEL`].
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = name.into();
        self
    }

    /// Whether tools are declared in strict mode where their schema allows it, which makes the provider hold the
    /// model to the schema. Default: at OpenAI and Azure; not elsewhere, since other servers ignore the mode and
    /// smaller models stumble over the schemas that it wants.
    pub fn strict_tools(mut self, strict: bool) -> Self {
        self.strict_tools = Some(strict);
        self
    }

    /// Whether each request has a key of its own in the header `idempotency-key`, the same on every try, by which a
    /// server that knows the header answers a repeated request with its first answer. Default: no, as in the
    /// official clients.
    pub fn idempotency_keys(mut self, send: bool) -> Self {
        self.idempotency_keys = send;
        self
    }

    /// The organization that is charged (header `openai-organization`).
    pub fn organization(self, id: impl Into<String>) -> Self {
        self.header("openai-organization", id)
    }

    /// The project that is charged (header `openai-project`).
    pub fn project(self, id: impl Into<String>) -> Self {
        self.header("openai-project", id)
    }

    /// Appends `api-version` to every URL, as Azure wants it.
    pub fn api_version(self, version: impl Into<String>) -> Self {
        let version = version.into();
        self.transport(move |transport| transport.query("api-version", version.clone()))
    }

    /// Sends a header with every request. It replaces one of the same name. Not for secrets.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.transport(move |transport| transport.header(name.clone(), value.clone()))
    }

    /// How long each part of a request may take.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.transport(move |transport| transport.timeouts(timeouts))
    }

    /// How often a request is sent again, and after how long.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.transport(move |transport| transport.retry(policy))
    }

    /// Sets up whatever else the transport has: a proxy, root certificates, limits. May be called more than once;
    /// what is set last counts.
    pub fn transport(
        mut self,
        configure: impl Fn(TransportBuilder) -> TransportBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }

    /// The model over Chat Completions, which OpenAI and every compatible server understand.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`] when the base URL, the key or a header cannot be used.
    pub fn chat(&self) -> Result<ChatCompletions, ModelError> {
        Ok(ChatCompletions::new(self.client(chat::PROTOCOL)?))
    }

    /// The model over the Responses API, OpenAI's own.
    ///
    /// # Errors
    /// [`ModelErrorKind::Configuration`] when the base URL, the key or a header cannot be used.
    pub fn responses(&self) -> Result<Responses, ModelError> {
        Ok(Responses::new(self.client(responses::PROTOCOL)?))
    }

    fn is_strict(&self) -> bool {
        self.strict_tools.unwrap_or_else(|| is_openai(&self.base_url))
    }

    fn client(&self, protocol: &str) -> Result<Client, ModelError> {
        let mut client = Client::new(protocol, self.build()?, self.model.clone(), self.is_strict());
        client.idempotency_keys = self.idempotency_keys;
        Ok(client)
    }

    fn build(&self) -> Result<Transport, ModelError> {
        if self.model.trim().is_empty() {
            return Err(configuration("the model's name is empty"));
        }
        self.builder().build()
    }

    fn builder(&self) -> TransportBuilder {
        let mut transport = Transport::builder(&self.base_url).default_path("v1");
        if is_openai(&self.base_url) {
            transport = transport.provider("OpenAI");
        }
        if let Some(key) = self.api_key.clone() {
            transport = match &self.key_header {
                Some(name) => transport.secret_header(name, key),
                None => transport.bearer(key),
            };
        }
        self.configure.iter().fold(transport, |transport, configure| configure(transport))
    }
}

/// Shows neither the key nor the values of headers and of the query.
impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("model", &self.model)
            .field("strict_tools", &self.is_strict())
            .field("transport", &self.builder())
            .finish_non_exhaustive()
    }
}

fn configuration(what: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Configuration, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<OpenAi, ModelError> {
        OpenAi::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn without_key_and_base_url_the_error_names_both_ways_out() {
        for variables in
            [&[][..], &[("OPENAI_API_KEY", " ")], &[("OPENAI_BASE_URL", "https://api.openai.com/v1")]]
        {
            let error = from(variables).unwrap_err();
            assert_eq!(error.kind(), ModelErrorKind::Configuration);
            assert!(
                error.message().contains("OPENAI_API_KEY") && error.message().contains("OPENAI_BASE_URL")
            );
        }
    }

    #[test]
    fn a_local_server_needs_no_key() {
        let settings = from(&[("OPENAI_BASE_URL", "http://localhost:11434")]).unwrap();
        assert_eq!(settings.builder().build().unwrap().base_url(), "http://localhost:11434/v1");
        assert!(!settings.is_strict());
    }

    #[tokio::test]
    async fn organization_and_project_are_read_from_the_environment() {
        let server = wiremock::MockServer::start().await;
        let settings = from(&[
            ("OPENAI_BASE_URL", &server.uri()),
            ("OPENAI_ORG_ID", "org-1"),
            ("OPENAI_PROJECT_ID", "proj-1"),
        ]);
        let transport = settings.unwrap().builder().build().unwrap();
        transport.send(agentexec_runner_http::Request::post("ask", "{}")).await.unwrap_err();
        let request = server.received_requests().await.unwrap().remove(0);
        for (header, value) in [("openai-organization", "org-1"), ("openai-project", "proj-1")] {
            assert_eq!(request.headers[header], value);
        }
    }

    #[test]
    fn a_base_url_with_a_path_is_kept() {
        for (url, expected) in [
            ("https://api.openai.com", "https://api.openai.com/v1"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
            (
                "https://generativelanguage.googleapis.com/v1beta/openai",
                "https://generativelanguage.googleapis.com/v1beta/openai",
            ),
        ] {
            assert_eq!(OpenAi::at(url).build().unwrap().base_url(), expected);
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let settings =
            OpenAi::at("https://user:hunter2-pw@api.openai.com").api_key("sk-secret-123").api_version("v-9");
        let shown =
            format!("{settings:?} {:?} {:?}", settings.chat().unwrap(), settings.responses().unwrap());
        for secret in ["hunter2", "sk-secret", "v-9"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn an_empty_model_name_is_refused() {
        let error = OpenAi::new("sk-123").model(" ").chat().unwrap_err();
        assert_eq!(error.message(), "the model's name is empty");
    }
}
