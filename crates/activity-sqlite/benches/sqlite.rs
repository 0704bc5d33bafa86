//! What the store in a file costs, beside what the same disk can do: `cargo bench -p agentexec-activity-sqlite`.
//!
//! Each write is durable before it is answered. Writers are tasks that update an activity of their own one by one.
//! The limit is how often the disk flushes a block, measured in the same folder just before: writers that wait
//! together share a flush. Reads are of a store of 10,000 activities and then of 100,000, with ten log entries each;
//! their cost must not grow.
//!
//! The files are made below `TMPDIR`; in memory (`tmpfs`) a flush costs nothing, and the figures say little.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs::File;
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use agentexec_activity_core::{Activities, AgentId, ListQuery, Metadata, Order, Scope, Status};
use agentexec_activity_sqlite::SqliteStore;
use criterion::Criterion;
use futures_util::{StreamExt, future, stream};
use tokio::runtime::{Builder, Runtime};

/// How long each measurement of writes takes.
const TIME: Duration = Duration::from_secs(3);
/// The goal for updates by so many concurrent writers: this many a second, or this share of the limit.
const WRITERS: usize = 50;
const GOAL: f64 = 5_000.0;
const GOAL_SHARE: f64 = 0.6;
/// The goal for updates by so many that each flush is shared by hundreds.
const MANY_WRITERS: usize = 2_000;
const GOAL_OF_MANY: f64 = 30_000.0;
/// How often a read is timed for its median.
const READS: usize = 1000;
/// The goal for the median of a read.
const GOAL_OF_READS: Duration = Duration::from_millis(1);

/// How often the disk can flush a block that was written, in a second.
fn flushes(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("flushes")).unwrap();
    let block = [7; 4096];
    for _ in 0..256 {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    let (since, mut done) = (Instant::now(), 0_u32);
    while since.elapsed() < TIME {
        file.seek(SeekFrom::Start(u64::from(done % 256) * 4096)).unwrap();
        file.write_all(&block).unwrap();
        file.sync_all().unwrap();
        done += 1;
    }
    f64::from(done) / since.elapsed().as_secs_f64()
}

async fn running(activities: &Activities, many: usize) -> Vec<AgentId> {
    let started = (0..many).map(|_| async {
        let id = activities.create("research").metadata("org", "acme").await.unwrap();
        activities.start(id).await.unwrap();
        id
    });
    future::join_all(started).await
}

/// Updates by so many writers, in a second.
async fn updates(activities: &Activities, writers: usize) -> f64 {
    let ids = running(activities, writers).await;
    let since = Instant::now();
    let tasks: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let activities = activities.clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while since.elapsed() < TIME {
                    activities.update(id, "Reading the sources").percentage(50).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    f64::from(done) / since.elapsed().as_secs_f64()
}

fn writes(runtime: &Runtime, folder: &Path) {
    let store = runtime.block_on(SqliteStore::open(folder.join("writes.db"))).unwrap();
    let activities = Activities::new(store);
    let limit = flushes(folder);
    println!("sqlite/flushes           {limit:.0} flushes/s of this disk: the limit of one writer");
    let one = runtime.block_on(updates(&activities, 1));
    println!("sqlite/updates/1         {one:.0}/s, {:.2} of the limit", one / limit);
    let together = limit * WRITERS as f64;
    let goal = GOAL.min(GOAL_SHARE * together);
    let rate = runtime.block_on(updates(&activities, WRITERS));
    println!(
        "sqlite/updates/{WRITERS}        {rate:.0}/s, {:.3} of {WRITERS} times the limit (goal: above {goal:.0}/s): {}",
        rate / together,
        verdict(rate > goal)
    );
    let rate = runtime.block_on(updates(&activities, MANY_WRITERS));
    println!(
        "sqlite/updates/{MANY_WRITERS}      {rate:.0}/s (goal: above {GOAL_OF_MANY:.0}/s): {}",
        verdict(rate > GOAL_OF_MANY)
    );
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

/// Ten log entries: created, started, seven reports, ended.
async fn live(activities: &Activities, number: usize) {
    let id = activities.create("research").metadata("org", number % 10).await.unwrap();
    if number.is_multiple_of(20) {
        return;
    }
    activities.start(id).await.unwrap();
    for percentage in 1..=7 {
        activities.update(id, "Reading the sources").percentage(percentage * 10).await.unwrap();
    }
    match number % 20 {
        1 => {}
        2 => drop(activities.error(id, "no route to host").await.unwrap()),
        _ => drop(activities.complete(id).await.unwrap()),
    }
}

/// The median of a read's times.
async fn median<R: Future>(read: impl Fn() -> R) -> Duration {
    let mut times = Vec::new();
    for _ in 0..READS {
        let since = Instant::now();
        black_box(read().await);
        times.push(since.elapsed());
    }
    times.sort_unstable();
    times.into_iter().nth(READS / 2).unwrap()
}

fn reads(runtime: &Runtime, folder: &Path, criterion: &mut Criterion) {
    let file = folder.join("reads.db");
    let store = runtime.block_on(SqliteStore::open(&file)).unwrap();
    let activities = Activities::new(store);
    let tenant = Metadata::new().with("org", 3).unwrap();
    let all = || ListQuery::new(Scope::all());
    let queries = [
        ("list of 50", all()),
        ("list of 50, newest first", all().order(Order::Created)),
        ("list of 50, failed", all().status(Status::Error)),
        ("list of 50, one type", all().activity_type("research")),
        ("list of 50, one tenant", all().metadata(tenant)),
    ];
    let mut medians: Vec<(&str, Vec<Duration>)> = Vec::new();
    let mut before = 0;
    for many in [10_000, 100_000] {
        let lives = stream::iter(before..many).map(|number| live(&activities, number));
        runtime.block_on(lives.buffer_unordered(512).for_each(|()| async {}));
        before = many;
        let bytes = std::fs::metadata(&file).unwrap().len();
        println!("sqlite/size              {} bytes per activity, of {many}", bytes / many as u64);
        let mut group = criterion.benchmark_group(format!("sqlite, {many} activities"));
        let mut note = |name, median| match medians.iter_mut().find(|(known, _)| *known == name) {
            Some((_, medians)) => medians.push(median),
            None => medians.push((name, vec![median])),
        };
        for (name, query) in &queries {
            let list = async || activities.list(query).await.unwrap();
            group.bench_function(*name, |bencher| bencher.to_async(runtime).iter(list));
            note(*name, runtime.block_on(median(list)));
        }
        let counts = async || activities.counts(&Scope::all()).await.unwrap();
        group.bench_function("counts", |bencher| bencher.to_async(runtime).iter(counts));
        note("counts", runtime.block_on(median(counts)));
        group.finish();
    }
    for (name, medians) in medians {
        if let [few, many] = medians[..] {
            let growth = many.as_secs_f64() / few.as_secs_f64();
            println!(
                "sqlite/{name:<26} p50 {few:.0?} of 10,000, {many:.0?} of 100,000: {growth:.2} times \
                 (goal: below {GOAL_OF_READS:?}, once): {}",
                verdict(many < GOAL_OF_READS)
            );
        }
    }
}

fn main() {
    // Without `--bench` this was started by a test run over all targets.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    writes(&runtime, folder.path());
    let mut criterion = Criterion::default().configure_from_args();
    reads(&runtime, folder.path(), &mut criterion);
    criterion.final_summary();
}
