//! The Responses API, OpenAI's own protocol.
//!
//! [`Responses`] is the model; [`ResponsesFold`] is what it makes of an answer, without IO, for recorded streams and
//! other transports.
//!
//! Every item of an answer is kept as it came and goes back unchanged and in order: reasoning with its encrypted
//! content before the call that it led to, messages with their `phase`, items of server-side tools, and items of
//! kinds that did not exist when this was written. Where the model can make nothing of earlier reasoning, as one that
//! does not reason, it stays behind: see [`Feature::EchoedReasoning`].

mod encode;
mod fold;
mod input;
mod item;
mod listed;
mod open;
mod previous;
mod wire;

use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::Asked;
use futures_util::stream::BoxStream;

pub use self::fold::ResponsesFold;
use crate::client::{Client, Protocol};
use crate::features::{Feature, Features};

/// The protocol's part of [`Raw::protocol`](agentexec_agent_core::transcript::Raw::protocol). The server's address
/// follows behind an `@`.
pub const PROTOCOL: &str = "openai-responses";

/// The most items of one response. A model that produces more is out of control.
pub const MAX_OUTPUT_ITEMS: usize = 4096;

/// The longest id of a tool call that the API takes, in characters. A longer one, of another provider, is shortened in the
/// request, always to the same.
pub const MAX_CALL_ID: usize = 64;

/// A model over the Responses API. From [`OpenAi::responses`](crate::OpenAi::responses).
///
/// The server stores nothing (`store: false`), so every request holds the whole transcript, and the reasoning in it
/// is encrypted. [`previous_response`](Self::previous_response) is the other way.
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
    client: Client,
    streaming: bool,
    store: bool,
    previous_response: bool,
    reasoning_summary: Option<String>,
}

impl Responses {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, streaming: true, store: false, previous_response: false, reasoning_summary: None }
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

    /// Whether a request goes on from the response before it (`previous_response_id`) and holds only what is new.
    /// Default: false. The server then stores the responses, also without [`store`](Self::store).
    ///
    /// The id of a response is kept in the transcript, so a run that was stored can go on in another program. A request
    /// holds the whole transcript where there is no id, and is sent again with the whole when the server does not
    /// have that response any more. Tokens are charged for the whole in any case.
    pub fn previous_response(mut self, on: bool) -> Self {
        self.previous_response = on;
        self
    }

    /// Asks for a readable summary of the reasoning: `auto`, `concise` or `detailed`. Default: none, since OpenAI
    /// gives it only to verified organizations and refuses it for models that do not reason.
    pub fn reasoning_summary(mut self, summary: impl Into<String>) -> Self {
        self.reasoning_summary = Some(summary.into());
        self
    }

    /// Leaves something out that the server or the model does not know. May be called more than once. Default: what a
    /// refusal names is found out and left out, see [`step_down`](Self::step_down).
    pub fn without(mut self, feature: Feature) -> Self {
        self.client.adaptation = self.client.adaptation.without(feature);
        self
    }

    /// Whether a request that the server refuses for a parameter that it does not know is sent again without it, and
    /// one that goes on from a response that the server does not have with the whole transcript. Default: true.
    pub fn step_down(mut self, on: bool) -> Self {
        self.client.adaptation = self.client.adaptation.step_down(on);
        self
    }
}

impl Protocol for Responses {
    type Fold = ResponsesFold;

    fn ask(&self, request: &ModelRequest<'_>, without: Features) -> Result<Asked<Feature>, ModelError> {
        let options = encode::Options {
            model: &self.client.model,
            streaming: self.streaming,
            strict_tools: self.client.strict_tools,
            store: self.store || self.previous_response,
            previous_response: self.previous_response,
            reasoning_summary: self.reasoning_summary.as_deref(),
            without,
            origin: &self.client.origin,
        };
        let body = encode::Body::new(request, options)?;
        self.client.ask("responses", &body, self.streaming, body.features())
    }

    fn fold(&self, once: Features) -> ResponsesFold {
        ResponsesFold::new(Arc::clone(&self.client.origin))
            .noting_id(self.previous_response)
            .leaving_thoughts(once.has(Feature::EchoedReasoning))
    }
}

impl Model for Responses {
    fn id(&self) -> String {
        self.client.id()
    }

    fn protocol(&self) -> &str {
        &self.client.origin
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        self.client.respond(request, self)
    }
}
