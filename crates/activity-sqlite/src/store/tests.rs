//! What cannot be brought about from outside: failures in the middle of a transaction, and clocks.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc;

use agentexec_activity_core::{Change, LeaseTerms, Metadata, Percent, RequestId, Status};
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activities.db");
    (folder, path)
}

fn new_activity() -> NewActivity {
    NewActivity {
        id: AgentId::new(),
        activity_type: "task".into(),
        message: "Waiting".into(),
        metadata: Metadata::new().with("org", "acme").unwrap(),
    }
}

fn change(id: AgentId, change: Change) -> Write {
    Write::new(id, RequestId::new(), change, "Reading".into())
}

fn start(lease: Option<LeaseTerms>) -> Change {
    Change::Start { lease, percentage: Percent::ZERO }
}

#[track_caller]
fn kind<T: fmt::Debug>(result: Result<T, Error>) -> FailureKind {
    let error = result.unwrap_err();
    let failure = error.source().and_then(|source| source.downcast_ref::<Failure>());
    failure.unwrap_or_else(|| panic!("not a failure of the file: {error:?}")).kind()
}

async fn total(store: &SqliteStore) -> u64 {
    store.counts(&Scope::all()).await.unwrap().total()
}

type Steps<T> = Vec<Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>>;

/// Has all of these wait for the writer before it gets to the first of them, so that they share a transaction.
async fn in_one_transaction<T: Send + 'static>(
    store: &SqliteStore,
    steps: Steps<T>,
) -> Vec<Result<T, Error>> {
    let (go, wait) = mpsc::channel::<()>();
    let mut gate = Box::pin(store.inner.writer.run(move |_: &mut Tx<'_>| {
        // It is run again, and then nobody has to wait.
        let _ = wait.recv();
        Ok(())
    }));
    assert!(futures_util::poll!(gate.as_mut()).is_pending());
    let mut steps = Box::pin(join_all(steps));
    assert!(futures_util::poll!(steps.as_mut()).is_pending());
    drop(go);
    gate.await.unwrap();
    steps.await
}

fn create(store: &SqliteStore) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
    let store = store.clone();
    Box::pin(async move { store.create(new_activity()).await.map(drop) })
}

/// Does something to the record, and then what the statement does.
fn broken(
    store: &SqliteStore,
    id: AgentId,
    then: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
    let store = store.clone();
    Box::pin(async move {
        let work = move |tx: &mut Tx<'_>| {
            change::write(tx, &change(id, Change::Cancel))?;
            Ok(then(tx.conn)?)
        };
        store.inner.writer.run(work).await
    })
}

#[tokio::test]
async fn what_sqlite_fails_at_fails_alone_and_leaves_nothing_behind() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(path).await.unwrap();
    let id = store.create(new_activity()).await.unwrap().id;
    let mut steps: Steps<()> = (0..20).map(|_| create(&store)).collect();
    steps.insert(7, broken(&store, id, |conn| conn.execute_batch("INSERT INTO nowhere VALUES (1)")));
    steps.insert(14, broken(&store, id, |_| panic!("as a test")));
    let mut outcomes = in_one_transaction(&store, steps).await;

    assert_eq!(kind(outcomes.remove(14)), FailureKind::Panicked);
    assert_eq!(kind(outcomes.remove(7)), FailureKind::Other);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let counts = store.counts(&Scope::all()).await.unwrap();
    assert_eq!((counts.queued, counts.total()), (21, 21));
    assert_eq!(store.detail(&Scope::all(), id, LogQuery::new()).await.unwrap().unwrap().log.len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_refused_alone() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(path).await.unwrap();
    let id = store.create(new_activity()).await.unwrap().id;
    let one_start = |_| {
        let store = store.clone();
        Box::pin(async move { store.write(change(id, start(None))).await }) as Pin<Box<_>>
    };
    let outcomes = in_one_transaction(&store, (0..10).map(one_start).collect()).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(Error::is_already_running));
    assert_eq!(store.counts(&Scope::all()).await.unwrap().running, 1);
}

#[tokio::test]
async fn a_read_that_panics_is_answered_and_the_next_is_too() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(path).await.unwrap();
    for _ in 0..READERS {
        let read = store.inner.readers.run::<()>(|_| panic!("as a test")).await;
        assert_eq!(kind(read), FailureKind::Panicked);
    }
    for _ in 0..READERS {
        assert_eq!(total(&store).await, 0);
    }
}

