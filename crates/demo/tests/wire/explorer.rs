//! The default brain, driven through each protocol by a client that runs tools on a made-up folder.

use std::collections::HashSet;

use agentexec_demo::{DemoServer, Explorer};
use serde_json::{Value, json};

use crate::client::server;
use crate::conversation::{Turn, WIRES, Wire};

/// More turns than any question may take.
const TOO_MANY: usize = 20;

fn tools() -> Vec<(&'static str, Value)> {
    vec![
        ("list_files", json!({"path": {"type": ["string", "null"]}, "depth": {"type": ["integer", "null"]}})),
        ("search_text", json!({"query": {"type": "string"}, "path": {"type": ["string", "null"]}})),
        ("read_file", json!({"path": {"type": "string"}})),
        ("report_activity", json!({"message": {"type": "string"}, "percentage": {"type": "integer"}})),
    ]
}

fn search_for(query: &str) -> Value {
    json!({"query": query, "path": "."})
}

/// A small crate with a retry policy in it.
fn folder(name: &str, arguments: &Value) -> Result<String, String> {
    let path = arguments["path"].as_str().unwrap_or_default();
    let output = match (name, path, arguments["query"].as_str().unwrap_or_default()) {
        ("report_activity", ..) => "Status updated",
        ("list_files", ".", _) => "src/\ntarget/\nCargo.toml\t80\nREADME.md\t120\n",
        ("list_files", "src", _) => "src/main.rs\t300\nsrc/retry.rs\t900\n",
        ("search_text", ".", "retry") => {
            "README.md:3: Set `retry` to 3.\nsrc/retry.rs:1: //! The retry policy.\n\
             src/retry.rs:3:     pub struct Retry;"
        }
        ("search_text", ".", "policy") => "src/retry.rs:1: //! The retry policy.",
        ("search_text", ..) => "no match",
        ("read_file", "README.md", _) => "# Demo\n\nSet `retry` to 3.\n",
        ("read_file", "Cargo.toml", _) => "[package]\nname = \"demo\"\n",
        ("read_file", "src/retry.rs", _) => "[lines 1-2 of 40]\n//! The retry policy.\n",
        _ => return Err(format!("Error: no such file: {path}")),
    };
    Ok(output.to_owned())
}

/// Plays the client until an answer calls no tools.
async fn converse(
    server: &DemoServer,
    (wire, is_streamed): (Wire, bool),
    question: &str,
    tools: &[(&str, Value)],
    run: impl Fn(&str, &Value) -> Result<String, String>,
) -> Vec<Turn> {
    let mut history = vec![wire.user(question)];
    let mut turns: Vec<Turn> = Vec::new();
    while turns.len() < TOO_MANY && turns.last().is_none_or(|turn| !turn.calls.is_empty()) {
        let turn = wire.send(server, &wire.request(&history, tools, is_streamed)).await;
        history.extend(turn.history.clone());
        if !turn.calls.is_empty() {
            let outputs: Vec<(String, String, bool)> = turn
                .calls
                .iter()
                .map(|call| match run(&call.name, &call.arguments) {
                    Ok(output) => (call.id.clone(), output, false),
                    Err(error) => (call.id.clone(), error, true),
                })
                .collect();
            history.extend(wire.outputs(&outputs));
        }
        turns.push(turn);
    }
    turns
}

async fn ask(
    question: &str,
    tools: &[(&str, Value)],
    run: impl Fn(&str, &Value) -> Result<String, String>,
) -> Vec<Turn> {
    converse(&server(Explorer), (Wire::Chat, false), question, tools, run).await
}

fn assert_says(text: &str, facts: &[&str]) {
    for fact in facts {
        assert!(text.contains(fact), "{fact:?} is missing in:\n{text}");
    }
}

