//! Tool calls over the protocol: what is asked for, and how it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentexec_agent_core::{Agent, AgentErrorKind};
use agentexec_tools::{DynTool, ToolContext, ToolError, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::{Answer, Seen, both, play};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

/// A tool that adds `a` and `b`.
pub(crate) fn add() -> DynTool {
    tool("add", "Adds.", |sum: Sum, _cx: ToolContext| async move { sum.a + sum.b })
}

/// How often something happened. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A tool that takes what `add` takes, counts its calls and answers with `answer`.
pub(crate) fn counted(name: &str, count: &Count, answer: &'static str) -> DynTool {
    let count = count.clone();
    tool(name, "", move |_: Sum, _cx: ToolContext| {
        count.0.fetch_add(1, Ordering::SeqCst);
        async move { answer }
    })
}

/// The results of the newest request, without breakpoints: id, what the model reads, and whether it is an error.
fn results(seen: &Seen) -> Vec<(String, String, bool)> {
    let blocks = seen.newest()["content"].as_array().unwrap();
    let result = |block: &Value| {
        assert_eq!(block["type"], "tool_result");
        let string = |field: &str| block[field].as_str().unwrap_or_default().to_owned();
        (string("tool_use_id"), string("content"), block["is_error"] == true)
    };
    blocks.iter().map(result).collect()
}

/// Lets the model make these calls of the agent's tools.
async fn call<const N: usize>(streaming: bool, agent: &Agent, calls: [(&str, &str, &str); N]) -> Seen {
    let seen = play(streaming, agent, [Answer::calls(calls), Answer::text("I see.")]).await;
    assert_eq!(seen.run().output, "I see.");
    seen
}

#[tokio::test]
async fn parallel_calls_run_at_once_and_are_answered_in_call_order() {
    both(async |streaming| {
        // Each waits for the other, and the first answers last.
        let (meet, last) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (meeting, leaving) = (Arc::clone(&meet), Arc::clone(&last));
        let first = tool("first", "", move |_: Nothing, _cx: ToolContext| {
            let (meet, last) = (Arc::clone(&meeting), Arc::clone(&leaving));
            async move {
                meet.wait().await;
                last.wait().await;
                "one"
            }
        });
        let second = tool("second", "", move |_: Nothing, _cx: ToolContext| {
            let (meet, last) = (Arc::clone(&meet), Arc::clone(&last));
            async move {
                meet.wait().await;
                last.wait().await;
                "two"
            }
        });
        let agent = Agent::new("Pair").tool(first).tool(second);
        let calls = [("toolu_1", "first", "{}"), ("toolu_2", "second", "{}")];
        let seen = call(streaming, &agent, calls).await;
        let expected = [("toolu_1", "one"), ("toolu_2", "two")];
        assert_eq!(results(&seen), expected.map(|(id, said)| (id.to_owned(), said.to_owned(), false)));
    })
    .await;
}

#[tokio::test]
async fn errors_panics_and_timeouts_are_texts_that_the_model_reads() {
    both(async |streaming| {
        let fails = tool("fails", "", |_: Nothing, _cx: ToolContext| async {
            Err::<String, _>(ToolError::new("the disk is full"))
        });
        let panics = tool("panics", "", |_: Nothing, _cx: ToolContext| async {
            if true {
                panic!("at the disco");
            }
            "never"
        });
        let hangs = tool("hangs", "", |_: Nothing, _cx: ToolContext| std::future::pending::<String>())
            .timeout(Duration::from_millis(10));
        let agent = Agent::new("Unlucky").tools([fails, panics, hangs]);
        let calls = [("a", "fails", "{}"), ("b", "panics", "{}"), ("c", "hangs", "{}")];
        let seen = call(streaming, &agent, calls).await;
        let results = results(&seen);
        assert!(results.iter().all(|(_, _, is_error)| *is_error), "{results:?}");
        assert!(results[0].1.contains("the disk is full"), "{results:?}");
        assert!(results[1].1.contains("panicked"), "{results:?}");
        assert_eq!(results[2].1, "Tool 'hangs' timed out after 0.01 seconds.");
    })
    .await;
}

#[tokio::test]
async fn a_fatal_error_ends_the_run_with_every_call_answered() {
    both(async |streaming| {
        let fatal = tool("fatal", "", |_: Nothing, _cx: ToolContext| async {
            Err::<String, _>(ToolError::fatal("the account is closed"))
        });
        let hangs = tool("hangs", "", |_: Nothing, _cx: ToolContext| std::future::pending::<String>());
        let agent = Agent::new("Doomed").tools([fatal, hangs]);
        let calls = Answer::calls([("a", "hangs", "{}"), ("b", "fatal", "{}")]);
        let seen = play(streaming, &agent, [calls]).await;
        assert!(matches!(seen.kind(), AgentErrorKind::FatalTool(_)), "{:?}", seen.kind());
        assert!(seen.transcript().open_calls().is_empty());
        assert_eq!(seen.bodies.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_answered_with_where_and_what_was_expected() {
    both(async |streaming| {
        let calls = [
            ("cut", "add", r#"{"a": 1, "b""#),
            ("type", "add", r#"{"a": "one", "b": 2}"#),
            ("array", "add", "[1,2]"),
            ("missing", "add", r#"{"a": 1}"#),
        ];
        let seen = call(streaming, &Agent::new("Adder").tool(add()), calls).await;
        let results = results(&seen);
        let opening = "The arguments of 'add' do not fit: ";
        for ((_, said, is_error), reason) in results.iter().zip([
            "they are not valid JSON: EOF while parsing an object",
            r#"at `a`: invalid type: string "one", expected i64"#,
            "expected a JSON object, got an array",
            "missing field `b`",
        ]) {
            assert!(*is_error && said.starts_with(&format!("{opening}{reason}")), "{said}");
        }
        // What it wrote goes back as the object that the API wants.
        let asked = &seen.bodies[1]["messages"][1]["content"];
        assert_eq!(asked[2]["input"], json!({"INVALID_JSON": "[1,2]"}));
    })
    .await;
}

#[tokio::test]
async fn no_arguments_are_an_empty_object() {
    both(async |streaming| {
        let time = tool("get_time", "", |_: Nothing, _cx: ToolContext| async { "12:00" });
        let mut nothing = Answer::calls([("a", "get_time", "{}"), ("b", "get_time", "{}")]);
        nothing.content[1]["input"] = Value::Null;
        let seen = play(streaming, &Agent::new("Clock").tool(time), [nothing, Answer::text("Noon.")]).await;
        let expected = ["a", "b"].map(|id| (id.to_owned(), "12:00".to_owned(), false));
        assert_eq!(results(&seen), expected);
        for asked in seen.bodies[1]["messages"][1]["content"].as_array().unwrap() {
            assert_eq!(asked["input"], json!({}));
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_tool_is_answered_with_the_tools_there_are_and_its_siblings_run() {
    both(async |streaming| {
        let calls = [("a", "subtract", "{}"), ("b", "add", r#"{"a": 1, "b": 2}"#)];
        let seen = call(streaming, &Agent::new("Adder").tool(add()), calls).await;
        let results = results(&seen);
        assert!(results[0].1.contains("subtract") && results[0].1.contains("add"), "{results:?}");
        assert_eq!((results[0].2, &*results[1].1, results[1].2), (true, "3", false));
    })
    .await;
}

#[tokio::test]
async fn calls_of_one_id_are_told_apart_when_they_go_back() {
    both(async |streaming| {
        let calls = [("call", "add", r#"{"a": 1, "b": 2}"#), ("call", "add", r#"{"a": 3, "b": 4}"#)];
        let seen = call(streaming, &Agent::new("Adder").tool(add()), calls).await;
        let asked = seen.bodies[1]["messages"][1]["content"].as_array().unwrap();
        let asked: Vec<(&Value, &Value)> =
            asked.iter().map(|block| (&block["id"], &block["input"])).collect();
        let (one, two) = (json!({"a": 1, "b": 2}), json!({"a": 3, "b": 4}));
        assert_eq!(asked, [(&json!("call"), &one), (&json!("call-2"), &two)]);
        let expected = [("call", "3"), ("call-2", "7")];
        assert_eq!(results(&seen), expected.map(|(id, said)| (id.to_owned(), said.to_owned(), false)));
    })
    .await;
}

#[tokio::test]
async fn an_empty_output_is_still_an_answer() {
    both(async |streaming| {
        let silent = tool("silent", "", |_: Nothing, _cx: ToolContext| async {});
        let blank = tool("blank", "", |_: Nothing, _cx: ToolContext| async { " \n" });
        let agent = Agent::new("Quiet").tools([silent, blank]);
        let seen = call(streaming, &agent, [("a", "silent", "{}"), ("b", "blank", "{}")]).await;
        let blocks = seen.newest()["content"].as_array().unwrap();
        assert_eq!(blocks.len(), 2);
        for block in blocks {
            assert!(block.get("content").is_none(), "{block}");
            assert_ne!(block["is_error"], true);
        }
    })
    .await;
}
