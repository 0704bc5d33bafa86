//! What the store in memory costs, alone and through the handle, on one core.
//!
//! `cargo bench -p agentexec-activity-core`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark stops at the first error")]
#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use agentexec_activity_core::{
    Activities, AgentId, Change, ListQuery, MemoryStore, Message, Metadata, Order, Percent, Scope, Status,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

/// How many activities a store gets before it is replaced, where a benchmark makes new ones all the time.
const STORE_SIZE: u64 = 10_000;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// A store with so many activities, of all statuses and ten tenants.
async fn filled(many: usize) -> (Activities, Vec<AgentId>) {
    let activities = Activities::new(MemoryStore::new());
    let mut ids = Vec::new();
    for number in 0..many {
        let id = activities.create("research").metadata("org", number % 10).await.unwrap();
        match number % 20 {
            0 => {}
            1 => drop(activities.start(id).await.unwrap()),
            2 => drop(activities.error(id, "no route to host").await.unwrap()),
            _ => {
                activities.start(id).await.unwrap();
                activities.complete(id).await.unwrap();
            }
        }
        ids.push(id);
    }
    (activities, ids)
}

async fn running(activities: &Activities, many: usize) -> Vec<AgentId> {
    let mut ids = Vec::new();
    for _ in 0..many {
        let id = activities.create("research").await.unwrap();
        activities.start(id).await.unwrap();
        ids.push(id);
    }
    ids
}

/// Progress of running activities, one after the other.
fn updates(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(1));
    for many in [1, 10_000] {
        let activities = Activities::new(MemoryStore::new());
        let ids = runtime.block_on(running(&activities, many));
        let mut next = ids.iter().cycle().copied();
        group.bench_function(BenchmarkId::new("handle", many), |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let id = next.next().unwrap();
                let update = activities.update(id, "Reading the third of seven sources").percentage(30);
                async move { black_box(update.await.unwrap()) }
            });
        });
        let message = Message::from("Reading the third of seven sources");
        let change = Change::Progress { percentage: Some(Percent::clamped(30)), only_raise: true };
        group.bench_function(BenchmarkId::new("store", many), |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let id = next.next().unwrap();
                let write = activities.named_write(id, None, change.clone(), message.clone());
                let store = activities.store();
                async move { black_box(store.write(write).await.unwrap()) }
            });
        });
    }
    group.finish();
}

/// The record of one run: create, start, complete.
fn lives(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("life");
    group.throughput(Throughput::Elements(1));
    group.bench_function("create, start, complete", |bencher| {
        bencher.to_async(&runtime).iter_custom(|mut left| async move {
            let mut taken = Duration::ZERO;
            while left > 0 {
                let activities = Activities::new(MemoryStore::new());
                let lives = left.min(STORE_SIZE);
                let begun = Instant::now();
                for _ in 0..lives {
                    let id = activities.create("research").await.unwrap();
                    activities.start(id).await.unwrap();
                    black_box(activities.complete(id).await.unwrap());
                }
                taken += begun.elapsed();
                left -= lives;
            }
            taken
        });
    });
    group.finish();
}

/// What a status page asks for, at the size of a service that has run for a while.
fn reads(criterion: &mut Criterion) {
    let runtime = runtime();
    let tenant = Scope::metadata(Metadata::new().with("org", 3).unwrap()).unwrap();
    for many in [10_000, 100_000] {
        let (activities, ids) = runtime.block_on(filled(many));
        let mut group = criterion.benchmark_group(format!("{many} activities"));
        let queries = [
            ("list of 50", ListQuery::new(Scope::all())),
            ("list of 50, newest first", ListQuery::new(Scope::all()).order(Order::Created)),
            ("list of 50, failed", ListQuery::new(Scope::all()).status(Status::Error)),
            ("list of 50, one tenant", ListQuery::new(tenant.clone())),
        ];
        for (name, query) in queries {
            group.bench_function(name, |bencher| {
                bencher.to_async(&runtime).iter(async || black_box(activities.list(&query).await.unwrap()));
            });
        }
        for (name, scope) in [("counts", Scope::all()), ("counts, one tenant", tenant.clone())] {
            group.bench_function(name, |bencher| {
                bencher.to_async(&runtime).iter(async || black_box(activities.counts(&scope).await.unwrap()));
            });
        }
        let mut next = ids.iter().cycle().copied();
        group.bench_function("detail", |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let (activities, id) = (&activities, next.next().unwrap());
                async move { black_box(activities.detail(&Scope::all(), id).await.unwrap()) }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, updates, lives, reads);
criterion_main!(benches);
