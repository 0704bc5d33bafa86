//! Chat Completions over real HTTP.

use std::time::Duration;

use crate::support::{KEY, ask, bodies, server, settings, stream, tools, turn, whole};
use agentexec_agent_core::model::{Model, ModelErrorKind, ModelEvent, StopReason};
use agentexec_agent_core::transcript::{Item, Transcript};
use agentexec_runner_core::Usage;
use agentexec_runner_openai::OpenAi;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::ResponseTemplate;

const PATH: &str = "/v1/chat/completions";

fn call(id: &str, name: &str, path: &str) -> Value {
    let arguments = json!({ "path": path }).to_string();
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// What the model answers in three turns: two calls beside a text, one call, a text.
fn answers() -> [Value; 3] {
    [
        json!({"role": "assistant", "content": "I look.", "tool_calls": [call("a", "list", "."), call("b", "read", "x")]}),
        json!({"role": "assistant", "content": null, "tool_calls": [call("c", "read", "y")]}),
        json!({"role": "assistant", "content": "All read."}),
    ]
}

fn usage() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 2}})
}

fn completion(message: &Value) -> ResponseTemplate {
    let reason = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    whole(&json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x-2026",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}], "usage": usage()}))
}

/// The same answer in pieces: text by the character, arguments by four characters.
fn chunks(message: &Value) -> ResponseTemplate {
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x-2026",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": null})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": "", "refusal": null}), None)];
    for c in message["content"].as_str().unwrap_or_default().chars() {
        events.push(chunk(json!({ "content": c }), None));
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let mut first = call.clone();
        first["index"] = json!(index);
        first["function"]["arguments"] = json!("");
        events.push(chunk(json!({"tool_calls": [first]}), None));
        let arguments: Vec<char> = call["function"]["arguments"].as_str().unwrap().chars().collect();
        for piece in arguments.chunks(4) {
            let piece: String = piece.iter().collect();
            events.push(chunk(
                json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}),
                None,
            ));
        }
    }
    let reason = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    events.push(chunk(json!({}), Some(reason)));
    events.push(json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-x-2026", "choices": [], "usage": usage()}));
    stream(&events, "data: [DONE]\n\n")
}

#[tokio::test]
async fn three_turns_with_several_tools_streamed_and_not() {
    for streaming in [true, false] {
        let answer = if streaming { chunks } else { completion };
        let server = server(PATH, answers().iter().map(answer)).await;
        let model = settings(&server).chat().unwrap().streaming(streaming);
        let mut transcript = Transcript::from_user("Read all files.");

        let (events, first) = turn(&model, &mut transcript, &tools()).await;
        let started: Vec<&ModelEvent> =
            events.iter().filter(|event| matches!(event, ModelEvent::ToolCallStarted { .. })).collect();
        let start =
            |id: &str, name: &str| ModelEvent::ToolCallStarted { call_id: id.into(), name: name.into() };
        assert_eq!(started, [&start("a", "list"), &start("b", "read")]);
        let deltas = events.iter().filter(|event| matches!(event, ModelEvent::TextDelta(_))).count();
        assert_eq!(deltas, if streaming { "I look.".len() } else { 1 });
        assert_eq!(first.stop, StopReason::ToolCalls);
        assert_eq!(first.items[0], Item::assistant("I look."));

        let (_, second) = turn(&model, &mut transcript, &tools()).await;
        assert_eq!((second.items.len(), second.stop), (1, StopReason::ToolCalls));

        let (_, third) = turn(&model, &mut transcript, &tools()).await;
        assert_eq!((third.stop, transcript.final_text().as_str()), (StopReason::EndTurn, "All read."));
        assert_eq!(
            (third.model.as_deref(), third.request_id.as_deref()),
            (Some("gpt-x-2026"), Some("req_1"))
        );
        let mut usage = Usage::new(10, 5);
        (usage.cached_tokens, usage.reasoning_tokens) = (8, 2);
        assert_eq!(third.usage, usage);

        assert_eq!(bodies(&server).await[2], last_body(streaming));
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(
            request.headers["accept"],
            if streaming { "text/event-stream" } else { "application/json" }
        );
    }
}

