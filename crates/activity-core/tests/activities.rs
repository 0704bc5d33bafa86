#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

//! The handle: what a service does with activities, over the store in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::{
    Activities, Activity, ActivityStore, AgentId, Attempt, CancelOutcome, Change, Detail, Error, ListQuery,
    LogQuery, MESSAGE_LIMIT, MemoryStore, Messages, Metadata, Order, PAGE_SIZE, Percent, SHUTDOWN_WAIT,
    Scope, Status, StopRequest, WatchEvent,
};
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

fn activities() -> Activities {
    Activities::new(MemoryStore::new())
}

async fn detail(activities: &Activities, id: AgentId) -> Detail {
    activities.detail(&Scope::all(), id).await.unwrap().unwrap()
}

async fn activity(activities: &Activities, id: AgentId) -> Activity {
    detail(activities, id).await.activity
}

async fn log(activities: &Activities, id: AgentId) -> Vec<String> {
    detail(activities, id).await.log.iter().map(|entry| entry.message.to_string()).collect()
}

fn org(name: &str) -> Scope {
    Scope::metadata(Metadata::new().with("org", name).unwrap()).unwrap()
}

#[tokio::test]
async fn a_created_activity_waits_to_start() {
    let activities = activities();
    let id = activities.create("research").metadata("org", "acme").metadata("plan", 3).await.unwrap();
    let created = activity(&activities, id).await;
    assert_eq!((created.activity_type.as_str(), created.status), ("research", Status::Queued));
    assert_eq!((created.message.as_str(), created.percentage), ("Waiting to start.", Percent::ZERO));
    assert_eq!(created.metadata.get("plan"), Some(&3.into()));

    let own = AgentId::new();
    for _ in 0..2 {
        let id = activities.create("summary").id(own).message("In line for the printer.").await.unwrap();
        assert_eq!(id, own);
    }
    assert_eq!(log(&activities, own).await, ["In line for the printer."]);
    let taken = activities.create("research").id(own).await.unwrap_err();
    assert!(matches!(taken, Error::IdTaken { id } if id == own), "{taken}");
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_by_name_and_not_written() {
    let activities = activities();
    let long = "x".repeat(129);
    for bad in ["", "line\nbreak", long.as_str()] {
        let error = activities.create(bad).await.unwrap_err().to_string();
        assert!(error.starts_with("invalid type: "), "{error}");
    }
    let error =
        activities.create("research").metadata("note", "x".repeat(2000)).await.unwrap_err().to_string();
    assert!(error.starts_with("invalid metadata: ") && error.contains("\"note\""), "{error}");
    for megabytes in [1, 16] {
        let long = "x".repeat(megabytes << 20);
        for metadata in [("note", long.as_str()), (long.as_str(), "note")] {
            let refused = activities.create("research").metadata(metadata.0, metadata.1).await.unwrap_err();
            assert!(refused.to_string().len() < 300, "{} bytes of message", refused.to_string().len());
        }
    }
    let crowded = (0..40).fold(activities.create("research"), |new, n| new.metadata(n.to_string(), n));
    assert!(crowded.await.unwrap_err().to_string().contains("more than 32 pairs"));
    assert_eq!(activities.counts(&Scope::all()).await.unwrap().total(), 0);
}

#[tokio::test]
async fn an_update_starts_a_queued_activity_in_one_entry() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    let written = activities.update(id, "Reading sources").percentage(30).await.unwrap();
    assert_eq!((written.status, written.percentage.get(), written.seq), (Status::Running, 30, 2));
    let started = detail(&activities, id).await;
    assert_eq!(started.log.len(), 2);
    assert_eq!((started.log[1].status, started.log[1].progress), (Status::Running, false));
    assert!(started.activity.started.is_some());

    // From then on it is progress, which keeps the percentage unless it says one.
    assert_eq!(activities.update(id, "Still reading").await.unwrap().percentage.get(), 30);
    assert_eq!(activities.update(id, "Writing").percentage(60).await.unwrap().percentage.get(), 60);
    assert_eq!(activities.update(id, "Starting over").percentage(10).await.unwrap().percentage.get(), 10);
    assert!(detail(&activities, id).await.log[2..].iter().all(|entry| entry.progress));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_that_race_to_start_all_count() {
    let activities = activities();
    for _ in 0..20 {
        let id = activities.create("research").await.unwrap();
        let line = Arc::new(tokio::sync::Barrier::new(8));
        let mut updates = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (activities, line) = (activities.clone(), line.clone());
            updates.spawn(async move {
                line.wait().await;
                activities.update(id, "Working").percentage(10).await.unwrap()
            });
        }
        updates.join_all().await;
        let log = detail(&activities, id).await.log;
        assert_eq!(log.len(), 9);
        assert_eq!(log[1..].iter().filter(|entry| !entry.progress).count(), 1, "it started once");
    }
}