/// Lets the file grow up to so many pages.
async fn grow_up_to(store: &SqliteStore, pages: u32) {
    let limit = move |tx: &mut Tx<'_>| {
        tx.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(Failed::Sqlite)
    };
    store.inner.writer.run(limit).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_told_and_it_works_again_when_there_is_room() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).await.unwrap();
    let id = store.create(new_activity()).await.unwrap().id;
    store.write(change(id, start(None))).await.unwrap();
    grow_up_to(&store, 40).await;
    let mut written = 1;
    let full = loop {
        let long = Message::new("x".repeat(4000));
        match store.create(NewActivity { message: long, ..new_activity() }).await {
            Ok(_) => written += 1,
            full => break full,
        }
    };
    let text = full.as_ref().unwrap_err().source().unwrap().to_string();
    assert!(text.contains("activities.db") && text.contains("full"), "{text}");
    assert_eq!(kind(full), FailureKind::Full);
    // Of many at once each is told, and what is there is read.
    let outcomes = in_one_transaction(&store, (0..5).map(|_| create(&store)).collect()).await;
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(kind(outcome), FailureKind::Full);
    }
    let so_far = total(&store).await;
    assert!(so_far >= written);
    assert_eq!(store.list(&ListQuery::new(Scope::all())).await.unwrap().items[0].id, id);

    grow_up_to(&store, 1_000_000).await;
    store.create(new_activity()).await.unwrap();
    store.write(change(id, Change::Cancel)).await.unwrap();
    assert_eq!(total(&store).await, so_far + 1);
    assert_eq!(store.health().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_a_newer_version_has_changed_meanwhile_is_left_alone() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).await.unwrap();
    store.create(new_activity()).await.unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(kind(store.create(new_activity()).await), FailureKind::Upgraded);
    assert_eq!(total(&store).await, 1);
}

/// Clocks of one machine, set by hand; those of a process may be off.
#[derive(Clone, Default)]
struct Machine {
    time_of_day: Arc<AtomicU64>,
    ticks: Arc<AtomicI64>,
}

impl Machine {
    fn clock(&self, boot: u8, off: i64) -> Clock {
        let (day, ticks) = (Arc::clone(&self.time_of_day), Arc::clone(&self.ticks));
        let wall = move || Timestamp::from_millis(day.load(Ordering::SeqCst).saturating_add_signed(off));
        Clock::new(wall, [boot; 16], move || ticks.load(Ordering::SeqCst))
    }

    fn pass(&self, time: Duration) {
        let millis = time.as_millis() as u64;
        self.time_of_day.fetch_add(millis, Ordering::SeqCst);
        self.ticks.fetch_add(millis as i64, Ordering::SeqCst);
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn leases_do_not_depend_on_the_time_of_day() {
    let (_folder, path) = folder();
    let machine = Machine::default();
    machine.time_of_day.store(1_700_000_000_000, Ordering::SeqCst);
    let off = 10 * 60 * 1000;
    let ahead = SqliteStore::builder(&path).clock(machine.clock(1, off)).open().await.unwrap();
    let behind = SqliteStore::builder(&path).clock(machine.clock(1, -off)).open().await.unwrap();
    for (holder, other) in [(&ahead, &behind), (&behind, &ahead)] {
        let id = holder.create(new_activity()).await.unwrap().id;
        holder.write(change(id, start(Some(LeaseTerms::new("host", MINUTE))))).await.unwrap();
        for day in [1_000_000_000_000, 1_700_000_000_000, 1_900_000_000_000] {
            machine.time_of_day.store(day, Ordering::SeqCst);
            assert_eq!(other.expired(10).await.unwrap(), []);
            let lost = other.write(change(id, Change::Lose)).await;
            assert!(matches!(lost, Err(Error::LeaseHeld { .. })), "{lost:?}");
        }
        machine.pass(MINUTE / 2);
        assert_eq!(other.renew(&[(id, Attempt::FIRST)], MINUTE).await.unwrap(), [true]);
        machine.pass(MINUTE / 2);
        assert_eq!(holder.expired(10).await.unwrap(), []);
        machine.pass(MINUTE / 2);
        for store in [holder, other] {
            assert_eq!(store.expired(10).await.unwrap().len(), 1);
        }
        assert_eq!(other.write(change(id, Change::Lose)).await.unwrap().status, Status::Error);
        let log = other.detail(&Scope::all(), id, LogQuery::new()).await.unwrap().unwrap().log;
        assert!(log.iter().map(|entry| entry.at).is_sorted(), "{log:?}");
    }
}

#[tokio::test]
async fn leases_end_with_the_boot_of_the_machine() {
    let (_folder, path) = folder();
    let machine = Machine::default();
    let store = SqliteStore::builder(&path).clock(machine.clock(1, 0)).open().await.unwrap();
    let (held, other) = (store.create(new_activity()).await.unwrap().id, new_activity().id);
    store.write(change(held, start(Some(LeaseTerms::new("before", Duration::MAX))))).await.unwrap();
    drop(store);

    let store = SqliteStore::builder(&path).clock(machine.clock(2, 0)).open().await.unwrap();
    store.create(NewActivity { id: other, ..new_activity() }).await.unwrap();
    store.write(change(other, start(Some(LeaseTerms::new("after", Duration::ZERO))))).await.unwrap();
    let owners =
        |expired: Vec<ExpiredLease>| expired.into_iter().map(|lease| lease.owner).collect::<Vec<_>>();
    assert_eq!(owners(store.expired(10).await.unwrap()), ["before", "after"]);
    assert_eq!(owners(store.expired(1).await.unwrap()), ["before"]);
    // Who held it may still be alive where only the store was opened anew.
    assert_eq!(store.renew(&[(held, Attempt::FIRST)], MINUTE).await.unwrap(), [true]);
    assert_eq!(owners(store.expired(10).await.unwrap()), ["after"]);
    store.write(change(other, Change::Lose)).await.unwrap();
}
