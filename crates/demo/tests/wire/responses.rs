//! OpenAI Responses: shapes of answers and streams, and what is refused.

use agentexec_demo::{Conversation, Explorer, Reply};
use serde_json::{Value, json};

use crate::client::{post, server};

const PATH: &str = "/v1/responses";

fn busy(_: &Conversation) -> Reply {
    Reply::text("Let me look.")
        .and_call("find", json!({"what": "a"}))
        .and_call("find", json!({"what": "größer \"x\""}))
}

/// The response that a stream makes, put together from its finished items alone, with its order checked.
pub(crate) fn fold(events: &[(Option<String>, Value)]) -> Value {
    let mut output: Vec<Value> = Vec::new();
    let mut text = String::new();
    for (number, (name, event)) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name.as_deref(), Some(kind));
        assert_eq!(event["sequence_number"], number);
        if event.get("output_index").is_some() {
            assert_eq!(event["output_index"], output.len());
        }
        match kind {
            "response.created" => assert_eq!(number, 0),
            "response.in_progress" => assert_eq!(number, 1),
            "response.output_item.added" => {
                assert_eq!(event["item"]["status"], "in_progress");
                text.clear();
            }
            "response.content_part.added" => assert_eq!(event["part"]["text"], ""),
            "response.output_text.delta" | "response.function_call_arguments.delta" => {
                text.push_str(event["delta"].as_str().unwrap());
            }
            "response.output_text.done" => assert_eq!(event["text"], text),
            "response.content_part.done" => assert_eq!(event["part"]["text"], text),
            "response.function_call_arguments.done" => assert_eq!(event["arguments"], text),
            "response.output_item.done" => output.push(event["item"].clone()),
            "response.completed" | "response.incomplete" => assert_eq!(number, events.len() - 1),
            other => panic!("unknown event {other}"),
        }
    }
    let last = &events.last().unwrap().1["response"];
    assert_eq!(last["output"], json!(output));
    last.clone()
}

#[tokio::test]
async fn an_answer_has_the_shape_of_the_service() {
    let tool = json!({"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": false});
    let request =
        json!({"model": "gpt-x", "input": "hello there", "instructions": "Be kind.", "tools": [tool]});
    let answer = post(&server(busy), PATH, &request).await;
    assert!(answer.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    let body = answer.json();
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert!(body["id"].as_str().unwrap().starts_with("resp_") && body["created_at"].is_u64());
    for (name, value) in
        [("model", json!("gpt-x")), ("instructions", json!("Be kind.")), ("tools", json!([tool]))]
    {
        assert_eq!(body[name], value, "the request is repeated");
    }
    assert_eq!(
        (&body["tool_choice"], &body["parallel_tool_calls"], &body["error"]),
        (&json!("auto"), &json!(true), &Value::Null)
    );

    let output = body["output"].as_array().unwrap();
    assert_eq!(
        output[0]["content"],
        json!([{"type": "output_text", "text": "Let me look.", "annotations": [], "logprobs": []}])
    );
    assert_eq!((&output[0]["type"], &output[0]["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!((&output[2]["type"], &output[2]["name"]), (&json!("function_call"), &json!("find")));
    assert_eq!(output[2]["arguments"], "{\"what\":\"größer \\\"x\\\"\"}");
    assert_ne!(output[2]["id"], output[2]["call_id"]);
    let usage = &body["usage"];
    let total = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], total);
}

#[tokio::test]
async fn a_stream_makes_the_same_response_as_the_answer_in_one_piece() {
    let server = server(busy);
    let mut request =
        json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]});
    let whole = post(&server, PATH, &request).await.json();
    request["stream"] = json!(true);
    let events = post(&server, PATH, &request).await.events();
    let kinds: Vec<&str> = events.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert_eq!(kinds.iter().filter(|kind| **kind == "response.output_text.delta").count(), 3);
    assert!(kinds.iter().filter(|kind| **kind == "response.function_call_arguments.delta").count() > 2);

    let streamed = fold(&events);
    for shared in ["status", "usage", "tools", "incomplete_details"] {
        assert_eq!(streamed[shared], whole[shared]);
    }
    for (streamed, whole) in
        streamed["output"].as_array().unwrap().iter().zip(whole["output"].as_array().unwrap())
    {
        for shared in ["type", "status", "content", "name", "arguments"] {
            assert_eq!(streamed[shared], whole[shared]);
        }
    }
}

#[tokio::test]
async fn the_token_limit_makes_the_response_incomplete() {
    let server = server(|_: &Conversation| Reply::text("word ".repeat(50)));
    let mut request = json!({"model": "m", "input": "hi", "max_output_tokens": 16});
    let whole = post(&server, PATH, &request).await.json();
    request["stream"] = json!(true);
    let events = post(&server, PATH, &request).await.events();
    assert_eq!(events.last().unwrap().1["type"], "response.incomplete");
    for body in [whole, fold(&events)] {
        assert_eq!(
            (&body["status"], &body["output"][0]["status"]),
            (&json!("incomplete"), &json!("incomplete"))
        );
        assert_eq!(body["incomplete_details"], json!({"reason": "max_output_tokens"}));
        assert_eq!(body["output"][0]["content"][0]["text"].as_str().unwrap().len(), 16 * 4);
    }
}

