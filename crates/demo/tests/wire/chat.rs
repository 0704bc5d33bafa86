//! OpenAI Chat Completions: shapes of answers and streams, and what is refused.

use agentexec_demo::{Conversation, Explorer, Item, Reply};
use serde_json::{Value, json};

use crate::client::{post, server};

const PATH: &str = "/v1/chat/completions";

/// Says something and calls two tools at once.
fn busy(_: &Conversation) -> Reply {
    Reply::text("Let me look.")
        .and_call("find", json!({"what": "a"}))
        .and_call("find", json!({"what": "größer \"x\""}))
}

/// The completion that the chunks of a stream make, as a client puts it together.
pub(crate) fn fold(events: &[(Option<String>, Value)]) -> Value {
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.1, "[DONE]");
    let (mut content, mut calls, mut usage, mut finish) =
        (None::<String>, Vec::<Value>::new(), Value::Null, Value::Null);
    for (at, (name, chunk)) in chunks.iter().enumerate() {
        assert_eq!(*name, None, "chunks have no event name");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for shared in ["id", "created", "model"] {
            assert_eq!(chunk[shared], chunks[0].1[shared]);
        }
        let Some(choice) = chunk["choices"].get(0) else {
            usage = chunk["usage"].clone();
            continue;
        };
        let delta = &choice["delta"];
        assert_eq!(delta["role"] == "assistant", at == 0, "the first chunk alone has the role");
        assert_eq!(finish, Value::Null, "the finish reason comes last");
        finish = choice["finish_reason"].clone();
        if let Some(piece) = delta["content"].as_str() {
            content.get_or_insert_default().push_str(piece);
        }
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                calls.push(json!({"id": piece["id"], "type": piece["type"], "function": piece["function"]}));
                assert_eq!(piece["function"]["arguments"], "");
            } else {
                let call = &mut calls[index]["function"]["arguments"];
                *call = json!(format!(
                    "{}{}",
                    call.as_str().unwrap(),
                    piece["function"]["arguments"].as_str().unwrap()
                ));
            }
        }
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})
}

#[tokio::test]
async fn an_answer_has_the_shape_of_the_service() {
    let request = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "hello there"}]});
    let answer = post(&server(busy), PATH, &request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    let body = answer.json();
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("gpt-x")));
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-") && body["created"].is_u64());
    let choice = &body["choices"][0];
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("tool_calls")));
    assert_eq!(choice["message"]["content"], "Let me look.");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls[1]["type"], "function");
    assert_eq!(calls[1]["function"], json!({"name": "find", "arguments": "{\"what\":\"größer \\\"x\\\"\"}"}));
    assert_eq!(body["usage"]["prompt_tokens"], 3);
    let total = body["usage"]["completion_tokens"].as_u64().unwrap() + 3;
    assert_eq!(body["usage"]["total_tokens"], total);
}

#[tokio::test]
async fn a_stream_makes_the_same_message_as_the_answer_in_one_piece() {
    let server = server(busy);
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let whole = post(&server, PATH, &request).await.json();
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let events = post(&server, PATH, &request).await.events();
    let texts: Vec<_> =
        events.iter().filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(texts, ["", "Let ", "me ", "look."]);
    let pieces =
        events.iter().filter(|(_, chunk)| chunk["choices"][0]["delta"]["tool_calls"].is_array()).count();
    assert!(pieces > 4, "arguments come in pieces");

    let streamed = fold(&events);
    assert_eq!(streamed["usage"], whole["usage"]);
    let (streamed, whole) = (&streamed["choices"][0], &whole["choices"][0]);
    assert_eq!(streamed["finish_reason"], whole["finish_reason"]);
    assert_eq!(streamed["message"]["content"], whole["message"]["content"]);
    assert_eq!(
        streamed["message"]["tool_calls"][1]["function"],
        whole["message"]["tool_calls"][1]["function"]
    );
}

#[tokio::test]
async fn usage_is_streamed_only_when_it_is_asked_for() {
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true});
    let events = post(&server(|_: &Conversation| Reply::text("ok")), PATH, &request).await.events();
    let chunks = &events[..events.len() - 1];
    assert!(chunks.iter().all(|(_, chunk)| chunk["choices"][0].is_object() && chunk.get("usage").is_none()));
}

#[tokio::test]
async fn a_call_without_text_has_null_content() {
    let server = server(|_: &Conversation| Reply::call("t", json!({})));
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let whole = post(&server, PATH, &request).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
    request["stream"] = json!(true);
    let events = post(&server, PATH, &request).await.events();
    assert_eq!(events[0].1["choices"][0]["delta"]["content"], Value::Null);
}

#[tokio::test]
async fn the_token_limit_cuts_the_text_and_drops_the_calls() {
    let server = server(busy);
    for limit in ["max_tokens", "max_completion_tokens"] {
        let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], limit: 2});
        let choice = &post(&server, PATH, &request).await.json()["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!("Let me l"), &json!("length"))
        );
        assert_eq!(choice["message"].get("tool_calls"), None);
    }
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
                Item::ToolOutput { output, .. } => format!("output {output}"),
                _ => "other".into(),
            })
            .collect();
        let tools: Vec<&str> = conversation.tools.iter().map(|tool| tool.name.as_str()).collect();
        Reply::text(format!("{} | {} | {}", conversation.instructions, items.join(", "), tools.join(" ")))
    };
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let request = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, image]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
        ],
        "tools": [function("f", json!({"type": "object"})), function("g", json!({"type": "object"}))],
        "tool_choice": {"type": "function", "function": {"name": "g"}},
    });
    let body = post(&server(seen), PATH, &request).await.json();
    let text = &body["choices"][0]["message"]["content"];
    assert_eq!(text, r#"Be kind. | user hi, call f {"a":1}, output one | g"#);
}

