//! Responses that are not to be gone on from: refused, cut off, filtered.

use agentexec_activity_core::Status;
use agentexec_agent_core::model::StopReason;
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::{Agent, AgentErrorKind, Finish, ModelError, ModelErrorKind, OnMaxTurns};
use agentexec_runner_core::Usage;

use crate::support::{Count, Scene, Seen, add, adding, counted, play, play_with_fallback, said};

/// A model that says something, asks for a tool, and stops for this reason; how often the tool was called.
async fn stopped(reason: StopReason) -> (Seen, usize) {
    let count = Count::default();
    let agent = Agent::new("Looker").tool(counted("look", &count, "seen"));
    let turn =
        || Turn::text("I think ").and_call("look", r#"{"at": "#).stopping(reason.clone()).costing(3, 4);
    let seen = play(|| Scene::new(agent.clone(), [turn(), Turn::text("unreachable")])).await;
    (seen, count.get())
}

/// Nothing of such a response runs, goes back to a model, or stays on a screen; what it cost is not forgotten.
fn assert_nothing_came_of_it((seen, calls): &(Seen, usize)) {
    assert_eq!(*calls, 0);
    assert_eq!(seen.said(), ["user: How many?"]);
    assert_eq!(seen.shown(), "");
    let told = seen.told();
    assert_eq!(told[told.len() - 3..], ["retracted 1", "turn 1 finished: 3+4", "finished: error"]);
    assert_eq!(seen.error().usage(), Usage::new(3, 4));
    assert_eq!(seen.error().turns()[0].tool_calls, 0);
    assert_eq!(seen.statuses.last(), Some(&Status::Error));
    assert_eq!(seen.requests.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_words_and_its_calls_are_not_run() {
    let refused = stopped(StopReason::Refusal("I will not look there.".into())).await;
    assert_nothing_came_of_it(&refused);
    let AgentErrorKind::Refused { text } = refused.0.kind() else { panic!("{:?}", refused.0.kind()) };
    assert_eq!(text, "I will not look there.");
    assert_eq!(
        refused.0.messages.last().unwrap(),
        "Task failed with error: the model refused: I will not look there."
    );
}

#[tokio::test]
async fn a_refusal_without_words_of_its_own_has_those_of_the_response() {
    let (seen, _) = stopped(StopReason::Refusal(String::new())).await;
    assert!(
        matches!(seen.kind(), AgentErrorKind::Refused { text } if text == "I think "),
        "{:?}",
        seen.kind()
    );
}

#[tokio::test]
async fn a_refusal_without_calls_is_an_error_too() {
    let turn = || Turn::text("No.").stopping(StopReason::Refusal(String::new()));
    let seen = play(|| Scene::new(Agent::new("Looker"), [turn()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Refused { text } if text == "No."), "{:?}", seen.kind());
}

#[tokio::test]
async fn a_response_that_was_cut_off_is_an_error_with_what_there_is_and_its_calls_are_not_run() {
    let cut = stopped(StopReason::MaxTokens).await;
    assert_nothing_came_of_it(&cut);
    let AgentErrorKind::Truncated { partial } = cut.0.kind() else { panic!("{:?}", cut.0.kind()) };
    assert_eq!(partial, "I think ");
    assert!(cut.0.messages.last().unwrap().ends_with("raise max_output_tokens"));
}

#[tokio::test]
async fn a_text_that_was_cut_off_is_an_error_with_the_text() {
    let turn = || Turn::text("There are se").stopping(StopReason::MaxTokens);
    let seen = play(|| Scene::new(Agent::new("Counter"), [turn()])).await;
    assert!(matches!(seen.kind(), AgentErrorKind::Truncated { partial } if partial == "There are se"));
}

#[tokio::test]
async fn a_content_filter_is_an_error() {
    let filtered = stopped(StopReason::ContentFilter).await;
    assert_nothing_came_of_it(&filtered);
    assert!(matches!(filtered.0.kind(), AgentErrorKind::ContentFilter { partial } if partial == "I think "));
    assert!(filtered.0.error().is_content_filter());
}

#[tokio::test]
async fn a_full_context_window_is_an_error() {
    let full = stopped(StopReason::ContextWindow).await;
    assert_nothing_came_of_it(&full);
    assert!(matches!(full.0.kind(), AgentErrorKind::ContextWindow { partial } if partial == "I think "));
    assert!(full.0.error().is_context_window());
}

/// The pieces of a turn that the server paused are one answer, also where it does not come to its end.
#[tokio::test]
async fn what_was_said_before_a_pause_is_part_of_what_there_is() {
    let half = async |reason: StopReason| {
        let turns = || {
            let paused = |text| Turn::text(text).stopping(StopReason::Pause);
            [adding(), paused("There "), paused("are "), Turn::text("se").stopping(reason.clone())]
        };
        let seen = play(|| Scene::new(Agent::new("Counter").tool(add()), turns())).await;
        assert_eq!(
            seen.said().last().unwrap(),
            "assistant: are ",
            "the transcript ends where the server paused"
        );
        match seen.kind() {
            AgentErrorKind::Truncated { partial }
            | AgentErrorKind::ContentFilter { partial }
            | AgentErrorKind::ContextWindow { partial }
            | AgentErrorKind::Refused { text: partial } => partial.clone(),
            other => panic!("{other:?}"),
        }
    };
    for reason in [
        StopReason::MaxTokens,
        StopReason::ContextWindow,
        StopReason::ContentFilter,
        StopReason::Refusal(String::new()),
    ] {
        assert_eq!(half(reason.clone()).await, "There are se", "{reason:?}");
    }
    assert_eq!(half(StopReason::Refusal("No.".into())).await, "No.", "a refusal with words of its own");
}

#[tokio::test]
async fn a_full_window_and_a_filter_are_known_also_where_the_request_was_refused_for_them() {
    let refused =
        |kind| Scene::new(Agent::new("Counter"), [Turn::fail(ModelError::new(kind, "no").with_status(400))]);
    let known = async |kind| {
        let seen = play(|| refused(kind)).await;
        (seen.error().is_context_window(), seen.error().is_content_filter())
    };
    assert_eq!(known(ModelErrorKind::ContextWindow).await, (true, false));
    assert_eq!(known(ModelErrorKind::ContentFilter).await, (false, true));
    assert_eq!(known(ModelErrorKind::InvalidRequest).await, (false, false));
}

/// A response of which nothing came is not one of the turns that an agent has.
#[tokio::test]
async fn another_model_is_asked_also_when_it_was_the_last_turn() {
    let refused = || Turn::text("No.").stopping(StopReason::Refusal(String::new()));
    let once = || Scene::new(Agent::new("Counter").max_turns(1), [refused()]);
    let (seen, _) = play_with_fallback(once, || vec![Turn::text("There are 7.")]).await;
    assert_eq!(seen.run().output, "There are 7.");

    let policy = OnMaxTurns::Recover { turns: 1, prompt: None };
    let agent = || Agent::new("Adder").tool(add()).max_turns(1).on_max_turns(policy.clone());
    let recovering = || Scene::new(agent(), [adding(), refused()]);
    let (seen, _) = play_with_fallback(recovering, || vec![Turn::text("3")]).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), ("3", Finish::Recovered));
}

/// A transcript that ends in half an answer is refused by some providers, and would put words into the mouth of
/// the other model.
#[tokio::test]
async fn another_model_is_asked_the_same_and_turns_and_usage_go_on() {
    let refused = || Turn::text("No.").stopping(StopReason::Refusal(String::new())).costing(3, 4);
    let answered = || vec![Turn::text("There are 7.").costing(5, 6)];
    let (seen, asked) = play_with_fallback(|| Scene::new(Agent::new("Counter"), [refused()]), answered).await;
    assert_eq!(said(&asked[0].transcript), ["user: How many?"]);
    assert_eq!(seen.run().output, "There are 7.");
    assert_eq!(seen.shown(), "There are 7.");
    assert!(seen.told().contains(&"turn 2".to_owned()));
    assert_eq!(seen.run().usage(), Usage::new(8, 10), "the refusal cost something too");
}
