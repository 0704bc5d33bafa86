//! The Responses API over real HTTP.

use std::time::Duration;

use crate::support::{KEY, ask, bodies, server, settings, stream, tools, turn, whole};
use agentexec_agent_core::model::{ModelErrorKind, ModelEvent, StopReason};
use agentexec_agent_core::transcript::{Item, Transcript};
use agentexec_runner_core::Usage;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

const PATH: &str = "/v1/responses";

fn thought(id: &str) -> Value {
    json!({"type": "reasoning", "id": id, "encrypted_content": format!("gAAA-{id}"), "status": null,
        "summary": [{"type": "summary_text", "text": "Hm."}]})
}

fn said(id: &str, text: &str, phase: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": "completed", "phase": phase,
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

fn called(call_id: &str, name: &str, path: &str) -> Value {
    let arguments = json!({ "path": path }).to_string();
    json!({"type": "function_call", "id": format!("fc_{call_id}"), "call_id": call_id, "name": name,
        "arguments": arguments, "status": "completed"})
}

/// What the model produces in three turns: reasoning, a text and two calls; reasoning, an unknown item and a call; a
/// text.
fn answers() -> [Vec<Value>; 3] {
    [
        vec![
            thought("rs_1"),
            said("msg_1", "I look.", "commentary"),
            called("a", "list", "."),
            called("b", "read", "x"),
        ],
        vec![thought("rs_2"), json!({"type": "telepathy_call", "id": "tp_1"}), called("c", "read", "y")],
        vec![said("msg_2", "All read.", "final_answer")],
    ]
}

fn response(output: &[Value], status: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "status": status, "model": "gpt-x-2026", "error": null,
        "incomplete_details": null, "output": output,
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
            "input_tokens_details": {"cached_tokens": 8}, "output_tokens_details": {"reasoning_tokens": 2}}})
}

fn completion(output: &[Value]) -> ResponseTemplate {
    whole(&response(output, "completed"))
}

/// The same answer as a stream, whose terminal event has no output.
fn events(output: &[Value]) -> ResponseTemplate {
    let mut events = vec![json!({"type": "response.created", "response": response(&[], "in_progress")})];
    for (index, item) in output.iter().enumerate() {
        let mut begun = item.clone();
        let mut delta = |kind: &str, text: &str| {
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(3) {
                let piece: String = piece.iter().collect();
                events.push(
                    json!({"type": kind, "output_index": index, "item_id": item["id"], "delta": piece}),
                );
            }
        };
        match item["type"].as_str().unwrap() {
            "message" => {
                begun["content"] = json!([]);
                let text = item["content"][0]["text"].as_str().unwrap();
                delta("response.output_text.delta", text);
            }
            "function_call" => {
                begun["arguments"] = json!("");
                let arguments = item["arguments"].as_str().unwrap();
                delta("response.function_call_arguments.delta", arguments);
            }
            "reasoning" => delta("response.reasoning_summary_text.delta", "Hm."),
            _ => {}
        }
        let added = json!({"type": "response.output_item.added", "output_index": index, "item": begun});
        let at = events.iter().position(|event| event["output_index"] == index).unwrap_or(events.len());
        events.insert(at, added);
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response(&[], "completed")}));
    stream(&events, "")
}