fn function(name: &str, parameters: Value) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

fn empty_array(path: &str) -> String {
    let expected = "Expected an array with minimum length 1, but got an empty array instead.";
    format!("Invalid '{path}': empty array. {expected}")
}

/// Posts a valid request with `change` made to it, and checks the error body.
async fn refused(change: Value, message: &str, param: Value, code: Value) {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let answer = post(&server(Explorer), PATH, &request).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
    assert_eq!(answer.json(), json!({"error": error}));
}

#[tokio::test]
async fn fields_that_are_missing_or_mistyped_are_refused() {
    let missing = |name: &str| format!("Missing required parameter: '{name}'.");
    refused(json!({"model": null}), &missing("model"), json!("model"), json!("missing_required_parameter"))
        .await;
    refused(
        json!({"messages": null}),
        &missing("messages"),
        json!("messages"),
        json!("missing_required_parameter"),
    )
    .await;
    refused(json!({"messages": []}), &empty_array("messages"), json!("messages"), json!("empty_array")).await;
    refused(
        json!({"messages": "hi"}),
        "Invalid type for 'messages': expected an array, but got a string instead.",
        json!("messages"),
        json!("invalid_type"),
    )
    .await;
    refused(
        json!({"messages": [{"role": "robot", "content": "hi"}]}),
        "Invalid value: 'robot'. Supported values are: 'system', 'developer', 'user', 'assistant' and 'tool'.",
        json!("messages[0].role"),
        json!("invalid_value"),
    )
    .await;
}

#[tokio::test]
async fn empty_content_is_refused() {
    refused(
        json!({"messages": [{"role": "user", "content": null}]}),
        "Invalid value for 'content': expected a string, got null.",
        json!("messages.[0].content"),
        Value::Null,
    )
    .await;
    refused(
        json!({"messages": [{"role": "user", "content": []}]}),
        &empty_array("messages[0].content"),
        json!("messages[0].content"),
        json!("empty_array"),
    )
    .await;
}

#[tokio::test]
async fn tools_are_checked() {
    let choice = json!({"type": "function", "function": {"name": "g"}});
    let strict = json!({"name": "f", "strict": true, "parameters": {"type": "object", "properties": {}}});
    refused(json!({"tools": []}), &empty_array("tools"), json!("tools"), json!("empty_array")).await;
    refused(
        json!({"tool_choice": "auto"}),
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        json!("tool_choice"),
        Value::Null,
    )
    .await;
    refused(
        json!({"tools": [function("f", json!({"type": "object"}))], "tool_choice": choice}),
        "Tool choice 'g' not found in 'tools' parameter.",
        json!("tool_choice"),
        Value::Null,
    )
    .await;
    refused(
        json!({"tools": [function("a b", json!({"type": "object"}))]}),
        "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the \
         pattern '^[a-zA-Z0-9_-]+$'.",
        json!("tools[0].function.name"),
        json!("invalid_value"),
    )
    .await;
    refused(
        json!({"tools": [function(&"f".repeat(65), json!({"type": "object"}))]}),
        "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, but got a \
         string with length 65 instead.",
        json!("tools[0].function.name"),
        json!("string_above_max_length"),
    )
    .await;
    refused(
        json!({"tools": [{"type": "function", "function": strict}]}),
        "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and \
         to be false.",
        json!("tools[0].function.parameters"),
        json!("invalid_function_parameters"),
    )
    .await;
}

#[tokio::test]
async fn options_that_exclude_each_other_are_refused() {
    refused(
        json!({"stream_options": {"include_usage": true}}),
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        json!("stream_options"),
        Value::Null,
    )
    .await;
    refused(
        json!({"max_tokens": 5, "max_completion_tokens": 5}),
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        Value::Null,
        json!("invalid_parameter_combination"),
    )
    .await;
}

#[tokio::test]
async fn every_tool_call_is_answered_once_and_right_after() {
    let user = json!({"role": "user", "content": "hi"});
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let asked = json!({"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]});
    let output = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "ok"});
    let unanswered = "An assistant message with 'tool_calls' must be followed by tool messages responding to \
                      each 'tool_call_id'. The following tool_call_ids did not have response messages: c2";

    let messages = json!({"messages": [user, asked, output("c1")]});
    refused(messages, unanswered, json!("messages.[2].role"), Value::Null).await;
    let messages = json!({"messages": [user, asked, output("c1"), user, output("c2")]});
    refused(messages, unanswered, json!("messages.[3].role"), Value::Null).await;
    refused(
        json!({"messages": [user, asked, output("c1"), output("c1")]}),
        "Duplicate value for 'tool_call_id' of 'c1' in message[3]",
        json!("messages.[3].tool_call_id"),
        Value::Null,
    )
    .await;
    refused(
        json!({"messages": [user, asked, output("c1"), output("c9")]}),
        "Invalid parameter: 'tool_call_id' of 'c9' not found in 'tool_calls' of previous message.",
        json!("messages.[3].tool_call_id"),
        Value::Null,
    )
    .await;
    refused(
        json!({"messages": [user, output("c1")]}),
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with \
         'tool_calls'.",
        json!("messages.[1].role"),
        Value::Null,
    )
    .await;
    refused(
        json!({"messages": [user, {"role": "assistant", "content": "x", "tool_calls": []}]}),
        &empty_array("messages[1].tool_calls"),
        json!("messages[1].tool_calls"),
        json!("empty_array"),
    )
    .await;
}
