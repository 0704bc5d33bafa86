//! One process runs, others look on and interfere.

use agentexec::activity::{AgentId, Scope, Status};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::stored::{Shared, until};
use crate::support::{DEADLINE, Model, ask, ended, ran};
use agentexec_demo::Reply;

/// The next line of a program's standard output.
async fn line(child: &mut Child) -> String {
    let stdout = child.stdout.as_mut().unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while bytes.last() != Some(&b'\n') {
            bytes.push(tokio::io::AsyncReadExt::read_u8(stdout).await.expect("it says nothing more"));
        }
    };
    timeout(DEADLINE, read).await.expect("it says nothing");
    String::from_utf8(bytes).unwrap()
}

async fn json_line(child: &mut Child) -> Value {
    serde_json::from_str(&line(child).await).unwrap()
}

/// What other processes see of a run, and that one of them can stop it.
async fn is_seen_and_canceled(store: &Shared) {
    let run = store.running(&[]).await;
    let id = run.id.as_str();
    let listed =
        store.json(&["list", "--json", "--status", "running", "--meta", "model=openai-chat:m"]).await;
    let item = &listed["items"][0];
    assert_eq!((&item["id"], &item["type"], &item["status"]), (&json!(id), &json!("run"), &json!("running")));
    assert_eq!(store.json(&["show", id, "--json"]).await["message"], "Task started.");

    let mut watching = store.command(&["watch", id, "--json"]).spawn().unwrap();
    let state = json_line(&mut watching).await;
    assert_eq!((&state["event"], &state["status"]), (&json!("state"), &json!("running")));

    let canceled = store.json(&["cancel", id, "--wait", "--reason", "wrong question", "--json"]).await;
    let expected = json!({
        "id": id, "outcome": "requested", "status": "canceled", "message": "Task canceled: wrong question"
    });
    assert_eq!(canceled, expected);

    let asked = json_line(&mut watching).await;
    assert_eq!((&asked["event"], &asked["reason"]), (&json!("cancel_requested"), &json!("wrong question")));
    let end = json_line(&mut watching).await;
    assert_eq!((&end["event"], &end["id"]), (&json!("logged"), &json!(id)));
    assert_eq!((&end["entry"]["status"], &end["entry"]["seq"]), (&json!("canceled"), &json!(3)));
    assert_eq!(ended(watching).await.code, Some(5));

    let again = store.ran(&["cancel", id, "--wait"]).await;
    assert_eq!(
        (again.code, again.out.as_str()),
        (Some(0), "had ended already: canceled: Task canceled: wrong question\n")
    );

    let run = run.ended().await;
    assert_eq!((run.code, run.out.as_str()), (Some(5), ""), "{}", run.err);
    assert!(run.err.contains("canceled  Task canceled: wrong question\n"), "{}", run.err);
}

