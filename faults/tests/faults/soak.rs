//! Several processes at once on one store, killed and paused at random, and replaced; Redis is restarted under them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentexec_faults::bed::{Bed, Observer};
use agentexec_faults::each_store;
use agentexec_faults::history::Past;
use agentexec_faults::job::{Job, Work};
use agentexec_faults::worker::{PATIENCE, Worker};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{assert_reaped_in_time, end_watch, given_up, watcher, worker};

const WRITERS: usize = 4;
const LASTS: Duration = Duration::from_secs(75);
const LEASE: Duration = Duration::from_secs(5);
/// Past the lease.
const PAUSE: Duration = Duration::from_secs(8);

each_store! {
    #[ignore = "takes minutes: cargo xtask faults"]
    many_processes_that_die_at_random: soak;
}

struct Soak {
    bed: Bed,
    observer: Arc<Observer>,
    rng: Rng,
    writers: Vec<Worker>,
    pasts: Vec<Past>,
    started: usize,
    /// How long after each kill what was held was reaped.
    reaped: JoinSet<Duration>,
    /// The processes that were killed or paused past their lease.
    harmed: BTreeSet<String>,
}

impl Soak {
    fn start_one(&mut self) {
        let pause = Duration::from_millis(self.rng.u64(1..10));
        let write = Work::Write { at_once: 6, message_bytes: self.rng.usize(0..500), pause };
        self.started += 1;
        let job = Job { lease: LEASE, ..self.bed.job(format!("writer {}", self.started), write) };
        self.writers.push(worker(job));
    }

    fn kill_one(&mut self) {
        let mut victim = self.writers.swap_remove(self.rng.usize(..self.writers.len()));
        let killed = victim.kill();
        let (observer, held) = (Arc::clone(&self.observer), victim.held());
        self.reaped.spawn(async move { observer.all_ended_after(held, killed).await });
        let past = victim.into_past();
        self.harmed.insert(past.process.clone());
        self.pasts.push(past);
    }

    /// Pauses one past its lease, while the others go on and one more dies.
    async fn pause_one(&mut self) {
        let victim = self.writers.swap_remove(self.rng.usize(..self.writers.len()));
        victim.pause();
        sleep(PAUSE / 2).await;
        self.kill_one();
        self.start_one();
        sleep(PAUSE / 2).await;
        victim.resume();
        self.harmed.insert(victim.name().to_owned());
        self.writers.push(victim);
    }
}

async fn soak(bed: Bed) {
    let observer = Arc::new(bed.observer().await.reaping());
    let watcher = watcher(&bed);
    // Pauses are for Redis: a process that stands still in the middle of a transaction keeps all others from an
    // SQLite file, so that their leases would run out too.
    let is_redis = bed.name == "Redis";
    let mut soak = Soak {
        bed,
        observer: Arc::clone(&observer),
        rng: Rng::with_seed(3),
        writers: Vec::new(),
        pasts: Vec::new(),
        started: 0,
        harmed: BTreeSet::new(),
        reaped: JoinSet::new(),
    };
    (0..WRITERS).for_each(|_| soak.start_one());

    let (begin, mut rounds) = (Instant::now(), 0);
    while begin.elapsed() < LASTS {
        rounds += 1;
        sleep(Duration::from_millis(soak.rng.u64(100..1500))).await;
        if is_redis && rounds % 10 == 0 {
            soak.pause_one().await;
        } else if is_redis && rounds % 10 == 5 {
            soak.bed.server().restart();
        } else {
            soak.kill_one();
            soak.start_one();
        }
    }
    let Soak { bed, writers, mut pasts, started, harmed, reaped, .. } = soak;
    for mut writer in writers {
        writer.finish(PATIENCE);
        pasts.push(writer.into_past());
    }
    let longest = reaped.join_all().await.into_iter().max().unwrap();
    let seen = end_watch(watcher, &observer).await;

    let given_up: BTreeSet<_> = pasts.iter().flat_map(|past| given_up(&past.lines)).collect();
    let verdict = observer.check(pasts).await.clean();
    for (id, process) in &verdict.lost {
        let may_be = harmed.contains(process) || given_up.contains(id);
        assert!(may_be, "{id} of {process}, which was well, was taken for lost");
    }
    let late = assert_reaped_in_time(longest, LEASE, &observer);
    bed.say(
        "soak",
        format_args!("{started} processes and {rounds} faults in {LASTS:?}; {verdict}; reaped after {longest:.2?} at most \
             (lease {LEASE:?}, machine late by {late:.2?}), {seen} changes seen by a watcher"),
    );
}
