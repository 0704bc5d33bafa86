//! A limit on every wait for the store.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use agentexec_activity_core::Error;
use futures_util::poll;
use humantime::format_duration;
use tokio::time::timeout;

/// How long a store has to answer one write; longer is a failure of the store.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The store's answer, or that there was none in time.
pub(crate) async fn answered<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut answer = pin!(answer);
    // A store in memory answers at once and is spared the timer.
    if let Poll::Ready(answer) = poll!(answer.as_mut()) {
        return answer;
    }
    timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| {
        let waited = format!("no answer within {}", format_duration(ANSWER_LIMIT));
        Err(Error::unavailable("activity", waited))
    })
}
