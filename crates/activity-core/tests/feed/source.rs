//! A store's events, as a script has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use agentexec_activity_core::feed::{EventSource, Feed, FeedChange, FeedEvent};
use agentexec_activity_core::{
    Activity, AgentId, Attempt, Error, LogEntry, Metadata, NewActivity, Scope, Timestamp, WatchCursor,
    WatchEvent, WatchStream,
};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

/// Longer than any wait of the feed; the clock of the tests is paused.
const LONG: Duration = Duration::from_secs(3600);

/// How the source takes a question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Answers,
    Fails,
    /// Never answers.
    Hangs,
    /// Says that there is nothing, as a copy of the store that lags.
    KnowsNothing,
}

/// What a store kept: its events, and the records of runs.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) events: BTreeMap<u128, FeedEvent>,
    pub(crate) head: u128,
    pub(crate) records: HashMap<AgentId, Activity>,
    pub(crate) mood: Mood,
    /// How often events were read, and records.
    pub(crate) reads: usize,
    pub(crate) looks: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Source(Mutex<Script>);

impl Source {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.script().mood = mood;
    }

    /// Writes so many reports on the activity and answers with their events.
    pub(crate) fn write(&self, id: AgentId, many: usize) -> Vec<FeedEvent> {
        (0..many).map(|_| self.write_one(id, &Metadata::new(), true)).collect()
    }

    pub(crate) fn write_one(&self, id: AgentId, metadata: &Metadata, progress: bool) -> FeedEvent {
        let mut script = self.script();
        script.head += 1;
        let event = event(script.head, id, metadata, progress);
        let number = script.head;
        script.events.insert(number, event.clone());
        event
    }

    /// Removes all events up to this number.
    pub(crate) fn trim(&self, last: u128) {
        self.script().events.retain(|number, _| *number > last);
    }

    /// Loses the newest events, as a store does that was not written to its disk.
    pub(crate) fn lose_behind(&self, head: u128) {
        let mut script = self.script();
        script.events.retain(|number, _| *number <= head);
        script.head = head;
    }

    /// A running activity.
    pub(crate) fn run(&self, id: AgentId) -> Attempt {
        self.script().records.insert(id, activity(id, &Metadata::new()));
        Attempt::FIRST
    }

    pub(crate) fn ask_to_stop(&self, id: AgentId) {
        self.script().records.get_mut(&id).unwrap().cancel_requested = Some("enough".into());
    }

    async fn answer(&self, count: impl Fn(&mut Script)) -> Result<Mood, Error> {
        let mood = {
            let mut script = self.script();
            count(&mut script);
            script.mood
        };
        match mood {
            Mood::Fails => Err(Error::unavailable("scripted", "told to fail")),
            Mood::Hangs => std::future::pending().await,
            mood => Ok(mood),
        }
    }
}

#[async_trait]
impl EventSource for Source {
    async fn events_after(&self, after: WatchCursor, limit: usize) -> Result<Vec<FeedEvent>, Error> {
        if self.answer(|script| script.reads += 1).await? == Mood::KnowsNothing {
            return Ok(Vec::new());
        }
        let script = self.script();
        if after.number() > script.head || after.number() >> 64 != script.head >> 64 {
            return Err(Error::CursorExpired { cursor: after });
        }
        Ok(script.events.range(after.number() + 1..).take(limit).map(|(_, event)| event.clone()).collect())
    }

    async fn activity(&self, id: AgentId) -> Result<Option<Activity>, Error> {
        self.answer(|script| script.looks += 1).await?;
        Ok(self.script().records.get(&id).cloned())
    }
}

fn activity(id: AgentId, metadata: &Metadata) -> Activity {
    let (message, metadata) = ("Working.".into(), metadata.clone());
    let new = NewActivity { id, activity_type: "task".into(), message, metadata };
    Activity::queued(&new, Timestamp::default())
}

/// An event at this place, which its entry has as its number too.
pub(crate) fn event(number: u128, id: AgentId, metadata: &Metadata, progress: bool) -> FeedEvent {
    let seq = u64::try_from(number & u128::from(u64::MAX)).unwrap();
    let entry = LogEntry::of(&activity(id, metadata), seq, Timestamp::default(), progress);
    let cursor = WatchCursor::new(number);
    FeedEvent { cursor, id, metadata: metadata.clone(), change: FeedChange::Logged(entry) }
}

pub(crate) fn feed() -> Feed {
    Feed::new(|| {})
}

pub(crate) fn weak(source: &Arc<Source>) -> Weak<dyn EventSource> {
    Arc::downgrade(source) as Weak<dyn EventSource>
}

/// A watch of everything behind this number.
pub(crate) fn watch(feed: &Feed, source: &Arc<Source>, after: u128) -> WatchStream {
    feed.watch(weak(source), Scope::all(), None, WatchCursor::new(after))
}

/// A watch of one activity behind this number.
pub(crate) fn watch_one(feed: &Feed, source: &Arc<Source>, id: AgentId, after: u128) -> WatchStream {
    feed.watch(weak(source), Scope::all(), Some(id), WatchCursor::new(after))
}

/// What a watcher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Event(u128),
    Lagged(u128, u128),
    Expired(u128),
}

fn told(next: Result<WatchEvent, Error>) -> Told {
    match next {
        Ok(WatchEvent::Lagged { from, to }) => Told::Lagged(from.number(), to.number()),
        Ok(event) => Told::Event(event.cursor().number()),
        Err(Error::CursorExpired { cursor }) => Told::Expired(cursor.number()),
        Err(other) => panic!("{other}"),
    }
}

/// Everything that comes, until nothing comes for an hour or the watch ends.
pub(crate) async fn read_all(watch: &mut WatchStream) -> Vec<Told> {
    let mut read = Vec::new();
    while let Ok(Some(next)) = timeout(LONG, watch.next()).await {
        read.push(told(next));
    }
    read
}

/// The next one, however long it takes.
pub(crate) async fn read_one(watch: &mut WatchStream) -> Told {
    let next = timeout(LONG, watch.next()).await.expect("nothing came");
    told(next.expect("the watch ended"))
}

/// What is there without waiting.
pub(crate) fn ready(watch: &mut WatchStream) -> impl Iterator<Item = Told> {
    std::iter::from_fn(|| watch.next().now_or_never().flatten().map(told))
}

pub(crate) fn read_ready(watch: &mut WatchStream) -> Vec<Told> {
    ready(watch).collect()
}

/// Whether the watch has ended.
pub(crate) async fn is_over(watch: &mut WatchStream) -> bool {
    matches!(timeout(LONG, watch.next()).await, Ok(None))
}

pub(crate) fn events(numbers: impl IntoIterator<Item = u128>) -> Vec<Told> {
    numbers.into_iter().map(Told::Event).collect()
}
