#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! What is in the file, who may have it open, and what becomes of it.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentexec_activity_core::{
    Activities, ActivityStore, AgentId, Attempt, Change, Error, ListQuery, Metadata, Percent, RequestId,
    Scope, Status, WatchEvent, WatchFrom, Write,
};
use agentexec_activity_sqlite::{Failure, FailureKind, SqliteStore};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use rusqlite::Connection;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("activities.db")
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.file()).await.unwrap()
    }

    async fn activities(&self) -> Activities {
        Activities::new(self.open().await)
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

#[track_caller]
fn kind(error: &Error) -> FailureKind {
    let failure = error.source().and_then(|source| source.downcast_ref::<Failure>());
    failure.unwrap_or_else(|| panic!("not a failure of the file: {error:?}")).kind()
}

#[tokio::test]
async fn everything_is_there_when_it_is_opened_again() {
    let folder = Folder::new();
    let activities = folder.activities().await;
    let mut watch = activities.watch(&Scope::all()).await.unwrap();
    let id = activities.create("research").metadata("org", "acme").await.unwrap();
    let other = activities.create("summary").await.unwrap();
    let begin = Change::Start { lease: None, percentage: Percent::ZERO };
    let start = Write::new(id, RequestId::new(), begin, "Started".into());
    let written = activities.store().write(start.clone()).await.unwrap();
    let first = watch.next().await.unwrap().unwrap();
    let rest: Vec<WatchEvent> = watch.take(2).map(Result::unwrap).collect().await;
    let detail = activities.detail(&Scope::all(), id).await.unwrap();
    drop(activities);

    let activities = folder.activities().await;
    assert_eq!(activities.detail(&Scope::all(), id).await.unwrap(), detail);
    let acme = Scope::metadata(Metadata::new().with("org", "acme").unwrap()).unwrap();
    assert_eq!(activities.list(&ListQuery::new(acme.clone())).await.unwrap().items.len(), 1);
    assert_eq!(activities.counts(&acme).await.unwrap().running, 1);
    assert_eq!(activities.counts(&Scope::all()).await.unwrap().queued, 1);
    assert_eq!(activities.store().write(start).await.unwrap(), written, "a write that is sent again");
    let place = WatchFrom::After(first.cursor());
    let mut resumed = activities.watch_from(&Scope::all(), None, place).await.unwrap();
    for event in rest {
        assert_eq!(resumed.next().await.unwrap().unwrap(), event);
    }
    activities.cancel(other, "not needed").await.unwrap();
    assert_eq!(resumed.next().await.unwrap().unwrap().id(), Some(other));
}

#[tokio::test]
async fn a_cursor_of_another_file_has_expired() {
    let (one, two) = (Folder::new(), Folder::new());
    let mut cursors = Vec::new();
    for folder in [&one, &two] {
        let activities = folder.activities().await;
        let mut watch = activities.watch(&Scope::all()).await.unwrap();
        activities.create("task").await.unwrap();
        cursors.push(watch.next().await.unwrap().unwrap().cursor());
    }
    let from = WatchFrom::After(cursors[0]);
    let refused = two.activities().await.watch_from(&Scope::all(), None, from).await;
    assert!(matches!(refused.map(drop), Err(Error::CursorExpired { .. })));
}

#[tokio::test]
async fn dropping_the_last_clone_ends_its_watches_and_closes_the_file() {
    let folder = Folder::new();
    let store = folder.open().await;
    let clone = store.clone();
    let activities = Activities::new(store);
    let mut all = activities.watch(&Scope::all()).await.unwrap();
    let id = activities.create("task").await.unwrap();
    let mut one = activities.watch_from(&Scope::all(), Some(id), WatchFrom::Now).await.unwrap();
    assert!(all.next().await.unwrap().is_ok());
    drop(activities);
    assert!(all.next().now_or_never().is_none(), "a clone is left");
    assert!(beside(&folder.file(), "-wal").exists());
    drop(clone);
    assert!(all.next().await.is_none());
    assert!(one.next().await.is_none());
    // SQLite removes these when the last connection is closed.
    assert!(!beside(&folder.file(), "-wal").exists() && !beside(&folder.file(), "-shm").exists());
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_written_before_the_store_is_closed() {
    let folder = Folder::new();
    let store = folder.open().await;
    for _ in 0..50 {
        let activities = Activities::new(store.clone());
        // It has been handed to the writer when it is asked for the first time.
        assert!(futures_util::poll!(Box::pin(activities.create("task").into_future())).is_pending());
    }
    drop(store);
    assert_eq!(folder.activities().await.counts(&Scope::all()).await.unwrap().queued, 50);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let file = folder.file();
    let refused = async |wanted: &str| {
        let before = fs::read(&file).unwrap();
        let error = SqliteStore::open(&file).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Invalid { .. }) && !error.is_retryable(), "{error:?}");
        assert!(text.contains("activities.db") && text.contains(wanted), "{text}");
        assert_eq!(fs::read(&file).unwrap(), before);
    };
    fs::write(&file, "Dear diary, today I have written more than a hundred bytes into a file. ".repeat(9))
        .unwrap();
    refused("not an SQLite database").await;

    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
    refused("another program").await;

    fs::remove_file(&file).unwrap();
    drop(folder.open().await);
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    refused("newer version").await;
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_told() {
    let folder = Folder::new();
    let below_a_file = folder.file().join("activities.db");
    fs::write(folder.file(), "").unwrap();
    for path in [folder.0.path(), &below_a_file] {
        let error = SqliteStore::open(path).await.unwrap_err();
        assert_eq!(kind(&error), FailureKind::Access, "{error:?}");
        assert!(error.source().unwrap().to_string().contains(&path.display().to_string()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_folder_are_made_for_their_owner_alone() {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new();
    let file = folder.0.path().join("new/folder/activities.db");
    let store = SqliteStore::open(&file).await.unwrap();
    Activities::new(store.clone()).create("task").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&file, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(store.health().await.unwrap().mode, Some(0o600));
}

#[tokio::test]
async fn names_that_are_special_to_sqlite_are_files() {
    let folder = Folder::new();
    for name in [":memory:", "file:activities.db?mode=memory", "ä b%20.db"] {
        let path = folder.0.path().join(name);
        Activities::new(SqliteStore::open(&path).await.unwrap()).create("task").await.unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_make_and_open_one_file_at_once() {
    let folder = Folder::new();
    let opened = (0..12).map(|_| tokio::spawn(SqliteStore::open(folder.file())));
    let stores: Vec<_> = join_all(opened).await.into_iter().map(|store| store.unwrap().unwrap()).collect();
    for store in &stores {
        Activities::new(store.clone()).create("task").await.unwrap();
    }
    for store in stores {
        assert_eq!(store.counts(&Scope::all()).await.unwrap().queued, 12);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_write_at_full_speed_let_one_another_in() {
    let folder = Folder::new();
    let stores = [folder.activities().await, folder.activities().await, folder.activities().await];
    let id = stores[0].create("task").await.unwrap();
    stores[0].start(id).await.unwrap();
    let writers = (0..60).map(|number| {
        let activities = stores[number % 3].clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                activities.update(id, "Reading").await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let written = stores[1].complete(id).await.unwrap();
    assert_eq!(written.seq, 2 + 60 * 20 + 1);
}

#[tokio::test]
async fn a_lock_that_another_program_keeps_is_told_and_hinders_no_reader() {
    let folder = Folder::new();
    let store =
        SqliteStore::builder(folder.file()).lock_wait(Duration::from_millis(50)).open().await.unwrap();
    let activities = Activities::new(store);
    let id = activities.create("task").await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = activities.start(id).await.unwrap_err();
    assert_eq!(kind(&refused), FailureKind::Busy);
    assert!(refused.is_retryable());
    assert_eq!(activities.detail(&Scope::all(), id).await.unwrap().unwrap().activity.status, Status::Queued);
    other.execute_batch("ROLLBACK").unwrap();
    activities.start(id).await.unwrap();
}

#[tokio::test]
async fn work_stops_when_another_store_asks_and_a_wait_outlasts_a_rest() {
    let folder = Folder::new();
    let (one, two) = (folder.activities().await, folder.activities().await);
    let all = Scope::all();
    for _ in 0..3 {
        let id = two.create("task").await.unwrap();
        let attempt = two.start(id).await.unwrap();
        // Nobody waited until now, so the store has rested and missed what happened.
        let asking = two.request_cancel(&all, id, "enough");
        let (stop, asked) = tokio::join!(one.stop_requested(id, attempt), asking);
        asked.unwrap();
        assert_eq!(stop, agentexec_activity_core::StopRequest::Cancel("enough".into()));
    }
}

#[tokio::test]
async fn health_tells_how_the_file_is_kept() {
    let folder = Folder::new();
    let store = folder.open().await;
    Activities::new(store.clone()).create("task").await.unwrap();
    let health = store.health().await.unwrap();
    assert_eq!((health.path, health.activities), (folder.file(), 1));
    assert_eq!((health.journal_mode.as_str(), health.synchronous), ("wal", 2));
    assert!(health.schema_version >= 1 && health.file_bytes + health.wal_bytes > 0);
    assert!(health.sqlite_version.starts_with("3."));
    assert_eq!(health.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_file_is_told_and_nothing_panics() {
    let folder = Folder::new();
    let activities = folder.activities().await;
    let ids: Vec<AgentId> = join_all((0..300).map(async |_| activities.create("task").await.unwrap()))
        .await
        .into_iter()
        .collect();
    drop(activities);
    let mut bytes = fs::read(folder.file()).unwrap();
    // What is behind the first pages, where the tables are described.
    for page in bytes.chunks_mut(4096).skip(20) {
        page[..2048].fill(0x5a);
    }
    fs::write(folder.file(), bytes).unwrap();

    let store = folder.open().await;
    match store.health().await {
        Ok(health) => assert_ne!(health.problems, Vec::<String>::new()),
        Err(error) => assert_eq!(kind(&error), FailureKind::Corrupt),
    }
    let activities = Activities::new(store);
    let mut told = 0;
    for id in ids {
        if let Err(error) = activities.start(id).await {
            told += usize::from(kind(&error) == FailureKind::Corrupt);
        }
        if let Err(error) = activities.detail(&Scope::all(), id).await {
            told += usize::from(kind(&error) == FailureKind::Corrupt);
        }
    }
    assert!(told > 0);
}

#[tokio::test]
async fn debug_shows_the_path_and_nothing_of_the_records() {
    let folder = Folder::new();
    let store = folder.open().await;
    let activities = Activities::new(store.clone());
    activities.create("secret work").metadata("org", "acme").await.unwrap();
    let shown = format!("{store:?} {activities:?} {:?}", SqliteStore::builder(folder.file()));
    assert!(shown.contains("activities.db"), "{shown}");
    assert!(!shown.contains("acme") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn labels_that_nobody_has_any_more_are_removed() {
    let folder = Folder::new();
    let activities = folder.activities().await;
    for number in 0..20 {
        let id = activities.create("task").metadata("run", number).await.unwrap();
        activities.start(id).await.unwrap();
        activities.complete(id).await.unwrap();
    }
    let kept = activities.create("task").metadata("run", 7).await.unwrap();
    let purged =
        activities.store().purge(&Scope::all(), agentexec_activity_core::Timestamp::MAX, None).await.unwrap();
    assert_eq!(purged.changed, 20);
    drop(activities);
    let conn = Connection::open(folder.file()).unwrap();
    let count = |table: &str| -> i64 {
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    // That it exists, its type, and its pair.
    assert_eq!((count("label"), count("place"), count("activity"), count("log")), (3, 3, 1, 1));
    drop(conn);
    let activities = folder.activities().await;
    let seven = Scope::metadata(Metadata::new().with("run", 7).unwrap()).unwrap();
    assert_eq!(activities.counts(&seven).await.unwrap().queued, 1);
    assert_eq!(activities.list(&ListQuery::new(seven)).await.unwrap().items[0].id, kept);
}

#[tokio::test]
async fn what_was_purged_leaves_nothing_once_its_events_are_gone() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).events_kept(10).open().await.unwrap();
    let activities = Activities::new(store);
    for _ in 0..30 {
        let id = activities.create("task").await.unwrap();
        activities.cancel(id, "not needed").await.unwrap();
    }
    activities.store().purge(&Scope::all(), agentexec_activity_core::Timestamp::MAX, None).await.unwrap();
    let last = activities.create("task").await.unwrap();
    let attempt: Attempt = activities.start(last).await.unwrap();
    for _ in 0..20 {
        activities.update(last, "Reading").attempt(attempt).await.unwrap();
    }
    drop(activities);
    let conn = Connection::open(folder.file()).unwrap();
    let (subjects, events): (i64, i64) = conn
        .query_row("SELECT (SELECT count(*) FROM subject), (SELECT count(*) FROM event)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((subjects, events), (1, 10));
}
