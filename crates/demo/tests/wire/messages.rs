//! Anthropic Messages: shapes of answers and streams, and what is refused.

use agentexec_demo::{Conversation, Explorer, Item, Reply};
use serde_json::{Value, json};

use crate::client::{post, server};

const PATH: &str = "/v1/messages";

fn busy(_: &Conversation) -> Reply {
    Reply::text("Let me look.")
        .and_call("find", json!({"what": "a"}))
        .and_call("find", json!({"what": "größer \"x\""}))
}

/// The message that a stream makes, with its order checked.
pub(crate) fn fold(events: &[(Option<String>, Value)]) -> Value {
    let (mut message, mut json_text, mut is_open) = (Value::Null, String::new(), false);
    for (number, (name, event)) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name.as_deref(), Some(kind));
        assert_eq!(kind == "message_start", number == 0);
        assert_eq!(kind == "message_stop", number == events.len() - 1);
        let blocks = message["content"].as_array().map(Vec::len).unwrap_or_default();
        match kind {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                assert_eq!((event["index"].as_u64(), is_open), (Some(blocks as u64), false));
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                is_open = true;
            }
            "content_block_delta" => {
                assert_eq!(event["index"], blocks - 1);
                let block = &mut message["content"][blocks - 1];
                if event["delta"]["type"] == "text_delta" {
                    let text = format!(
                        "{}{}",
                        block["text"].as_str().unwrap(),
                        event["delta"]["text"].as_str().unwrap()
                    );
                    block["text"] = json!(text);
                } else {
                    json_text.push_str(event["delta"]["partial_json"].as_str().unwrap());
                }
            }
            "content_block_stop" => {
                is_open = false;
                if !json_text.is_empty() {
                    message["content"][blocks - 1]["input"] = serde_json::from_str(&json_text).unwrap();
                    json_text.clear();
                }
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                message["usage"]["output_tokens"] = event["usage"]["output_tokens"].clone();
            }
            "ping" | "message_stop" => {}
            other => panic!("unknown event {other}"),
        }
    }
    message
}

fn request() -> Value {
    json!({"model": "claude-x", "max_tokens": 1000, "messages": [{"role": "user", "content": "hello there"}]})
}

#[tokio::test]
async fn an_answer_has_the_shape_of_the_service() {
    let answer = post(&server(busy), PATH, &request()).await;
    assert!(answer.headers["request-id"].to_str().unwrap().starts_with("req_"));
    let body = answer.json();
    assert!(body["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(
        (&body["type"], &body["role"], &body["model"]),
        (&json!("message"), &json!("assistant"), &json!("claude-x"))
    );
    assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!("tool_use"), &Value::Null));
    assert_eq!(body["content"][0], json!({"type": "text", "text": "Let me look."}));
    assert!(body["content"][2]["id"].as_str().unwrap().starts_with("toolu_"));
    assert_eq!(body["content"][2]["input"], json!({"what": "größer \"x\""}));
    assert_eq!(body["usage"]["input_tokens"], 3);
}

#[tokio::test]
async fn a_stream_makes_the_same_message_as_the_answer_in_one_piece() {
    let server = server(busy);
    let whole = post(&server, PATH, &request()).await.json();
    let mut request = request();
    request["stream"] = json!(true);
    let events = post(&server, PATH, &request).await.events();
    assert_eq!(events[0].1["message"]["content"], json!([]));
    assert_eq!(events[0].1["message"]["stop_reason"], Value::Null);
    assert!(events.iter().any(|(_, event)| event["type"] == "ping"));
    let pieces = events.iter().filter(|(_, event)| event["delta"]["type"] == "input_json_delta").count();
    assert!(pieces > 4, "input comes in pieces");

    let streamed = fold(&events);
    for shared in ["stop_reason", "stop_sequence", "usage"] {
        assert_eq!(streamed[shared], whole[shared]);
    }
    for (streamed, whole) in
        streamed["content"].as_array().unwrap().iter().zip(whole["content"].as_array().unwrap())
    {
        for shared in ["type", "text", "name", "input"] {
            assert_eq!(streamed[shared], whole[shared]);
        }
    }
}

#[tokio::test]
async fn the_token_limit_cuts_the_text_and_drops_the_calls() {
    let mut request = request();
    request["max_tokens"] = json!(2);
    let body = post(&server(busy), PATH, &request).await.json();
    assert_eq!(
        (&body["content"], &body["stop_reason"]),
        (&json!([{"type": "text", "text": "Let me l"}]), &json!("max_tokens"))
    );
}

