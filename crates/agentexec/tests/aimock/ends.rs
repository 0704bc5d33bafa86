//! Runs that come to their end, and what there is at it.

use agentexec::agent::{AgentErrorKind, Item, ModelErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::world::{Aimock, WAYS, agent, run, watched};

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn tools_run_and_the_answer_and_the_usage_are_those_of_the_script() {
    let server = Aimock::start();
    for way in WAYS {
        let run = run(&server.runner(way, "tools"), agent(), "two tools").await.unwrap();
        assert_eq!(run.output, "It is sunny in Paris, and the sum is 42.", "{way:?}");
        let answers: Vec<&str> = run
            .transcript
            .items()
            .iter()
            .filter_map(|item| match item {
                Item::ToolOutput(answer) => Some(answer.output.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(answers, ["Sunny in Paris", "42"], "{way:?}");
        let usage = run.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens, run.turns.len()), (90, 26, 2), "{way:?}");
        assert_eq!(server.asked(way, "tools").await.len(), 2, "{way:?}");
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn what_the_model_thought_is_in_the_transcript() {
    let server = Aimock::start();
    for way in WAYS {
        let run = run(&server.runner(way, "thoughts"), agent(), "think").await.unwrap();
        assert_eq!(run.output, "Three.", "{way:?}");
        let thought = run.transcript.items().iter().find_map(|item| match item {
            Item::Reasoning(thought) => Some(thought.text.as_str()),
            _ => None,
        });
        assert_eq!(thought, Some("The user wants a sum, so I add."), "{way:?}");
    }
}

/// The server cuts a text by UTF-16 units, so that half a character ends the first piece.
#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn a_character_that_is_cut_in_two_is_whole_again() {
    let server = Aimock::start();
    for way in WAYS {
        let (run, shown, retracted) = watched(server.runner(way, "smile"), "a smile").await;
        let smile = "abc🙂 and 😀d";
        assert_eq!((&*run.output, &*shown, retracted), (smile, smile, 0), "{way:?}");
    }
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Weather {
    city: String,
    degrees: i64,
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn an_answer_of_a_form_is_a_value() {
    let server = Aimock::start();
    for way in WAYS {
        let run = run(&server.runner(way, "form"), agent().output::<Weather>(), "a form").await.unwrap();
        let weather: Weather = run.parse().unwrap();
        assert_eq!(weather, Weather { city: "Paris".into(), degrees: 21 }, "{way:?}");
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn an_answer_that_was_cut_off_is_no_answer() {
    let server = Aimock::start();
    for way in WAYS {
        let error = run(&server.runner(way, "cut"), agent(), "cut off").await.unwrap_err();
        match error.error().unwrap().kind() {
            AgentErrorKind::Truncated { partial } => assert_eq!(partial, "Once upon a", "{way:?}"),
            other => panic!("{way:?}: {other:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs aimock: cargo xtask interop"]
async fn a_wrong_key_is_an_error_that_nobody_tries_again() {
    let server = Aimock::start();
    for way in WAYS {
        let error = run(&server.runner(way, "key"), agent(), "wrong key").await.unwrap_err();
        let error = error.error().unwrap().model_error().unwrap();
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Authentication, Some(401)), "{way:?}");
        assert!(error.message().contains("Incorrect API key provided"), "{way:?}: {error}");
        assert_eq!(server.asked(way, "key").await.len(), 1, "{way:?}");
    }
}