#[tokio::test]
async fn a_percentage_above_100_is_refused_by_name_and_nothing_is_written() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    let before = detail(&activities, id).await;
    let update = activities.update(id, "Too much").percentage(101).await;
    let complete = activities.complete(id).percentage(255).await;
    let error = activities.error(id, "boom").percentage(101).await;
    for (refused, value) in [(update, 101), (complete, 255), (error, 101)] {
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, format!("invalid percentage: {value} is not between 0 and 100"));
    }
    assert_eq!(detail(&activities, id).await, before);
}

#[tokio::test]
async fn each_ending_has_its_message_and_percentage() {
    let activities = activities();
    let running = async || {
        let id = activities.create("research").await.unwrap();
        activities.update(id, "Working").percentage(40).await.unwrap();
        id
    };
    let endings = [
        (activities.complete(running().await), "Task completed successfully.", 100),
        (activities.complete(running().await).message("Report sent.").percentage(95), "Report sent.", 95),
        (
            activities.error(running().await, "no route to host"),
            "Task failed with error: no route to host",
            40,
        ),
        (activities.error(running().await, "x").message("Gave up.").percentage(7), "Gave up.", 7),
        (activities.cancel(running().await, "closing time"), "Task canceled: closing time", 40),
        (activities.cancel(running().await, "x").message("Bye.").percentage(99), "Bye.", 40),
    ];
    for (ending, message, percentage) in endings {
        let written = ending.await.unwrap();
        assert!(written.status.is_terminal());
        assert_eq!(written.percentage.get(), percentage, "{message}");
    }
    let listed = activities.list(&ListQuery::new(Scope::all()).order(Order::Created)).await.unwrap().items;
    let messages: Vec<&str> = listed.iter().rev().map(|activity| activity.message.as_str()).collect();
    assert_eq!(messages[..2], ["Task completed successfully.", "Report sent."]);
    assert_eq!(messages[2..4], ["Task failed with error: no route to host", "Gave up."]);
    assert_eq!(messages[4..], ["Task canceled: closing time", "Bye."]);
}

