//! Any runner behind one type.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::context::RunContext;
use crate::error::RunError;
use crate::runner::Run;

type Running<'a, O, E> = Pin<Box<dyn Future<Output = Result<O, RunError<E>>> + Send + 'a>>;

trait DynRun<I, O, E>: Send + Sync {
    fn execute<'a>(&'a self, cx: &'a RunContext, input: I) -> Running<'a, O, E>;
    fn resume_after(&self, input: &I, error: &E) -> Option<I>;
    fn error_ends_the_run(&self, error: &E) -> bool;
    fn describe_error(&self, error: &E) -> String;
}

impl<R: Run> DynRun<R::Input, R::Output, R::Error> for R {
    fn execute<'a>(&'a self, cx: &'a RunContext, input: R::Input) -> Running<'a, R::Output, R::Error> {
        Box::pin(Run::execute(self, cx, input))
    }

    fn resume_after(&self, input: &R::Input, error: &R::Error) -> Option<R::Input> {
        Run::resume_after(self, input, error)
    }

    fn error_ends_the_run(&self, error: &R::Error) -> bool {
        Run::error_ends_the_run(self, error)
    }

    fn describe_error(&self, error: &R::Error) -> String {
        Run::describe_error(self, error)
    }
}

/// Any runner of this input, output and error, behind one type. Made by [`RunExt::boxed`](crate::RunExt::boxed);
/// cloning shares the runner.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::collections::HashMap;
///
/// use agentexec_runner_core::{BoxRun, Run, RunContext, RunExt, from_fn};
///
/// type Any = BoxRun<String, String, std::io::Error>;
/// let mut runners: HashMap<&str, Any> = HashMap::new();
/// runners.insert("loud", from_fn(|_, input: String| async move { Ok(input.to_uppercase()) }).boxed());
/// runners.insert("quiet", from_fn(|_, input: String| async move { Ok(input.to_lowercase()) }).boxed());
///
/// let output = runners["loud"].execute(&RunContext::untracked(), "Hello".into()).await.unwrap();
/// assert_eq!(output, "HELLO");
/// # }
/// ```
pub struct BoxRun<I, O, E>(Arc<dyn DynRun<I, O, E>>);

impl<I, O, E> BoxRun<I, O, E> {
    pub(crate) fn new<R>(runner: R) -> Self
    where
        R: Run<Input = I, Output = O, Error = E> + 'static,
    {
        Self(Arc::new(runner))
    }
}

impl<I, O, E> Clone for BoxRun<I, O, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I, O, E> fmt::Debug for BoxRun<I, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxRun")
    }
}

impl<I, O, E> Run for BoxRun<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: fmt::Display + Send + Sync + 'static,
{
    type Input = I;
    type Output = O;
    type Error = E;

    async fn execute(&self, cx: &RunContext, input: I) -> Result<O, RunError<E>> {
        self.0.execute(cx, input).await
    }

    fn resume_after(&self, input: &I, error: &E) -> Option<I> {
        self.0.resume_after(input, error)
    }

    fn error_ends_the_run(&self, error: &E) -> bool {
        self.0.error_ends_the_run(error)
    }

    fn describe_error(&self, error: &E) -> String {
        self.0.describe_error(error)
    }
}
