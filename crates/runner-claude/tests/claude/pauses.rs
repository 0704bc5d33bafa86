//! Turns that the server pauses: they go back to it as they are, whatever they hold, and count.

use agentexec_agent_core::transcript::{Item, Transcript};
use agentexec_agent_core::{Agent, AgentErrorKind, Finish, OnMaxTurns};
use serde_json::{Value, json};

use crate::support::{Answer, both, play, play_with};
use crate::tools::add;

fn agent() -> Agent {
    Agent::new("Searcher").tool(add())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn search() -> Value {
    json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "x"}})
}

fn found() -> Value {
    json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []})
}

fn paused(content: Vec<Value>) -> Answer {
    Answer::new(content, "pause_turn")
}

#[tokio::test]
async fn a_paused_turn_goes_on_without_a_word_of_the_users_and_counts() {
    let thinking = json!({"type": "thinking", "thinking": "Hm", "signature": "s"});
    both(async |streaming| {
        for content in [vec![text("Searching."), search()], vec![text("Searching.")], vec![thinking.clone()]]
        {
            let mut last = Answer::text(" Found nothing.");
            last.content.insert(0, found());
            let seen = play(streaming, &agent(), [paused(content.clone()), last]).await;
            let said = content[0]["text"].as_str().unwrap_or_default().to_owned() + " Found nothing.";
            assert_eq!((&*seen.run().output, seen.run().turns.len()), (&*said, 2));
            assert_eq!(seen.bodies[1]["messages"].as_array().unwrap().len(), 2);
            assert_eq!(*seen.newest(), json!({"role": "assistant", "content": content}));
        }
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_is_paused_before_it_said_anything_is_asked_for_again() {
    both(async |streaming| {
        let seen = play(streaming, &agent(), [paused(vec![]), Answer::text("Hi.")]).await;
        assert_eq!((&*seen.run().output, seen.run().turns.len()), ("Hi.", 2));
        assert_eq!(seen.bodies[0], seen.bodies[1]);
    })
    .await;
}

#[tokio::test]
async fn a_call_beside_a_pause_is_answered() {
    both(async |streaming| {
        let mut first = Answer::calls([("toolu_1", "add", r#"{"a": 1, "b": 2}"#)]).stopping("pause_turn");
        first.content.insert(0, search());
        let seen = play(streaming, &agent(), [first.clone(), Answer::text("It is 3.")]).await;
        assert_eq!(seen.run().output, "It is 3.");
        let messages = seen.bodies[1]["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &messages[1]["content"]), (3, &json!(first.content)));
        assert_eq!(seen.newest()["content"][0]["content"], "3");
    })
    .await;
}

#[tokio::test]
async fn a_pause_at_the_limit_of_turns_ends_as_the_agent_says() {
    both(async |streaming| {
        let at_the_limit = async |policy| {
            let agent = agent().max_turns(1).on_max_turns(policy);
            let first = paused(vec![text("Searching."), search()]);
            play(streaming, &agent, [first, Answer::text("Found nothing.")]).await
        };
        let seen = at_the_limit(OnMaxTurns::Fail).await;
        assert!(matches!(seen.kind(), AgentErrorKind::MaxTurns { .. }), "{:?}", seen.kind());

        let seen = at_the_limit(OnMaxTurns::Partial).await;
        assert_eq!((&*seen.run().output, seen.run().finish), ("Searching.", Finish::MaxTurns));
        assert_eq!(seen.bodies.len(), 1);

        let seen = at_the_limit(OnMaxTurns::recover()).await;
        assert_eq!((&*seen.run().output, seen.run().finish), ("Found nothing.", Finish::Recovered));
        let newest = seen.newest();
        assert_eq!(
            (&newest["role"], seen.bodies[1]["messages"].as_array().unwrap().len()),
            (&json!("user"), 3)
        );
    })
    .await;
}

/// The messages of a run that goes on from this transcript, which was stored meanwhile.
async fn resumed(streaming: bool, transcript: &Transcript) -> Vec<Value> {
    let stored = serde_json::to_string(transcript).unwrap();
    let input = agent().resume(serde_json::from_str(&stored).unwrap());
    let seen = play_with(streaming, input, [Answer::text("Hi.")], |claude| claude).await;
    seen.bodies[0]["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_finished_turn_with_a_server_tool_is_no_pause() {
    both(async |streaming| {
        let answer = Answer::new(vec![search(), found(), text("Nothing.")], "end_turn");
        let seen = play(streaming, &agent(), [answer]).await;
        let messages = resumed(streaming, seen.transcript()).await;
        assert_eq!((messages.len(), &messages[2]["role"]), (3, &json!("user")));

        let mut transcript = seen.transcript().clone();
        transcript.push(Item::user("And now?"));
        let messages = resumed(streaming, &transcript).await;
        assert_eq!((messages.len(), &messages[2]["content"][0]["text"]), (3, &json!("And now?")));
    })
    .await;
}
