//! Letting another runner take over.

use std::fmt;
use std::sync::Arc;

use crate::context::RunContext;
use crate::error::RunError;
use crate::event::RunEvent;
use crate::runner::Run;

type Wanted<E> = dyn Fn(&RunError<E>) -> bool + Send + Sync;

/// A runner with another behind it, made by [`RunExt::fallback`](crate::RunExt::fallback).
pub struct Fallback<A: Run, B> {
    primary: A,
    other: B,
    wanted: Option<Arc<Wanted<A::Error>>>,
}

impl<A: Run, B> Fallback<A, B> {
    pub(crate) fn new(primary: A, other: B) -> Self {
        Self { primary, other, wanted: None }
    }

    pub(crate) fn only_if<P>(mut self, wanted: P) -> Self
    where
        P: Fn(&RunError<A::Error>) -> bool + Send + Sync + 'static,
    {
        self.wanted = Some(Arc::new(wanted));
        self
    }

    fn takes_over(&self, cx: &RunContext, error: &RunError<A::Error>) -> bool {
        let stopped = cx.is_canceled() || error.is_canceled();
        let last_word = error.error().is_some_and(|error| self.primary.error_ends_the_run(error));
        !stopped && !last_word && self.wanted.as_ref().is_none_or(|wanted| wanted(error))
    }
}

impl<A, B> Run for Fallback<A, B>
where
    A: Run,
    A::Input: Clone,
    B: Run<Input = A::Input, Output = A::Output>,
    B::Error: Into<A::Error>,
{
    type Input = A::Input;
    type Output = A::Output;
    type Error = A::Error;

    async fn execute(&self, cx: &RunContext, input: A::Input) -> Result<A::Output, RunError<A::Error>> {
        let error = match self.primary.execute(cx, input.clone()).await {
            Ok(output) => return Ok(output),
            Err(error) if !self.takes_over(cx, &error) => return Err(error),
            Err(error) => error,
        };
        let text = cx.redacted(&error.describe(|error| self.primary.describe_error(error)));
        cx.note(format!("Primary model failed, using fallback: {text}")).await;
        cx.emit(RunEvent::FellBack { error: text }).await;
        cx.forget_completion();
        let resumed = error.error().and_then(|error| self.primary.resume_after(&input, error));
        let result = self.other.execute(cx, resumed.unwrap_or(input)).await;
        // What the other runner says of its own ending (its turns were used up, say) tells more.
        if result.is_ok() && cx.completion().is_none() {
            cx.complete_with("Completed with fallback model");
        }
        result.map_err(|error| error.map(Into::into))
    }

    fn resume_after(&self, input: &A::Input, error: &A::Error) -> Option<A::Input> {
        self.primary.resume_after(input, error)
    }

    fn error_ends_the_run(&self, error: &A::Error) -> bool {
        self.primary.error_ends_the_run(error)
    }

    fn describe_error(&self, error: &A::Error) -> String {
        self.primary.describe_error(error)
    }
}

impl<A: Run + Clone, B: Clone> Clone for Fallback<A, B> {
    fn clone(&self) -> Self {
        Self { primary: self.primary.clone(), other: self.other.clone(), wanted: self.wanted.clone() }
    }
}

impl<A: Run + fmt::Debug, B: fmt::Debug> fmt::Debug for Fallback<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("primary", &self.primary)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}
