//! Two retries for each response, whatever failed.
//!
//! The transport and the turn loop have retries of their own, for requests and for streams that broke off, and each
//! knows only what it sent itself. Whoever watches a server counts requests, so they are counted together here.

use std::sync::Arc;
use std::time::Duration;

use agentexec::agent::{Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest};
use agentexec::runner::{Retry, RunContext};
use futures_util::stream::{self, BoxStream, StreamExt};

pub(crate) const RETRIES: u32 = 2;

/// A model that is asked again, and tells the whole response at once.
#[derive(Debug)]
pub(crate) struct Retried {
    model: Arc<dyn Model>,
    policy: Retry,
}

impl Retried {
    pub(crate) fn new(model: Arc<dyn Model>) -> Self {
        let policy = Retry::times(RETRIES).base(Duration::from_millis(500)).longest(Duration::from_secs(8));
        Self { model, policy }
    }

    async fn response(&self, request: ModelRequest<'_>) -> Result<ModelEvent, ModelError> {
        let cx = RunContext::untracked();
        let mut retry = 1;
        loop {
            let error = match whole(&*self.model, request).await {
                Ok(completed) => return Ok(completed),
                Err(error) => error,
            };
            let again = error.is_retryable()
                && self.policy.pause(&cx, retry, error.retry_after(), &error.to_string()).await;
            if !again {
                return Err(error.with_tries(retry));
            }
            retry += 1;
        }
    }
}

/// What a response ends with.
async fn whole(model: &dyn Model, request: ModelRequest<'_>) -> Result<ModelEvent, ModelError> {
    let mut last = None;
    let mut events = model.respond(request);
    while let Some(event) = events.next().await {
        last = Some(event?);
    }
    last.ok_or_else(|| ModelError::new(ModelErrorKind::StreamCut, "the model said nothing"))
}

impl Model for Retried {
    fn id(&self) -> String {
        self.model.id()
    }

    fn protocol(&self) -> &str {
        self.model.protocol()
    }

    fn respond<'a>(&'a self, request: ModelRequest<'a>) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
        stream::once(self.response(request)).boxed()
    }
}
