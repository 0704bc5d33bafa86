//! The work ends by itself: with an output or an error.

use agentexec_activity_core::{Activities, AgentId, MemoryStore, Messages, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{RunContext, RunError, RunExt, Runner, Track, TrackedError, error_chain};
use anyhow::Context;

use crate::support::tracked_store;

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("disk {0} is full")]
struct DiskFull(u64);

#[derive(Debug, thiserror::Error)]
#[error("the import failed")]
struct ImportFailed(#[source] DiskFull);

#[tokio::test]
async fn an_output_makes_it_complete_at_100_percent() {
    let (store, activities) = tracked_store();
    let id = activities.create("sum").await.unwrap();
    let sum = activities
        .track(id, |cx| async move {
            cx.progress("Adding", 40).await;
            Ok::<_, anyhow::Error>(1 + 1)
        })
        .await;
    assert_eq!(sum.unwrap(), 2);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
    assert_eq!(store.percentages(id), [0, 0, 40, 100]);
    assert_eq!(
        store.messages(id),
        ["Waiting to start.", "Task started.", "Adding", "Task completed successfully."]
    );
}

#[tokio::test]
async fn an_error_comes_back_unchanged_and_keeps_the_percentage() {
    let (store, activities) = tracked_store();
    let id = activities.create("import").await.unwrap();
    let failed = activities
        .track(id, |cx| async move {
            cx.progress("Importing", 40).await;
            Err::<(), _>(anyhow::Error::new(DiskFull(7)).context("the import failed"))
        })
        .await
        .unwrap_err();
    let error: anyhow::Error = failed.into_error().unwrap();
    assert_eq!(error.downcast_ref::<DiskFull>(), Some(&DiskFull(7)));
    assert_eq!(error.to_string(), "the import failed");
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
    assert_eq!(store.percentages(id).last(), Some(&40));
}

#[tokio::test]
async fn the_log_has_the_chain_of_the_error_without_what_is_redacted() {
    let store = MemoryStore::new();
    let hook = |text: &str| text.replace("sk-123", "[key]");
    let activities = Activities::builder(store.clone()).redact(hook).build();
    let id = activities.create("import").await.unwrap();
    let failed = activities
        .track(id, |_cx| async { Err::<(), _>(anyhow::anyhow!("sk-123 was refused")).context("no answer") })
        .await
        .unwrap_err();
    assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: no answer: [key] was refused");
    assert_eq!(format!("{:#}", failed.into_error().unwrap()), "no answer: sk-123 was refused");
}

#[tokio::test]
async fn a_runner_says_how_its_error_reads() {
    struct Import;

    impl Runner for Import {
        type Input = ();
        type Output = ();
        type Error = ImportFailed;

        async fn run(&self, _cx: &RunContext, (): ()) -> Result<(), ImportFailed> {
            Err(ImportFailed(DiskFull(7)))
        }

        fn describe(&self, error: &ImportFailed) -> String {
            error_chain(error)
        }
    }

    let (store, activities) = tracked_store();
    let id = activities.create("import").await.unwrap();
    let failed = Import.tracked(&activities).run(id, ()).await.unwrap_err();
    assert!(matches!(
        failed,
        TrackedError::Run(RunError::Failed { error: ImportFailed(DiskFull(7)), tries: 1 })
    ));
    assert_eq!(
        store.messages(id).last().unwrap(),
        "Task failed with error: the import failed: disk 7 is full"
    );
}

/// An output that can do nothing, not even be shown.
struct Secret;

async fn fails_for_anyhow(activities: &Activities, id: AgentId) -> anyhow::Result<Secret> {
    Ok(activities.track(id, |_cx| async { Err::<Secret, _>(anyhow::anyhow!("no paper")) }).await?)
}

async fn fails_for_a_box(activities: &Activities, id: AgentId) -> Result<Secret, Box<dyn std::error::Error>> {
    Ok(activities.track(id, |_cx| async { Err::<Secret, _>(DiskFull(7)) }).await?)
}

#[tokio::test]
async fn the_errors_go_into_those_of_a_program_whatever_the_output_is() {
    let (_store, activities) = tracked_store();
    let id = activities.create("a").await.unwrap();
    assert_eq!(fails_for_anyhow(&activities, id).await.err().unwrap().to_string(), "no paper");
    let refused = fails_for_anyhow(&activities, id).await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        format!("the run did not start: activity {id} is error and cannot become running: it has ended")
    );
    let id = activities.create("a").await.unwrap();
    assert_eq!(fails_for_a_box(&activities, id).await.err().unwrap().to_string(), "disk 7 is full");
}

#[tokio::test]
async fn an_output_is_not_shown_by_debug() {
    let (store, activities) = tracked_store();
    let id = activities.create("a").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.activities().unwrap().cancel(id, "cleaning up").await.unwrap();
        Ok::<_, &str>("the secret answer")
    };
    let failed = activities.track(id, work).await.unwrap_err();
    assert!(!format!("{failed:?}").contains("secret"), "{failed:?}");
    assert_eq!(failed.into_output(), Some("the secret answer"));
    assert_eq!(store.statuses(id).last(), Some(&Status::Canceled));
}

#[tokio::test]
async fn the_configured_messages_are_used() {
    let store = MemoryStore::new();
    let messages = Messages {
        started: "On it.".into(),
        complete: "Done.".into(),
        error: "Oh no: {error}".into(),
        ..Messages::default()
    };
    let activities = Activities::builder(store.clone()).messages(messages).build();
    let (well, badly) = (activities.create("a").await.unwrap(), activities.create("b").await.unwrap());
    activities.track(well, |_cx| async { Ok::<_, &str>(()) }).await.unwrap();
    activities.track(badly, |_cx| async { Err::<(), _>("no paper") }).await.unwrap_err();
    assert_eq!(store.messages(well), ["Waiting to start.", "On it.", "Done."]);
    assert_eq!(store.messages(badly), ["Waiting to start.", "On it.", "Oh no: no paper"]);
}

#[tokio::test]
async fn the_work_may_say_what_the_log_says_at_the_end() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.complete_with("Max turns reached");
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), "Max turns reached");
    assert_eq!(store.percentages(id).last(), Some(&100));
}

#[tokio::test]
async fn a_percentage_is_clamped_and_an_automatic_one_never_lowers_it() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        cx.progress("Too little", -5).await;
        cx.progress("Half", 50).await;
        cx.note("Still half").await;
        cx.progress_at_least("Automatic", 20).await;
        cx.progress("Less", 30).await;
        cx.progress("Too much", 101).await;
        Ok::<_, &str>(())
    };
    activities.track(id, work).await.unwrap();
    assert_eq!(store.percentages(id), [0, 0, 0, 50, 50, 50, 30, 100, 100]);
}

#[tokio::test]
async fn update_says_what_was_recorded() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let work = |cx: RunContext| async move {
        let written = cx.update("Reading", None).await.unwrap().unwrap();
        Ok::<_, &str>((written.seq, cx.attempt() == written.attempt, cx.id()))
    };
    assert_eq!(activities.track(id, work).await.unwrap(), (3, true, id));
    let untracked = RunContext::untracked();
    assert!(untracked.update("Reading", None).await.unwrap().is_none());
}
