//! What several files of tests need.

use std::time::Duration;

use agentexec_activity_core::{ActivityStore, LeaseTerms};
use agentexec_activity_core::{
    AgentId, Change, Error, LogQuery, Message, Metadata, NewActivity, Percent, RequestId, Scope, WatchEvent,
    WatchStream, Write,
};
use agentexec_activity_redis::{Failure, RedisStore};
use futures_util::StreamExt;

/// How long what is due may take to come on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn open(url: impl Into<String>) -> RedisStore {
    RedisStore::connect(url).await.unwrap()
}

pub(crate) fn new_activity() -> NewActivity {
    NewActivity {
        id: AgentId::new(),
        activity_type: "task".into(),
        message: "Waiting.".into(),
        metadata: Metadata::new().with("org", "acme").unwrap(),
    }
}

pub(crate) fn write(id: AgentId, change: Change) -> Write {
    let message = Message::new(format!("{change:?}"));
    Write::new(id, RequestId::new(), change, message)
}

pub(crate) fn start() -> Change {
    Change::Start { lease: None, percentage: Percent::ZERO }
}

pub(crate) fn leased_start(ttl: Duration) -> Change {
    Change::Start { lease: Some(LeaseTerms::new("worker", ttl)), percentage: Percent::ZERO }
}

pub(crate) fn progress(value: u8) -> Change {
    Change::Progress { percentage: Some(Percent::new(value).unwrap()), only_raise: false }
}

pub(crate) fn complete() -> Change {
    Change::Complete { percentage: Percent::FULL }
}

pub(crate) async fn running(store: &RedisStore) -> AgentId {
    let id = store.create(new_activity()).await.unwrap().id;
    store.write(write(id, start())).await.unwrap();
    id
}

/// The numbers of the log entries, in order.
pub(crate) async fn log(store: &RedisStore, id: AgentId) -> Vec<u64> {
    let detail = store.detail(&Scope::all(), id, LogQuery::new()).await.unwrap().unwrap();
    detail.log.iter().map(|entry| entry.seq).collect()
}

pub(crate) async fn next(watch: &mut WatchStream) -> Result<WatchEvent, Error> {
    tokio::time::timeout(SOON, watch.next()).await.expect("nothing came").expect("the watch ended")
}

/// The activity and the number of the entry that the next event tells of.
pub(crate) async fn next_logged(watch: &mut WatchStream) -> (AgentId, u64) {
    match next(watch).await.unwrap() {
        WatchEvent::Logged { id, entry, .. } => (id, entry.seq),
        other => panic!("expected a log entry, got {other:?}"),
    }
}

/// What Redis said, and all that a user would be shown of it.
pub(crate) fn failure(error: &Error) -> (&Failure, String) {
    let Error::Unavailable { source, .. } = error else { panic!("expected a failure, got {error:?}") };
    (source.downcast_ref().unwrap(), format!("{error}: {source} {error:?}"))
}
