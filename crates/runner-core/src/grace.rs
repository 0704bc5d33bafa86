//! Stopping work politely: ask, wait a little, then drop it.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::timeout;

/// How work ended that may be stopped.
pub(crate) enum Driven<T> {
    /// By itself.
    Finished(T),
    /// It was asked to stop; perhaps it handed something back within the grace period.
    Stopped(Option<T>),
}

/// Drives `work` until it ends or `stop` does. Then `ask` tells the work, which has the time that `stop` gives to
/// return; after that the caller, who pinned it, is to drop it.
pub(crate) async fn drive<T>(
    work: Pin<&mut impl Future<Output = T>>,
    stop: impl Future<Output = Duration>,
    ask: impl FnOnce(),
) -> Driven<T> {
    match select(work, pin!(stop)).await {
        Either::Left((output, _)) => Driven::Finished(output),
        Either::Right((grace, work)) => {
            ask();
            Driven::Stopped(timeout(grace, work).await.ok())
        }
    }
}
