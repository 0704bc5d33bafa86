//! A deadline around a runner.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::context::RunContext;
use crate::error::RunError;
use crate::grace::{Driven, drive};
use crate::runner::Run;

/// A runner with a deadline, made by [`RunExt::timeout`](crate::RunExt::timeout).
#[derive(Clone, Debug)]
pub struct Timeout<R> {
    runner: R,
    limit: Duration,
}

impl<R> Timeout<R> {
    pub(crate) fn new(runner: R, limit: Duration) -> Self {
        Self { runner, limit }
    }
}

impl<R: Run> Run for Timeout<R> {
    type Input = R::Input;
    type Output = R::Output;
    type Error = R::Error;

    async fn execute(&self, cx: &RunContext, input: R::Input) -> Result<R::Output, RunError<R::Error>> {
        let after = self.limit;
        // A limit that no clock can reach is none.
        let Some(deadline) = Instant::now().checked_add(after) else {
            return self.runner.execute(cx, input).await;
        };
        let inner = cx.bounded(Some(deadline));
        let work = pin!(self.runner.execute(&inner, input));
        let passed = async {
            sleep_until(deadline).await;
            cx.grace()
        };
        match drive(work, passed, || inner.token().cancel()).await {
            Driven::Finished(result) => result,
            Driven::Stopped(Some(Ok(output))) => Ok(output),
            Driven::Stopped(Some(Err(panicked @ RunError::Panicked { .. }))) => Err(panicked),
            Driven::Stopped(Some(Err(error))) => Err(RunError::timed_out(after, error.into_error())),
            Driven::Stopped(None) => Err(RunError::timed_out(after, None)),
        }
    }

    fn resume_after(&self, input: &R::Input, error: &R::Error) -> Option<R::Input> {
        self.runner.resume_after(input, error)
    }

    fn error_ends_the_run(&self, error: &R::Error) -> bool {
        self.runner.error_ends_the_run(error)
    }

    fn describe_error(&self, error: &R::Error) -> String {
        self.runner.describe_error(error)
    }
}