#[tokio::test]
async fn what_the_model_returned_can_go_back_as_it_is() {
    let server = server(|conversation: &Conversation| match conversation.turns() {
        0 => busy(conversation),
        _ => Reply::text(conversation.tool_outputs().collect::<Vec<_>>().join("+")),
    });
    let first = post(&server, PATH, &json!({"model": "m", "input": "hi"})).await.json();
    let mut input = vec![
        json!({"role": "user", "content": "hi"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": []}),
    ];
    input.extend(first["output"].as_array().unwrap().clone());
    for (call, output) in [(2, json!("B")), (1, json!([{"type": "input_text", "text": "A"}]))] {
        let id = &first["output"][call]["call_id"];
        input.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
    }
    let second = post(&server, PATH, &json!({"model": "m", "input": input, "tools": []})).await.json();
    assert_eq!(second["output"][0]["content"][0]["text"], "B+A");
}

/// Posts a valid request with `change` made to it, and checks the error body.
async fn refused(change: Value, status: u16, message: &str, param: &str, code: Value) {
    let mut request = json!({"model": "m", "input": "hi"});
    request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let answer = post(&server(Explorer), PATH, &request).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
    assert_eq!(answer.json(), json!({"error": error}));
}

#[tokio::test]
async fn fields_that_are_missing_mistyped_or_empty_are_refused() {
    let missing = |name: &str| format!("Missing required parameter: '{name}'.");
    refused(json!({"model": null}), 400, &missing("model"), "model", json!("missing_required_parameter"))
        .await;
    refused(json!({"input": null}), 400, &missing("input"), "input", json!("missing_required_parameter"))
        .await;
    let empty = |path: &str| {
        format!(
            "Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array \
             instead."
        )
    };
    refused(json!({"input": []}), 400, &empty("input"), "input", json!("empty_array")).await;
    let input = json!({"input": [{"role": "user", "content": []}]});
    refused(input, 400, &empty("input[0].content"), "input[0].content", json!("empty_array")).await;
    refused(
        json!({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}),
        400,
        "Invalid value: 'output_text'. Supported values are: 'input_text', 'input_image', 'input_file' and \
         'input_audio'.",
        "input[0].content[0].type",
        json!("invalid_value"),
    )
    .await;
    refused(
        json!({"max_output_tokens": 5}),
        400,
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead.",
        "max_output_tokens",
        json!("integer_below_min_value"),
    )
    .await;
}

#[tokio::test]
async fn every_function_call_has_one_output() {
    let user = json!({"role": "user", "content": "hi"});
    let call =
        json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"});
    let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "ok"});
    let input = json!({"input": [user, call]});
    refused(input, 400, "No tool output found for function call c1.", "input", Value::Null).await;
    let stray = "No tool call found for function call output with call_id fc_1.";
    refused(json!({"input": [user, call, output("fc_1")]}), 400, stray, "input", Value::Null).await;
    let twice = "Duplicate function call output found for call_id c1.";
    refused(json!({"input": [user, call, output("c1"), output("c1")]}), 400, twice, "input", Value::Null)
        .await;
}

#[tokio::test]
async fn what_would_have_been_stored_is_not_found() {
    refused(
        json!({"previous_response_id": "resp_1"}),
        400,
        "Previous response with id 'resp_1' not found.",
        "previous_response_id",
        json!("previous_response_not_found"),
    )
    .await;
    let reference = json!({"input": [{"type": "item_reference", "id": "msg_1"}]});
    refused(reference, 404, "Item with id 'msg_1' not found.", "input", Value::Null).await;
}

#[tokio::test]
async fn tools_and_their_choice_are_checked() {
    let tool = |name: &str| json!([{"type": "function", "name": name, "parameters": {"type": "object"}}]);
    refused(
        json!({"tool_choice": "required"}),
        400,
        "Tool choice 'required' must be specified with 'tools' parameter.",
        "tool_choice",
        Value::Null,
    )
    .await;
    let choice = json!({"tools": tool("f"), "tool_choice": {"type": "function", "name": "g"}});
    refused(choice, 400, "Tool choice 'g' not found in 'tools' parameter.", "tool_choice", Value::Null).await;
    refused(
        json!({"tools": tool("a.b")}),
        400,
        "Invalid 'tools[0].name': string does not match pattern. Expected a string that matches the \
         pattern '^[a-zA-Z0-9_-]+$'.",
        "tools[0].name",
        json!("invalid_value"),
    )
    .await;
    refused(
        json!({"tools": [{"type": "function", "name": "f", "parameters": {"type": "string"}}]}),
        400,
        "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got \
         'type: \"string\"'.",
        "tools[0].parameters",
        json!("invalid_function_parameters"),
    )
    .await;
}