/// What the server must receive in the third turn: the whole conversation.
fn last_body(streaming: bool) -> Value {
    let [first, second, _] = answers();
    let tool = |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let declare = |name: &str| {
        let path = json!({"type": "string", "description": "Which file."});
        let parameters = json!({"type": "object", "properties": {"path": path}, "required": ["path"]});
        let description = format!("Do {name}.");
        json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
    };
    let mut body = json!({
        "model": "gpt-x",
        "tools": [declare("list"), declare("read")],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Read all files."},
            first,
            tool("a", r#"list({"path":"."})"#),
            tool("b", r#"read({"path":"x"})"#),
            second,
            tool("c", r#"read({"path":"y"})"#),
        ],
    });
    if streaming {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

#[tokio::test]
async fn a_server_may_answer_in_the_form_that_was_not_asked_for() {
    for streaming in [true, false] {
        let answer = if streaming { completion } else { chunks };
        let server = server(PATH, [answer(&answers()[2])]).await;
        let model = settings(&server).chat().unwrap().streaming(streaming);
        let (_, response) = ask(&model, &Transcript::from_user("Hi"), &[]).await.unwrap();
        assert_eq!(response.items, [Item::assistant("All read.")]);
    }
}

#[tokio::test]
async fn done_ends_a_stream_that_gives_no_reason_and_its_absence_cuts_it() {
    let piece = json!({"choices": [{"delta": {"content": "x"}, "finish_reason": null}]});
    let answers = [stream(std::slice::from_ref(&piece), "data: [DONE]\n\n"), stream(&[piece], "")];
    let server = server(PATH, answers).await;
    let model = settings(&server).chat().unwrap();
    let transcript = Transcript::from_user("Hi");
    assert_eq!(ask(&model, &transcript, &[]).await.unwrap().1.stop, StopReason::EndTurn);

    let error = ask(&model, &transcript, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::StreamCut, true));
    assert_eq!(error.request_id(), Some("req_1"));
}

/// A server that sends this body in one HTTP chunk and then closes the connection without ending it.
async fn breaking(events: &'static str) -> OpenAi {
    unending(events, false).await
}

/// A server that sends this body in one HTTP chunk and does not end it: it closes the connection, or says no more until
/// the client goes, but for comments if it `stays`.
async fn unending(events: &'static str, stays: bool) -> OpenAi {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 8192];
        let _ = socket.read(&mut request).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = format!("{head}{:x}\r\n{events}\r\n", events.len());
        socket.write_all(body.as_bytes()).await.unwrap();
        while stays && socket.write_all(b"3\r\n:\n\n\r\n").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    OpenAi::at(format!("http://{address}"))
}

const WHOLE: &str = "data: {\"choices\": [{\"delta\": {\"content\": \"Hi\"}}]}\n\n\
    data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";

/// The reason comes with a piece of the answer, as some servers send it with each.
const PERHAPS_MORE: &str =
    "data: {\"choices\": [{\"delta\": {\"content\": \"Hel\"}, \"finish_reason\": \"stop\"}]}\n\n";

/// Within the 2 seconds that the usage is waited for; a silence may last 10 minutes.
#[tokio::test]
async fn a_server_that_does_not_end_a_whole_answer_is_not_waited_for() {
    let model = unending(WHOLE, true).await.chat().unwrap();
    let transcript = Transcript::from_user("Hi");
    let answer =
        tokio::time::timeout(std::time::Duration::from_secs(60), ask(&model, &transcript, &[])).await;
    let (_, response) = answer.expect("an answer").unwrap();
    assert_eq!(response.items, [Item::assistant("Hi")]);
}

#[tokio::test]
async fn a_reason_beside_a_piece_of_the_answer_is_believed_at_the_end_of_the_stream_only() {
    let transcript = Transcript::from_user("Hi");
    let error = ask(&breaking(PERHAPS_MORE).await.chat().unwrap(), &transcript, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::StreamCut);

    let piece = |text: &str| json!({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    for tail in [vec![], vec![usage]] {
        let events: Vec<_> = [piece("Hel"), piece("lo")].into_iter().chain(tail).collect();
        let server = server(PATH, [stream(&events, "")]).await;
        let (_, response) = ask(&settings(&server).chat().unwrap(), &transcript, &[]).await.unwrap();
        assert_eq!(response.items, [Item::assistant("Hello")]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_before_the_end_of_the_response_and_none_behind_it() {
    let transcript = Transcript::from_user("Hi");
    let cut = breaking("data: {\"choices\": [{\"delta\": {\"content\": \"Hel\"}}]}\n\n").await;
    let error = ask(&cut.chat().unwrap(), &transcript, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::StreamCut);

    let whole = breaking(WHOLE).await.chat().unwrap();
    let (_, response) = ask(&whole, &transcript, &[]).await.unwrap();
    assert_eq!(response.items, [Item::assistant("Hi")]);
}

#[tokio::test]
async fn what_a_failed_stream_told_comes_before_its_error() {
    use futures_util::StreamExt;
    let piece = json!({"choices": [{"delta": {"content": "Hel"}}]});
    let error = json!({"error": {"message": "The server is overloaded", "code": "server_overloaded"}});
    let server = server(PATH, [stream(&[piece, error], "data: [DONE]\n\n")]).await;
    let model = settings(&server).chat().unwrap();
    let items = [Item::user("Hi")];
    let events: Vec<_> =
        model.respond(agentexec_agent_core::model::ModelRequest::new(&items)).collect().await;
    let [Ok(ModelEvent::TextDelta(text)), Err(error)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(text, "Hel");
    assert_eq!(error.kind(), ModelErrorKind::Overloaded);
    assert_eq!(error.request_id(), Some("req_1"));
    assert!(error.message().contains("The server is overloaded"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_an_error_that_does_not_show_it() {
    let body = json!({"error": {"message": format!("Incorrect API key provided: {KEY}"), "type": "invalid_request_error", "code": "invalid_api_key"}});
    let refused = ResponseTemplate::new(401).insert_header("x-request-id", "req_9").set_body_json(body);
    let server = server(PATH, [refused]).await;
    let error = ask(&settings(&server).chat().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::Authentication, Some(401)));
    assert_eq!((error.request_id(), error.code()), (Some("req_9"), Some("invalid_api_key")));
    assert!(!error.is_retryable());
    assert!(!format!("{error:?} {error:#}").contains(KEY), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_its_delay_handed_to_the_caller() {
    let busy = || {
        ResponseTemplate::new(429)
            .insert_header("retry-after-ms", "3")
            .set_body_json(json!({"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}))
    };
    let server = server(PATH, [busy(), chunks(&answers()[2]), busy(), busy()]).await;
    let model = settings(&server).chat().unwrap();
    let transcript = Transcript::from_user("Hi");
    assert!(ask(&model, &transcript, &[]).await.is_ok());

    let error = ask(&model, &transcript, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::RateLimited, Some(429)));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(3)));
    assert!(error.is_retryable());
    let bodies = bodies(&server).await;
    assert_eq!((bodies.len(), &bodies[2]), (4, &bodies[3]), "the same request again");
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_an_error() {
    let page = "<html><head><title>Welcome to nginx</title></head></html>";
    let server = server(PATH, [ResponseTemplate::new(200).set_body_raw(page, "text/html")]).await;
    let error = ask(&settings(&server).chat().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Protocol);
    assert!(error.message().contains("Welcome to nginx"), "{error}");
}

#[tokio::test]
async fn json_that_is_no_response_is_an_error() {
    for body in [json!({}), json!({"choices": []}), json!({"choices": "secret words"})] {
        let server = server(PATH, [whole(&body)]).await;
        let error =
            ask(&settings(&server).chat().unwrap(), &Transcript::from_user("Hi"), &[]).await.unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Protocol, "{body}");
        assert_eq!(error.request_id(), Some("req_1"), "{body}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_a_key_gets_no_key() {
    let server = server(PATH, [chunks(&answers()[2])]).await;
    let model = OpenAi::at(format!("{}/v1/", server.uri())).model("qwen3").chat().unwrap();
    ask(&model, &Transcript::from_user("Hi"), &[]).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers.get("authorization"), None);
    assert_eq!(request.headers.get("openai-organization"), None);
}

#[tokio::test]
async fn azure_gets_its_key_header_and_its_version() {
    let server = server("/openai/deployments/d/chat/completions", [chunks(&answers()[2])]).await;
    let model = OpenAi::at(format!("{}/openai/deployments/d", server.uri()))
        .api_key(KEY)
        .key_header("api-key")
        .api_version("2024-10-21")
        .organization("org-1")
        .project("proj-1")
        .header("x-team", "blue")
        .chat()
        .unwrap();
    ask(&model, &Transcript::from_user("Hi"), &[]).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.query(), Some("api-version=2024-10-21"));
    assert_eq!(request.headers.get("authorization"), None);
    for (name, value) in
        [("api-key", KEY), ("openai-organization", "org-1"), ("openai-project", "proj-1"), ("x-team", "blue")]
    {
        assert_eq!(request.headers[name], value);
    }
}

#[tokio::test]
async fn the_request_names_the_model_and_the_id_too() {
    let server = server(PATH, [chunks(&answers()[2])]).await;
    let model = settings(&server).chat().unwrap();
    assert_eq!(model.id(), "openai:gpt-x");
    let transcript = Transcript::from_user("Hi");
    let mut request = agentexec_agent_core::model::ModelRequest::new(transcript.items());
    request.model = Some("gpt-y");
    let mut events = model.respond(request);
    while let Some(event) = futures_util::TryStreamExt::try_next(&mut events).await.unwrap() {
        drop(event);
    }
    assert_eq!(bodies(&server).await[0]["model"], "gpt-y");
}
