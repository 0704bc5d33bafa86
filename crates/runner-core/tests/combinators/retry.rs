//! Trying again.

use std::time::Duration;

use agentexec_activity_core::{Activities, MemoryStore, Scope, Status};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, Run, RunContext, RunError, RunEvent, RunExt, TrackedError, from_fn};
use futures_util::TryStreamExt;
use tokio::time::{Instant, sleep};

use crate::support::{BROKEN, BUSY, Busy, Endless, Steps, fails, tracked_store};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn the_log_says_each_retry() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(3, BUSY).retry(Retry::default()).tracked(&activities);
    assert_eq!(runner.run(id, ()).await.unwrap(), 4);
    assert_eq!(
        store.messages(id)[2..],
        ["Retry 1/3: busy", "Retry 2/3: busy", "Retry 3/3: busy", "Task completed successfully."]
    );
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_log_says_how_often_it_was_tried() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BUSY);
    let failed = runner.clone().retry(Retry::default()).tracked(&activities).run(id, ()).await.unwrap_err();
    assert_eq!(runner.tries(), 4);
    assert_eq!(store.messages(id).last().unwrap(), "Failed after 3 retries: busy");
    assert_eq!(failed.to_string(), "Failed after 3 retries: busy");
    assert!(matches!(failed, TrackedError::Run(RunError::Failed { error, tries: 4 }) if error == BUSY));
}

#[tokio::test(start_paused = true)]
async fn one_retry_is_not_retries() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BUSY).retry(Retry::times(1)).tracked(&activities);
    runner.run(id, ()).await.unwrap_err();
    assert_eq!(store.messages(id)[2..], ["Retry 1/1: busy", "Failed after 1 retry: busy"]);
}

#[tokio::test]
async fn an_error_that_will_not_go_away_is_not_tried_again() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BROKEN);
    runner.clone().retry(Retry::default()).tracked(&activities).run(id, ()).await.unwrap_err();
    assert_eq!(runner.tries(), 1);
    assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: broken");
}

