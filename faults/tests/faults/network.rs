//! A network that hangs, that is slow, that stalls: no run is taken for lost while its process lives, none is stuck,
//! and what waits does not pile up in memory.

use std::time::{Duration, Instant};

use agentexec::activity::Status;
use agentexec::prelude::*;
use agentexec::runner::{TrackedError, Tracking};
use agentexec_faults::bed::{Bed, Observer};
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::{End, Line};
use agentexec_faults::store;
use agentexec_faults::worker::{PATIENCE, Worker};
use agentexec_testbed::{Fault, Proxy};
use tokio::time::sleep;

use crate::support::{end_watch, ends, failures, given_up, worker};

const MEGABYTE: u64 = 1024 * 1024;
/// How much larger a worker may grow while the network fails. In the long tests it says more than that meanwhile, so
/// that a worker which kept what it says would be found.
const GROWTH: u64 = 12 * MEGABYTE;
/// The same where nothing passes, so that there is less to say.
const GROWTH_CUT_OFF: u64 = 3 * MEGABYTE;
/// How many long messages it says at once, in the quick tests and in the long ones.
const FEW: usize = 16;
const MANY: usize = 300;
const MESSAGE: usize = 4000;
/// What each of these lanes has to write before the memory is looked at: by then it has what it needs.
const WARM: usize = 20;
const RUNS: usize = 4;
const SECOND: Duration = Duration::from_secs(1);

const SLOW: Fault = Fault::Latency(Duration::from_millis(800));
const STALLING: Fault = Fault::Stalls { share: 0.01, pause: Duration::from_secs(3), seed: 1 };

macro_rules! faults {
    ($($(#[$attribute:meta])* $name:ident: $fault:expr, $lanes:expr, $lasts:expr, $lease:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $name() {
            survived($fault, $lanes, SECOND * $lasts, SECOND * $lease).await;
        }
    )*};
}

faults! {
    a_connection_that_hangs_for_three_seconds: Fault::HalfOpen, FEW, 3, 10;
    a_slow_network: SLOW, FEW, 3, 5;
    a_network_that_stalls: STALLING, FEW, 5, 15;
    #[ignore = "takes minutes: cargo xtask faults"]
    a_connection_that_hangs_for_thirty_seconds: Fault::HalfOpen, MANY, 30, 45;
    #[ignore = "takes minutes: cargo xtask faults"]
    a_slow_network_for_half_a_minute: SLOW, MANY, 30, 5;
    #[ignore = "takes minutes: cargo xtask faults"]
    a_network_that_stalls_for_a_minute: STALLING, MANY, 60, 15;
}

/// Three processes behind the network: one with runs that last through the fault, one that writes what it can, and
/// one that watches.
struct Behind {
    proxy: Proxy,
    holder: Worker,
    writer: Worker,
    watcher: Worker,
}

impl Behind {
    fn start(bed: &mut Bed, lanes: usize, lease: Duration) -> Self {
        let proxy = Proxy::start(bed.server().addr());
        let store = bed.server().url_at(proxy.addr());
        let job = |name: &str, work| Job { lease, store: store.clone(), ..bed.job(name, work) };
        let mut watcher = worker(job("watcher", Work::Watch));
        watcher.wait_for(|line| matches!(line, Line::Watching).then_some(()));
        let pause = Duration::from_millis(100);
        let write = Work::Write { at_once: lanes, message_bytes: MESSAGE, pause: pause / 2 };
        let mut writer = worker(job("writer", write));
        writer.wait_for_writes(lanes * WARM);
        let mut holder = worker(job("holder", Work::Hold { runs: RUNS, pause }));
        holder.wait_for_writes(2 * RUNS);
        Self { proxy, holder, writer, watcher }
    }

    fn writing(&mut self) -> [&mut Worker; 2] {
        [&mut self.holder, &mut self.writer]
    }

    fn all(&mut self) -> [&mut Worker; 3] {
        [&mut self.holder, &mut self.writer, &mut self.watcher]
    }