#[tokio::test]
async fn one_call_at_a_time_where_that_is_asked_for() {
    let mut request = request();
    request["tools"] = json!([tool("find")]);
    request["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
    let body = post(&server(busy), PATH, &request).await.json();
    assert_eq!(body["content"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_brain_sees_the_conversation() {
    let seen = |conversation: &Conversation| {
        let items: Vec<String> = conversation
            .items
            .iter()
            .map(|item| match item {
                Item::User(text) => format!("user {text}"),
                Item::Assistant(text) => format!("assistant {text}"),
                Item::ToolCall { name, arguments, .. } => format!("call {name} {arguments}"),
                Item::ToolOutput { output, is_error, .. } => format!("output {output} {is_error}"),
                _ => "other".into(),
            })
            .collect();
        Reply::text(format!(
            "{} | {} | {}",
            conversation.instructions,
            items.join(", "),
            conversation.tools.len()
        ))
    };
    let result = json!({"type": "tool_result", "tool_use_id": "t1", "content": "bad", "is_error": true});
    let request = json!({
        "model": "m", "max_tokens": 100,
        "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        "tools": [tool("f"), {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "none"},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "s"},
                {"type": "text", "text": "I call"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [result]},
            {"role": "user", "content": "go on"},
        ],
    });
    let body = post(&server(seen), PATH, &request).await.json();
    let expected = r#"Be kind. | user hi, assistant I call, call f {"a":1}, output bad true, user go on | 0"#;
    assert_eq!(body["content"][0]["text"], expected);
}

fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object"}})
}

/// Posts a valid request with `change` made to it, and checks the error body.
async fn refused(change: Value, message: &str) {
    let mut request = request();
    request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let answer = post(&server(Explorer), PATH, &request).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let error = json!({"type": "invalid_request_error", "message": message});
    let request_id = answer.headers["request-id"].to_str().unwrap();
    assert_eq!(answer.json(), json!({"type": "error", "error": error, "request_id": request_id}));
}

#[tokio::test]
async fn fields_that_are_missing_or_mistyped_are_refused() {
    refused(json!({"model": null}), "model: Field required").await;
    refused(json!({"max_tokens": null}), "max_tokens: Field required").await;
    refused(json!({"max_tokens": "many"}), "max_tokens: Input should be a valid integer").await;
    refused(json!({"messages": {}}), "messages: Input should be a valid list").await;
    refused(json!({"messages": []}), "messages: at least one message is required").await;
    let robot = json!({"messages": [{"role": "robot", "content": "hi"}]});
    refused(robot, "messages.0.role: Input should be 'user' or 'assistant'").await;
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1000}});
    refused(thinking, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024").await;
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    refused(thinking, "`max_tokens` must be greater than `thinking.budget_tokens`.").await;
}

#[tokio::test]
async fn empty_content_is_refused() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    refused(user(json!("")), "messages.0: user messages must have non-empty content").await;
    refused(user(json!([])), "messages.0: user messages must have non-empty content").await;
    refused(user(json!([{"type": "text", "text": ""}])), "messages: text content blocks must be non-empty")
        .await;
    refused(
        user(json!([{"type": "text", "text": " \n"}])),
        "messages: text content blocks must contain non-whitespace text",
    )
    .await;
    let system = json!({"system": [{"type": "text", "text": ""}]});
    refused(system, "system: text content blocks must be non-empty").await;
}

#[tokio::test]
async fn the_user_speaks_first_and_last() {
    let assistant = json!({"role": "assistant", "content": "I"});
    let user = json!({"role": "user", "content": "hi"});
    let first = "messages: first message must use the \"user\" role";
    refused(json!({"messages": [assistant, user]}), first).await;
    let last = "This model does not support assistant message prefill. The conversation must end with a user \
                message.";
    refused(json!({"messages": [user, assistant]}), last).await;
}

#[tokio::test]
async fn tools_and_their_choice_are_checked() {
    let choice = json!({"tool_choice": {"type": "auto"}});
    refused(choice, "tool_choice: tool_choice may only be specified while providing tools.").await;
    let choice = json!({"tools": [tool("f")], "tool_choice": {"type": "tool", "name": "g"}});
    refused(choice, "tool_choice: Tool 'g' not found in provided tools").await;
    refused(json!({"tools": [tool("f"), tool("f")]}), "tools: Tool names must be unique.").await;
    let pattern = "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
    refused(json!({"tools": [tool("a b")]}), pattern).await;
    let schema = json!({"tools": [{"name": "f", "input_schema": {}}]});
    refused(schema, "tools.0.input_schema.type: Field required").await;
}

#[tokio::test]
async fn every_tool_use_has_one_result_at_the_head_of_the_next_message() {
    let user = json!({"role": "user", "content": "hi"});
    let used = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let asked = json!({"role": "assistant", "content": [used("t1"), used("t2")]});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    let text = json!({"type": "text", "text": "look"});
    let messages = |content: Value| json!({"messages": [user, asked, {"role": "user", "content": content}]});
    let missing = |ids: &str| {
        format!(
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. \
             Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )
    };
    refused(messages(json!("no")), &missing("t1, t2")).await;
    refused(messages(json!([result("t1")])), &missing("t2")).await;
    refused(messages(json!([result("t1"), text, result("t2")])), &missing("t2")).await;
    refused(
        messages(json!([result("t1"), result("t2"), result("t1")])),
        "messages.2.content.2: each tool_use must have a single result. Found multiple `tool_result` blocks with \
         id: t1",
    )
    .await;
    refused(
        messages(json!([result("t9")])),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t9. Each \
         `tool_result` block must have a corresponding `tool_use` block in the previous message.",
    )
    .await;
    let twice = json!({"role": "assistant", "content": [used("t1"), used("t1")]});
    refused(
        json!({"messages": [user, twice, {"role": "user", "content": [result("t1")]}]}),
        "messages: `tool_use` ids must be unique",
    )
    .await;
}
