//! The final record: everything that a store says.

use std::collections::BTreeMap;
use std::time::Instant;

use agentexec::activity::{
    Activities, AgentId, Counts, Detail, Error, ListQuery, LogQuery, Order, PAGE_LIMIT, Scope, Status,
};
use futures_util::{StreamExt, TryStreamExt, stream};

/// How many details are read at once.
const READERS: usize = 8;

/// Everything that a store says, read while nobody writes.
#[derive(Clone, Debug)]
pub struct Record {
    /// When the reading began, by the clock of this process.
    pub read: Instant,
    /// Each activity with its whole log.
    pub details: BTreeMap<AgentId, Detail>,
    /// The counts by status.
    pub counts: Counts,
    /// The lengths of the lists by status.
    pub listed: BTreeMap<Status, u64>,
}

impl Record {
    /// Reads a store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(activities: &Activities) -> Result<Self, Error> {
        let (read, scope) = (Instant::now(), Scope::all());
        let by_creation = ListQuery::new(scope.clone()).order(Order::Created);
        let ids = list(activities, by_creation).await?;
        let details = stream::iter(ids)
            .map(|id| async move { Ok::<_, Error>((id, whole(activities, id).await?)) })
            .buffer_unordered(READERS)
            .try_filter_map(async |(id, detail)| Ok(detail.map(|detail| (id, detail))))
            .try_collect()
            .await?;
        let counts = activities.counts(&scope).await?;
        let mut listed = BTreeMap::new();
        for status in Status::ALL {
            let items = list(activities, ListQuery::new(scope.clone()).status(status)).await?;
            listed.insert(status, items.len() as u64);
        }
        Ok(Self { read, details, counts, listed })
    }
}

/// The ids of all activities that a query finds.
async fn list(activities: &Activities, query: ListQuery) -> Result<Vec<AgentId>, Error> {
    let mut query = query.limit(PAGE_LIMIT);
    let mut ids = Vec::new();
    loop {
        let page = activities.list(&query).await?;
        ids.extend(page.items.iter().map(|activity| activity.id));
        let Some(next) = page.next else { return Ok(ids) };
        query = query.after(next);
    }
}

/// An activity with its whole log.
///
/// # Errors
/// Those of the store.
pub async fn whole(activities: &Activities, id: AgentId) -> Result<Option<Detail>, Error> {
    let Some(mut detail) = activities.detail(&Scope::all(), id).await? else { return Ok(None) };
    while let Some(next) = detail.next {
        let rest = activities.detail_page(&Scope::all(), id, LogQuery::new().from(next)).await?;
        let Some(rest) = rest else { return Ok(None) };
        detail.log.extend(rest.log);
        detail.trimmed_before = detail.trimmed_before.max(rest.trimmed_before);
        detail.next = rest.next;
    }
    Ok(Some(detail))
}