#[tokio::test]
async fn a_late_update_is_refused_and_names_both_statuses() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    activities.update(id, "Working").await.unwrap();
    activities.complete(id).await.unwrap();
    let late = activities.update(id, "Still working").await.unwrap_err();
    assert_eq!(
        late.to_string(),
        format!("activity {id} is complete and cannot become running: it has ended")
    );
    assert_eq!(late.refused_from(), Some(Status::Complete));
    assert!(activities.error(id, "boom").await.is_err());
    assert!(activities.cancel(id, "late").await.is_err());
    assert_eq!(log(&activities, id).await.len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let activities = activities();
    let missing = AgentId::new();
    assert!(activities.detail(&Scope::all(), missing).await.unwrap().is_none());
    assert!(activities.update(missing, "Hello?").await.unwrap_err().is_not_found());
    assert!(activities.start(missing).await.unwrap_err().is_not_found());
    let asked = activities.request_cancel(&Scope::all(), missing, "nobody").await;
    assert!(asked.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_start_is_refused_while_it_runs_and_attempts_fence() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    let first = activities.start(id).await.unwrap();
    assert_eq!(first, Attempt::FIRST);
    assert!(activities.start(id).await.unwrap_err().is_already_running());

    activities.requeue(id, first, "Worker restarted.").await.unwrap();
    let second = activities.start(id).await.unwrap();
    let stale = activities.update(id, "I am back").attempt(first).await.unwrap_err();
    assert!(matches!(stale, Error::StaleAttempt { .. }), "{stale}");
    activities.error(id, "boom").attempt(second).await.unwrap();
    activities.retry(id, "Once more.").await.unwrap();
    let stale = activities.update(id, "I am back").attempt(second).await.unwrap_err();
    assert!(matches!(stale, Error::StaleAttempt { .. }), "a stale update does not start it: {stale}");
    assert_eq!(activities.start(id).await.unwrap(), Attempt::new(3));
}

/// An error that tells its whole chain in its alternate form.
struct Chain;

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request failed")?;
        if f.alternate() { f.write_str(": key sk-123 is not valid") } else { Ok(()) }
    }
}

#[tokio::test]
async fn errors_tell_their_chain_and_pass_the_redaction_hook() {
    let redacting = Activities::builder(MemoryStore::new())
        .redact(|text| text.replace("sk-123", "[key]"))
        .messages(Messages { error: "Failed ({error}).".into(), ..Messages::default() })
        .build();
    let id = redacting.create("research").await.unwrap();
    redacting.error(id, Chain).await.unwrap();
    assert_eq!(log(&redacting, id).await[1], "Failed (request failed: key [key] is not valid).");
    assert_eq!(redacting.redacted("sk-123"), "[key]");

    let plain = activities();
    let id = plain.create("research").await.unwrap();
    plain.error(id, Chain).await.unwrap();
    assert_eq!(log(&plain, id).await[1], "Task failed with error: request failed: key sk-123 is not valid");
}

#[tokio::test]
async fn reasons_to_cancel_pass_the_redaction_hook_on_every_way() {
    let hook = |text: &str| text.replace("Ada", "[name]");
    let activities = Activities::builder(MemoryStore::new()).redact(hook).build();
    let everything = Scope::all();
    let ids = [
        activities.create("research").await.unwrap(),
        activities.create("research").await.unwrap(),
        activities.create("research").await.unwrap(),
    ];
    activities.cancel(ids[0], "Ada left").await.unwrap();
    activities.request_cancel(&everything, ids[1], "Ada left").await.unwrap();
    activities.cancel_pending(&everything, "Ada left").await.unwrap();
    for id in ids {
        assert_eq!(activity(&activities, id).await.message.as_str(), "Task canceled: [name] left");
    }
}

#[tokio::test]
async fn messages_are_made_safe_and_short() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    activities.update(id, "Reading\nnotes\u{1b}[31m\u{202e}").await.unwrap();
    assert_eq!(activity(&activities, id).await.message.as_str(), "Reading notes[31m");
    activities.error(id, "ß".repeat(500_000)).await.unwrap();
    let message = activity(&activities, id).await.message;
    assert!(message.as_str().len() <= MESSAGE_LIMIT && message.as_str().ends_with("ß…"));
}

#[tokio::test]
async fn configured_messages_are_what_the_log_says() {
    let messages = Messages::from_lookup(|key| Some(format!("<{key}>")));
    let activities = Activities::builder(MemoryStore::new()).messages(messages).build();
    let id = activities.create("research").await.unwrap();
    activities.start(id).await.unwrap();
    activities.complete(id).await.unwrap();
    let keys = ["CREATE", "STARTED", "COMPLETE"].map(|key| format!("<AGENTEXEC_ACTIVITY_MESSAGE_{key}>"));
    assert_eq!(log(&activities, id).await, keys);
}

