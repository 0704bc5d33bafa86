//! A store that says that it is durable, and whose leases can be made to fail.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agentexec_activity_core::{
    Activities, Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts,
    Detail, Error, ExpiredLease, ListCursor, ListQuery, LogQuery, MemoryStore, Message, NewActivity, Page,
    Scope, Status, StopRequest, Timestamp, WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;
use tokio::time::sleep;

/// How the store takes a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Answers,
    /// Answers after so long.
    Slow(Duration),
    Fails,
    /// Fails once, then answers.
    FailsOnce,
    /// Carries it out and never answers.
    Hangs,
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) is_durable: bool,
    pub(crate) renewals: Mood,
    pub(crate) writes: Mood,
    /// How many leases each renewal was for.
    pub(crate) renewed: Vec<usize>,
    /// How often it was asked for expired leases.
    pub(crate) polls: usize,
}

/// Clones share what they keep and how they are: the store as one process reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    store: MemoryStore,
    script: Arc<Mutex<Script>>,
}

impl Durable {
    pub(crate) fn new() -> Self {
        Self::over(MemoryStore::new())
    }

    /// The same store as another process reaches it, for which all is well.
    pub(crate) fn elsewhere(&self) -> Self {
        Self::over(self.store.clone())
    }

    fn over(store: MemoryStore) -> Self {
        let (renewals, writes) = (Mood::Answers, Mood::Answers);
        let script = Script { is_durable: true, renewals, writes, renewed: Vec::new(), polls: 0 };
        Self { store, script: Arc::new(Mutex::new(script)) }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The calls that leases make: renewals and polls.
    pub(crate) fn lease_calls(&self) -> usize {
        let script = self.script();
        script.renewed.len() + script.polls
    }

    /// A handle of a process of this name.
    pub(crate) fn process(&self, name: &str) -> Activities {
        Activities::builder(self.clone()).owner(name).build()
    }

    /// The same with leases that are this short.
    pub(crate) fn process_with(&self, name: &str, lease: Duration) -> Activities {
        Activities::builder(self.clone()).owner(name).lease(lease).build()
    }

    pub(crate) async fn detail_of(&self, id: AgentId) -> Detail {
        self.store.detail(&Scope::all(), id, LogQuery::new()).await.unwrap().unwrap()
    }

    pub(crate) async fn status(&self, id: AgentId) -> Status {
        self.detail_of(id).await.activity.status
    }

    pub(crate) async fn last_message(&self, id: AgentId) -> String {
        self.detail_of(id).await.activity.message.to_string()
    }

    async fn feel<T>(
        &self,
        mood: Mood,
        operation: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match mood {
            Mood::Fails | Mood::FailsOnce => return Err(Error::unavailable("durable", "told to fail")),
            Mood::Slow(time) => sleep(time).await,
            Mood::Answers | Mood::Hangs => {}
        }
        let answer = operation.await;
        if mood == Mood::Hangs {
            return std::future::pending().await;
        }
        answer
    }
}

fn taken(mood: &mut Mood) -> Mood {
    let now = *mood;
    if now == Mood::FailsOnce {
        *mood = Mood::Answers;
    }
    now
}

#[async_trait]
impl ActivityStore for Durable {
    fn is_durable(&self) -> bool {
        self.script().is_durable
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        self.store.create(new).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        let mood = taken(&mut self.script().writes);
        self.feel(mood, self.store.write(write)).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        self.store.detail(scope, id, log).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.store.list(query).await
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        self.store.counts(scope).await
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        self.store.watch(scope, id, from).await
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        self.store.request_cancel(scope, id, ask).await
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.store.stop_requested(id, attempt).await
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.store.cancel_queued(scope, reason, after).await
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.store.purge(scope, ended_before, after).await
    }

    /// A renewal that fails or hangs renews nothing: the store never heard of it.
    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        let mood = {
            let mut script = self.script();
            script.renewed.push(held.len());
            taken(&mut script.renewals)
        };
        if mood == Mood::Hangs {
            return std::future::pending().await;
        }
        self.feel(mood, self.store.renew(held, ttl)).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.script().polls += 1;
        self.store.expired(limit).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.store.now().await
    }
}