    /// Lets the fault last, and says by how much a worker has grown.
    async fn suffer(&mut self, fault: Fault, lasts: Duration) -> u64 {
        let before = self.all().map(|worker| worker.memory());
        let (begin, mut growth) = (Instant::now(), 0);
        self.proxy.set(fault);
        while begin.elapsed() < lasts {
            sleep(Duration::from_millis(100)).await;
            for (worker, before) in self.all().into_iter().zip(before) {
                growth = growth.max(worker.memory().saturating_sub(before));
            }
        }
        self.proxy.set(Fault::None);
        growth
    }
}

async fn survived(fault: Fault, lanes: usize, lasts: Duration, lease: Duration) {
    let mut bed = Bed::redis();
    let observer = bed.observer().await.reaping();
    let mut behind = Behind::start(&mut bed, lanes, lease);
    let growth = behind.suffer(fault, lasts).await;
    let over = Instant::now();
    for worker in behind.writing() {
        worker.catch_up();
        worker.wait_for_writes(1);
    }
    let recovered = over.elapsed();
    let Behind { proxy: _proxy, mut holder, mut writer, watcher } = behind;
    holder.finish(PATIENCE);
    writer.finish(PATIENCE);
    settle(&observer, [&holder, &writer]).await;
    let seen = end_watch(watcher, &observer).await;

    let ended = ends(holder.lines());
    assert!(ended.len() == RUNS && ended.values().all(|end| *end == End::Output), "{ended:?}");
    let given_up = given_up(writer.lines());
    let failed = failures(writer.lines()) + failures(holder.lines());
    let verdict = observer.check([holder, writer].map(Worker::into_past)).await.clean();
    for id in verdict.lost.keys() {
        assert!(given_up.contains(id), "{id} was taken for lost while it was held");
    }
    let bound = if fault == Fault::HalfOpen { GROWTH_CUT_OFF } else { GROWTH };
    assert!(growth < bound, "a worker has grown by {} KB", growth / 1024);
    bed.say(
        &format!("network: {fault:?}"),
        format_args!(
            "for {lasts:?}, {verdict}, {failed} calls failed; writing again after {recovered:.2?}, grown by {} KB \
             at most; {seen} changes seen by a watcher",
            growth / 1024
        ),
    );
}

/// Waits until what was given up has been reaped.
async fn settle(observer: &Observer, workers: [&Worker; 2]) {
    for worker in workers {
        observer.all_ended_after(worker.held(), Instant::now()).await;
    }
}

/// A run that must not overlap with another attempt stops while its lease still holds: when its work is told to, the
/// record says running, and nobody else could have taken it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_run_that_is_cut_off_stops_before_its_lease_ends() {
    let mut bed = Bed::redis();
    let observer = bed.observer().await.reaping();
    let proxy = Proxy::start(bed.server().addr());
    let store = store::open(&bed.server().url_at(proxy.addr())).await.unwrap();
    let activities = Activities::builder(store).lease(4 * SECOND).build();
    let id = activities.create("test").await.unwrap();

    let lifecycle = Lifecycle::new(&activities).tracking(Tracking::Strict).grace(SECOND);
    let (cut, record) = (&proxy, &observer.activities);
    let ended = lifecycle
        .run(id, |cx| async move {
            cut.set(Fault::HalfOpen);
            let since = Instant::now();
            cx.canceled().await;
            let stopped = since.elapsed();
            let detail = record.detail(&Scope::all(), id).await.unwrap().unwrap();
            cut.set(Fault::None);
            Ok::<_, std::io::Error>((stopped, detail.activity.status))
        })
        .await;
    let Err(TrackedError::Unrecorded { outcome, source }) = ended else { panic!("{ended:?}") };
    let (stopped, status) = outcome.unwrap();
    assert_eq!(status, Status::Running);
    bed.say(
        "a strict run is cut off",
        format_args!("it was told to stop after {stopped:.2?} of a lease of 4s: {source}"),
    );
}
