//! The clocks of two processes are twenty minutes apart: neither takes the other's runs for lost while it lives, and
//! each finds them when it is dead.
//!
//! A small library that is preloaded gives a process another time of day. It is compiled here by the C compiler that
//! the workspace needs in any case (SQLite is compiled in).

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use agentexec::activity::Timestamp;
use agentexec_faults::bed::Bed;
use agentexec_faults::each_store;
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::{End, Line};
use agentexec_faults::worker::{PATIENCE, Worker};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{assert_reaped_in_time, ends, program};

const OFF: Duration = Duration::from_mins(10);
/// Two leases.
const LASTS: Duration = Duration::from_secs(4);
/// The lease of the processes that are killed.
const SHORT: Duration = Duration::from_secs(1);

each_store! {
    leases_do_not_depend_on_the_clocks_of_processes: apart;
}

/// Which way the clock of a process is off.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Ahead,
    Behind,
}

impl Clock {
    /// Starts a worker with this clock, and sees that it has it.
    fn start(self, library: &Path, job: Job) -> Worker {
        let sign = match self {
            Self::Ahead => "",
            Self::Behind => "-",
        };
        let mut command = program();
        command.env("LD_PRELOAD", library).env("OTHER_TIME", format!("{sign}{}", OFF.as_secs()));
        let mut worker = Worker::start(command, job);
        let clock = worker.wait_for(|line| match line {
            Line::Up { clock } => Some(*clock),
            _ => None,
        });
        let now = Timestamp::now();
        let off = match self {
            Self::Ahead => clock.since(now),
            Self::Behind => now.since(clock),
        };
        assert!(off > OFF / 2, "it is {now}, and the clock that is {self:?} says {clock}");
        worker
    }
}

/// Compiles the library.
fn other_time(folder: &Path) -> PathBuf {
    let (source, library) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/other_time.c"), "other_time.so");
    let library = folder.join(library);
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(&compiler);
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]);
    let compiled = compile.output().unwrap_or_else(|error| panic!("starting {compiler:?}: {error}"));
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}

async fn apart(bed: Bed) {
    let folder = TempDir::new().unwrap();
    let library = other_time(folder.path());
    let observer = bed.observer().await;
    let hold = Work::Hold { runs: 2, pause: Duration::from_millis(500) };
    let mut living = [Clock::Ahead, Clock::Behind]
        .map(|clock| clock.start(&library, bed.job(format!("living {clock:?}"), hold.clone())));
    sleep(LASTS).await;
    for worker in &mut living {
        worker.finish(PATIENCE);
        let ends = ends(worker.lines());
        assert!(ends.len() == 2 && ends.values().all(|end| *end == End::Output), "{ends:?}");
    }

    // Each dies under the eyes of the other one, and nobody else looks.
    let mut longest = Duration::ZERO;
    let mut pasts = living.map(Worker::into_past).to_vec();
    for (dying, looking) in [(Clock::Ahead, Clock::Behind), (Clock::Behind, Clock::Ahead)] {
        let mut reaper = looking.start(&library, bed.job(format!("looking {looking:?}"), Work::Reap));
        let dying_job = Job { lease: SHORT, ..bed.job(format!("dying {dying:?}"), hold.clone()) };
        let mut holder = dying.start(&library, dying_job);
        holder.wait_for_writes(4);
        let killed = holder.kill();
        longest = longest.max(observer.all_ended_after(holder.held(), killed).await);
        reaper.finish(PATIENCE);
        pasts.extend([holder, reaper].map(Worker::into_past));
    }
    let verdict = observer.check(pasts).await.clean();
    assert_eq!(verdict.lost.len(), 4, "{:?}", verdict.lost);
    assert!(verdict.lost.values().all(|process| process.starts_with("dying")), "{:?}", verdict.lost);
    let late = assert_reaped_in_time(longest, SHORT, &observer);
    bed.say(
        "clocks 20 minutes apart",
        format_args!(
            "4 runs of living processes, none taken for lost; 4 of killed ones, reaped after {longest:.2?} at most \
             (lease {SHORT:?}, machine late by {late:.2?})"
        ),
    );
}
