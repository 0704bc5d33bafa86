//! One handle, several runtimes in the process. Each has a clock of its own, which the tests let pass in step.

use std::time::Duration;

use agentexec_activity_core::{Activities, AgentId, LEASE_TTL, Status};
use agentexec_runner_core::{Lifecycle, Track, Tracking};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::durable::Durable;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn run_on(runtime: &Runtime, activities: &Activities) -> (AgentId, JoinHandle<bool>) {
    runtime.block_on(async {
        let (id, activities) = (activities.create("research").await.unwrap(), activities.clone());
        let run = tokio::spawn(async move {
            let work = |_cx| async {
                sleep(5 * LEASE_TTL).await;
                Ok::<_, &str>(())
            };
            activities.track(id, work).await.is_ok()
        });
        sleep(Duration::from_secs(1)).await;
        (id, run)
    })
}

#[test]
fn a_runtime_that_goes_down_leaves_the_heartbeat_to_another() {
    let (store, first, second) = (Durable::new(), runtime(), runtime());
    let activities = store.process("web-1");
    let (lost, _) = run_on(&first, &activities);
    let (id, run) = run_on(&second, &activities);
    drop(first);
    let reap = async {
        store.elsewhere().process("web-2").keep_reaping().await;
        false
    };
    let ended = second.block_on(async {
        tokio::select! {
            ended = run => ended.unwrap(),
            never = reap => never,
        }
    });
    assert!(ended);
    assert_eq!(second.block_on(store.status(id)), Status::Complete);
    assert_eq!(second.block_on(store.status(lost)), Status::Error);
}

#[test]
fn a_runtime_that_stands_still_leaves_the_heartbeat_to_another() {
    let (store, first, second) = (Durable::new(), runtime(), runtime());
    let activities = store.process("web-1");
    let (_, still) = run_on(&first, &activities);
    let (id, run) = run_on(&second, &activities);
    let other = store.elsewhere().process("web-2");
    second.spawn(async move { other.keep_reaping().await });
    assert!(second.block_on(run).unwrap());
    assert_eq!(second.block_on(store.status(id)), Status::Complete);
    // It goes on later, and finds that its lease was renewed by the other meanwhile.
    assert!(first.block_on(still).unwrap());
}

#[test]
fn a_strict_run_does_not_stop_for_want_of_somebody_elses_runtime() {
    let (store, first, second) = (Durable::new(), runtime(), runtime());
    let activities = store.process("web-1");
    let (_, _still) = run_on(&first, &activities);
    let ended = second.block_on(async {
        let id = activities.create("research").await.unwrap();
        let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict);
        let work = |_cx| async {
            sleep(5 * LEASE_TTL).await;
            Ok::<_, &str>(())
        };
        lifecycle.run(id, work).await
    });
    ended.unwrap();
}
