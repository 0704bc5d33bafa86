//! Going on from a response that the server has stored.

use agentexec_agent_core::model::{Model, ModelErrorKind};
use agentexec_agent_core::transcript::{Item, Transcript};
use agentexec_runner_openai::Responses;
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{ask, bodies, server, settings, stream, tools, turn, whole};

const PATH: &str = "/v1/responses";

/// A response of this id that calls a tool, or says that it is done.
fn response(id: &str, call: Option<&str>) -> Value {
    let thought =
        json!({"type": "reasoning", "id": format!("rs_{id}"), "encrypted_content": "gAAA", "summary": []});
    let item = match call {
        Some(call) => {
            json!({"type": "function_call", "id": format!("fc_{call}"), "call_id": call, "name": "list",
            "arguments": "{\"path\":\".\"}"})
        }
        None => json!({"type": "message", "id": format!("msg_{id}"), "role": "assistant",
            "content": [{"type": "output_text", "text": "Done.", "annotations": []}]}),
    };
    json!({"id": id, "object": "response", "status": "completed", "output": [thought, item]})
}

fn answers(streaming: bool) -> [ResponseTemplate; 3] {
    let bodies = [response("resp_1", Some("a")), response("resp_2", Some("b")), response("resp_3", None)];
    bodies.map(|body| {
        if !streaming {
            return whole(&body);
        }
        let done = |item: &Value| json!({"type": "response.output_item.done", "item": item});
        let mut events: Vec<Value> = body["output"].as_array().unwrap().iter().map(done).collect();
        events.push(
            json!({"type": "response.completed", "response": {"id": body["id"], "status": "completed"}}),
        );
        stream(&events, "")
    })
}

fn model(server: &MockServer) -> Responses {
    settings(server).responses().unwrap().previous_response(true)
}

fn output(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": r#"list({"path":"."})"#})
}

#[tokio::test]
async fn each_request_holds_what_is_new_and_the_id_of_the_response_before() {
    for streaming in [true, false] {
        let server = server(PATH, answers(streaming)).await;
        let model = model(&server).streaming(streaming);
        let mut transcript = Transcript::from_user("Go.");
        for _ in 0..3 {
            turn(&model, &mut transcript, &tools()).await;
        }
        assert_eq!(transcript.final_text(), "Done.");
        let bodies = bodies(&server).await;
        let sent: Vec<(&Value, &Value)> =
            bodies.iter().map(|body| (&body["previous_response_id"], &body["input"])).collect();
        let question = json!([{"type": "message", "role": "user", "content": "Go."}]);
        let expected = [
            (Value::Null, question),
            (json!("resp_1"), json!([output("a")])),
            (json!("resp_2"), json!([output("b")])),
        ];
        assert_eq!(sent, expected.iter().map(|(id, input)| (id, input)).collect::<Vec<_>>());
        for body in &bodies {
            // Instructions and tools do not carry over.
            let head = (&body["store"], &body["instructions"], body["tools"].as_array().map(Vec::len));
            assert_eq!(head, (&json!(true), &json!("Be brief."), Some(2)));
        }
    }
}

#[tokio::test]
async fn the_id_is_in_the_transcript_so_another_program_goes_on_from_it() {
    let server = server(PATH, answers(true)).await;
    let mut transcript = Transcript::from_user("Go.");
    turn(&model(&server), &mut transcript, &tools()).await;
    let stored = serde_json::to_string(&transcript).unwrap();
    let mut transcript: Transcript = serde_json::from_str(&stored).unwrap();
    turn(&model(&server), &mut transcript, &tools()).await;
    assert_eq!(bodies(&server).await[1]["previous_response_id"], "resp_1");

    // A model that does not go on so, and a server of another name, make nothing of the note.
    ask(&settings(&server).responses().unwrap(), &transcript, &tools()).await.unwrap();
    let other = crate::support::server(PATH, answers(true)).await;
    ask(&model(&other), &transcript, &tools()).await.unwrap();
    let (plain, other) = (&bodies(&server).await[2], &bodies(&other).await[0]);
    assert_eq!((plain.get("previous_response_id"), other.get("previous_response_id")), (None, None));
    assert_eq!(plain["input"].as_array().unwrap().len(), 7, "question, and twice thought, call and output");
    assert_eq!(other["input"].as_array().unwrap().len(), 5, "question, and twice call and output");
    assert!(!plain.to_string().contains("response_id") && !other.to_string().contains("response_id"));
}

