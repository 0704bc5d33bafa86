//! A process that stands still while it holds the lock of the SQLite file: the others wait, fail in words when it
//! takes too long, and go on when it is over.

use std::time::{Duration, Instant};

use agentexec_faults::bed::Bed;
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::End;
use agentexec_faults::worker::{PATIENCE, Worker};
use rusqlite::Connection;
use tokio::time::sleep;

use crate::support::{assert_none_lost, ends, failures, worker};

/// Longer than the lock is held.
const LEASE: Duration = Duration::from_secs(60);
/// Longer than the store waits for the lock, and not as long as a run tries to record its end.
const LOCKED: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_holds_locked_is_waited_for() {
    let bed = Bed::sqlite();
    let observer = bed.observer().await.reaping();
    let hold = Work::Hold { runs: 4, pause: Duration::from_millis(200) };
    let mut holder = worker(Job { lease: LEASE, ..bed.job("holder", hold) });
    holder.wait_for_writes(8);

    let locker = Connection::open(bed.folder().join("store.db")).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = Instant::now();
    // The runs end meanwhile, and their ends wait.
    sleep(LOCKED / 3).await;
    holder.terminate();
    sleep(LOCKED * 2 / 3).await;
    locker.execute_batch("ROLLBACK").unwrap();
    drop(locker);
    let held = locked.elapsed();
    holder.wait_for_end(PATIENCE);

    let ends = ends(holder.lines());
    assert!(ends.len() == 4 && ends.values().all(|end| *end == End::Output), "{ends:?}");
    let failed = failures(holder.lines());
    let verdict = observer.check([holder].map(Worker::into_past)).await.clean();
    assert_none_lost(&verdict);
    // A call that is given up by its caller, and not by the store, is left open.
    assert!(failed + verdict.open > 0, "no call failed while the file was locked for {held:?}");
    bed.say(
        "file locked by a process that stands still",
        format_args!("for {held:.2?}: {verdict}, {failed} calls failed"),
    );
}
