//! How long a call may take, and how long its answer may be.

use std::future::pending;
use std::time::Duration;

use agentexec_tools::{DEFAULT_OUTPUT_LIMIT, DEFAULT_TIMEOUT, ToolContext, ToolOutput, tool};
use tokio::time::{Instant, sleep};

use crate::support::{Nothing, call, try_call};

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_given_up_and_says_so() {
    let slow = tool("crawl", "", |_: Nothing, _cx: ToolContext| pending::<String>());
    let started = Instant::now();
    let answer = call(slow.timeout(Duration::from_millis(100)), "{}").await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("Tool 'crawl' timed out after 0.1 seconds.", true));
    // The clock of the timer counts whole milliseconds.
    assert!(started.elapsed() <= Duration::from_millis(101), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_quick_enough_is_not() {
    let slow = tool("crawl", "", |_: Nothing, _cx: ToolContext| async {
        sleep(Duration::from_millis(99)).await;
        "done"
    });
    assert_eq!(call(slow.timeout(Duration::from_millis(100)), "{}").await.text, "done");
}

#[tokio::test(start_paused = true)]
async fn a_tool_has_five_minutes_unless_it_says_otherwise() {
    let slow = tool("crawl", "", |_: Nothing, _cx: ToolContext| pending::<String>());
    assert_eq!(slow.settings().timeout, Some(DEFAULT_TIMEOUT));
    assert_eq!(call(slow, "{}").await.text, "Tool 'crawl' timed out after 300 seconds.");

    let patient = tool("crawl", "", |_: Nothing, _cx: ToolContext| async {
        sleep(Duration::from_hours(24)).await;
        "done"
    });
    assert_eq!(call(patient.no_timeout(), "{}").await.text, "done");
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    let long = || tool("read", "", |_: Nothing, _cx: ToolContext| async { "äö".repeat(100) });
    let answer = call(long().output_limit(5), "{}").await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("äö\n[output cut: 4 of 400 bytes shown]", false));
    assert_eq!(call(long().output_limit(400), "{}").await.text, "äö".repeat(100));
    assert_eq!(call(long().output_limit(0), "{}").await.text, "\n[output cut: 0 of 400 bytes shown]");
}

#[tokio::test]
async fn an_answer_has_a_limit_unless_the_tool_says_otherwise() {
    let long =
        tool("read", "", |_: Nothing, _cx: ToolContext| async { "x".repeat(2 * DEFAULT_OUTPUT_LIMIT) });
    let answer = call(long, "{}").await;
    assert_eq!(
        answer.text.len(),
        DEFAULT_OUTPUT_LIMIT + "\n[output cut: 100000 of 200000 bytes shown]".len()
    );
}

#[tokio::test]
async fn errors_of_whatever_kind_are_cut_too() {
    let error = tool("read", "", |_: Nothing, _cx: ToolContext| async { Err::<(), _>("x".repeat(100)) });
    let answer = call(error.output_limit(3), "{}").await;
    assert_eq!((answer.text.as_str(), answer.is_error), ("xxx\n[output cut: 3 of 100 bytes shown]", true));

    let said = tool("read", "", |_: Nothing, _cx: ToolContext| async { ToolOutput::error("x".repeat(100)) });
    assert!(call(said.output_limit(3), "{}").await.is_error);

    let fatal = tool("read", "", |_: Nothing, _cx: ToolContext| async {
        Err::<(), _>(agentexec_tools::ToolError::fatal("x".repeat(100)))
    });
    let error = try_call(fatal.output_limit(3), "{}").await.unwrap_err();
    assert_eq!(error.message, "xxx\n[output cut: 3 of 100 bytes shown]");
}

/// What a model sends is not echoed at full length.
#[tokio::test]
async fn the_words_about_arguments_that_do_not_fit_are_cut() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Numbers {
        limit: u8,
    }
    let tool = tool("read", "", |args: Numbers, _cx: ToolContext| async move { args.limit });
    let arguments = format!(r#"{{"limit": "{}"}}"#, "x".repeat(10_000));
    assert!(call(tool.output_limit(200), &arguments).await.text.len() < 300);
}
