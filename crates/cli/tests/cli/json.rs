use agentexec_demo::Reply;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Model, ask, ended, folder, ran};

fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.dedup();
    types
}

#[tokio::test]
async fn every_line_is_an_event_and_the_last_is_the_result() {
    let folder = folder(&[("a.txt", "x")]);
    let model = Model::calling("list_files", json!({"path": "."}));
    let ran = ran(ask(&model.url(), &["--json", "--root", folder.path().to_str().unwrap()])).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let events = ran.events();
    assert_eq!(
        types(&events),
        [
            "run_started",
            "turn_started",
            "tool_call_started",
            "tool_call_arguments",
            "progress",
            "tool_call_finished",
            "turn_finished",
            "turn_started",
            "text_delta",
            "turn_finished",
            "run_finished",
            "result"
        ]
    );
    let streamed: String = events.iter().filter_map(|event| event["text"].as_str()).collect();
    let spent: u64 = events
        .iter()
        .filter(|event| event["type"] == "turn_finished")
        .map(|event| event["usage"]["output_tokens"].as_u64().unwrap())
        .sum();
    let result = ran.result();
    assert_eq!(result["id"], events[0]["id"]);
    assert_eq!(result["usage"]["output_tokens"], spent);
    for (field, value) in [
        ("status", json!("complete")),
        ("percentage", json!(100)),
        ("message", json!("Task completed successfully.")),
        ("finish", json!("final")),
        ("output", json!("a.txt\t1\n")),
        ("error", json!(null)),
        ("turns", json!(2)),
        ("tool_calls", json!(1)),
        ("exit_code", json!(0)),
    ] {
        assert_eq!(result[field], value, "{field}");
    }
    assert_eq!(streamed, "a.txt\t1\n");
    assert!(result["duration_ms"].is_u64());
}

#[tokio::test]
async fn a_run_that_failed_has_its_error_and_its_exit_code() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(400).set_body_json(json!({"error": {"message": "no such thing"}}));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let ran = ran(ask(&server.uri(), &["--json"])).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let result = ran.result();
    assert_eq!(
        (&result["status"], &result["output"], &result["exit_code"]),
        (&json!("error"), &json!(null), &json!(1))
    );
    assert!(result["error"].as_str().unwrap().contains("no such thing (HTTP 400)"), "{result}");
    assert_eq!(
        result["message"],
        json!(format!("Task failed with error: {}", result["error"].as_str().unwrap()))
    );
}

const HOSTILE: &str = "clear\u{1b}[2J \u{202e}reverse\u{9b}31m\r\u{7}\tend\u{2028}";

#[tokio::test]
async fn what_a_terminal_would_obey_is_escaped_in_json_and_left_out_of_the_answer() {
    let model = Model::new(|_| Reply::text(HOSTILE));
    let is_obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    let as_json = ran(ask(&model.url(), &["--json"])).await;
    assert!(!as_json.out.contains(is_obeyed), "{:?}", as_json.out);
    assert_eq!(as_json.result()["output"], HOSTILE);

    let plain = ran(ask(&model.url(), &[])).await;
    assert_eq!(plain.out, "clear[2J reverse31m\tend\u{2028}\n");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_run_without_a_panic() {
    let model = Model::new(|_| Reply::text("word ".repeat(10_000)));
    let mut child = ask(&model.url(), &["--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "run_started");
    drop(lines);
    let ran = ended(child).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(5), ""));
}

#[tokio::test]
async fn a_reader_of_the_answer_that_goes_away_is_no_error() {
    let model = Model::new(|_| Reply::text("an answer"));
    let mut child = ask(&model.url(), &[]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = ended(child).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err.contains("complete  Task completed successfully.") && !ran.err.contains("error"),
        "{}",
        ran.err
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_answer_that_cannot_be_written_is_an_error() {
    let model = Model::new(|_| Reply::text("an answer"));
    for args in [&[][..], &["--json"]] {
        let mut command = ask(&model.url(), args);
        command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let ran = ran(command).await;
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(
            ran.err.contains("error: the answer could not be written to standard output: No space"),
            "{}",
            ran.err
        );
    }
}
