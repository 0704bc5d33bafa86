//! Following what happens in a store, as long as it takes.

use std::pin::Pin;

use agentexec::activity::{
    Activities, Activity, AgentId, Error, LogQuery, Scope, WatchEvent, WatchFrom, WatchStream,
};
use futures_util::TryStreamExt;

/// The most pages of a log that are read to find its end. Stores keep far fewer entries than these hold.
const LOG_PAGES: usize = 100;

/// What happens in a store from now on. Runs whose process dies meanwhile are marked as lost on the way, so that
/// whoever waits for their end does not wait for ever.
pub(super) struct Changes<'a> {
    activities: &'a Activities,
    id: Option<AgentId>,
    stream: WatchStream,
    reaping: Pin<Box<dyn Future<Output = ()> + 'a>>,
}

/// What was seen of a store.
pub(super) enum Seen {
    Event(WatchEvent),
    /// The store has begun its events anew, and nobody knows what was missed.
    Break,
}

impl<'a> Changes<'a> {
    /// The changes of one activity, or of all.
    pub(super) async fn begin(activities: &'a Activities, id: Option<AgentId>) -> Result<Self, Error> {
        let reaping = Box::pin(activities.keep_reaping());
        Ok(Self { activities, id, stream: from_now(activities, id).await?, reaping })
    }

    /// The next change.
    pub(super) async fn next(&mut self) -> Result<Seen, Error> {
        let event = tokio::select! {
            event = self.stream.try_next() => event,
            // It goes on for ever.
            () = &mut self.reaping => Ok(None),
        };
        match event {
            Ok(Some(event)) => Ok(Seen::Event(event)),
            Ok(None) => Err(Error::unavailable("activity", "it has ended the watch")),
            Err(Error::CursorExpired { .. }) => {
                self.stream = from_now(self.activities, self.id).await?;
                Ok(Seen::Break)
            }
            Err(error) => Err(error),
        }
    }
}

async fn from_now(activities: &Activities, id: Option<AgentId>) -> Result<WatchStream, Error> {
    activities.watch_from(&Scope::all(), id, WatchFrom::Now).await
}

/// The record as it is now, and the number of the log entry that made it so: changes up to that are in it.
pub(super) async fn present(activities: &Activities, id: AgentId) -> Result<(Activity, u64), Error> {
    let mut detail = super::detail(activities, id, LogQuery::new()).await?;
    for _ in 1..LOG_PAGES {
        let Some(next) = detail.next else { break };
        detail = super::detail(activities, id, LogQuery::new().from(next)).await?;
    }
    let newest = detail.log.last().map_or(0, |entry| entry.seq);
    Ok((detail.activity, newest))
}
