//! What the store on Redis reaches beside what Redis itself does: `cargo bench -p agentexec-activity-redis`.
//!
//! It starts a server of its own, without persistence, so that the disk is not measured. Updates by 50 writers at
//! once, each waiting for its own answer, are compared with `redis-benchmark`, which sends the same script with the
//! same arguments over 50 connections in the same run. Lists and counts are taken at 10,000 and at 100,000
//! activities of ten log entries each; the memory is what the server grew by for each of those.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

#[cfg(unix)]
mod measures {
    use std::os::unix::ffi::OsStringExt;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use agentexec_activity_core::{
        Activities, ActivityStore, AgentId, Change, ListQuery, Metadata, Order, Percent, RequestId, Scope,
        Status, Write,
    };
    use agentexec_activity_redis::RedisStore;
    use agentexec_testbed::RedisServer;
    use futures_util::future::join_all;
    use futures_util::stream::{self, StreamExt};

    const WRITERS: u64 = 50;
    const UPDATES: u64 = 200_000;
    const REPEATS: u32 = 3;
    const GOAL_SHARE: f64 = 0.6;
    const READS: usize = 400;
    const GOAL_P50: Duration = Duration::from_millis(2);
    const LOG_ROWS: usize = 10;
    const MESSAGE: &str = "Reading the third of seven sources";

    async fn store(server: &RedisServer, namespace: &str) -> RedisStore {
        RedisStore::builder(server.url()).namespace(namespace).connect().await.unwrap()
    }

    /// An id of letters, since it is an argument of a program further down.
    fn printable(number: u64) -> u128 {
        u128::from_be_bytes(format!("id-{number:0>13}").into_bytes().try_into().unwrap())
    }

    fn update(id: AgentId, request: RequestId) -> Write {
        let change = Change::Progress { percentage: Some(Percent::clamped(30)), only_raise: true };
        Write::new(id, request, change, MESSAGE.into())
    }

    async fn running(activities: &Activities, number: u64) -> AgentId {
        let id = AgentId::from_u128(printable(number));
        activities.create("research").id(id).metadata("org", number % 10).await.unwrap();
        activities.start(id).await.unwrap();
        id
    }

