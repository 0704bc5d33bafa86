//! A store that is slow, and that may break one rule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentexec_activity_core::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Change, Counts, Detail,
    Error, ExpiredLease, ListCursor, ListQuery, LogQuery, MemoryStore, Message, NewActivity, Page, RequestId,
    Scope, StopRequest, Timestamp, WatchEvent, WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;
use futures_util::{StreamExt, future};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    TakesOldAttempts,
    RepeatsDuplicates,
    ForgetsScopes,
    HidesLag,
    LowersByItself,
    ServesAnyLimit,
    EndsTwice,
    LosesWhatIsHeld,
    LeavesOutAnEntry,
    RepeatsAnItem,
    KeepsWhatIsPurged,
    ForgetsTheFirstReason,
    RenewsForAnybody,
    TurnsNumbersToText,
    CountsLate,
    StopsTheNextAttempt,
}

impl Fault {
    pub(crate) const ALL: [Self; 16] = [
        Self::TakesOldAttempts,
        Self::RepeatsDuplicates,
        Self::ForgetsScopes,
        Self::HidesLag,
        Self::LowersByItself,
        Self::ServesAnyLimit,
        Self::EndsTwice,
        Self::LosesWhatIsHeld,
        Self::LeavesOutAnEntry,
        Self::RepeatsAnItem,
        Self::KeepsWhatIsPurged,
        Self::ForgetsTheFirstReason,
        Self::RenewsForAnybody,
        Self::TurnsNumbersToText,
        Self::CountsLate,
        Self::StopsTheNextAttempt,
    ];
}

#[derive(Debug)]
pub(crate) struct Bent {
    store: MemoryStore,
    fault: Option<Fault>,
    calls: AtomicUsize,
}

impl Bent {
    /// A store that is slow and breaks `fault`, or no rule.
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { store: MemoryStore::new(), fault, calls: AtomicUsize::new(0) }
    }

    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Lets others go first, not always as often.
    async fn wait(&self) {
        for _ in 0..self.calls.fetch_add(1, Ordering::Relaxed) % 3 {
            tokio::task::yield_now().await;
        }
    }

    fn scope(&self, scope: &Scope) -> Scope {
        if self.breaks(Fault::ForgetsScopes) { Scope::all() } else { scope.clone() }
    }

    fn bend(&self, mut write: Write) -> Write {
        if self.breaks(Fault::TakesOldAttempts) {
            write.attempt = None;
        }
        if self.breaks(Fault::RepeatsDuplicates) {
            write.request = RequestId::new();
        }
        if self.breaks(Fault::LosesWhatIsHeld) && write.change == Change::Lose {
            write.change = Change::Fail { percentage: None };
        }
        if let Change::Progress { only_raise, .. } = &mut write.change {
            *only_raise &= !self.breaks(Fault::LowersByItself);
        }
        write
    }
}

#[async_trait]
impl ActivityStore for Bent {
    fn is_durable(&self) -> bool {
        false
    }

    async fn create(&self, mut new: NewActivity) -> Result<Activity, Error> {
        self.wait().await;
        if self.breaks(Fault::TurnsNumbersToText) {
            for (key, value) in new.metadata.clone().iter().filter(|(_, value)| value.is_number()) {
                new.metadata = new.metadata.with(key, value.to_string())?;
            }
        }
        let created = self.store.create(new).await;
        self.wait().await;
        created
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        self.wait().await;
        let id = write.id;
        let ends = matches!(write.change, Change::Complete { .. } | Change::Cancel);
        let written = self.store.write(self.bend(write)).await;
        self.wait().await;
        match written {
            Err(Error::Refused { from, .. })
                if ends && self.breaks(Fault::EndsTwice) && from.is_terminal() =>
            {
                self.store.write(Write::new(id, RequestId::new(), Change::Retry, "again".into())).await
            }
            written => written,
        }
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        self.wait().await;
        let mut detail = self.store.detail(&self.scope(scope), id, log).await?;
        if let Some(detail) = detail.as_mut().filter(|_| self.breaks(Fault::LeavesOutAnEntry)) {
            detail.log.retain(|entry| entry.seq != 3);
        }
        Ok(detail)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.wait().await;
        let mut query = query.clone();
        query.scope = self.scope(&query.scope);
        if self.breaks(Fault::ServesAnyLimit) {
            query.limit = query.limit.clamp(1, 500);
        }
        let mut page = self.store.list(&query).await?;
        if self.breaks(Fault::RepeatsAnItem) && page.items.len() > 1 {
            page.items.pop();
            page.items.extend(page.items.first().cloned());
        }
        Ok(page)
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        self.wait().await;
        let mut counts = self.store.counts(&self.scope(scope)).await?;
        if self.breaks(Fault::CountsLate) {
            counts.queued += counts.complete;
            counts.complete = 0;
        }
        Ok(counts)
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        self.wait().await;
        let watch = self.store.watch(&self.scope(scope), id, from).await?;
        let hides = self.breaks(Fault::HidesLag);
        let shown = move |event: &Result<WatchEvent, Error>| {
            future::ready(!hides || !matches!(event, Ok(WatchEvent::Lagged { .. })))
        };
        Ok(watch.filter(shown).boxed())
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        mut ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        self.wait().await;
        if self.breaks(Fault::StopsTheNextAttempt) {
            ask.request = RequestId::new();
        }
        let asked = self.store.request_cancel(&self.scope(scope), id, ask).await;
        self.wait().await;
        asked
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.wait().await;
        match self.store.stop_requested(id, attempt).await {
            StopRequest::Cancel(_) if self.breaks(Fault::ForgetsTheFirstReason) => {
                StopRequest::Cancel("somebody asked".into())
            }
            stop => stop,
        }
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.wait().await;
        self.store.cancel_queued(&self.scope(scope), reason, after).await
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.wait().await;
        let keeps = self.breaks(Fault::KeepsWhatIsPurged);
        let ended_before = if keeps { Timestamp::default() } else { ended_before };
        self.store.purge(&self.scope(scope), ended_before, after).await
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.wait().await;
        let renewed = self.store.renew(held, ttl).await?;
        Ok(renewed.into_iter().map(|held| held || self.breaks(Fault::RenewsForAnybody)).collect())
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.wait().await;
        self.store.expired(limit).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.store.now().await
    }
}
