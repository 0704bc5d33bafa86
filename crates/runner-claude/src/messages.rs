//! Anthropic Messages as a [`Model`].

use std::sync::Arc;

use agentexec_agent_core::model::{Model, ModelError, ModelEvent, ModelRequest};
use agentexec_runner_http::{Adaptation, Asked, Exchange, LeaveOut, Request, Transport, respond};
use futures_util::stream::BoxStream;

use crate::PROTOCOL;
use crate::encode::encode;
use crate::features::{Feature, Features};
use crate::fold::MessagesFold;
use crate::refusal::refused;
use crate::settings::Settings;

/// The path below the address. The transport does not double a `v1` that the address ends with.
const PATH: &str = "v1/messages";

/// Claude over the Messages API. [`Claude`](crate::Claude) builds it; a clone shares the connections, and what was
/// learned of the server.
///
/// The answer is streamed unless [`Claude::streaming`](crate::Claude::streaming) says otherwise, and both ways
/// give the same response. What the server really sends decides how it is read: a JSON body in place of a stream,
/// and the other way round, is understood.
///
/// # Errors
/// Requests that fail before an answer began are tried again by the transport, which is told by
/// [`ModelEvent::Retrying`]; an error inside a stream, or a stream that ends early, is handed over, and its kind says
/// whether to try again. Errors carry the HTTP status, the request id and the delay that the server asks for, where it
/// gave them.
///
/// # What a server does not know
/// A request that the server refuses since it does not know one of the [`Feature`]s in it is sent
/// again without that, and so are those that follow. The error of the last try is handed over.
///
/// Among the features are the model's thoughts, which go back to it unchanged. Newer models refuse them where anything
/// before them is not as it was when they were thought. They stay behind then for the rest of the conversation; what
/// the model thinks from there on goes back to it.
///
/// Source: <https://platform.claude.com/docs/en/build-with-claude/preserved-thinking>.
#[derive(Clone, Debug)]
pub struct Messages {
    transport: Transport,
    settings: Settings,
    adaptation: Adaptation<Feature>,
}

impl Messages {
    pub(crate) fn new(transport: Transport, settings: Settings) -> Self {
        let adaptation = settings.without.iter().fold(Adaptation::default(), Adaptation::without);
        let adaptation = adaptation.step_down(settings.steps_down);
        Self { transport, settings, adaptation }
    }
}

impl Model for Messages {
    fn id(&self) -> String {
        format!("{PROTOCOL}:{}", self.settings.model)
    }

    /// The protocol and the server, as `anthropic@api.anthropic.com`: another server cannot read what this one made.
    fn protocol(&self) -> &str {
        &self.settings.origin
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        respond(&self.transport, &self.adaptation, Turn { settings: &self.settings, request })
    }
}

struct Turn<'a> {
    settings: &'a Settings,
    request: ModelRequest<'a>,
}

impl Exchange for Turn<'_> {
    type Feature = Feature;
    type Fold = MessagesFold;

    fn model(&self) -> &str {
        self.request.model.unwrap_or(&self.settings.model)
    }

    fn ask(&self, without: Features) -> Result<Asked<Feature>, ModelError> {
        let body = encode(&self.request, self.settings, without)?;
        let request = Request::json(PATH, &body)?.stream(body.stream);
        Ok(Asked { request: request.idempotent(self.settings.idempotency_keys), sent: body.sent })
    }

    fn refused(&self, error: &ModelError, sent: Features) -> Option<LeaveOut<Feature>> {
        refused(error, sent).map(|feature| match feature {
            // That they are refused in this conversation says nothing of the next.
            Feature::EchoedReasoning => LeaveOut::Once(feature),
            feature => LeaveOut::Always(feature),
        })
    }

    fn fold(&self, once: Features) -> MessagesFold {
        MessagesFold::new(Arc::clone(&self.settings.origin))
            .leaving_thoughts(once.has(Feature::EchoedReasoning))
    }
}