#[tokio::test]
async fn three_turns_with_several_tools_streamed_and_not() {
    for streaming in [true, false] {
        let answer = if streaming { events } else { completion };
        let server = server(PATH, answers().iter().map(|output| answer(output))).await;
        let model = settings(&server).responses().unwrap().streaming(streaming);
        let mut transcript = Transcript::from_user("Read all files.");

        let (told, first) = turn(&model, &mut transcript, &tools()).await;
        let concat = |pick: fn(&ModelEvent) -> Option<&str>| told.iter().filter_map(pick).collect::<String>();
        let text = concat(|event| match event {
            ModelEvent::TextDelta(delta) => Some(delta),
            _ => None,
        });
        let calls = concat(|event| match event {
            ModelEvent::ToolCallStarted { call_id, .. } => Some(call_id),
            ModelEvent::ToolCallDelta { delta, .. } => Some(delta),
            _ => None,
        });
        assert_eq!((text.as_str(), calls.as_str()), ("I look.", r#"a{"path":"."}b{"path":"x"}"#));
        assert_eq!(told[0], ModelEvent::ReasoningDelta("Hm.".into()));
        assert_eq!(first.stop, StopReason::ToolCalls);

        let (_, second) = turn(&model, &mut transcript, &tools()).await;
        assert!(matches!(&second.items[..], [Item::Reasoning(_), Item::Opaque(_), Item::ToolCall(_)]));

        let (_, third) = turn(&model, &mut transcript, &tools()).await;
        assert_eq!((third.stop, transcript.final_text().as_str()), (StopReason::EndTurn, "All read."));
        assert_eq!(
            (third.model.as_deref(), third.request_id.as_deref()),
            (Some("gpt-x-2026"), Some("req_1"))
        );
        let mut usage = Usage::new(10, 5);
        (usage.cached_tokens, usage.reasoning_tokens) = (8, 2);
        assert_eq!(third.usage, usage);

        let body = &bodies(&server).await[2];
        assert_eq!(body["input"], last_input());
        let head = (&body["store"], &body["include"], &body["instructions"], body.get("stream").is_some());
        let include = json!(["reasoning.encrypted_content"]);
        assert_eq!(head, (&json!(false), &include, &json!("Be brief."), streaming));
        assert_eq!(body["tools"][1]["name"], "read");
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
    }
}

/// What the server must receive in the third turn: its own items unchanged and in order, each call answered once.
fn last_input() -> Value {
    let output =
        |id: &str, text: &str| json!({"type": "function_call_output", "call_id": id, "output": text});
    let [first, second, _] = answers();
    let mut input = vec![json!({"type": "message", "role": "user", "content": "Read all files."})];
    input.extend(first);
    input.extend([output("a", r#"list({"path":"."})"#), output("b", r#"read({"path":"x"})"#)]);
    input.extend(second);
    input.push(output("c", r#"read({"path":"y"})"#));
    Value::Array(input)
}

#[tokio::test]
async fn a_run_goes_on_over_the_other_protocol() {
    let server = server(PATH, [events(&answers()[0])]).await;
    let mut transcript = Transcript::from_user("Read all files.");
    turn(&settings(&server).responses().unwrap(), &mut transcript, &tools()).await;

    let done = json!({"choices": [{"message": {"content": "Done."}, "finish_reason": "stop"}]});
    let other = crate::support::server("/v1/chat/completions", [whole(&done)]).await;
    ask(&settings(&other).chat().unwrap(), &transcript, &tools()).await.unwrap();
    let function = |id: &str, name: &str, path: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": json!({ "path": path }).to_string()}});
    let assistant = json!({"role": "assistant", "content": "I look.",
        "tool_calls": [function("a", "list", "."), function("b", "read", "x")]});
    assert_eq!(bodies(&other).await[0]["messages"][2], assistant);
}

#[tokio::test]
async fn items_of_one_server_do_not_go_to_another() {
    let one = server(PATH, [events(&answers()[1])]).await;
    let other = server(PATH, [events(&answers()[2])]).await;
    let mut transcript = Transcript::from_user("Hi");
    turn(&settings(&one).responses().unwrap(), &mut transcript, &tools()).await;
    ask(&settings(&other).responses().unwrap(), &transcript, &tools()).await.unwrap();
    let input = bodies(&other).await[0]["input"].take();
    let kinds: Vec<&str> =
        input.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call_output"]);
    assert_eq!(input[1].get("id"), None);
}

#[tokio::test]
async fn a_stream_without_its_terminal_event_is_cut_even_behind_done() {
    let text = json!({"type": "response.output_text.delta", "delta": "Hel"});
    for tail in ["", "data: [DONE]\n\n", "data: {\"type\": \"response.comp"] {
        let server = server(PATH, [stream(std::slice::from_ref(&text), tail)]).await;
        let error = ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[])
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.request_id()),
            (ModelErrorKind::StreamCut, Some("req_1")),
            "{tail:?}"
        );
    }
}

#[tokio::test]
async fn a_response_that_fails_half_way_is_an_error_with_its_request() {
    let failed = |error: Value| {
        let mut response = response(&[], "failed");
        response["error"] = error;
        response
    };
    let overloaded = failed(json!({"code": "server_error", "message": "The model broke down"}));
    let invalid = failed(json!({"code": "image_parse_error", "message": "No image"}));
    for (response, retryable, says) in
        [(overloaded, true, "The model broke down"), (invalid, false, "No image")]
    {
        let event = json!({"type": "response.failed", "response": response});
        let server = server(PATH, [stream(&[event], ""), whole(&response)]).await;
        for _ in 0..2 {
            let error = ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[])
                .await
                .unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::Server, retryable));
            assert_eq!(error.request_id(), Some("req_1"));
            assert!(error.message().contains(says), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_event_is_an_error_of_its_kind() {
    let event =
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "sequence_number": 1});
    let server = server(PATH, [stream(&[event], "")]).await;
    let error =
        ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ModelErrorKind::RateLimited, Some("req_1")));
}

#[tokio::test]
async fn errors_carry_status_request_and_delay() {
    let refused = |status: u16, code: &str| {
        ResponseTemplate::new(status)
            .insert_header("x-request-id", "req_9")
            .insert_header("retry-after-ms", "3")
            .set_body_json(json!({"error": {"message": "No", "code": code}}))
    };
    let cases = [
        (vec![refused(401, "invalid_api_key")], ModelErrorKind::Authentication),
        (
            vec![refused(429, "rate_limit_exceeded"), refused(429, "rate_limit_exceeded")],
            ModelErrorKind::RateLimited,
        ),
        (vec![refused(429, "insufficient_quota")], ModelErrorKind::QuotaExceeded),
        (vec![refused(400, "context_length_exceeded")], ModelErrorKind::ContextWindow),
    ];
    for (answers, kind) in cases {
        let (status, tries) = (if kind == ModelErrorKind::Authentication { 401 } else { 429 }, answers.len());
        let status = if kind == ModelErrorKind::ContextWindow { 400 } else { status };
        let server = server(PATH, answers).await;
        let error = ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[])
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.status(), error.request_id()), (kind, Some(status), Some("req_9")));
        assert_eq!(error.retry_after(), Some(Duration::from_millis(3)));
        assert_eq!(server.received_requests().await.unwrap().len(), tries, "{kind:?}");
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_an_error() {
    let page = "<!doctype html><title>502 Bad Gateway</title>";
    let broken = || ResponseTemplate::new(502).set_body_raw(page, "text/html");
    let server = server(PATH, [broken(), broken()]).await;
    let error =
        ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::Server, Some(502)));
    assert!(error.message().contains("502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn json_that_is_no_response_is_an_error() {
    let server = server(PATH, [whole(&json!({"hello": "world"}))]).await;
    let error =
        ask(&settings(&server).responses().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Protocol);
}