#[tokio::test]
async fn a_list_has_pages_and_filters() {
    let activities = activities();
    let mut created = Vec::new();
    for number in 0..120 {
        let name = if number % 3 == 0 { "acme" } else { "other" };
        created.push(activities.create("research").metadata("org", name).await.unwrap());
    }
    activities.update(created[7], "Working").await.unwrap();
    let mut query = ListQuery::new(Scope::all());
    let (mut sizes, mut ids) = (Vec::new(), Vec::new());
    loop {
        let page = activities.list(&query).await.unwrap();
        sizes.push(page.items.len());
        ids.extend(page.items.iter().map(|activity| activity.id));
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    assert_eq!(sizes, [PAGE_SIZE, PAGE_SIZE, 20]);
    assert_eq!(ids[0], created[7], "running ones come first");
    let acme = ListQuery::new(org("acme")).limit(500);
    assert_eq!(activities.list(&acme).await.unwrap().items.len(), 40);
    assert_eq!(activities.counts(&org("acme")).await.unwrap().active(), 40);
    for limit in [0, 501] {
        let refused = activities.list(&ListQuery::new(Scope::all()).limit(limit)).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("invalid limit: {limit} is not between 1 and 500"));
    }
}

#[tokio::test]
async fn a_long_log_is_read_in_pages() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    for value in 0..9 {
        activities.update(id, format!("Step {value}")).await.unwrap();
    }
    let page =
        activities.detail_page(&Scope::all(), id, LogQuery::new().from(4).limit(3)).await.unwrap().unwrap();
    assert_eq!(page.log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(page.next, Some(7));
}

#[test]
fn a_scope_without_a_pair_is_refused() {
    let refused = Scope::metadata(Metadata::new()).unwrap_err().to_string();
    assert!(refused.starts_with("invalid scope: ") && refused.contains("Scope::all()"), "{refused}");
}

#[tokio::test]
async fn pending_activities_are_canceled_and_running_ones_go_on() {
    let activities = activities();
    let running = activities.create("research").metadata("org", "acme").await.unwrap();
    activities.update(running, "Working").await.unwrap();
    let pending = activities.create("research").metadata("org", "acme").await.unwrap();
    let foreign = activities.create("research").metadata("org", "other").await.unwrap();

    assert_eq!(activities.cancel_pending(&org("acme"), "closing time").await.unwrap(), 1);
    assert_eq!(log(&activities, pending).await, ["Waiting to start.", "Task canceled: closing time"]);
    assert_eq!(activity(&activities, running).await.status, Status::Running);
    assert_eq!(activity(&activities, running).await.cancel_requested, None);
    assert_eq!(activity(&activities, foreign).await.status, Status::Queued);
    assert_eq!(activities.cancel_pending(&Scope::all(), "closing time").await.unwrap(), 1);
}

#[tokio::test]
async fn a_request_to_cancel_reaches_the_work() {
    let activities = activities();
    let id = activities.create("research").await.unwrap();
    let attempt = activities.start(id).await.unwrap();
    let everything = Scope::all();
    let request = activities.request_cancel(&everything, id, "too\nslow");
    let (asked, told) = tokio::join!(request, activities.stop_requested(id, attempt));
    assert_eq!(asked.unwrap(), CancelOutcome::Requested);
    assert_eq!(told, StopRequest::Cancel("too slow".into()));
    assert_eq!(activity(&activities, id).await.status, Status::Running, "the work says when it has stopped");
}

#[tokio::test]
async fn a_queued_activity_that_is_asked_to_stop_says_so_in_the_configured_message() {
    let messages = Messages { canceled: "Stopped ({reason}).".into(), ..Messages::default() };
    let activities = Activities::builder(MemoryStore::new()).messages(messages).build();
    let id = activities.create("research").await.unwrap();
    let asked = activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    assert_eq!(asked, CancelOutcome::Canceled);
    assert_eq!(activity(&activities, id).await.message.as_str(), "Stopped (not needed).");
}

