//! Watching: what is delivered, from where on, and what a watcher is told that it missed.

use futures_util::{StreamExt, stream};

use super::Harness;
use super::subject::{Subject, assert_invalid, complete, next_event, next_logged, progress, start};
use crate::{AgentId, Change, Error, Scope, Status, WatchCursor, WatchEvent, WatchFrom, WatchStream};

/// A watch delivers what happens after it began, each log entry as it is in the log.
pub async fn a_watch_begins_with_the_next_change(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    store.at(Status::Complete).await;
    let mut watch = store.watch_all().await;
    let id = store.at(Status::Complete).await;
    let log = store.whole(id).await.log;
    for expected in log {
        match next_event(&mut watch).await {
            WatchEvent::Logged { id: of, entry, .. } => assert_eq!((of, entry), (id, expected)),
            other => panic!("expected entry {}, got {other:?}", expected.seq),
        }
    }
    // A watcher that waits already is woken.
    let (woken, seq) = tokio::join!(next_logged(&mut watch), async { store.queued().await });
    assert_eq!(woken, (seq, 1));
}

/// A watch from behind any event delivers exactly what followed it, also by the text form of the place.
pub async fn a_watch_resumes_behind_any_event(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut watch = store.watch_all().await;
    let id = store.queued().await;
    store.apply(id, start()).await;
    store.ask_to_cancel(id, "enough").await;
    store.apply(id, Change::Cancel).await;
    store.purge_all_ended(&Scope::all()).await;
    let mut events = Vec::new();
    for _ in 0..5 {
        events.push(next_event(&mut watch).await);
    }
    assert!(events.windows(2).all(|pair| pair[0].cursor() < pair[1].cursor()), "places rise: {events:?}");
    for (index, event) in events.iter().enumerate() {
        let place: WatchCursor = event.cursor().to_string().parse().unwrap();
        let mut resumed = store.watch(&Scope::all(), None, WatchFrom::After(place)).await.unwrap();
        for expected in &events[index + 1..] {
            assert_eq!(next_event(&mut resumed).await, *expected);
        }
        let nothing = futures_util::poll!(resumed.next());
        assert!(nothing.is_pending(), "after the last event: {nothing:?}");
    }
    let mut resumed = store.watch(&Scope::all(), None, WatchFrom::After(events[4].cursor())).await.unwrap();
    let next = store.queued().await;
    assert_eq!(next_logged(&mut resumed).await, (next, 1));
}

/// Two watchers see the same events at the same places, in the same order.
pub async fn watchers_agree_on_places(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (mut one, mut two) = (store.watch_all().await, store.watch_all().await);
    for status in Status::ALL {
        store.at(status).await;
    }
    // One entry for queued, two for running, three for each ending.
    for _ in 0..12 {
        assert_eq!(next_event(&mut one).await, next_event(&mut two).await);
    }
}

/// A request to cancel a running activity is an event, once; so is a purge, for each activity.
pub async fn requests_to_cancel_and_purges_are_events(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let (running, ended) = (store.running().await, store.at(Status::Error).await);
    let mut watch = store.watch_all().await;
    store.ask_to_cancel(running, "too slow").await;
    store.ask_to_cancel(running, "again").await;
    store.ask_to_cancel(ended, "too late").await;
    match next_event(&mut watch).await {
        WatchEvent::CancelRequested { id, reason, .. } => {
            assert_eq!((id, reason.as_str()), (running, "too slow"));
        }
        other => panic!("expected the request to cancel, got {other:?}"),
    }
    store.purge_all_ended(&Scope::all()).await;
    let purged = next_event(&mut watch).await;
    assert!(matches!(purged, WatchEvent::Purged { id, .. } if id == ended), "{purged:?}");
    assert_eq!(purged.id(), Some(ended));
}

/// A watch of one activity delivers its changes and nothing else, also before it is created.
pub async fn one_activity_can_be_watched_alone(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = AgentId::new();
    let mut watch = store.watch(&Scope::all(), Some(id), WatchFrom::Now).await.unwrap();
    store.at(Status::Complete).await;
    store.create(super::subject::new_activity(id)).await.unwrap();
    let other = store.running().await;
    store.apply(other, progress(50)).await;
    store.bring(id, Status::Complete).await;
    store.purge_all_ended(&Scope::all()).await;
    for seq in 1..=3 {
        assert_eq!(next_logged(&mut watch).await, (id, seq));
    }
    let purged = next_event(&mut watch).await;
    assert!(matches!(purged, WatchEvent::Purged { id: of, .. } if of == id), "{purged:?}");
}

