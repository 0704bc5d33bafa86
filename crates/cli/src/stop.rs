//! Stopping a run from within its process.
//!
//! It does not take the way through the store, as a request from another process does: a run is to stop also when
//! the store cannot be reached.

use std::sync::Arc;

use agentexec::agent::{AgentError, AgentInput, AgentRun, AgentRunner};
use agentexec::runner::{RunContext, Runner};
use tokio::sync::watch;

/// Whether and why a run was asked to stop. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<watch::Sender<Option<&'static str>>>);

impl Stop {
    /// Asks the run to stop; the first reason is kept.
    pub(crate) fn ask(&self, reason: &'static str) {
        self.0.send_if_modified(|asked| asked.replace(asked.unwrap_or(reason)).is_none());
    }

    /// Waits until somebody has asked, and says why. Cancel-safe.
    async fn asked(&self) -> &'static str {
        let mut asked = self.0.subscribe();
        loop {
            if let Some(reason) = *asked.borrow_and_update() {
                return reason;
            }
            if asked.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// An engine whose runs stop when somebody asks.
pub(crate) struct Stoppable {
    pub(crate) engine: AgentRunner,
    pub(crate) stop: Stop,
}

impl Runner for Stoppable {
    type Input = AgentInput;
    type Output = AgentRun;
    type Error = AgentError;

    async fn run(&self, cx: &RunContext, input: AgentInput) -> Result<AgentRun, AgentError> {
        let asked = async {
            cx.cancel(self.stop.asked().await);
            std::future::pending().await
        };
        tokio::select! {
            biased;
            never = asked => never,
            ended = self.engine.run(cx, input) => ended,
        }
    }
}