fn percentages(turns: &[Turn]) -> Vec<u64> {
    let reports = turns.iter().flat_map(|turn| turn.calls_of("report_activity"));
    reports.map(|report| report["percentage"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_question_is_answered_with_facts_in_every_protocol_streamed_and_not() {
    let server = server(Explorer);
    for wire in WIRES {
        for is_streamed in [false, true] {
            let turns =
                converse(&server, (wire, is_streamed), "Where is the retry policy?", &tools(), folder).await;
            assert_eq!(turns.len(), 4, "{wire:?}");
            assert_eq!(percentages(&turns), [10, 35, 60]);

            assert_eq!(turns[0].calls_of("list_files"), [&json!({"path": ".", "depth": null})]);
            assert_eq!(turns[1].calls_of("search_text"), [&search_for("retry"), &search_for("policy")]);
            assert_eq!(turns[1].calls_of("list_files"), [&json!({"path": "src", "depth": null})]);
            assert!(!turns[1].text.is_empty(), "the model speaks beside its calls");
            assert_eq!(
                turns[2].calls_of("read_file"),
                [&json!({"path": "src/retry.rs"}), &json!({"path": "README.md"})]
            );

            let calls: Vec<_> = turns.iter().flat_map(|turn| &turn.calls).collect();
            assert_eq!(calls.iter().map(|call| &call.id).collect::<HashSet<_>>().len(), calls.len());

            assert_says(
                &turns[3].text,
                &[
                    "I found `retry` and `policy` in 2 files, most of all in `src/retry.rs`.",
                    "4 files and 2 folders, 1.4 KB in all: 2 Rust, 1 Markdown and 1 TOML.",
                    "Not counted is what 1 folder may hold that I did not list.",
                    "- `retry`: 3 lines in 2 files",
                    "`src/retry.rs:3`: `pub struct Retry;`",
                    "`README.md:3`: `` Set `retry` to 3. ``",
                    "- `policy`: 1 line in 1 file",
                    "`src/retry.rs` (900 bytes, 40 lines): read in part; begins with `//! The retry policy.`",
                    "`README.md` (120 bytes, 3 lines): its first heading is “Demo”",
                ],
            );
            assert!(!turns[3].text.contains("What did not work"), "{}", turns[3].text);
        }
    }
}

#[tokio::test]
async fn usage_grows_with_the_conversation_and_fits_the_sizes() {
    let turns = ask("Where is the retry policy?", &tools(), folder).await;
    assert!(turns.windows(2).all(|pair| pair[0].input_tokens < pair[1].input_tokens));
    let answer = turns.last().unwrap();
    assert_eq!(answer.output_tokens, answer.text.chars().count().div_ceil(4) as u64);
}

#[tokio::test]
async fn words_that_are_not_found_are_searched_once_more_in_a_wider_form() {
    let run = |name: &str, arguments: &Value| match arguments["query"].as_str() {
        Some("retr") => Ok("src/retry.rs:1: //! The retry policy.".to_owned()),
        _ => folder(name, arguments),
    };
    let turns = ask("How many retries?", &tools(), run).await;
    assert_eq!(percentages(&turns), [10, 35, 60, 85]);
    assert_eq!(turns[3].calls_of("search_text"), [&search_for("retr")]);
    assert_says(&turns.last().unwrap().text, &["- `retries`: not found", "- `retr`: 1 line in 1 file"]);
}

#[tokio::test]
async fn a_question_without_words_is_answered_from_what_introduces_the_folder() {
    let turns = ask("What is this?", &tools(), folder).await;
    assert!(turns.iter().all(|turn| turn.calls_of("search_text").is_empty()));
    assert_eq!(turns[2].calls_of("read_file")[0], &json!({"path": "README.md"}));
    assert_says(&turns.last().unwrap().text, &["I looked through the folder and read `README.md`", "“Demo”"]);
}

#[tokio::test]
async fn a_file_that_the_question_names_is_read_first() {
    let turns = ask("What does Cargo.toml say about retry?", &tools(), folder).await;
    assert_eq!(turns[2].calls_of("read_file")[0], &json!({"path": "Cargo.toml"}));
}

#[tokio::test]
async fn errors_of_tools_are_told_and_nothing_is_made_up() {
    for wire in WIRES {
        let broken = |name: &str, _: &Value| match name {
            "report_activity" => Ok("Status updated".to_owned()),
            _ => Err("Error: the disk is gone".to_owned()),
        };
        let server = server(Explorer);
        let turns = converse(&server, (wire, false), "Where is the retry policy?", &tools(), broken).await;
        let answer = &turns.last().unwrap().text;
        assert!(turns.len() <= 6, "{} turns", turns.len());
        assert_says(
            answer,
            &[
                "I could not look at any files",
                "- `list_files .`: Error: the disk is gone",
                "- `search_text retry`: Error: the disk is gone",
                "- `read_file README.md`: Error: the disk is gone",
            ],
        );
        assert!(!answer.contains("What is there"), "{answer}");
    }
}

#[tokio::test]
async fn an_empty_folder_is_said_to_be_empty_at_once() {
    let empty =
        |name: &str, _: &Value| Ok(if name == "list_files" { String::new() } else { "no match".into() });
    let turns = ask("Where is the retry policy?", &tools(), empty).await;
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1].text, "The folder is empty: there are no files to look at.");
}

#[tokio::test]
async fn listings_and_hits_that_were_cut_are_counted_as_at_least() {
    let cut = |name: &str, arguments: &Value| {
        Ok(match name {
            "list_files" => "a.md\t10\n[… more entries, 900 in all]".into(),
            "search_text" => "a.md:1: retry\n[… more]".into(),
            _ => folder("read_file", arguments).unwrap_or("# A".into()),
        })
    };
    let turns = ask("retry?", &tools(), cut).await;
    assert_says(&turns.last().unwrap().text, &["at least 1 file,", "- `retry`: at least 1 line in 1 file"]);
}

#[tokio::test]
async fn only_tools_that_are_offered_are_called() {
    for left_out in ["list_files", "search_text", "read_file", "report_activity"] {
        let offered: Vec<_> = tools().into_iter().filter(|(name, _)| *name != left_out).collect();
        let turns = ask("Where is the retry policy?", &offered, folder).await;
        assert!(turns.iter().all(|turn| turn.calls_of(left_out).is_empty()));
        let is_told = turns.last().unwrap().text.contains(&format!("(`{left_out}`)"));
        assert_eq!(is_told, left_out != "report_activity", "{}", turns.last().unwrap().text);
    }
}

#[tokio::test]
async fn a_tool_with_an_unknown_required_argument_is_left_alone() {
    let offered = [("list_files", json!({"bucket": {"type": "string"}}))];
    let turns = ask("Where is the retry policy?", &offered, folder).await;
    assert_eq!(turns.len(), 1);
    assert_says(&turns[0].text, &["I could not look at any files"]);
}

#[tokio::test]
async fn a_run_that_is_wrapped_up_is_answered_from_what_is_known() {
    let server = server(Explorer);
    for wire in WIRES {
        let mut history = vec![wire.user("Where is the retry policy?")];
        let turn = wire.send(&server, &wire.request(&history, &tools(), false)).await;
        history.extend(turn.history.clone());
        let outputs: Vec<_> = turn
            .calls
            .iter()
            .map(|call| (call.id.clone(), folder(&call.name, &call.arguments).unwrap(), false))
            .collect();
        history.extend(wire.outputs(&outputs));
        history.push(wire.user("Please wrap up and answer now."));
        let report_only: Vec<_> =
            tools().into_iter().filter(|(name, _)| *name == "report_activity").collect();
        for left in [&report_only[..], &[]] {
            let last = wire.send(&server, &wire.request(&history, left, false)).await;
            assert_eq!(last.calls, []);
            assert_says(
                &last.text,
                &["2 files and 2 folders", "I had no tool to read them with (`read_file`)"],
            );
        }
    }
}

#[tokio::test]
async fn a_second_question_is_worked_on_afresh() {
    let server = server(Explorer);
    let wire = Wire::Messages;
    let history = [
        wire.user("Where is the retry policy?"),
        json!({"role": "assistant", "content": "In src/retry.rs."}),
        wire.user("And the backoff?"),
    ];
    let turn = wire.send(&server, &wire.request(&history, &tools(), false)).await;
    assert_eq!(turn.calls_of("list_files").len(), 1);
}

#[tokio::test]
async fn without_parallel_calls_there_is_one_call_a_turn_and_still_an_answer() {
    let server = server(Explorer);
    let wire = Wire::Chat;
    let mut history = vec![wire.user("Where is the retry policy?")];
    for _ in 0..TOO_MANY {
        let mut request = wire.request(&history, &tools(), false);
        request["parallel_tool_calls"] = json!(false);
        let turn = wire.send(&server, &request).await;
        history.extend(turn.history);
        let Some(call) = turn.calls.first() else {
            assert_says(&turn.text, &["- `retry`: 3 lines in 2 files", "`src/retry.rs` (40 lines)"]);
            return;
        };
        assert_eq!(turn.calls.len(), 1);
        history.extend(wire.outputs(&[(
            call.id.clone(),
            folder(&call.name, &call.arguments).unwrap(),
            false,
        )]));
    }
    panic!("no answer after {TOO_MANY} turns");
}

#[tokio::test]
async fn the_explorer_is_what_a_server_has_by_default() {
    let server = DemoServer::start().unwrap();
    let wire = Wire::Responses;
    let turn = wire.send(&server, &wire.request(&[wire.user("What is this?")], &[], true)).await;
    assert_says(&turn.text, &["I could not look at any files"]);
}
