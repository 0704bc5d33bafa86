//! A deadline or a cancellation: the work is told, has a grace period, and is dropped.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, Scope, Status};
use agentexec_runner_core::testing::{FailingStore, Recorded};
use agentexec_runner_core::{Lifecycle, RunContext, RunError, RunExt, Runner, TrackedError, from_fn};
use tokio::time::{Instant, sleep};

use crate::support::{OnDrop, tracked_store};

const LIMIT: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(5);

/// Works until it is told to stop, then takes `more` to hand something back.
fn slow_to_stop(
    more: Duration,
    result: Result<u32, &'static str>,
) -> impl Runner<Input = (), Output = u32, Error = &'static str> {
    from_fn(move |cx: RunContext, ()| async move {
        cx.canceled().await;
        sleep(more).await;
        result
    })
}

#[tokio::test(start_paused = true)]
async fn an_error_handed_back_after_the_deadline_stands_inside_timed_out() {
    let (store, activities) = tracked_store();
    let id = activities.create("slow").await.unwrap();
    let runner = slow_to_stop(GRACE / 2, Err("read 3 of 5 pages")).timeout(LIMIT).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    let TrackedError::Run(RunError::TimedOut { after, error, .. }) = failed else { panic!("{failed}") };
    assert_eq!((after, error), (LIMIT, Some("read 3 of 5 pages")));
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
    assert_eq!(store.messages(id).last().unwrap(), "Task timed out after 1m.");
}

#[tokio::test(start_paused = true)]
async fn an_output_handed_back_within_the_grace_period_makes_it_complete() {
    let (store, activities) = tracked_store();
    let id = activities.create("slow").await.unwrap();
    let runner = slow_to_stop(GRACE / 2, Ok(3)).timeout(LIMIT).tracked(&activities);
    assert_eq!(runner.run(id, ()).await.unwrap(), 3);
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
    assert_eq!(store.percentages(id).last(), Some(&100));
}

type Seen = Arc<Mutex<Option<(Duration, Vec<Status>)>>>;

/// Ignores that it is told to stop; once it is dropped, says after how long and what the activity's statuses
/// were then.
struct Deaf {
    store: FailingStore,
    seen: Seen,
}

impl Runner for Deaf {
    type Input = ();
    type Output = u32;
    type Error = &'static str;

    async fn run(&self, cx: &RunContext, (): ()) -> Result<u32, &'static str> {
        let started = Instant::now();
        let _guard = OnDrop(|| {
            *self.seen.lock().unwrap() = Some((started.elapsed(), self.store.statuses(cx.id())));
        });
        pending().await
    }
}

fn deaf(store: &FailingStore, seen: &Seen) -> Deaf {
    Deaf { store: store.clone(), seen: Arc::clone(seen) }
}

#[tokio::test(start_paused = true)]
async fn work_that_is_still_there_after_the_grace_period_is_dropped_before_the_status_is_written() {
    let (store, activities) = tracked_store();
    let (id, seen) = (activities.create("slow").await.unwrap(), Seen::default());
    let runner = deaf(&store, &seen).timeout(LIMIT).tracked(&activities);
    let failed = runner.run(id, ()).await.unwrap_err();
    assert!(matches!(failed, TrackedError::Run(RunError::TimedOut { error: None, .. })), "{failed}");
    let (after, statuses) = seen.lock().unwrap().take().unwrap();
    assert_eq!(statuses, [Status::Queued, Status::Running]);
    assert!((LIMIT + GRACE..LIMIT + GRACE * 2).contains(&after), "{after:?}");
    assert_eq!(store.statuses(id).last(), Some(&Status::Error));
}

#[tokio::test(start_paused = true)]
async fn canceled_work_is_dropped_before_the_status_is_written() {
    let (store, activities) = tracked_store();
    let (id, seen) = (activities.create("slow").await.unwrap(), Seen::default());
    let runner = deaf(&store, &seen).tracked(&activities);
    let (failed, ()) = tokio::join!(runner.run(id, ()), cancel_after(LIMIT, &activities, id));
    let failed = failed.unwrap_err();
    assert!(matches!(failed, TrackedError::Run(RunError::Canceled { error: None, .. })), "{failed}");
    let (after, statuses) = seen.lock().unwrap().take().unwrap();
    assert_eq!(statuses, [Status::Queued, Status::Running]);
    assert!((LIMIT + GRACE..LIMIT + GRACE * 2).contains(&after), "{after:?}");
    assert_eq!(store.statuses(id).last(), Some(&Status::Canceled));
}

async fn cancel_after(wait: Duration, activities: &Activities, id: AgentId) {
    sleep(wait).await;
    activities.request_cancel(&Scope::all(), id, "not needed").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_can_be_set() {
    let (store, activities) = tracked_store();
    let (id, seen) = (activities.create("slow").await.unwrap(), Seen::default());
    let lifecycle = Lifecycle::new(&activities).grace(Duration::ZERO);
    let runner = deaf(&store, &seen).timeout(LIMIT).tracked(lifecycle);
    runner.run(id, ()).await.unwrap_err();
    let (after, _) = seen.lock().unwrap().take().unwrap();
    assert!((LIMIT..LIMIT + GRACE).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn the_work_can_see_its_deadline_and_its_grace_period() {
    let (_store, activities) = tracked_store();
    let id = activities.create("slow").await.unwrap();
    let runner = from_fn(|cx: RunContext, ()| async move {
        let left = cx.deadline().unwrap() - Instant::now();
        Ok::<_, &str>((left, cx.grace(), cx.is_canceled()))
    });
    let seen = runner.timeout(LIMIT).tracked(&activities).run(id, ()).await.unwrap();
    assert_eq!(seen, (LIMIT, GRACE, false));
}
