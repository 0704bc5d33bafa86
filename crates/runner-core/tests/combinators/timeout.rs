//! Deadlines of parts of a run.

use std::time::Duration;

use agentexec_runner_core::{Run, RunContext, RunError, RunExt, from_fn};
use tokio::time::{Instant, sleep};

use crate::support::{BUSY, Endless, fails};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn the_nearest_deadline_is_the_one_that_the_work_sees() {
    let left = |cx: RunContext, ()| async move { Ok::<_, &str>(cx.deadline().unwrap() - Instant::now()) };
    let cx = RunContext::untracked();
    for (inner, outer) in [(MINUTE, MINUTE * 5), (MINUTE * 5, MINUTE)] {
        let runner = from_fn(left).timeout(inner).timeout(outer);
        assert_eq!(runner.execute(&cx, ()).await.unwrap(), MINUTE);
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_is_quick_enough_never_notices() {
    let slow = from_fn(|cx: RunContext, ()| async move {
        sleep(MINUTE / 2).await;
        Ok::<_, &str>(cx.is_canceled())
    });
    assert!(!slow.timeout(MINUTE).execute(&RunContext::untracked(), ()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_no_clock_can_reach_is_none() {
    let runner = fails(0, BUSY).timeout(Duration::MAX);
    assert_eq!(runner.execute(&RunContext::untracked(), ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_its_own_part_alone() {
    let cx = RunContext::untracked();
    let failed = Endless.timeout(MINUTE).execute(&cx, ()).await.unwrap_err();
    assert!(matches!(failed, RunError::TimedOut { after, error: None, .. } if after == MINUTE));
    assert!(!cx.is_canceled());
    assert_eq!(cx.deadline(), None);
}
