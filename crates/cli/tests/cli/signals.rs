use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::{interval, timeout};

use crate::support::{DEADLINE, Model, Silent, ask, ended};
use agentexec_demo::Reply;

fn send(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id().expect("it has ended")).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// Stops a run whose provider says nothing.
async fn stopped_by(signal: Signal, args: &[&str]) -> crate::support::Ran {
    let server = Silent::start().await;
    let child = ask(&server.url(), args).spawn().unwrap();
    let _held = server.asked().await;
    send(&child, signal);
    ended(child).await
}

#[tokio::test]
async fn ctrl_c_cancels_a_run_whose_provider_never_answers() {
    let ran = stopped_by(Signal::INT, &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(130), ""), "{}", ran.err);
    assert!(
        ran.err.contains("\nstopping  interrupted; once more to end the program at once\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("\ncanceled  Task canceled: interrupted\n"), "{}", ran.err);

    let result = stopped_by(Signal::INT, &["--json"]).await.result();
    assert_eq!((&result["status"], &result["exit_code"]), (&json!("canceled"), &json!(130)));
    assert_eq!(result["message"], "Task canceled: interrupted");
}

#[tokio::test]
async fn sigterm_cancels_the_run_too() {
    let ran = stopped_by(Signal::TERM, &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(5), ""), "{}", ran.err);
    assert!(ran.err.contains("\ncanceled  Task canceled: terminated\n"), "{}", ran.err);
}

/// Far more text than can be searched in the time that a signal takes: one file under many names.
fn hay() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("0");
    std::fs::write(&first, "ab".repeat(2 << 20)).unwrap();
    for number in 1..60 {
        std::fs::hard_link(&first, folder.path().join(number.to_string())).unwrap();
    }
    folder
}

type Events = Lines<BufReader<ChildStdout>>;

async fn next(events: &mut Events) -> Option<Value> {
    let line = timeout(DEADLINE, events.next_line()).await.expect("nothing more comes").unwrap()?;
    Some(serde_json::from_str(&line).unwrap())
}

#[tokio::test]
async fn ctrl_c_stops_a_tool_in_the_middle_of_its_work() {
    let hay = hay();
    // Every place in every file is a beginning of what is never found.
    let model = Model::calling("search_text", json!({"query": "[ab]{40}[ab]*c", "regex": true}));
    let mut child = ask(&model.url(), &["--json", "--root", hay.path().to_str().unwrap()]).spawn().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    while next(&mut events).await.expect("the tool was not called")["type"] != "progress" {}
    send(&child, Signal::INT);
    let mut last = json!(null);
    while let Some(event) = next(&mut events).await {
        if event["type"] == "tool_call_finished" {
            assert_eq!(event["output"], "Tool 'search_text' was canceled before it finished.");
        }
        last = event;
    }
    assert_eq!((&last["status"], &last["exit_code"]), (&json!("canceled"), &json!(130)), "{last}");
    assert_eq!(ended(child).await.code, Some(130));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_second_ctrl_c_ends_the_program_even_when_it_can_write_no_more() {
    let model = Model::new(|_| Reply::text("word ".repeat(100_000)));
    let mut child = ask(&model.url(), &["--json"]).spawn().unwrap();
    // Nobody reads: the program writes until the pipe is full, and then it waits.
    let unread = child.stdout.take().unwrap().into_owned_fd().unwrap();
    // A pipe holds 64 KiB, less what is left over in its pages.
    let mut tick = interval(Duration::from_millis(20));
    let full = async {
        while rustix::io::ioctl_fionread(&unread).unwrap() < 60_000 {
            tick.tick().await;
        }
    };
    timeout(DEADLINE, full).await.expect("the pipe does not fill");
    let mut sent = 0;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.unwrap(),
            _ = tick.tick() => {
                send(&child, Signal::INT);
                sent += 1;
            }
        }
        assert!(sent < 500, "the program does not end");
    };
    assert_eq!(status.code(), Some(130));
    assert!(sent >= 2, "it could not have written its result");
}

#[tokio::test]
async fn ctrl_c_cancels_a_run_whose_store_does_not_answer() {
    let store = agentexec_testbed::RedisServer::start();
    let server = Silent::start().await;
    let mut command = ask(&server.url(), &[]);
    let child = command.env("AGENTEXEC_STORE", store.url()).spawn().unwrap();
    let _held = server.asked().await;
    store.pause();
    send(&child, Signal::INT);
    let ran = ended(child).await;
    store.resume();
    assert_eq!((ran.code, ran.out.as_str()), (Some(130), ""), "{}", ran.err);
    assert!(ran.err.contains("\ncanceled  Task canceled: interrupted\n"), "{}", ran.err);
    assert!(ran.err.contains("\n  record  this could not be recorded: "), "{}", ran.err);
}