#[tokio::test(start_paused = true)]
async fn a_purge_goes_by_how_long_ago_an_activity_ended() {
    let activities = activities();
    let old = activities.create("research").await.unwrap();
    activities.cancel(old, "old").await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let recent = activities.create("research").await.unwrap();
    activities.update(recent, "Working").await.unwrap();
    tokio::time::advance(Duration::from_secs(90)).await;
    activities.complete(recent).await.unwrap();
    let ended = activity(&activities, recent).await;
    assert_eq!(ended.elapsed(ended.updated), Some(Duration::from_secs(90)));

    assert_eq!(activities.purge(&Scope::all(), Duration::from_secs(7200)).await.unwrap(), 0);
    assert_eq!(activities.purge(&Scope::all(), Duration::from_secs(1800)).await.unwrap(), 1);
    assert!(activities.detail(&Scope::all(), old).await.unwrap().is_none());
    assert!(activities.detail(&Scope::all(), recent).await.unwrap().is_some());
    assert_eq!(activities.purge(&Scope::all(), Duration::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn a_watch_tells_what_happens() {
    let activities = activities();
    let mut watch = activities.watch(&org("acme")).await.unwrap();
    activities.create("research").metadata("org", "other").await.unwrap();
    let id = activities.create("research").metadata("org", "acme").await.unwrap();
    activities.update(id, "Working").percentage(20).await.unwrap();
    for message in ["Waiting to start.", "Working"] {
        match watch.next().await.unwrap().unwrap() {
            WatchEvent::Logged { id: of, entry, .. } => {
                assert_eq!((of, entry.message.as_str()), (id, message));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_writes_under_way() {
    let activities = activities();
    let begun = Instant::now();
    assert_eq!(activities.shutdown().await, 0);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing to wait for");

    let id = activities.create("research").await.unwrap();
    let (finish, finished) = oneshot::channel::<()>();
    let (under_way, store) = (activities.write_under_way(), activities.clone());
    tokio::spawn(async move {
        let _under_way = under_way;
        finished.await.unwrap();
        store.cancel(id, "dropped").await.unwrap();
    });
    let mut shutdown = std::pin::pin!(activities.shutdown());
    assert!(timeout(Duration::from_secs(3), shutdown.as_mut()).await.is_err(), "it did not wait");
    finish.send(()).unwrap();
    assert_eq!(shutdown.await, 0);
    assert_eq!(activity(&activities, id).await.status, Status::Canceled);
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_and_says_how_many_writes_are_left() {
    let activities = activities();
    let stuck = [activities.write_under_way(), activities.write_under_way()];
    let begun = Instant::now();
    assert_eq!(activities.shutdown().await, 2);
    assert_eq!(begun.elapsed(), SHUTDOWN_WAIT);
    drop(stuck);
    assert_eq!(activities.shutdown().await, 0);
}

#[tokio::test]
async fn clones_and_shared_stores_see_the_same_activities() {
    let store: Arc<dyn ActivityStore> = Arc::new(MemoryStore::new());
    let (one, two) = (Activities::new(store.clone()), Activities::new(store));
    let id = one.clone().create("research").await.unwrap();
    assert_eq!(two.start(id).await.unwrap(), Attempt::FIRST);
    // Requests of two handles are different requests, though each handle counts its own.
    let progress = Change::Progress { percentage: None, only_raise: true };
    for handle in [&one, &two, &one] {
        handle.write(id, None, progress.clone(), "Working".into()).await.unwrap();
    }
    assert_eq!(log(&one, id).await.len(), 5);
}

#[tokio::test]
async fn debug_output_shows_no_record() {
    let activities = activities();
    let id = activities.create("research").metadata("org", "acme").message("prompt text").await.unwrap();
    let shown = format!("{activities:?} {:?}", activities.update(id, "more text"));
    assert!(!shown.contains("acme") && !shown.contains("prompt text"), "{shown}");
}
