//! Tools that fail: what the model reads, and what ends the run.

use std::future::pending;
use std::io;

use agentexec_runner_core::RunContext;
use agentexec_tools::{DynTool, IntoToolOutput, ToolContext, ToolError, ToolOutput, tool};
use anyhow::Context;
use futures_util::FutureExt;

use crate::support::{Count, CountDrop, Nothing, call, call_in, try_call};

fn failing<E: std::fmt::Display + Send + 'static>(error: impl Fn() -> E + Send + Sync + 'static) -> DynTool {
    tool("save", "", move |_: Nothing, _cx: ToolContext| {
        let failed: Result<String, E> = Err(error());
        async move { failed }
    })
}

fn said(answer: &ToolOutput) -> (&str, bool) {
    (&answer.text, answer.is_error)
}

#[tokio::test]
async fn an_error_is_text_and_flagged() {
    let answer = call(failing(|| "the disk is full"), "{}").await;
    assert_eq!(said(&answer), ("the disk is full", true));
    let answer = call(failing(|| ToolError::new("the disk is full")), "{}").await;
    assert_eq!(said(&answer), ("the disk is full", true));
}

#[tokio::test]
async fn the_chain_of_an_anyhow_error_is_shown() {
    let error = || anyhow::Error::new(io::Error::other("no space")).context("cannot save a.md");
    assert_eq!(call(failing(error), "{}").await.text, "cannot save a.md: no space");
}

/// A protocol without a flag for errors would make a success of it.
#[tokio::test]
async fn an_error_without_words_is_given_some() {
    assert_eq!(said(&call(failing(|| ""), "{}").await), ("Tool 'save' failed without a message.", true));
    assert_eq!(said(&call(failing(|| " \n"), "{}").await), ("Tool 'save' failed without a message.", true));
    let blank = tool("save", "", |_: Nothing, _cx| async { ToolOutput::error("") });
    assert_eq!(said(&call(blank, "{}").await), ("Tool 'save' failed without a message.", true));
}

#[tokio::test]
async fn a_fatal_error_names_the_tool() {
    let error = try_call(failing(|| ToolError::fatal("the ledger is closed")), "{}").await.unwrap_err();
    assert_eq!((error.name.as_str(), error.message.as_str()), ("save", "the ledger is closed"));
    assert_eq!(error.to_string(), "the tool \"save\" ended the run: the ledger is closed");
}

/// `Err(ToolError::fatal(…))?` in a function that returns `anyhow::Result` must not become an ordinary error.
#[tokio::test]
async fn a_fatal_error_stays_fatal_inside_another_error() {
    fn booked() -> anyhow::Result<()> {
        Err(ToolError::fatal("the ledger is closed"))?;
        Ok(())
    }
    let error = try_call(failing(|| booked().unwrap_err()), "{}").await.unwrap_err();
    assert_eq!(error.message, "the ledger is closed");

    let wrapped = || booked().context("cannot book").unwrap_err();
    let error = try_call(failing(wrapped), "{}").await.unwrap_err();
    assert_eq!(error.message, "cannot book: the ledger is closed");

    let context = || anyhow::anyhow!("disk full").context(ToolError::fatal("the ledger is lost"));
    let error = try_call(failing(context), "{}").await.unwrap_err();
    assert_eq!(error.message, "the ledger is lost: disk full");

    let boxed = || -> Box<dyn std::error::Error + Send + Sync> { ToolError::fatal("closed").into() };
    assert_eq!(try_call(failing(boxed), "{}").await.unwrap_err().message, "closed");

    let ordinary = || anyhow::Error::new(ToolError::new("try another page"));
    assert_eq!(said(&call(failing(ordinary), "{}").await), ("try another page", true));
}

#[tokio::test]
async fn a_panic_is_text() {
    let inside = tool("save", "", |_: Nothing, cx: ToolContext| async move {
        assert_ne!(cx.call_id(), "call_1", "amid its work");
        "unreachable"
    });
    assert_eq!(said(&call(inside, "{}").await), ("Tool 'save' failed: it panicked.", true));

    let before = tool("save", "", |_: Nothing, cx: ToolContext| {
        assert_ne!(cx.call_id(), "call_1", "before there is a future");
        async { "unreachable" }
    });
    assert_eq!(said(&call(before, "{}").await), ("Tool 'save' failed: it panicked.", true));
}

struct Explosive;

impl IntoToolOutput for Explosive {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        panic!("while the answer is made")
    }
}

#[tokio::test]
async fn a_panic_while_the_answer_is_made_is_text() {
    let tool = tool("save", "", |_: Nothing, _cx: ToolContext| async { Explosive });
    assert_eq!(said(&call(tool, "{}").await), ("Tool 'save' failed: it panicked.", true));
}

/// A tool that never answers and counts when it is called and when it is dropped.
fn endless(called: &Count, dropped: &Count) -> DynTool {
    let (called, dropped) = (called.clone(), dropped.clone());
    tool("wait", "", move |_: Nothing, _cx: ToolContext| {
        called.up();
        let guard = CountDrop(dropped.clone());
        async move {
            pending::<()>().await;
            drop(guard);
        }
    })
}

#[tokio::test]
async fn cancellation_of_the_run_ends_a_tool_that_never_answers() {
    let (called, dropped) = (Count::default(), Count::default());
    let cx = RunContext::untracked();
    let run = cx.clone();
    let stop = async move { run.cancel("enough") };
    let (answer, ()) = tokio::join!(call_in(&cx, endless(&called, &dropped).no_timeout(), "{}"), stop);
    assert_eq!(said(&answer.unwrap()), ("Tool 'wait' was canceled before it finished.", true));
    assert_eq!((called.get(), dropped.get()), (1, 1));
}

#[tokio::test]
async fn a_tool_is_not_called_in_a_run_that_was_canceled() {
    let (called, dropped) = (Count::default(), Count::default());
    let cx = RunContext::untracked();
    cx.cancel("enough");
    let answer = call_in(&cx, endless(&called, &dropped), "{}").await.unwrap();
    assert_eq!(said(&answer), ("Tool 'wait' was canceled before it finished.", true));
    assert_eq!(called.get(), 0);
}

#[tokio::test]
async fn what_a_tool_hands_back_when_it_sees_the_cancellation_counts() {
    let cx = RunContext::untracked();
    let run = cx.clone();
    let tool = tool("crawl", "", |_: Nothing, cx: ToolContext| async move {
        cx.canceled().await;
        "3 of 10 pages"
    });
    let stop = async move { run.cancel("enough") };
    let (answer, ()) = tokio::join!(call_in(&cx, tool, "{}"), stop);
    assert_eq!(said(&answer.unwrap()), ("3 of 10 pages", false));
}

#[test]
fn dropping_the_call_drops_the_tool() {
    let (called, dropped) = (Count::default(), Count::default());
    let cx = RunContext::untracked();
    let mut dispatched = Box::pin(call_in(&cx, endless(&called, &dropped).no_timeout(), "{}"));
    assert!(dispatched.as_mut().now_or_never().is_none());
    assert_eq!((called.get(), dropped.get()), (1, 0));
    drop(dispatched);
    assert_eq!(dropped.get(), 1);
}
