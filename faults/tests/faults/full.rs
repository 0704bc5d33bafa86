//! The store is full: writes are refused in words, what is held stays held where that takes no room, and when there
//! is room again everything goes on and nothing is damaged.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use agentexec::activity::Error;
use agentexec::prelude::*;
use agentexec::redis::Failure;
use agentexec_faults::bed::{Bed, LEASE, Observer};
use agentexec_faults::job::{Job, Work};
use agentexec_faults::line::{Answer, Line};
use agentexec_faults::store;
use agentexec_faults::worker::{PATIENCE, Worker};
use agentexec_testbed::RedisServer;
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::sleep;

use crate::support::{assert_none_lost, failures, program, worker};

const MEGABYTE: u64 = 1024 * 1024;
/// Longer than a lease of the runs that are held meanwhile, shorter than a run tries to record its end.
const FULL_FOR: Duration = Duration::from_secs(3);
/// Longer than it is full: no end of a run can be recorded meanwhile.
const LONG_LEASE: Duration = Duration::from_secs(30);

/// Writes large messages as fast as it can.
fn filling() -> Work {
    Work::Write { at_once: 4, message_bytes: 4000, pause: Duration::ZERO }
}

/// Creates activities until one is refused. The server looks at its memory before it carries an operation out, so at
/// the limit a small one may still pass.
async fn fill(observer: &Observer) -> Error {
    for _ in 0..10_000 {
        if let Err(error) = observer.activities.create("test").message("x".repeat(4000)).await {
            return error;
        }
    }
    panic!("the store never is full");
}

/// Reads until a call has failed, and says with which words.
fn wait_until_full(worker: &mut Worker) -> String {
    worker.wait_for(|line| match line {
        Line::Answered { answer: Answer::Failed { error }, .. } => Some(error.clone()),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_at_its_maxmemory_refuses_writes_and_keeps_leases() {
    let server = RedisServer::builder().append_only().max_memory(6 * MEGABYTE, "noeviction").start();
    let mut bed = Bed::redis_on(server);
    let observer = bed.observer().await.reaping();
    let hold = Work::Hold { runs: 4, pause: Duration::from_millis(200) };
    let mut holder = worker(bed.job("holder", hold));
    holder.wait_for_writes(8);
    let mut writer = worker(Job { lease: LONG_LEASE, ..bed.job("writer", filling()) });
    let words = wait_until_full(&mut writer);
    assert!(words.contains("maxmemory"), "{words}");

    let error = fill(&observer).await;
    let Error::Unavailable { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source.downcast_ref(), Some(Failure::OutOfMemory)), "{source:?}");
    assert!(observer.activities.counts(&Scope::all()).await.unwrap().running >= 4);
    sleep(FULL_FOR.max(LEASE + Duration::from_secs(1))).await;

    let _: () = bed.server().query(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0));
    let recovered = recovery(&mut writer, Instant::now());
    writer.finish(PATIENCE);
    holder.finish(PATIENCE);
    finish(&bed, &observer, [holder, writer], "maxmemory with noeviction", recovered).await;
}

/// What is purged makes room: nobody has to change the server's settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_has_room_again_after_a_purge() {
    let bed =
        Bed::redis_on(RedisServer::builder().append_only().max_memory(6 * MEGABYTE, "noeviction").start());
    let activities = Activities::new(store::open(&bed.url).await.unwrap());
    let mut ended = 0;
    let error = loop {
        let id = match activities.create("test").message("x".repeat(4000)).await {
            Ok(id) => id,
            Err(error) => break error,
        };
        match activities.error(id, "x".repeat(4000)).await {
            Ok(_) => ended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    // Only what has ended before the present millisecond is older than nothing.
    sleep(Duration::from_millis(5)).await;
    let purged = activities.purge(&Scope::all(), Duration::ZERO).await.unwrap();
    assert_eq!(purged, ended);
    activities.create("test").message("x".repeat(4000)).await.unwrap();
    let counts = activities.counts(&Scope::all()).await.unwrap();
    assert!(counts.total() <= 2, "{counts:?}");
    bed.say(
        "maxmemory with noeviction",
        format_args!("{purged} activities purged while it was full, then it writes again"),
    );
}

/// A disk that is full: a small file system of the worker's own, with a ballast that is taken away later. For this
/// the machine must let this user mount one; the limit on the size of files needs no permission.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_damages_nothing() {
    let bed = Bed::sqlite();
    let (disk, keep) = (bed.folder().join("disk"), bed.folder().join("keep-the-ballast"));
    fs::create_dir(&disk).unwrap();
    fs::write(&keep, "").unwrap();
    let mut command = in_own_mounts();
    if !command
        .args(["mount", "-t", "tmpfs", "tmpfs"])
        .arg(&disk)
        .output()
        .is_ok_and(|ran| ran.status.success())
    {
        bed.say(
            "disk full",
            "this machine lets nobody mount a small disk; only the limit on files was tested",
        );
        return;
    }
    let mut command = in_own_mounts();
    command.args(["sh", "-c", ON_A_SMALL_DISK, "sh"]).arg(program().get_program());
    command.arg(&disk).arg(&keep).arg(bed.folder());
    let store = format!("sqlite:{}", disk.join("store.db").display());
    let mut writer = Worker::start(command, Job { store, lease: LONG_LEASE, ..bed.job("writer", filling()) });
    let words = wait_until_full(&mut writer);
    assert!(words.contains("full"), "{words}");
    sleep(FULL_FOR).await;

    fs::remove_file(&keep).unwrap();
    let recovered = recovery(&mut writer, Instant::now());
    writer.finish(PATIENCE);
    // The small disk is gone, and what was on it is in the folder.
    let observer = bed.observer().await;
    finish(&bed, &observer, [writer], "disk full (a small tmpfs)", recovered).await;
}

/// Runs the program `$1` with the job `$5` on a small disk at `$2`, takes the ballast away when the file `$3` is
/// gone, and leaves the store in the folder `$4`.
const ON_A_SMALL_DISK: &str = r#"
    mount -t tmpfs -o size=12m tmpfs "$2" && head -c 8M /dev/zero >"$2/ballast" || exit 1
    (while [ -e "$3" ]; do sleep 0.05; done; rm "$2/ballast") >/dev/null 2>&1 &
    "$1" "$5" & worker=$!
    trap 'kill -TERM $worker' TERM
    wait $worker; code=$?
    # A signal ends the first wait and not the worker.
    [ $code -le 128 ] || { wait $worker; code=$?; }
    cp "$2"/store.db* "$4" && exit $code
"#;

/// A command that is started with mounts of its own; they are gone with it.
fn in_own_mounts() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--mount");
    command
}