#[tokio::test]
async fn a_response_that_the_server_does_not_have_any_more_is_made_good_with_the_whole_transcript() {
    let gone = |status: u16, message: &str, code: Value| {
        let error = json!({"message": message, "type": "invalid_request_error", "param": "previous_response_id", "code": code});
        ResponseTemplate::new(status).set_body_json(json!({ "error": error }))
    };
    let openai =
        gone(400, "Previous response with id 'resp_1' not found.", json!("previous_response_not_found"));
    let vllm = gone(404, "Response with id 'resp_1' not found.", Value::Null);
    for gone in [openai, vllm] {
        let [first, second, third] = answers(true);
        let server = server(PATH, [first, gone, second, third]).await;
        let model = model(&server);
        let mut transcript = Transcript::from_user("Go.");
        for _ in 0..3 {
            turn(&model, &mut transcript, &tools()).await;
        }
        let bodies = bodies(&server).await;
        let ids: Vec<&Value> = bodies.iter().map(|body| &body["previous_response_id"]).collect();
        // That one response is lost says nothing of the next.
        assert_eq!(ids, [&Value::Null, &json!("resp_1"), &Value::Null, &json!("resp_2")]);
        let kinds: Vec<&str> = bodies[2]["input"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["message", "reasoning", "function_call", "function_call_output"]);
        assert_eq!(bodies[2]["include"], json!(["reasoning.encrypted_content"]));
    }
}

#[tokio::test]
async fn an_organization_that_stores_nothing_is_asked_with_the_whole_from_then_on() {
    let error = json!({"message": "Previous response cannot be used for this organization due to Zero Data Retention.",
        "type": "invalid_request_error", "param": "previous_response_id", "code": "unsupported_parameter"});
    let refused = ResponseTemplate::new(400).set_body_json(json!({ "error": error }));
    let [first, second, third] = answers(true);
    let server = server(PATH, [first, refused, second, third]).await;
    let model = model(&server);
    let mut transcript = Transcript::from_user("Go.");
    for _ in 0..3 {
        turn(&model, &mut transcript, &tools()).await;
    }
    let bodies = bodies(&server).await;
    let lengths: Vec<usize> = bodies.iter().map(|body| body["input"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [1, 1, 4, 7]);
}

#[tokio::test]
async fn another_models_answers_since_then_are_new_to_the_server() {
    let server = server(PATH, answers(true)).await;
    let model = model(&server);
    let mut transcript = Transcript::from_user("Go.");
    turn(&model, &mut transcript, &tools()).await;
    transcript.extend([Item::assistant("Another model speaks."), Item::user("And now?")]);
    ask(&model, &transcript, &tools()).await.unwrap();
    let body = &bodies(&server).await[1];
    assert_eq!(body["previous_response_id"], "resp_1");
    let expected = json!([
        output("a"),
        {"type": "message", "role": "assistant", "content": "Another model speaks."},
        {"type": "message", "role": "user", "content": "And now?"},
    ]);
    assert_eq!(body["input"], expected);
}

#[tokio::test]
async fn nothing_new_or_an_open_call_is_not_asked_about() {
    let server = server(PATH, answers(true)).await;
    let model = model(&server);
    let mut transcript = Transcript::from_user("Go.");
    let (_, response) = ask(&model, &transcript, &tools()).await.unwrap();
    transcript.extend(response.items);
    let error = ask(&model, &transcript, &tools()).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    assert_eq!(bodies(&server).await.len(), 1, "{}", model.id());
}
