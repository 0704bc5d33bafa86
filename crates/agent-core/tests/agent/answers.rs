//! Which of several texts is the answer.

use agentexec_agent_core::model::{ModelResponse, StopReason};
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, Standing};
use agentexec_agent_core::{
    Agent, AgentErrorKind, Finish, LoopState, OnMaxTurns, OutputFormat, Step, Transcript, TurnLoop, TurnRules,
};
use serde_json::json;

use crate::output::{BAD, GOOD, Total};
use crate::support::{QUESTION, Scene, add, play};

fn said(standing: Standing, text: &str) -> Item {
    let raw = Raw::new("test", json!({"text": text})).with_standing(standing);
    Item::Assistant(AssistantItem { text: text.into(), raw: Some(raw) })
}

/// A turn that says these texts, each so.
fn saying(texts: &[(Standing, &str)]) -> Turn {
    texts.iter().fold(Turn::default(), |turn, (standing, text)| turn.and_item(said(*standing, text)))
}

#[tokio::test]
async fn of_several_messages_the_last_is_the_answer_and_a_remark_is_none() {
    use Standing::{Message, Piece, Remark};
    let cases: [(&[(Standing, &str)], &str); 4] = [
        (&[(Message, "The answer is 42."), (Message, "The answer is 42.")], "The answer is 42."),
        (&[(Remark, "Checking. "), (Message, "The answer is 42.")], "The answer is 42."),
        (&[(Message, "The answer is 42."), (Remark, "Checked.")], "The answer is 42."),
        (&[(Piece, "The answer "), (Piece, "is 42.")], "The answer is 42."),
    ];
    for (texts, answer) in cases {
        let seen = play(|| Scene::new(Agent::new("Counter"), [saying(texts)])).await;
        assert_eq!(seen.run().output, answer);
        assert_eq!(seen.said().len(), 1 + texts.len(), "the transcript has them all");

        let agent = Agent::new("Counter").tool(add()).max_turns(1).on_max_turns(OnMaxTurns::Partial);
        let calling = || saying(texts).and_call("add", r#"{"a": 1, "b": 2}"#);
        let seen = play(|| Scene::new(agent.clone(), [calling()])).await;
        assert_eq!(seen.run().output, answer, "what the model said last");

        let cut = || saying(texts).stopping(StopReason::MaxTokens);
        let seen = play(|| Scene::new(Agent::new("Counter"), [cut()])).await;
        assert!(matches!(seen.kind(), AgentErrorKind::Truncated { partial } if partial == answer));
    }
}

fn adder() -> Agent {
    Agent::new("Adder").output::<Total>()
}

#[tokio::test]
async fn an_answer_in_a_fence_is_what_is_in_it() {
    let fenced = format!("```json\n{GOOD}\n```");
    for texts in [vec![fenced.as_str()], vec!["I add.", "", &fenced]] {
        let seen = play(|| Scene::new(adder(), [pieces(&texts)])).await;
        assert_eq!(seen.run().output, GOOD);
        assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 3 });
    }
}

/// A turn of texts and, where one is empty, something between them that only the provider knows.
fn pieces(texts: &[&str]) -> Turn {
    let item = |text: &&str| match *text {
        "" => Item::Opaque(Raw::new("test", json!({"type": "search"}))),
        text => Item::assistant(text),
    };
    texts.iter().map(item).fold(Turn::default(), Turn::and_item)
}

#[tokio::test]
async fn where_the_text_as_a_whole_has_not_the_form_its_last_part_may_have_it() {
    let cases: [&[&str]; 8] = [
        &[GOOD],
        &["{\"total\"", ": 3}"],
        &["{\"total\"", "", ": 3}"],
        &["Checking. ", GOOD],
        &[GOOD, GOOD],
        &["Searching. ", "", GOOD],
        &["Searching. ", "", "{\"total\"", ": 3}", ""],
        &["Searching. ", "", "Found it. ", GOOD, ""],
    ];
    for texts in cases {
        let seen = play(|| Scene::new(adder(), [pieces(texts)])).await;
        assert_eq!(seen.run().output, GOOD, "{texts:?}");
        assert_eq!(seen.run().parse::<Total>().unwrap(), Total { total: 3 });
        assert_eq!(seen.said().len(), 1 + texts.len(), "the transcript has them all");
    }

    let paused = || Turn::text("Searching. ").stopping(StopReason::Pause);
    let seen = play(|| Scene::new(adder(), [paused(), Turn::text(GOOD)])).await;
    assert_eq!((seen.run().output.as_str(), seen.run().turns.len()), (GOOD, 2));
    assert_eq!(seen.shown(), format!("Searching. {GOOD}"), "nothing is retracted");

    let agent = || adder().tool(add()).max_turns(1).on_max_turns(OnMaxTurns::recover());
    let turns = || [Turn::call("add", r#"{"a": 1, "b": 2}"#), pieces(&["So far: ", GOOD])];
    let seen = play(|| Scene::new(agent(), turns())).await;
    assert_eq!((seen.run().output.as_str(), seen.run().finish), (GOOD, Finish::Recovered));
}

#[tokio::test]
async fn where_no_part_has_the_form_all_of_the_text_is_what_was_wrong() {
    let turns = || [pieces(&["Checking. ", BAD]), pieces(&["Again: ", BAD])];
    let seen = play(|| Scene::new(adder(), turns())).await;
    let AgentErrorKind::Output { text, .. } = seen.kind() else { panic!("{:?}", seen.kind()) };
    assert_eq!((text.as_str(), seen.requests.len()), (&*format!("Again: {BAD}"), 2));

    // What stands before the last part is none, whatever it is.
    let seen = play(|| Scene::new(adder(), [pieces(&[GOOD, " That is all."]), Turn::text(GOOD)])).await;
    assert_eq!((seen.run().output.as_str(), seen.requests.len()), (GOOD, 2));
}

#[tokio::test]
async fn the_part_that_was_taken_is_the_answer_of_a_run_that_was_stored_then() {
    let rules = || {
        let mut rules = TurnRules::new(10, OnMaxTurns::Fail);
        rules.output = Some(OutputFormat::of::<Total>());
        rules
    };
    let mut turns = TurnLoop::new(rules(), LoopState::new(Transcript::from_user(QUESTION)));
    let items = vec![Item::assistant("Checking. "), Item::assistant(GOOD)];
    turns.responded(ModelResponse::new(items, StopReason::EndTurn)).unwrap();
    let stored = serde_json::to_string(turns.state()).unwrap();
    let mut again = TurnLoop::new(rules(), serde_json::from_str(&stored).unwrap());
    assert_eq!(again.step("").unwrap(), Step::Done(Finish::Final));
    assert_eq!(again.output(Finish::Final), GOOD);
}