#[tokio::test]
async fn no_retries_is_one_try() {
    let runner = fails(1, BUSY);
    let failed = runner.clone().retry(Retry::times(0)).execute(&RunContext::untracked(), ()).await;
    assert!(matches!(failed, Err(RunError::Failed { tries: 1, .. })));
    assert_eq!(runner.tries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_predicate_decides_for_errors_of_others() {
    let transient = |error: &anyhow::Error| error.to_string().contains("timeout");
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = std::sync::Arc::clone(&tries);
    let runner = from_fn(move |_cx: RunContext, ()| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { Err::<(), _>(anyhow::anyhow!(if number == 0 { "timeout" } else { "no such model" })) }
    });
    let failed = runner.retry_if(Retry::default(), transient).execute(&RunContext::untracked(), ()).await;
    assert_eq!(failed.unwrap_err().to_string(), "Failed after 1 retry: no such model");
    assert_eq!(tries.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_other_side_asks() {
    let asked = Busy { ask: Some(MINUTE), ..BUSY };
    let (cx, started) = (RunContext::untracked(), Instant::now());
    fails(1, asked).retry(Retry::default()).execute(&cx, ()).await.unwrap();
    assert!(
        (MINUTE..MINUTE + Duration::from_secs(1)).contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn asked_for_more_patience_than_it_has_it_gives_up_at_once() {
    let cx = RunContext::untracked();
    for ask in [Duration::from_secs(121), Duration::MAX] {
        let (runner, started) = (fails(1, Busy { ask: Some(ask), ..BUSY }), Instant::now());
        let failed = runner.clone().retry(Retry::default()).execute(&cx, ()).await;
        assert!(matches!(failed, Err(RunError::Failed { tries: 1, .. })));
        assert_eq!((runner.tries(), started.elapsed()), (1, Duration::ZERO));
    }
    let asked = Busy { ask: Some(MINUTE * 10), ..BUSY };
    let patient = Retry::default().patience(MINUTE * 10);
    assert_eq!(fails(1, asked).retry(patient).execute(&cx, ()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_no_clock_can_reach_passes_every_deadline() {
    let asked = Busy { ask: Some(Duration::MAX), ..BUSY };
    let patient = Retry::default().patience(Duration::MAX);
    let runner = fails(1, asked).retry(patient).timeout(MINUTE);
    let failed = runner.execute(&RunContext::untracked(), ()).await;
    assert!(matches!(failed, Err(RunError::Failed { tries: 1, .. })));
}

/// The waits before each retry of so many.
async fn waits(policy: Retry, retries: u32) -> Vec<Duration> {
    let starts = std::sync::Mutex::new(Vec::new());
    let starts = std::sync::Arc::new(starts);
    let log = std::sync::Arc::clone(&starts);
    let runner = from_fn(move |_cx: RunContext, ()| {
        log.lock().unwrap().push(Instant::now());
        async { Err::<(), _>(BUSY) }
    });
    runner.retry(policy).execute(&RunContext::untracked(), ()).await.unwrap_err();
    let starts = starts.lock().unwrap();
    assert_eq!(starts.len(), retries as usize + 1);
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Tokio's clock moves in steps of a millisecond.
const STEP: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn the_most_that_it_waits_doubles_up_to_a_limit() {
    let policy = Retry::times(6).base(Duration::from_secs(1)).longest(Duration::from_secs(10));
    let mut longest = [Duration::ZERO; 6];
    for _ in 0..200 {
        for (longest, wait) in longest.iter_mut().zip(waits(policy.clone(), 6).await) {
            *longest = wait.max(*longest);
        }
    }
    for (longest, most) in longest.into_iter().zip([1, 2, 4, 8, 10, 10].map(Duration::from_secs)) {
        assert!(longest <= most + STEP, "{longest:?} of {most:?}");
        // Of 200 draws from 0 to `most`, none in the upper fifth: less often than once in 10^19.
        assert!(longest > most.mul_f64(0.8), "{longest:?} of {most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_are_spread_over_the_whole_range() {
    let second = Duration::from_secs(1);
    let waits = waits(Retry::times(1000).base(second).longest(second), 1000).await;
    let tenths = waits.iter().fold([0; 10], |mut tenths, wait| {
        tenths[((wait.as_millis() / 100) as usize).min(9)] += 1;
        tenths
    });
    // 100 are expected in each tenth, with a standard deviation below 10.
    assert!(tenths.iter().all(|count| (30..=170).contains(count)), "{tenths:?}");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_when_the_deadline_would_pass_meanwhile() {
    let asked = Busy { ask: Some(MINUTE), ..BUSY };
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let started = Instant::now();
    let runner = fails(1, asked).retry(Retry::default()).timeout(MINUTE).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert!(matches!(failed, TrackedError::Run(RunError::Failed { tries: 1, .. })), "{failed}");
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: busy");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_try_again_once_the_run_is_canceled() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let canceling = from_fn(|cx: RunContext, ()| async move {
        cx.cancel("not needed");
        Err::<(), _>(BUSY)
    });
    let failed = canceling.retry(Retry::default()).tracked(&activities).run(id, ()).await.unwrap_err();
    assert!(failed.run_error().unwrap().is_canceled(), "{failed}");
    assert_eq!(store.messages(id)[2..], ["Task canceled: not needed"]);
}

#[tokio::test(start_paused = true)]
async fn canceled_while_it_waits_it_hands_back_the_last_error() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let asked = Busy { ask: Some(MINUTE), ..BUSY };
    let runner = fails(1, asked.clone()).retry(Retry::default()).tracked(&activities);
    let started = Instant::now();
    let (failed, ()) = tokio::join!(runner.run(id, ()), async {
        sleep(MINUTE / 2).await;
        activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
    });
    assert_eq!(failed.unwrap_err().into_error(), Some(asked));
    assert!(started.elapsed() < MINUTE, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_from_the_work_that_was_done() {
    let runner = Steps { breaks_after: 2 }.retry(Retry::default());
    let (done, before) = runner.execute(&RunContext::untracked(), vec![]).await.unwrap();
    assert_eq!((before, done), (vec![0, 1, 2, 3], vec![4]));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_timed_out_is_tried_again() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = Endless.timeout(MINUTE).retry(Retry::times(2)).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert_eq!(
        store.messages(id)[2..],
        [
            "Retry 1/2: timed out after 1m",
            "Retry 2/2: timed out after 1m",
            "Failed after 2 retries: timed out after 1m"
        ]
    );
    let TrackedError::Run(RunError::TimedOut { after, tries, .. }) = failed else { panic!("{failed}") };
    assert_eq!((after, tries), (MINUTE, 3));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_over_all_tries_says_how_long_they_were_given() {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let runner = Endless.timeout(MINUTE).retry(Retry::times(9)).timeout(MINUTE * 3).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert!(matches!(failed, TrackedError::Run(RunError::TimedOut { after, .. }) if after == MINUTE * 3));
    assert_eq!(store.messages(id).last().unwrap(), "Task timed out after 3m.");
}

#[tokio::test(start_paused = true)]
async fn a_stream_sees_each_retry() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let asked = Busy { ask: Some(MINUTE), ..BUSY };
    let runner = fails(1, asked).retry(Retry::default()).tracked(&activities);
    let events: Vec<RunEvent> = runner.run_streamed(id, ()).try_collect().await.unwrap();
    let retrying = RunEvent::Retrying { retry: 1, retries: 3, delay_ms: 60_000, error: "busy".into() };
    assert!(events.contains(&retrying), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_says_of_a_retry_is_redacted() {
    let store = MemoryStore::new();
    let activities =
        Activities::builder(store.clone()).redact(|text| text.replace("busy", "[state]")).build();
    let id = activities.create("research").await.unwrap();
    let runner = fails(9, BUSY).retry(Retry::times(1)).tracked(&activities);
    let mut events = runner.run_streamed(id, ());
    let mut seen = String::new();
    while let Ok(Some(event)) = events.try_next().await {
        seen.push_str(&format!("{event:?}"));
    }
    assert!(seen.contains("[state]") && !seen.contains("busy"), "{seen}");
    assert_eq!(store.messages(id)[2..], ["Retry 1/1: [state]", "Failed after 1 retry: [state]"]);
}
