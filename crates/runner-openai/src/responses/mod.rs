//! The Responses API, OpenAI's own protocol.
//!
//! [`Responses`] is the model; [`ResponsesFold`] is what it makes of an answer, without IO, for recorded streams and
//! other transports.
//!
//! Every item of an answer is kept as it came and goes back unchanged and in order: reasoning with its encrypted
//! content before the call that it led to, messages with their `phase`, items of server-side tools, and items of
//! kinds that did not exist when this was written.

mod calls;
mod encode;
mod fold;
mod item;
mod wire;

use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::{Request, Transport};
use futures_util::stream::BoxStream;

pub use self::fold::ResponsesFold;
use crate::origin::origin;
use crate::respond::respond;

/// The protocol's part of [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol). The server's address
/// follows behind an `@`.
pub const PROTOCOL: &str = "openai-responses";

/// The most items of one response. A model that produces more is out of control.
pub const MAX_OUTPUT_ITEMS: usize = 4096;

/// A model over the Responses API. From [`OpenAi::responses`](crate::OpenAi::responses).
///
/// The server stores nothing (`store: false`), so every request holds the whole transcript, and the reasoning in it
/// is encrypted.
///
/// ```no_run
/// use agentexec_agent_core::model::{Model, ModelEvent, ModelRequest};
/// use agentexec_agent_core::transcript::Item;
/// use agentexec_runner_openai::OpenAi;
/// use futures_util::TryStreamExt;
///
/// # async fn ask() -> Result<(), agentexec_agent_core::model::ModelError> {
/// let model = OpenAi::from_env()?.responses()?.reasoning_summary("auto");
/// let items = [Item::user("Why is the sky blue?")];
/// let mut events = model.respond(ModelRequest::new(&items));
/// while let Some(event) = events.try_next().await? {
///     if let ModelEvent::TextDelta(text) = event {
///         println!("{text}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Responses {
    transport: Transport,
    origin: Arc<str>,
    model: String,
    streaming: bool,
    strict_tools: bool,
    store: bool,
    encrypted_reasoning: bool,
    reasoning_summary: Option<String>,
}

impl Responses {
    pub(crate) fn new(transport: Transport, model: String, strict_tools: bool) -> Self {
        Self {
            origin: origin(PROTOCOL, transport.base_url()),
            transport,
            model,
            streaming: true,
            strict_tools,
            store: false,
            encrypted_reasoning: true,
            reasoning_summary: None,
        }
    }

    /// Whether the answer is asked for as a stream. Default: true. An answer in one piece takes as long and shows
    /// nothing meanwhile.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Whether the server keeps the response (30 days at OpenAI). Default: false.
    pub fn store(mut self, store: bool) -> Self {
        self.store = store;
        self
    }

    /// Whether a request that is not stored asks for the reasoning in encrypted form
    /// (`include: ["reasoning.encrypted_content"]`), without which the next turn of a reasoning model starts without
    /// it. Default: true. False for a model or a server that refuses the field.
    pub fn encrypted_reasoning(mut self, include: bool) -> Self {
        self.encrypted_reasoning = include;
        self
    }

    /// Asks for a readable summary of the reasoning: `auto`, `concise` or `detailed`. Default: none, since OpenAI
    /// gives it only to verified organizations and refuses it for models that do not reason.
    pub fn reasoning_summary(mut self, summary: impl Into<String>) -> Self {
        self.reasoning_summary = Some(summary.into());
        self
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<Request, ModelError> {
        let options = encode::Options {
            model: &self.model,
            streaming: self.streaming,
            strict_tools: self.strict_tools,
            store: self.store,
            encrypted_reasoning: self.encrypted_reasoning,
            reasoning_summary: self.reasoning_summary.as_deref(),
            origin: &self.origin,
        };
        let body = encode::Body::new(request, options)?;
        Ok(Request::json("responses", &body)?.stream(self.streaming))
    }
}

impl Model for Responses {
    fn id(&self) -> String {
        format!("openai:{}", self.model)
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        respond(&self.transport, self.request(&request), ResponsesFold::new(Arc::clone(&self.origin)))
    }
}