#[tokio::test]
async fn a_run_is_seen_and_canceled_from_another_process() {
    is_seen_and_canceled(&Shared::file()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_run_is_seen_and_canceled_over_redis() {
    let server = agentexec_testbed::RedisServer::start();
    is_seen_and_canceled(&Shared::at(server.url())).await;
    let elsewhere = Shared::at(format!("{}?namespace=elsewhere", server.url()));
    assert_eq!(elsewhere.json(&["list", "--json"]).await["items"], json!([]));
    is_seen_and_canceled(&elsewhere).await;
}

#[tokio::test]
async fn a_cancellation_that_is_not_waited_for_has_only_asked() {
    let store = Shared::file();
    let run = store.running(&[]).await;
    let asked = store.ran(&["cancel", &run.id]).await;
    assert_eq!(asked.code, Some(0), "{}", asked.err);
    assert!(
        asked.out.starts_with("asked to stop; it is ") || asked.out.starts_with("canceled: "),
        "{}",
        asked.out
    );
    let run = run.ended().await;
    assert_eq!(run.code, Some(5));
    assert!(run.err.contains("Task canceled: asked to by an operator\n"), "{}", run.err);
}

#[tokio::test]
async fn what_is_queued_is_canceled_at_once() {
    let store = Shared::file();
    let activities = store.activities().await;
    let id = activities.create("import").await.unwrap().to_string();
    let canceled = store.json(&["cancel", &id, "--json"]).await;
    assert_eq!((&canceled["outcome"], &canceled["status"]), (&json!("canceled"), &json!("canceled")));
}

#[tokio::test]
async fn a_wait_for_the_end_has_an_end_itself() {
    let store = Shared::file();
    let activities = store.activities().await;
    let id = activities.create("import").await.unwrap();
    activities.update(id, "Reading").await.unwrap();
    let id = id.to_string();
    let late = store.ran(&["cancel", &id, "--wait", "--timeout", "100ms"]).await;
    assert_eq!((late.code, late.out.as_str()), (Some(124), "asked to stop; it is running: Reading\n"));
    assert!(late.err.ends_with("was asked to stop and has not ended within 100ms\n"), "{}", late.err);
}

#[tokio::test]
async fn a_run_whose_process_was_killed_is_lost_and_not_running_for_ever() {
    let store = Shared::file();
    let id = store.running(&["--lease", "1s"]).await.killed().await;
    let lost = async || store.json(&["list", "--json"]).await["items"][0].clone();
    until(async || lost().await["status"] == "error").await;
    let item = lost().await;
    assert_eq!(item["id"], json!(id));
    assert!(item["message"].as_str().unwrap().starts_with("Task lost: no heartbeat from "), "{item}");
}

/// Nobody but the one who waits is there to find out.
#[tokio::test]
async fn whoever_waits_for_a_run_learns_that_its_process_was_killed() {
    let store = Shared::file();
    let id = store.running(&["--lease", "1s"]).await.killed().await;
    let watched = store.ran(&["watch", &id]).await;
    assert_eq!(watched.code, Some(1), "{}", watched.err);
    assert!(watched.out.lines().last().unwrap().contains("error     0%    Task lost: "), "{}", watched.out);

    let id = store.running(&["--lease", "1s"]).await.killed().await;
    let canceled = store.json(&["cancel", &id, "--wait", "--json"]).await;
    assert!(matches!(canceled["status"].as_str(), Some("error" | "canceled")), "{canceled}");
}

#[tokio::test]
async fn a_watch_of_one_activity_ends_with_it_and_tells_how_by_its_code() {
    let store = Shared::file();
    let activities = store.activities().await;
    for (status, code) in [(Status::Complete, 0), (Status::Error, 1), (Status::Canceled, 5)] {
        let id = activities.create("import").await.unwrap();
        activities.update(id, "Reading").percentage(30).await.unwrap();
        let mut watching = store.command(&["watch", &id.to_string()]).spawn().unwrap();
        assert!(line(&mut watching).await.ends_with("Z  running   30%   Reading\n"));
        activities.update(id, "Writing").percentage(60).await.unwrap();
        assert!(line(&mut watching).await.ends_with("Z  running   60%   Writing\n"));
        end(&activities, id, status).await;
        let last = line(&mut watching).await;
        assert!(last.contains(&format!("Z  {status:<8}  ")), "{last}");
        let watched = ended(watching).await;
        assert_eq!((watched.code, watched.out.as_str()), (Some(code), ""), "{}", watched.err);

        let late = store.ran(&["watch", &id.to_string()]).await;
        assert_eq!((late.code, late.out), (Some(code), last), "it had ended before");
    }
}

async fn end(activities: &agentexec::activity::Activities, id: AgentId, status: Status) {
    match status {
        Status::Complete => activities.complete(id).await,
        Status::Error => activities.error(id, "no such table").await,
        _ => activities.cancel(id, "not needed").await,
    }
    .unwrap();
}

#[tokio::test]
async fn a_watch_ends_with_the_end_also_when_the_record_is_removed_at_once() {
    let store = Shared::file();
    let activities = store.activities().await;
    let id = activities.create("import").await.unwrap();
    let mut watching = store.command(&["watch", &id.to_string()]).spawn().unwrap();
    line(&mut watching).await;
    activities.cancel(id, "not needed").await.unwrap();
    activities.purge(&Scope::all(), std::time::Duration::ZERO).await.unwrap();
    assert_eq!(ended(watching).await.code, Some(5));
}

#[tokio::test]
async fn a_watch_of_all_tells_of_everybody() {
    let store = Shared::file();
    let activities = store.activities().await;
    let mut watching = store.command(&["watch"]).spawn().unwrap();
    let mut said = BufReader::new(watching.stderr.take().unwrap()).lines();
    let begun = timeout(DEADLINE, said.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(begun, format!("watching {}; Ctrl-C ends it", store.url));

    let first = activities.create("import").await.unwrap();
    let model = Model::new(|_| Reply::text("an answer"));
    let mut run = ask(&model.url(), &[]);
    run.env("AGENTEXEC_STORE", &store.url);
    assert_eq!(ran(run).await.code, Some(0));
    assert!(line(&mut watching).await.ends_with(&format!("Z  {first}  queued    0%    Waiting to start.\n")));
    let mut last = String::new();
    for status in ["queued", "running", "complete"] {
        last = line(&mut watching).await;
        while !last.contains(&format!("  {status}  ")) {
            last = line(&mut watching).await;
        }
        assert!(!last.contains(&first.to_string()), "{last}");
    }
    assert!(last.ends_with("  complete  100%  Task completed successfully.\n"), "{last}");
}

#[tokio::test]
async fn a_run_says_its_id_where_that_disturbs_no_script() {
    let store = Shared::file();
    let model = Model::new(|_| Reply::text("an answer"));
    let on_store = |args: &[&str]| {
        let mut command = ask(&model.url(), args);
        command.env("AGENTEXEC_STORE", &store.url);
        ran(command)
    };
    let plain = on_store(&[]).await;
    assert_eq!((plain.code, plain.out.as_str()), (Some(0), "an answer\n"));
    let id = plain.err.lines().find_map(|line| line.strip_prefix("      id  ")).expect(&plain.err).to_owned();
    assert_eq!(store.json(&["show", &id, "--json"]).await["status"], "complete");

    let as_json = on_store(&["--json"]).await;
    assert_eq!(as_json.err, "");
    let id = as_json.result()["id"].as_str().unwrap().to_owned();
    assert_eq!(store.json(&["show", &id, "--json"]).await["percentage"], 100);

    let in_memory = ran(ask(&model.url(), &[])).await;
    assert!(!in_memory.err.contains("  id  "), "nobody could do anything with it: {}", in_memory.err);
}

/// The answer was paid for: a store that goes away in the middle does not take it along.
#[cfg(unix)]
#[tokio::test]
async fn a_run_whose_store_goes_away_still_gives_its_answer_and_says_so() {
    let mut server = agentexec_testbed::RedisServer::start();
    let (ask_on, asked) = std::sync::mpsc::channel::<()>();
    let asked = std::sync::Mutex::new(asked);
    let model = Model::new(move |_| {
        asked.lock().unwrap().recv().unwrap();
        Reply::text("an answer")
    });
    let mut command = ask(&model.url(), &[]);
    let child = command.env("AGENTEXEC_STORE", server.url()).spawn().unwrap();
    let store = Shared::at(server.url());
    until(async || store.json(&["list", "--json"]).await["items"][0]["status"] == "running").await;
    server.kill();
    ask_on.send(()).unwrap();
    let run = ended(child).await;
    assert_eq!((run.code, run.out.as_str()), (Some(1), "an answer\n"), "{}", run.err);
    assert!(run.err.contains("\ncomplete  Task completed successfully.\n"), "{}", run.err);
    assert!(run.err.contains("\n  record  this could not be recorded: "), "{}", run.err);
}
