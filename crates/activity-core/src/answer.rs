//! A limit on every wait for the store.

use std::time::Duration;

use tokio::time::timeout;

use crate::Error;

/// How long a store has to answer; longer is a failure of the store.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The store's answer, or that there was none in time.
pub(crate) async fn answered<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        Err(Error::unavailable("activity", format!("no answer within {} ms", limit.as_millis())))
    })
}
