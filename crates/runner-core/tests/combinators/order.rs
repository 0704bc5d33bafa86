//! Every order of the combinators compiles and behaves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentexec_activity_core::Status;
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{BoxRun, Retry, Run, RunContext, RunExt, Runner};

use crate::support::{BROKEN, BUSY, Busy, Flaky, fails, tracked_store};

const LIMIT: Duration = Duration::from_mins(5);

/// A runner that needs its fallback: it always fails.
fn primary() -> Flaky {
    fails(u32::MAX, BUSY)
}

fn other() -> Flaky {
    fails(0, BUSY)
}

fn policy() -> Retry {
    Retry::times(1)
}

const FELL_BACK: &str = "Completed with fallback model";

async fn assert_falls_back(runner: impl Run<Input = (), Output = u32, Error = Busy>) {
    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    runner.tracked(&activities).run(id, ()).await.unwrap();
    assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
    assert_eq!(store.messages(id).last().unwrap(), FELL_BACK);
}

#[tokio::test(start_paused = true)]
async fn every_order_inside_the_lifecycle() {
    assert_falls_back(primary().retry(policy()).fallback(other()).timeout(LIMIT)).await;
    assert_falls_back(primary().retry(policy()).timeout(LIMIT).fallback(other())).await;
    assert_falls_back(primary().fallback(other()).retry(policy()).timeout(LIMIT)).await;
    assert_falls_back(primary().fallback(other()).timeout(LIMIT).retry(policy())).await;
    assert_falls_back(primary().timeout(LIMIT).retry(policy()).fallback(other())).await;
    assert_falls_back(primary().timeout(LIMIT).fallback(other()).retry(policy())).await;
}

#[tokio::test(start_paused = true)]
async fn combinators_behind_tracked_go_inside_the_lifecycle() {
    let (store, activities) = tracked_store();
    let tracked = || primary().tracked(&activities);
    let (a, b, c) = (
        tracked().retry(policy()).fallback(other()).timeout(LIMIT),
        tracked().fallback(other()).timeout(LIMIT).retry_if(policy(), |_| true),
        tracked().timeout(LIMIT).retry(policy()).fallback_if(other(), |_| true),
    );
    let ids = [(); 3].map(|()| agentexec_activity_core::AgentId::new());
    for id in ids {
        activities.create("research").id(id).await.unwrap();
    }
    a.run(ids[0], ()).await.unwrap();
    b.run(ids[1], ()).await.unwrap();
    c.run(ids[2], ()).await.unwrap();
    for id in ids {
        assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Complete]);
        assert_eq!(store.messages(id).last().unwrap(), FELL_BACK);
    }
}

#[tokio::test]
async fn a_runner_that_cannot_be_cloned_takes_combinators_behind_tracked() {
    struct Unique;

    impl Runner for Unique {
        type Input = ();
        type Output = u32;
        type Error = Busy;

        async fn run(&self, _cx: &RunContext, (): ()) -> Result<u32, Busy> {
            Err(BROKEN)
        }
    }

    let (store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    Unique.tracked(&activities).retry(policy()).fallback(other()).timeout(LIMIT).run(id, ()).await.unwrap();
    assert_eq!(store.messages(id).last().unwrap(), FELL_BACK);
}

#[tokio::test(start_paused = true)]
async fn a_tracked_runner_is_shared_by_its_clones() {
    let (_store, activities) = tracked_store();
    let runner = fails(1, BUSY);
    let tracked = runner.clone().tracked(&activities);
    let again = tracked.clone().retry(policy());
    let (first, second) =
        (activities.create("research").await.unwrap(), activities.create("research").await.unwrap());
    tracked.run(first, ()).await.unwrap_err();
    assert_eq!(again.run(second, ()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn different_runners_stand_in_one_map() {
    let mut runners: HashMap<&str, BoxRun<(), u32, Busy>> = HashMap::new();
    runners.insert("plain", other().boxed());
    runners.insert("careful", fails(1, BUSY).retry(policy()).timeout(LIMIT).boxed());
    runners.insert("doubled", primary().fallback(other()).boxed());

    let (store, activities) = tracked_store();
    for (name, output) in [("plain", 1), ("careful", 2), ("doubled", 1)] {
        let id = activities.create(name).await.unwrap();
        let runner = runners[name].clone().timeout(LIMIT).tracked(&activities);
        assert_eq!(runner.run(id, ()).await.unwrap(), output, "{name}");
        assert_eq!(store.statuses(id).last(), Some(&Status::Complete));
    }
}

#[tokio::test(start_paused = true)]
async fn a_boxed_runner_resumes_and_describes_like_the_one_inside() {
    use crate::support::{Broke, Steps};

    let boxed = Steps { breaks_after: 2 }.boxed();
    let (_, before) = boxed.clone().retry(policy()).execute(&RunContext::untracked(), vec![0]).await.unwrap();
    assert_eq!(before, [0, 1, 2]);
    assert_eq!(boxed.describe_error(&Broke(vec![0])), "broke after 1 steps");
}

#[tokio::test(start_paused = true)]
async fn a_shared_runner_is_a_runner() {
    let shared = Arc::new(fails(1, BUSY));
    let runner = Arc::clone(&shared).retry(policy()).fallback(Arc::clone(&shared));
    assert_eq!(runner.execute(&RunContext::untracked(), ()).await.unwrap(), 2);
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn the_futures_of_runs_can_be_sent_to_another_thread() {
    let (_store, activities) = tracked_store();
    let id = activities.create("research").await.unwrap();
    let tracked = primary().retry(policy()).fallback(other()).timeout(LIMIT).tracked(&activities);
    is_send(tracked.run(id, ())).await.unwrap();
    let id = activities.create("research").await.unwrap();
    let track = agentexec_runner_core::Track::track(&activities, id, |cx: RunContext| async move {
        cx.note("Working").await;
        Ok::<_, Busy>(())
    });
    is_send(track).await.unwrap();
    let id = activities.create("research").await.unwrap();
    tokio::spawn(async move { tracked.run(id, ()).await }).await.unwrap().unwrap();
}
