//! What both models have: a server, a model's name, and what has been found out about the two.

use std::sync::Arc;

use agentexec_agent_core::model::ModelError;
use agentexec_runner_http::{Request, Transport};
use serde::Serialize;
use uuid::Uuid;

use crate::features::{Adaptation, Feature, Features};
use crate::origin::{is_openai, origin};

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
    pub(crate) adaptation: Adaptation,
}

impl Client {
    pub(crate) fn new(protocol: &str, transport: Transport, model: String, strict_tools: bool) -> Self {
        let origin = origin(protocol, transport.base_url());
        let adaptation = Adaptation::default();
        Self { transport, origin, model, strict_tools, idempotency_keys: false, adaptation }
    }

    pub(crate) fn id(&self) -> String {
        format!("openai:{}", self.model)
    }

    pub(crate) fn is_openai(&self) -> bool {
        is_openai(self.transport.base_url())
    }

    pub(crate) fn without(&mut self, feature: Feature) {
        self.adaptation.without = self.adaptation.without.with(feature);
    }

    /// A request, and which features are in it. All its tries have the same key.
    pub(crate) fn ask(
        &self,
        path: &str,
        body: &impl Serialize,
        streaming: bool,
        sent: Features,
    ) -> Result<Asked, ModelError> {
        let request = Request::json(path, body)?.stream(streaming);
        let request = if self.idempotency_keys {
            request.header("idempotency-key", format!("agentexec-{}", Uuid::new_v4().simple()))
        } else {
            request
        };
        Ok(Asked { request, sent })
    }
}

/// A request, and which features are in it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) sent: Features,
}
