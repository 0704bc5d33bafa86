//! A store that is slow, and that may break one rule.

mod fault;
mod text;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agentexec_activity_core::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Change, Counts, Detail,
    Error, ExpiredLease, ListCursor, ListQuery, LogEntry, LogQuery, MemoryStore, Message, NewActivity,
    PAGE_LIMIT, Page, RequestId, Scope, Status, StopRequest, Timestamp, WatchEvent, WatchFrom, WatchStream,
    Write, Written,
};
use async_trait::async_trait;
use futures_util::{StreamExt, future, stream};

pub(crate) use self::fault::Fault;
use self::text::{bent_metadata, bent_scope, cut};

/// How many leases a store that takes few takes.
const FEW: usize = 100;
/// How far the clocks of two handles are apart.
const SKEW: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Bent {
    store: MemoryStore,
    fault: Option<Fault>,
    calls: AtomicUsize,
    /// Which handle on the store this is.
    handle: u128,
    notes: Arc<Mutex<Notes>>,
}

/// What a broken store keeps, or forgets, on its own.
#[derive(Debug, Default)]
struct Notes {
    renewed: HashSet<AgentId>,
    logs: HashMap<AgentId, Vec<LogEntry>>,
    purged: u64,
    /// How many activities were shown up to each place.
    offsets: HashMap<String, usize>,
}

impl Bent {
    /// A store that is slow and breaks `fault`, or no rule.
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        let (store, notes) = (MemoryStore::new(), Arc::default());
        Self { store, fault, calls: AtomicUsize::new(0), handle: 0, notes }
    }

    /// Another handle on the same store.
    pub(crate) fn second(&self) -> Self {
        let (store, notes) = (self.store.clone(), Arc::clone(&self.notes));
        Self { store, fault: self.fault, calls: AtomicUsize::new(1), handle: self.handle + 1, notes }
    }

    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    /// Lets others go first, not always as often.
    async fn wait(&self) {
        for _ in 0..self.calls.fetch_add(1, Ordering::Relaxed) % 3 {
            tokio::task::yield_now().await;
        }
    }

    fn scope(&self, scope: &Scope) -> Scope {
        if self.breaks(Fault::ForgetsScopes) { Scope::all() } else { bent_scope(self.fault, scope) }
    }

    /// The request as the store remembers it.
    fn request(&self, request: RequestId, attempt: Attempt) -> RequestId {
        let apart = match self.fault {
            Some(Fault::RepeatsDuplicates) => return RequestId::new(),
            Some(Fault::RemembersPerHandle) => self.handle,
            Some(Fault::ForgetsRequestsOfOldAttempts) => u128::from(attempt.number()),
            _ => 0,
        };
        RequestId::from_u128(request.as_u128() ^ apart)
    }

    async fn activity(&self, id: AgentId) -> Option<Activity> {
        Some(self.store.detail(&Scope::all(), id, LogQuery::new().limit(0)).await.unwrap()?.activity)
    }

    async fn bend(&self, mut write: Write) -> Write {
        let now = self.activity(write.id).await;
        write.request = self.request(write.request, now.as_ref().map_or(Attempt::FIRST, |now| now.attempt));
        if self.breaks(Fault::TakesOldAttempts) {
            write.attempt = None;
        }
        if self.breaks(Fault::CutsMessages) {
            write.message = cut(write.message.as_str()).into();
        }
        match &mut write.change {
            Change::Progress { only_raise, .. } => *only_raise &= !self.breaks(Fault::LowersByItself),
            Change::Start { lease: Some(terms), .. } => match self.fault {
                Some(Fault::NeverQueuesAgain) => terms.last_attempt = Attempt::FIRST,
                Some(Fault::QueuesAgainForEver) => terms.last_attempt = Attempt::new(u32::MAX),
                _ => {}
            },
            Change::Lose => write.change = self.bend_loss(write.id, now).await,
            _ => {}
        }
        write
    }

    async fn bend_loss(&self, id: AgentId, now: Option<Activity>) -> Change {
        let has_expired = self.store.expired(usize::MAX).await.unwrap().iter().any(|lease| lease.id == id);
        let should_stop = now.is_some_and(|now| now.cancel_requested.is_some());
        match self.fault {
            Some(Fault::LosesWhatIsHeld) => Change::Fail { percentage: None },
            Some(Fault::RevivesWhatShouldStop) if has_expired && should_stop => {
                Change::Fail { percentage: None }
            }
            Some(Fault::RenewalsForgetTerms) if has_expired && self.notes().renewed.contains(&id) => {
                Change::Fail { percentage: None }
            }
            _ => Change::Lose,
        }
    }

    /// A page by how many were shown before it, and not by where the last one stood.
    async fn page_by_offset(&self, query: &ListQuery) -> Result<Page, Error> {
        let shown = query.cursor.and_then(|cursor| self.notes().offsets.get(&cursor.to_string()).copied());
        let mut all = query.clone().limit(PAGE_LIMIT);
        all.cursor = None;
        let items = self.store.list(&all).await?.items;
        let shown = shown.unwrap_or(0);
        let page: Vec<_> = items.iter().skip(shown).take(query.limit).cloned().collect();
        let next = page.last().filter(|_| items.len() > shown + page.len());
        let next = next.map(|last| ListCursor::behind(last, query.order));
        if let Some(next) = next {
            self.notes().offsets.insert(next.to_string(), shown + page.len());
        }
        Ok(Page { items: page, next })
    }
}