/// A limit on the size of files, which the system enforces in the middle of a write as a full disk does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_refuses_writes_and_damages_nothing() {
    let bed = Bed::sqlite();
    let mut command = Command::new("sh");
    // Ignored, the signal that comes with the limit becomes an error of the write.
    command.args(["-c", r#"trap "" XFSZ; exec "$1" "$2""#, "sh"]).arg(program().get_program());
    let mut writer = Worker::start(command, Job { lease: LONG_LEASE, ..bed.job("writer", filling()) });
    writer.wait_for_writes(1);
    limit_files(&writer, Some(4 * MEGABYTE));
    let words = wait_until_full(&mut writer);
    assert!(words.contains("store failed"), "{words}");
    sleep(FULL_FOR).await;

    limit_files(&writer, None);
    let recovered = recovery(&mut writer, Instant::now());
    writer.finish(PATIENCE);
    let observer = bed.observer().await;
    finish(&bed, &observer, [writer], "files limited in size", recovered).await;
}

fn limit_files(worker: &Worker, bytes: Option<u64>) {
    let pid = Pid::from_raw(worker.pid().try_into().unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

/// Waits until it writes again, and says how long after `since`.
fn recovery(writer: &mut Worker, since: Instant) -> Duration {
    writer.catch_up();
    writer.wait_for_writes(1);
    let recovered = since.elapsed();
    writer.wait_for_writes(50);
    recovered
}

/// The history holds, nothing was taken for lost, and an SQLite file is whole.
async fn finish<const N: usize>(
    bed: &Bed,
    observer: &Observer,
    workers: [Worker; N],
    fault: &str,
    recovered: Duration,
) {
    let failed: usize = workers.iter().map(|worker| failures(worker.lines())).sum();
    let verdict = observer.check(workers.map(Worker::into_past)).await.clean();
    assert_none_lost(&verdict);
    assert_eq!(verdict.failed_and_carried_out, 0, "a write for which there is no room changes nothing");
    if bed.name == "SQLite" {
        let file = Connection::open(bed.folder().join("store.db")).unwrap();
        let whole: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }
    bed.say(fault, format_args!("{verdict}, {failed} calls failed; writing again after {recovered:.2?}"));
}