/// Reads the events of one activity up to its entry `last`: the numbers must follow one another, but for what a
/// `Lagged` says. Answers with how often that was said.
async fn read_up_to(watch: &mut WatchStream, mut next: u64, last: u64) -> usize {
    let mut lagged = 0;
    let mut missed = false;
    let mut place: Option<WatchCursor> = None;
    loop {
        let event = next_event(watch).await;
        assert!(place.is_none_or(|place| place < event.cursor()), "places rise");
        place = Some(event.cursor());
        match event {
            WatchEvent::Logged { entry, .. } => {
                let follows = entry.seq == next || (missed && entry.seq > next);
                assert!(follows, "a silent gap between {next} and {}", entry.seq);
                if entry.seq == last {
                    return lagged;
                }
                (next, missed) = (entry.seq + 1, false);
            }
            WatchEvent::Lagged { from, to } => {
                assert!(from <= to, "{from} is behind {to}");
                (lagged, missed) = (lagged + 1, true);
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// How many writes of a case that makes many are under way at once, so that a remote store is not waited for as often.
const AT_ONCE: usize = 64;

/// Reports progress so many times, and returns the number of the last entry.
async fn write_progress(store: &Subject, id: AgentId, times: usize) -> u64 {
    let writes = (0..times).map(|number| store.apply(id, progress((number % 100) as u8)));
    stream::iter(writes).buffer_unordered(AT_ONCE).fold(0, async |last, written| written.seq.max(last)).await
}

/// So many events that some of them are gone, or, where none is ever gone, a good many.
async fn write_many(harness: &dyn Harness, store: &Subject, id: AgentId) -> u64 {
    write_progress(store, id, harness.events_kept().map_or(1000, |kept| 2 * kept) + 1).await
}

/// A watcher that reads too slowly is told which places it missed and goes on behind them: never a silent gap.
pub async fn a_slow_reader_is_told_what_it_missed(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let mut watch = store.watch_all().await;
    let last = write_many(harness, &store, id).await;
    let lagged = read_up_to(&mut watch, 3, last).await;
    assert_eq!(lagged > 0, harness.events_kept().is_some(), "told {lagged} times");
    let ended = store.apply(id, complete()).await;
    assert_eq!(next_logged(&mut watch).await, (id, ended.seq), "the watch goes on");
}

/// A watch from behind an event whose followers are gone is refused, so that nobody takes the rest for the
/// whole; one from a place that is still kept is not.
pub async fn an_old_cursor_has_expired(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let mut watch = store.watch_all().await;
    store.apply(id, start()).await;
    let old = next_event(&mut watch).await.cursor();
    let last = write_many(harness, &store, id).await;
    let resumed = store.watch(&Scope::all(), None, WatchFrom::After(old)).await;
    match (harness.events_kept(), resumed) {
        (Some(_), Err(Error::CursorExpired { cursor })) => assert_eq!(cursor, old),
        (Some(_), Err(other)) => panic!("expected that the cursor has expired, got {other:?}"),
        (Some(_), Ok(_)) => panic!("expected that the cursor has expired, got a watch"),
        (None, resumed) => assert_eq!(read_up_to(&mut resumed.unwrap(), 3, last).await, 0),
    }
    let mut watch = store.watch_all().await;
    let first = store.apply(id, progress(1)).await.seq + 1;
    let recent = next_event(&mut watch).await.cursor();
    let last = write_progress(&store, id, harness.events_kept().unwrap_or(1000) - 1).await;
    let mut resumed = store.watch(&Scope::all(), None, WatchFrom::After(recent)).await.unwrap();
    assert_eq!(read_up_to(&mut resumed, first, last).await, 0);
}

/// A place that the store never gave is refused.
pub async fn a_cursor_that_was_never_given_is_refused(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let mut watch = store.watch_all().await;
    store.running().await;
    next_event(&mut watch).await;
    let last = next_event(&mut watch).await.cursor();
    let ahead = WatchCursor::new(last.number() + 1_000_000);
    let resumed = store.watch(&Scope::all(), None, WatchFrom::After(ahead)).await;
    assert_invalid(resumed.map(drop), "cursor");
}
