//! Thoughts that the next model can make nothing of.

use agentexec_agent_core::model::{Model, ModelErrorKind};
use agentexec_agent_core::transcript::{Item, Transcript};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{ask, bodies, server, settings, tools, turn, whole};
use crate::wire::{Wire, say};

const PATH: &str = "/v1/responses";

/// A response that thinks and calls a tool.
fn thoughtful(id: &str) -> ResponseTemplate {
    let thought =
        json!({"type": "reasoning", "id": format!("rs_{id}"), "encrypted_content": "gAAA", "summary": []});
    let said = json!({"type": "message", "id": format!("msg_{id}"), "role": "assistant", "phase": "commentary",
        "content": [{"type": "output_text", "text": "I look.", "annotations": []}]});
    let call = json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "list",
        "arguments": "{\"path\":\".\"}"});
    whole(
        &json!({"id": "resp", "object": "response", "status": "completed", "output": [thought, said, call]}),
    )
}

fn refusal(message: &str, code: Option<&str>) -> ResponseTemplate {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    ResponseTemplate::new(400).set_body_json(json!({ "error": error }))
}

fn not_a_thinker() -> ResponseTemplate {
    let says = "Reasoning input items can only be provided to a reasoning or computer use model. Remove reasoning items \
                from your input and try again.";
    refusal(says, None)
}

/// The ids of the thoughts in a request.
fn thoughts(body: &Value) -> Vec<&str> {
    let items = body["input"].as_array().unwrap().iter();
    items.filter(|item| item["type"] == "reasoning").map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn they_stay_behind_for_the_rest_of_the_conversation_and_for_no_other() {
    let foreign =
        refusal("The encrypted content gAAA could not be verified.", Some("invalid_encrypted_content"));
    for refusal in [not_a_thinker(), foreign] {
        for wire in [Wire::ResponsesStreamed, Wire::ResponsesWhole] {
            let answers = [
                thoughtful("a"),
                refusal.clone(),
                wire.answer(&say("").call("b", "list", "{}")),
                thoughtful("c"),
            ];
            let done = || wire.answer(&say("Done."));
            let server = server(PATH, answers.into_iter().chain([done(), done()])).await;
            let model = wire.model(&server);
            let mut transcript = Transcript::from_user("Go.");
            turn(&*model, &mut transcript, &tools()).await;
            let before = transcript.clone();
            for _ in 0..3 {
                turn(&*model, &mut transcript, &tools()).await;
            }
            assert_eq!(transcript.final_text(), "Done.");
            ask(&*model, &before, &tools()).await.unwrap();

            let bodies = bodies(&server).await;
            let sent: Vec<Vec<&str>> = bodies.iter().map(thoughts).collect();
            let expected: [&[&str]; 6] = [&[], &["rs_a"], &[], &[], &["rs_c"], &["rs_a"]];
            assert_eq!(sent, expected, "{wire:?}");
            // What came of the thoughts goes back without the id by which the server would ask for them.
            let neutral = json!([
                {"type": "message", "role": "user", "content": "Go."},
                {"type": "message", "role": "assistant", "content": "I look."},
                {"type": "function_call", "call_id": "a", "name": "list", "arguments": "{\"path\":\".\"}"},
                {"type": "function_call_output", "call_id": "a", "output": "list({\"path\":\".\"})"},
            ]);
            assert_eq!(bodies[2]["input"], neutral);
            assert_eq!(bodies[3]["input"].as_array().unwrap()[..4], neutral.as_array().unwrap()[..]);
        }
    }
}

#[tokio::test]
async fn a_refusal_stays_one_where_there_are_none_or_it_is_switched_off() {
    let server = server(PATH, [not_a_thinker(), thoughtful("a"), not_a_thinker(), not_a_thinker()]).await;
    let model = settings(&server).responses().unwrap();
    let mut transcript = Transcript::from_user("Go.");
    let error = ask(&model, &transcript, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    turn(&model, &mut transcript, &tools()).await;
    let steady: &dyn Model = &model.clone().step_down(false);
    ask(steady, &transcript, &[]).await.unwrap_err();
    assert_eq!(bodies(&server).await.len(), 3);
}

#[tokio::test]
async fn they_can_be_left_out_from_the_start() {
    let server = server(PATH, [thoughtful("a"), Wire::ResponsesWhole.answer(&say("Done."))]).await;
    let model = settings(&server).responses().unwrap();
    let model = model.without(agentexec_runner_openai::Feature::EchoedReasoning);
    let mut transcript = Transcript::from_user("Go.");
    turn(&model, &mut transcript, &tools()).await;
    turn(&model, &mut transcript, &tools()).await;
    assert!(thoughts(&bodies(&server).await[1]).is_empty());
    assert!(!transcript.items().iter().any(|item| matches!(item, Item::Opaque(_))), "nothing was found out");
}
