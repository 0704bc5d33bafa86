//! A server that fails, breaks off, hangs, and plays havoc.

use std::time::Duration;

use agentexec::agent::ModelErrorKind;
use agentexec::openai::Timeouts;
use agentexec::prelude::*;
use futures_util::future::join_all;

use crate::world::{Aimock, MODEL, WAYS, agent, run, watched};

const STORY: &str = "It was a dark and stormy night, and the rain fell in torrents.";

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn an_overload_is_waited_out() {
    let server = Aimock::start();
    for way in WAYS {
        let run = run(&server.runner(way, "busy"), agent(), "busy once").await.unwrap();
        assert_eq!(run.output, "Now I can.", "{way:?}");
        assert_eq!(server.asked(way, "busy").await.len(), 2, "{way:?}");
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn a_stream_that_breaks_is_asked_for_again_and_shown_once() {
    let server = Aimock::start();
    for way in WAYS.into_iter().filter(|way| way.streaming) {
        let (run, shown, retracted) = watched(server.runner(way, "breaks"), "breaks once").await;
        assert_eq!((run.output.as_str(), shown.as_str(), retracted), (STORY, STORY, 1), "{way:?}");
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn a_stream_that_breaks_for_one_provider_is_taken_over_by_another() {
    let server = Aimock::start();
    let streamed = || WAYS.into_iter().filter(|way| way.streaming);
    for way in streamed() {
        for other in streamed() {
            let broken = server.runner_with(way, "over", "broken", Timeouts::default());
            let both = broken.fallback(server.runner(other, "over"));
            let (run, shown, retracted) = watched(both, "taken over").await;
            assert_eq!((run.output.as_str(), shown.as_str()), (STORY, STORY), "{way:?} to {other:?}");
            assert_eq!(retracted, 3, "{way:?} to {other:?}: one try and two retries");
        }
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn a_server_that_says_nothing_is_not_waited_for_longer_than_allowed() {
    let server = Aimock::start();
    let mut timeouts = Timeouts::default();
    (timeouts.first_byte, timeouts.between_bytes) = (Duration::from_millis(200), Duration::from_millis(200));
    for way in WAYS.into_iter().filter(|way| way.streaming) {
        let error = run(&server.runner_with(way, "slow", MODEL, timeouts), agent(), "takes its time")
            .await
            .unwrap_err();
        let error = error.error().unwrap();
        assert_eq!(error.model_error().unwrap().kind(), ModelErrorKind::Timeout, "{way:?}");
        assert!(error.is_resumable(), "{way:?}");
    }
}

/// Half of all requests fail in one way or another. What comes is the whole answer or an error, never a part.
#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn havoc_never_makes_a_wrong_answer() {
    let server =
        Aimock::start_with(&["--chaos-drop", "0.2", "--chaos-malformed", "0.2", "--chaos-disconnect", "0.2"]);
    for way in WAYS {
        let runner = server.runner(way, "havoc");
        let runs = join_all((0..20).map(|_| run(&runner, agent(), "short"))).await;
        let mut answered = 0;
        for run in runs {
            match run {
                Ok(run) => {
                    assert_eq!(run.output, "Yes.", "{way:?}");
                    answered += 1;
                }
                Err(error) => {
                    let error = error.error().unwrap().model_error().unwrap();
                    let known =
                        [ModelErrorKind::Server, ModelErrorKind::Protocol, ModelErrorKind::Unreachable];
                    assert!(known.contains(&error.kind()), "{way:?}: {error:?}");
                }
            }
        }
        assert!(answered > 0, "{way:?}: of twenty, with two retries each, some succeed");
    }
}
