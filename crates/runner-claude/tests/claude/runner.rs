//! `ClaudeRunner` beside the Claude runner of the Python agentexec's guide to custom runners, line by line.

use agentexec_activity_core::{Activities, MemoryStore, Status};
use agentexec_agent_core::model::ModelSettings;
use agentexec_agent_core::testing::{ScriptedModel, Turn};
use agentexec_agent_core::transcript::{
    AssistantItem, Item, Raw, ReasoningItem, ToolCall, ToolOutputItem, Transcript,
};
use agentexec_agent_core::{Agent, AgentErrorKind, Finish, OnMaxTurns};
use agentexec_runner_claude::{Claude, ClaudeRunner, DEFAULT_MAX_TOKENS, DEFAULT_MODEL, RetryPolicy};
use agentexec_runner_core::testing::Recorded;
use agentexec_runner_core::{Retry, RunContext, RunEvent, RunExt, Runner};
use serde_json::{Value, json};

use crate::support::{Answer, Reply, Server, both, claude, error, play, play_with};
use crate::tools::add;

fn adding(turn: usize) -> Answer {
    Answer::calls([(&*format!("toolu_{turn}"), "add", r#"{"a": 1, "b": 2}"#)])
}

fn adder() -> Agent {
    Agent::new("Adder").instructions("Add.").tool(add())
}

#[tokio::test]
async fn the_model_has_a_default_and_the_request_has_a_system_prompt_tools_and_the_input() {
    let server = Server::answering([Answer::text("Hello.").template(true)]).await;
    let model = Claude::new("key").base_url(server.uri()).build().unwrap();
    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("run").await.unwrap();
    ClaudeRunner::new(model).tracked(&activities).run(id, adder().input("1 + 2?")).await.unwrap();
    let body = &server.bodies().await[0];
    assert_eq!(body["model"], DEFAULT_MODEL);
    assert_eq!(body["max_tokens"], DEFAULT_MAX_TOKENS);
    assert_eq!(body["system"][0]["text"], "Add.");
    assert_eq!(body["tools"][0]["name"], "add");
    assert_eq!(body["messages"][0]["content"][0]["text"], "1 + 2?");
}

#[tokio::test]
async fn a_model_of_ones_own_is_run_by_the_rules_of_the_runner() {
    let model = ScriptedModel::new([Turn::call("add", r#"{"a": 1, "b": 2}"#)]);
    let runner = ClaudeRunner::new(model).max_turns(1);
    let run = runner.run(&RunContext::untracked(), adder().input("1 + 2?")).await.unwrap();
    assert_eq!(run.finish, Finish::MaxTurns);
}

#[tokio::test]
async fn sampling_is_sent_when_it_is_set() {
    both(async |streaming| {
        let mut settings = ModelSettings::default();
        (settings.temperature, settings.top_p) = (Some(0.5), Some(0.9));
        for (settings, expected) in
            [(settings, [Some(0.5), Some(0.9)]), (ModelSettings::default(), [None, None])]
        {
            let seen = play(streaming, &adder().settings(settings), [Answer::text("Hello.")]).await;
            let sent = ["temperature", "top_p"].map(|field| seen.bodies[0].get(field).cloned());
            assert_eq!(sent, expected.map(|number| number.map(Value::from)));
        }
    })
    .await;
}

#[tokio::test]
async fn each_turn_with_tools_reports_progress_and_the_percentage_is_90_at_most() {
    both(async |streaming| {
        let turns = (0..9).map(adding).chain([Answer::text("Done.")]);
        let seen = play(streaming, &adder().max_turns(9), turns.take(9)).await;
        let expected: Vec<String> =
            (1..=9).map(|turn| format!("Turn {turn}: Processing tool calls")).collect();
        let reported: Vec<&String> = seen.messages.iter().filter(|line| line.starts_with("Turn")).collect();
        assert_eq!(reported, expected.iter().collect::<Vec<_>>());
        // Created, started, nine turns, and the end.
        assert_eq!(seen.percentages, [0, 0, 11, 22, 33, 44, 55, 66, 77, 88, 90, 100]);
    })
    .await;
}

#[tokio::test]
async fn the_log_says_started_and_completed() {
    both(async |streaming| {
        let seen = play(streaming, &adder(), [adding(1), Answer::text("It is 3.")]).await;
        assert_eq!(seen.run().output, "It is 3.");
        assert_eq!(seen.statuses, [Status::Queued, Status::Running, Status::Complete]);
        assert_eq!(
            seen.messages,
            [
                "Waiting to start.",
                "Task started.",
                "Turn 1: Processing tool calls",
                "Task completed successfully.",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn the_tool_calls_and_their_results_stand_behind_the_answer_that_asked_for_them() {
    both(async |streaming| {
        let seen = play(streaming, &adder(), [adding(1), Answer::text("It is 3.")]).await;
        let roles: Vec<&str> = seen.bodies[1]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert_eq!(seen.newest()["content"][0]["tool_use_id"], "toolu_1");
        assert_eq!(seen.newest()["content"][0]["content"], "3");
    })
    .await;
}

#[tokio::test]
async fn at_max_turns_the_run_is_complete_with_what_was_said_last() {
    both(async |streaming| {
        let mut said = adding(2);
        said.content.insert(0, json!({"type": "text", "text": "Still adding."}));
        let seen = play(streaming, &adder().max_turns(2), [adding(1), said]).await;
        assert_eq!((&*seen.run().output, seen.run().finish), ("Still adding.", Finish::MaxTurns));
        assert_eq!(seen.statuses.last(), Some(&Status::Complete));
        assert_eq!(seen.messages.last().unwrap(), "Max turns reached");
        assert_eq!(seen.percentages.last(), Some(&100));
    })
    .await;
}

#[tokio::test]
async fn an_error_is_in_the_log_and_reaches_the_caller() {
    both(async |streaming| {
        let refused = Reply::from(error(401, "authentication_error", "invalid x-api-key"));
        let seen = play(streaming, &adder(), [refused]).await;
        assert_eq!(seen.statuses.last(), Some(&Status::Error));
        let last = seen.messages.last().unwrap();
        assert!(last.starts_with("Task failed with error: ") && last.contains("invalid x-api-key"), "{last}");
        assert!(matches!(seen.kind(), AgentErrorKind::Model(_)));
    })
    .await;
}

#[tokio::test]
async fn the_runners_own_settings_hold_for_agents_that_have_none() {
    both(async |streaming| {
        let server = Server::answering([adding(1).template(streaming)]).await;
        let model = claude(&server).streaming(streaming).build().unwrap();
        let runner = ClaudeRunner::new(model)
            .max_turns(1)
            .on_max_turns(OnMaxTurns::Fail)
            .automatic_progress(false)
            .parallel_tools(1)
            .turn_retry(Retry::times(0));
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("run").await.unwrap();
        let outcome = runner.tracked(&activities).run(id, adder().input("Go")).await;
        let failed = outcome.unwrap_err();
        let error = failed.run_error().and_then(|error| error.error()).unwrap();
        assert!(matches!(error.kind(), AgentErrorKind::MaxTurns { max_turns: 1, .. }), "{error:?}");
        assert!(!store.messages(id).iter().any(|line| line.starts_with("Turn")));
    })
    .await;
}

#[tokio::test]
async fn a_retry_and_a_fallback_go_on_from_the_transcript() {
    both(async |streaming| {
        let busy = error(529, "overloaded_error", "Overloaded");
        let first = Server::answering([adding(1).template(streaming), busy]).await;
        let second = Server::answering([Answer::text("It is 3.").template(streaming)]).await;
        let model = |server: &Server, name: &str| {
            let claude = claude(server).streaming(streaming).model(name).retry(RetryPolicy::none());
            ClaudeRunner::new(claude.build().unwrap()).turn_retry(Retry::times(0))
        };
        let store = MemoryStore::new();
        let activities = Activities::new(store.clone());
        let id = activities.create("run").await.unwrap();
        let runner = model(&first, "large").fallback(model(&second, "small")).tracked(&activities);
        let run = runner.run(id, adder().input("1 + 2?")).await.unwrap();
        assert_eq!(run.output, "It is 3.");
        let body = &second.bodies().await[0];
        assert_eq!((body["model"].as_str(), body["messages"].as_array().unwrap().len()), (Some("small"), 3));
        assert_eq!(store.messages(id).last().unwrap(), "Completed with fallback model");
    })
    .await;
}

#[tokio::test]
async fn a_run_from_another_provider_goes_on_and_says_what_claude_could_not_be_shown() {
    let of = |value: Value| Some(Raw::new("openai@api.openai.com", value));
    let call = ToolCall {
        id: "call_1".into(),
        name: "add".into(),
        arguments: r#"{"a": 1, "b": 2}"#.into(),
        raw: of(json!({"type": "function_call", "call_id": "call_1"})),
    };
    let thought = ReasoningItem {
        text: "a secret thought".into(),
        raw: of(json!({"type": "reasoning", "encrypted_content": "a secret"})),
    };
    let transcript: Transcript = [
        Item::user("1 + 2?"),
        Item::Reasoning(thought),
        Item::Opaque(of(json!({"type": "web_search_call", "query": "a secret"})).unwrap()),
        Item::Assistant(AssistantItem { text: "I add.".into(), raw: of(json!({"type": "message"})) }),
        Item::ToolCall(call),
        Item::ToolOutput(ToolOutputItem::new("call_1", "add", "3")),
    ]
    .into_iter()
    .collect();
    both(async |streaming| {
        let input = adder().resume(transcript.clone());
        let seen = play_with(streaming, input, [Answer::text("It is 3.")], |claude| claude).await;
        assert_eq!(seen.run().output, "It is 3.");
        let told: Vec<&RunEvent> =
            seen.events.iter().filter(|event| matches!(event, RunEvent::Untranslated { .. })).collect();
        assert_eq!(told, [&RunEvent::Untranslated { items: 2 }]);
        assert!(!seen.bodies[0].to_string().contains("secret"), "{}", seen.bodies[0]);
        assert_eq!(
            seen.bodies[0]["messages"][1]["content"],
            json!([
                {"type": "text", "text": "I add."},
                {"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 1, "b": 2}},
            ])
        );
    })
    .await;
}

#[tokio::test]
async fn a_retry_within_the_transport_is_in_the_log() {
    both(async |streaming| {
        let busy = Reply::from(error(529, "overloaded_error", "Overloaded"));
        let input = adder().input("Go");
        let seen = play_with(streaming, input, [busy, Answer::text("Hi.").into()], |claude| claude).await;
        assert!(seen.messages.iter().any(|line| line.starts_with("Retry 1/2: ")), "{:?}", seen.messages);
    })
    .await;
}
