//! What both models have: a server, a model's name, and what has been found out about the two.

use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::{Adaptation, Asked, Exchange, Fold, LeaveOut, Request, Transport, respond};
use futures_util::stream::BoxStream;
use serde::Serialize;

use crate::features::{Feature, Features};
use crate::origin::is_openai;
use crate::refusal::leave_out;

/// A server and a model there.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) transport: Transport,
    /// The name of this server in the raw forms that it may get back.
    pub(crate) origin: Arc<str>,
    pub(crate) model: String,
    pub(crate) strict_tools: bool,
    /// Whether each request has a key by which the server knows it again.
    pub(crate) idempotency_keys: bool,
    pub(crate) adaptation: Adaptation<Feature>,
}

impl Client {
    pub(crate) fn new(protocol: &str, transport: Transport, model: String, strict_tools: bool) -> Self {
        let origin = transport.origin(protocol);
        let adaptation = Adaptation::default();
        Self { transport, origin, model, strict_tools, idempotency_keys: false, adaptation }
    }

    pub(crate) fn id(&self) -> String {
        format!("openai:{}", self.model)
    }

    pub(crate) fn is_openai(&self) -> bool {
        is_openai(self.transport.base_url())
    }

    /// A request, and which features are in it.
    pub(crate) fn ask(
        &self,
        path: &str,
        body: &impl Serialize,
        streaming: bool,
        sent: Features,
    ) -> Result<Asked<Feature>, ModelError> {
        let request = Request::json(path, body)?.stream(streaming).idempotent(self.idempotency_keys);
        Ok(Asked { request, sent })
    }

    /// Sends a request and folds what comes back. `protocol` writes it without the features that it is given, and has
    /// the fold for the answer to one that went without some this once.
    pub(crate) fn respond<'a, P: Protocol + 'a>(
        &'a self,
        request: ModelRequest<'a>,
        protocol: &'a P,
    ) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        respond(&self.transport, &self.adaptation, Turn { client: self, request, protocol })
    }
}

/// What tells the two protocols apart.
pub(crate) trait Protocol: Sync {
    type Fold: Fold;

    /// Writes a request without these features.
    fn ask(&self, request: &ModelRequest<'_>, without: Features) -> Result<Asked<Feature>, ModelError>;

    /// Reads the answer to a request that went without `once`, as a refusal of that one asked.
    fn fold(&self, once: Features) -> Self::Fold;
}

struct Turn<'a, P> {
    client: &'a Client,
    request: ModelRequest<'a>,
    protocol: &'a P,
}

impl<P: Protocol> Exchange for Turn<'_, P> {
    type Feature = Feature;
    type Fold = P::Fold;

    fn model(&self) -> &str {
        self.request.model.unwrap_or(&self.client.model)
    }

    fn ask(&self, without: Features) -> Result<Asked<Feature>, ModelError> {
        self.protocol.ask(&self.request, without)
    }

    fn refused(&self, error: &ModelError, sent: Features) -> Option<LeaveOut<Feature>> {
        leave_out(error, sent)
    }

    fn fold(&self, once: Features) -> P::Fold {
        self.protocol.fold(once)
    }
}
