//! What was shown of a response that does not count is taken back.

use agentexec_agent_core::{Agent, AgentErrorKind, ModelErrorKind};
use agentexec_runner_core::RunEvent;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Watched, agent, runner, watch, watch_on};
use crate::support::{server, stream};
use crate::wire::{Wire, say};

super::on_every_stream! {
    a_refusal_takes_back_what_was_said_before_it
    an_answer_that_was_cut_off_is_taken_back_unless_the_agent_takes_it
    an_answer_of_another_form_is_taken_back_before_the_next
    what_comes_at_once_with_an_event_that_cannot_be_read_is_told_and_taken_back
}

/// The text that is shown in the end, and how often some was taken back.
fn shown(seen: &Watched) -> (String, usize) {
    seen.events.iter().fold((String::new(), 0), |(shown, times), event| match event {
        RunEvent::TextDelta { text } => (shown + text, times),
        RunEvent::Retracted { .. } => {
            assert!(!shown.is_empty(), "there was something to take back");
            (String::new(), times + 1)
        }
        _ => (shown, times),
    })
}

async fn a_refusal_takes_back_what_was_said_before_it(wire: Wire) {
    let seen = watch(wire, agent(), [say("I could").refusing("I cannot.")]).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Refused { text } if text == "I cannot."));
    assert_eq!(shown(&seen), (String::new(), 1));
}

async fn an_answer_that_was_cut_off_is_taken_back_unless_the_agent_takes_it(wire: Wire) {
    let cut = || say("Once upon a").ending("length", "max_output_tokens");
    let seen = watch(wire, agent(), [cut()]).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Truncated { .. }));
    assert_eq!(shown(&seen), (String::new(), 1));
    let seen = watch(wire, agent().accept_truncated(true), [cut()]).await;
    assert_eq!(shown(&seen), ("Once upon a".to_owned(), 0));
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Weather {
    temperature: i32,
}

async fn an_answer_of_another_form_is_taken_back_before_the_next(wire: Wire) {
    let asking: Agent = agent().output::<Weather>();
    let seen = watch(wire, asking, [say("It is warm."), say(r#"{"temperature": 21}"#)]).await;
    assert_eq!(shown(&seen), (r#"{"temperature": 21}"#.to_owned(), 1));
    assert_eq!(seen.run().output, r#"{"temperature": 21}"#);
}

async fn what_comes_at_once_with_an_event_that_cannot_be_read_is_told_and_taken_back(wire: Wire) {
    let answer = stream(&wire.beginning(&say("It is")), "data: {broken}\n\n");
    let server = server(wire.path(), [answer]).await;
    let seen = watch_on(runner(wire, &server), agent().input("Go.")).await;
    let AgentErrorKind::Model(error) = seen.kind() else { panic!("{:?}", seen.result) };
    assert_eq!(error.kind(), ModelErrorKind::Protocol);
    assert_eq!(shown(&seen), (String::new(), 1));
}