#[async_trait]
impl ActivityStore for Bent {
    fn is_durable(&self) -> bool {
        false
    }

    async fn create(&self, mut new: NewActivity) -> Result<Activity, Error> {
        self.wait().await;
        new.metadata = bent_metadata(self.fault, &new.metadata);
        if self.breaks(Fault::CutsTypes) {
            new.activity_type = cut(&new.activity_type);
        }
        let created = self.store.create(new).await;
        self.wait().await;
        created
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        self.wait().await;
        let id = write.id;
        let ends = matches!(write.change, Change::Complete { .. } | Change::Cancel);
        let written = self.store.write(self.bend(write).await).await;
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
        if let Some(detail) = &mut detail {
            if self.breaks(Fault::LeavesOutAnEntry) {
                detail.log.retain(|entry| entry.seq != 3);
            }
            if let Some(older) = self.notes().logs.get(&id) {
                detail.log.splice(0..0, older.iter().cloned());
            }
        }
        Ok(detail)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.wait().await;
        let mut query = query.clone();
        query.scope = self.scope(&query.scope);
        query.metadata = bent_metadata(self.fault, &query.metadata);
        match self.fault {
            Some(Fault::ServesAnyLimit) => query.limit = query.limit.clamp(1, PAGE_LIMIT),
            Some(Fault::CutsTypes) => query.activity_type = query.activity_type.as_deref().map(cut),
            Some(Fault::PagesByOffset) => {
                query.check()?;
                return self.page_by_offset(&query).await;
            }
            _ => {}
        }
        let mut page = self.store.list(&query).await?;
        if self.breaks(Fault::RepeatsAnItem) && page.items.len() > 1 {
            page.items.pop();
            page.items.extend(page.items.first().cloned());
        }
        if let Some(cursor) = query.cursor.filter(|_| self.breaks(Fault::SkipsTies)) {
            page.items.retain(|activity| activity.created != cursor.created);
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
        counts.error += self.notes().purged;
        Ok(counts)
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        self.wait().await;
        let from = if self.breaks(Fault::ResumesFromNow) { WatchFrom::Now } else { from };
        if self.breaks(Fault::IsDeafToOthers) && self.handle > 0 {
            return Ok(stream::pending().boxed());
        }
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
        match self.fault {
            Some(Fault::StopsTheNextAttempt) => ask.request = RequestId::new(),
            Some(Fault::CutsReasons) => ask.reason = cut(ask.reason.as_str()).into(),
            _ => ask.request = self.request(ask.request, Attempt::FIRST),
        }
        let asked = self.store.request_cancel(&self.scope(scope), id, ask).await;
        self.wait().await;
        asked
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.wait().await;
        if self.breaks(Fault::WaitsAlone) {
            let now = self.activity(id).await;
            match StopRequest::of(now.as_ref(), attempt) {
                Some(stop) => return stop,
                None => return future::pending().await,
            }
        }
        match (self.store.stop_requested(id, attempt).await, self.fault) {
            (StopRequest::Cancel(_), Some(Fault::ForgetsTheFirstReason)) => {
                StopRequest::Cancel("somebody asked".into())
            }
            (StopRequest::Ended(_), Some(Fault::SaysSuperseded)) => StopRequest::Superseded,
            (stop, _) => stop,
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
        if self.breaks(Fault::KeepsLogsOfPurged) {
            let ended = ListQuery::new(scope.clone()).status(Status::Error).limit(PAGE_LIMIT);
            for activity in self.store.list(&ended).await?.items {
                let detail = self.store.detail(scope, activity.id, LogQuery::new()).await?;
                self.notes().logs.insert(activity.id, detail.map_or_else(Vec::new, |detail| detail.log));
            }
        }
        let batch = self.store.purge(&self.scope(scope), ended_before, after).await?;
        if self.breaks(Fault::CountsWhatIsPurged) {
            self.notes().purged += batch.changed;
        }
        Ok(batch)
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.wait().await;
        let taken = if self.breaks(Fault::RenewsAFew) { &held[..held.len().min(FEW)] } else { held };
        let mut renewed = self.store.renew(taken, ttl).await?;
        renewed.resize(held.len(), true);
        self.notes().renewed.extend(taken.iter().map(|(id, _)| *id));
        let for_nobody = self.breaks(Fault::LeasesPerHandle) && self.handle > 0;
        let for_anybody = self.breaks(Fault::RenewsForAnybody);
        Ok(renewed.into_iter().map(|held| (held || for_anybody) && !for_nobody).collect())
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.wait().await;
        let limit = if self.breaks(Fault::ListsAFewExpired) { limit.min(FEW) } else { limit };
        let mut expired = self.store.expired(limit).await?;
        if self.breaks(Fault::CutsOwners) {
            for lease in &mut expired {
                lease.owner = cut(&lease.owner);
            }
        }
        Ok(expired)
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        let now = self.store.now().await?;
        let is_late = self.breaks(Fault::SkewsClocks) && self.handle > 0;
        Ok(if is_late { now.minus(SKEW) } else { now })
    }
}
