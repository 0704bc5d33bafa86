//! What the lifecycle adds to work, over the store in memory: `cargo bench -p agentexec-runner-core --bench
//! lifecycle`.
//!
//! The work is ready at once, or waits once (then the run also waits for a request to stop). Every thousand runs get a store of their own, so that the figures
//! do not depend on how long the bench runs; making and dropping it is not counted.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use agentexec_activity_core::{Activities, AgentId, MemoryStore};
use agentexec_runner_core::{RunContext, RunExt, Track, from_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const RUNS_PER_STORE: u64 = 1000;

/// The time of `runs` runs, each by `run` with an id from `id`.
async fn timed<R>(runs: u64, created_before: bool, run: impl Fn(Activities, AgentId) -> R) -> Duration
where
    R: Future<Output = ()>,
{
    let mut time = Duration::ZERO;
    let mut left = runs;
    while left > 0 {
        let now = left.min(RUNS_PER_STORE);
        left -= now;
        let activities = Activities::new(MemoryStore::new());
        let ids: Vec<AgentId> = (0..now).map(|_| AgentId::new()).collect();
        if created_before {
            for id in &ids {
                activities.create("bench").id(*id).await.unwrap();
            }
        }
        let started = Instant::now();
        for id in ids {
            run(activities.clone(), id).await;
        }
        time += started.elapsed();
    }
    time
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

async fn create(activities: &Activities, id: AgentId) {
    activities.create("bench").id(id).await.unwrap();
}

async fn track(activities: &Activities, id: AgentId) {
    activities.track(id, |cx: RunContext| async move { Ok::<_, &str>(black_box(cx).id()) }).await.unwrap();
}

async fn wait(activities: &Activities, id: AgentId) {
    let work = |cx: RunContext| async move {
        tokio::task::yield_now().await;
        Ok::<_, &str>(black_box(cx).id())
    };
    activities.track(id, work).await.unwrap();
}

fn lifecycle(c: &mut Criterion) {
    let mut group = c.benchmark_group("lifecycle");
    group.bench_function("create", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, false, |activities, id| async move { create(&activities, id).await })
        });
    });
    group.bench_function("track", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, true, |activities, id| async move { track(&activities, id).await })
        });
    });
    group.bench_function("create_and_track", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, false, |activities, id| async move {
                create(&activities, id).await;
                track(&activities, id).await;
            })
        });
    });
    group.bench_function("track_waiting", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, true, |activities, id| async move { wait(&activities, id).await })
        });
    });
    let runner = from_fn(|cx: RunContext, ()| async move { Ok::<_, &str>(black_box(cx).id()) });
    group.bench_function("runner", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, true, |activities, id| {
                let tracked = runner.clone().tracked(&activities);
                async move {
                    black_box(tracked.run(id, ()).await.unwrap());
                }
            })
        });
    });
    group.bench_function("runner_streamed", |b| {
        b.to_async(runtime()).iter_custom(|runs| {
            timed(runs, true, |activities, id| {
                let tracked = runner.clone().tracked(&activities);
                async move {
                    black_box(tracked.run_streamed(id, ()).output().await.unwrap());
                }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, lifecycle);
criterion_main!(benches);
