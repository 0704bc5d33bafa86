//! Which of several texts is the answer.

use agentexec_agent_core::model::StopReason;
use agentexec_agent_core::testing::Turn;
use agentexec_agent_core::transcript::{AssistantItem, Item, Raw, Standing};
use agentexec_agent_core::{Agent, AgentErrorKind, OnMaxTurns};
use serde_json::json;

use crate::support::{Scene, add, play};

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
