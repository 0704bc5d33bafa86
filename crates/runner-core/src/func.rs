//! A runner out of a function.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use crate::context::RunContext;
use crate::runner::Runner;

/// A runner that calls `run`. For tests and small programs; a framework deserves a type of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use agentexec_runner_core::{Run, RunContext, from_fn};
///
/// let double = from_fn(|_cx, n: u32| async move { n.checked_mul(2).ok_or("too large") });
/// assert_eq!(double.execute(&RunContext::untracked(), 21).await.unwrap(), 42);
/// # }
/// ```
pub fn from_fn<F, I, Fut, O, E>(run: F) -> FnRunner<F, I>
where
    F: Fn(RunContext, I) -> Fut + Send + Sync,
    Fut: Future<Output = Result<O, E>> + Send,
{
    FnRunner { run, input: PhantomData }
}

/// A runner out of a function, made by [`from_fn`].
pub struct FnRunner<F, I> {
    run: F,
    input: PhantomData<fn(I)>,
}

impl<F, I, Fut, O, E> Runner for FnRunner<F, I>
where
    F: Fn(RunContext, I) -> Fut + Send + Sync,
    Fut: Future<Output = Result<O, E>> + Send,
    I: Send + 'static,
    O: Send + 'static,
    E: Display + Send + Sync + 'static,
{
    type Input = I;
    type Output = O;
    type Error = E;

    async fn run(&self, cx: &RunContext, input: I) -> Result<O, E> {
        (self.run)(cx.clone(), input).await
    }
}

impl<F: Clone, I> Clone for FnRunner<F, I> {
    fn clone(&self) -> Self {
        Self { run: self.run.clone(), input: PhantomData }
    }
}

impl<F, I> fmt::Debug for FnRunner<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnRunner")
    }
}