    /// Updates by all writers at once; gives them per second.
    async fn updates(store: &RedisStore, round: u64) -> f64 {
        let activities = Activities::new(store.clone());
        let ids = join_all((0..WRITERS).map(|number| running(&activities, round * 1000 + number))).await;
        let begun = Instant::now();
        let writers = ids.into_iter().map(|id| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..UPDATES / WRITERS {
                    store.write(update(id, RequestId::new())).await.unwrap();
                }
            })
        });
        for done in join_all(writers).await {
            done.unwrap();
        }
        UPDATES as f64 / begun.elapsed().as_secs_f64()
    }

    /// The command that one update is, as the server sees it. In place of the request id it has what
    /// `redis-benchmark` replaces by another number each time.
    async fn command_of_an_update(server: &RedisServer, store: &RedisStore) -> Vec<Vec<u8>> {
        const REQUEST: &[u8; 16] = b"req-__rand_int__";
        let id = running(&Activities::new(store.clone()), 999).await;
        let request = RequestId::from_u128(u128::from_be_bytes(*REQUEST));
        let client = redis::Client::open(server.url()).unwrap();
        let monitor = client.get_async_monitor().await.unwrap();
        let mut seen = std::pin::pin!(monitor.into_on_message::<String>());
        store.write(update(id, request)).await.unwrap();
        loop {
            let line = seen.next().await.unwrap();
            if line.contains("\"EVALSHA\"") {
                return unquoted(&line);
            }
        }
    }

    /// The words of a line of `MONITOR`, each in quotes with what is not a letter escaped.
    fn unquoted(line: &str) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        let mut rest = line.bytes();
        while rest.by_ref().any(|byte| byte == b'"') {
            let mut word = Vec::new();
            loop {
                match rest.next().unwrap() {
                    b'"' => break,
                    b'\\' => word.push(match rest.next().unwrap() {
                        b'x' => {
                            let digits = [rest.next().unwrap(), rest.next().unwrap()];
                            u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                        }
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'a' => 7,
                        b'b' => 8,
                        other => other,
                    }),
                    byte => word.push(byte),
                }
            }
            words.push(word);
        }
        words
    }

    /// What `redis-benchmark` reaches with the command, per second.
    fn reachable(server: &RedisServer, command: &[Vec<u8>]) -> f64 {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(["-p", &server.addr().port().to_string(), "--csv", "-r", "1000000000000"]);
        benchmark.args(["-c", &WRITERS.to_string(), "-n", &UPDATES.to_string()]);
        benchmark.args(command.iter().map(|word| std::ffi::OsString::from_vec(word.clone())));
        let output = benchmark.output().expect("redis-benchmark is installed with redis-server");
        let text = String::from_utf8_lossy(&output.stdout);
        // "test","rps",… on the first line, the figures on the second; the command has commas of its own.
        let figures = text.lines().last().unwrap().rsplit("\",\"").nth(6).unwrap();
        figures.parse().expect("the figures of redis-benchmark in their order")
    }

    pub(super) async fn writes(server: &RedisServer) {
        let store = store(server, "writes").await;
        let command = command_of_an_update(server, &store).await;
        let (mut reached, mut possible) = (0.0, 0.0);
        for round in 0..REPEATS {
            reached += updates(&store, u64::from(round)).await;
            possible += reachable(server, &command);
        }
        let share = reached / possible;
        println!(
            "updates by {WRITERS} writers    {:.0}/s, redis-benchmark {:.0}/s: {:.0} % (goal: at least {:.0} %)",
            reached / f64::from(REPEATS),
            possible / f64::from(REPEATS),
            share * 100.0,
            GOAL_SHARE * 100.0
        );
    }

    /// One activity of ten log entries, which ends as its number says.
    async fn life(activities: &Activities, number: usize) {
        let id = activities.create("research").metadata("org", number % 10).await.unwrap();
        if number.is_multiple_of(20) {
            return;
        }
        activities.start(id).await.unwrap();
        for step in 3..LOG_ROWS {
            activities.update(id, MESSAGE).percentage(step as u8).await.unwrap();
        }
        match number % 20 {
            1 => drop(activities.update(id, MESSAGE).await.unwrap()),
            2 => drop(activities.error(id, "no route to host").await.unwrap()),
            _ => drop(activities.complete(id).await.unwrap()),
        }
    }

    fn memory(server: &RedisServer) -> f64 {
        let info: String = server.query(redis::cmd("INFO").arg("memory"));
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse().unwrap()
    }

    /// The middle of the times that a read took, one after the other.
    async fn p50<T>(mut read: impl AsyncFnMut() -> T) -> Duration {
        let mut times = Vec::new();
        for _ in 0..READS {
            let begun = Instant::now();
            read().await;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        times[READS / 2]
    }

    pub(super) async fn reads(server: &RedisServer, many: usize) {
        let store = store(server, &format!("reads-{many}")).await;
        let activities = Activities::new(store.clone());
        let before = memory(server);
        let lives = stream::iter((0..many).map(|number| life(&activities, number)));
        lives.buffer_unordered(64).for_each(|()| async {}).await;
        println!(
            "memory, {many:>6} activities of {LOG_ROWS} log entries    {:.0} bytes each",
            (memory(server) - before) / many as f64
        );
        let tenant = Scope::metadata(Metadata::new().with("org", 3).unwrap()).unwrap();
        let queries = [
            ("list of 50", ListQuery::new(Scope::all())),
            ("list of 50, newest first", ListQuery::new(Scope::all()).order(Order::Created)),
            ("list of 50, complete", ListQuery::new(Scope::all()).status(Status::Complete)),
            ("list of 50, one type", ListQuery::new(Scope::all()).activity_type("research")),
            ("list of 50, one tenant", ListQuery::new(tenant.clone())),
        ];
        let mut lines = Vec::new();
        for (name, query) in queries {
            let time = p50(async || assert_eq!(store.list(&query).await.unwrap().items.len(), 50)).await;
            lines.push((name, time));
        }
        lines.push(("counts", p50(async || store.counts(&Scope::all()).await.unwrap()).await));
        for (name, time) in lines {
            println!("{name}, {many:>6} activities    p50 {time:?} (goal: below {GOAL_P50:?})");
        }
        let time = p50(async || store.counts(&tenant).await.unwrap()).await;
        println!("counts, one tenant, {many:>6} activities    p50 {time:?} for {} matches", many / 10);
    }
}

#[cfg(unix)]
fn main() {
    // Without `--bench` this was started by a test run over all targets.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let server = agentexec_testbed::RedisServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        measures::writes(&server).await;
        for many in [10_000, 100_000] {
            measures::reads(&server, many).await;
        }
    });
}

#[cfg(not(unix))]
fn main() {}
