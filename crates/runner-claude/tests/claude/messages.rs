//! What a model sends, what it makes of answers, and how it fails.

use std::time::Duration;

use agentexec_agent_core::model::{
    Model, ModelErrorKind, ModelEvent, ModelRequest, ModelResponse, StopReason, ToolSpec,
};
use agentexec_agent_core::transcript::{Item, ToolOutputItem, Transcript};
use agentexec_runner_claude::{Claude, MAX_UNSTREAMED_TOKENS, Messages, RetryPolicy};
use agentexec_tools::schema::Schema;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{Answer, Server, ask, ask_for_events, claude, error, sse, stream_of};

fn without_retries(server: &Server) -> Messages {
    claude(server).retry(RetryPolicy::none()).build().unwrap()
}

fn tool(name: &str) -> ToolSpec {
    let schema = json!({
        "type": "object", "properties": {"path": {"type": "string"}}, "required": [], "additionalProperties": false,
    });
    ToolSpec::new(name, format!("{name}, as it says."), Schema::from_value(schema).unwrap())
}

fn output(call_id: &str, name: &str, output: &str, is_error: bool) -> Item {
    let output = ToolOutputItem::new(call_id, name, output);
    Item::ToolOutput(if is_error { output.failed() } else { output })
}

fn tool_use(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

/// The answers of a conversation of three turns: thoughts, text and two calls; a call without input; the end.
fn conversation() -> [Answer; 3] {
    [
        Answer::new(
            vec![
                json!({"type": "thinking", "thinking": "Two files, then.", "signature": "c2lnbmF0dXJl"}),
                json!({"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}),
                json!({"type": "text", "text": "Let me look at both."}),
                tool_use("toolu_1", "read_file", json!({"path": "a.txt"})),
                tool_use("toolu_2", "read_file", json!({"path": "b \"quoted\".txt"})),
            ],
            "tool_use",
        ),
        Answer::new(vec![tool_use("toolu_3", "list_files", json!({}))], "tool_use"),
        Answer::new(vec![json!({"type": "text", "text": "There are two files."})], "end_turn"),
    ]
}

/// Drives the model by hand: asks, answers its calls, asks again.
async fn converse(model: &Messages) -> (Vec<Vec<ModelEvent>>, Vec<ModelResponse>) {
    let tools = [tool("list_files"), tool("read_file")];
    let outputs = [
        vec![
            output("toolu_1", "read_file", "alpha", false),
            output("toolu_2", "read_file", "there is no such file", true),
        ],
        vec![output("toolu_3", "list_files", "", false)],
        vec![],
    ];
    let mut transcript = Transcript::from_user("What is here?");
    let (mut events, mut responses) = (Vec::new(), Vec::new());
    for outputs in outputs {
        let mut request = ModelRequest::new(transcript.items());
        request.instructions = Some("Answer in one sentence.");
        request.tools = &tools;
        let (said, response) = ask(model, request).await.unwrap();
        transcript.extend(response.items.iter().cloned().chain(outputs));
        events.push(said);
        responses.push(response);
    }
    (events, responses)
}

/// The events with the pieces of one thing put together.
fn joined(events: &[ModelEvent]) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for event in events {
        let (key, piece) = match event {
            ModelEvent::TextDelta(text) => ("text".to_owned(), text),
            ModelEvent::ReasoningDelta(text) => ("reasoning".to_owned(), text),
            ModelEvent::ToolCallDelta { call_id, delta } => (format!("arguments of {call_id}"), delta),
            ModelEvent::ToolCallStarted { call_id, name } => {
                joined.push(json!({"call": call_id, "name": name}));
                continue;
            }
            other => panic!("{other:?}"),
        };
        match joined.last_mut().and_then(|last| last.get_mut(&key)) {
            Some(Value::String(text)) => text.push_str(piece),
            _ => joined.push(json!({key: piece})),
        }
    }
    joined
}

#[tokio::test]
async fn a_conversation_with_tools_streamed_and_not() {
    let mut seen: Vec<Vec<ModelResponse>> = Vec::new();
    for streaming in [true, false] {
        let answers = conversation().map(|answer| answer.template(streaming));
        let server = Server::answering(answers).await;
        let model = claude(&server).streaming(streaming).build().unwrap();
        let (events, responses) = converse(&model).await;

        assert_eq!(
            joined(&events[0]),
            [
                json!({"reasoning": "Two files, then."}),
                json!({"text": "Let me look at both."}),
                json!({"call": "toolu_1", "name": "read_file"}),
                json!({"arguments of toolu_1": r#"{"path":"a.txt"}"#}),
                json!({"call": "toolu_2", "name": "read_file"}),
                json!({"arguments of toolu_2": r#"{"path":"b \"quoted\".txt"}"#}),
            ],
            "streaming: {streaming}"
        );
        assert_eq!(joined(&events[1]), [json!({"call": "toolu_3", "name": "list_files"})]);
        assert_eq!(joined(&events[2]), [json!({"text": "There are two files."})]);

        let stops: Vec<StopReason> = responses.iter().map(|response| response.stop.clone()).collect();
        assert_eq!(stops, [StopReason::ToolCalls, StopReason::ToolCalls, StopReason::EndTurn]);
        let usage = responses[0].usage;
        assert_eq!((usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens), (111, 100, 1));
        assert_eq!(usage.output_tokens, 20);
        assert_eq!(responses[0].model.as_deref(), Some("claude-test-1"));
        assert_eq!(responses[0].request_id.as_deref(), Some("req_test"));

        check_requests(&server, streaming).await;
        seen.push(responses);
    }
    assert_eq!(seen[0], seen[1], "both ways end in the same responses");
}

/// The bodies that the server received: the last one holds all that went before.
async fn check_requests(server: &Server, streaming: bool) {
    let requests = server.requests().await;
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.url.path(), "/v1/messages");
        assert_eq!(request.headers["x-api-key"], "sk-ant-test");
        assert_eq!(request.headers["anthropic-version"], "2023-06-01");
        assert_eq!(request.headers["content-type"], "application/json");
    }
    let [first, second, _] = conversation().map(|answer| answer.content);
    let bodies: Vec<Value> = requests.iter().map(|request| request.body_json().unwrap()).collect();
    assert_eq!(bodies[0].get("stream").is_some(), streaming);
    assert_eq!(bodies[0]["model"], "claude-test");
    assert_eq!(
        bodies[0]["system"],
        json!([{"type": "text", "text": "Answer in one sentence.", "cache_control": {"type": "ephemeral"}}])
    );
    let names: Vec<&Value> =
        bodies[0]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["list_files", "read_file"]);
    assert_eq!(bodies[0]["tools"][1]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(bodies[0]["tools"], bodies[2]["tools"]);

    let breakpoint = json!({"type": "ephemeral"});
    assert_eq!(
        bodies[2]["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "What is here?"}]},
            {"role": "assistant", "content": first},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "alpha"},
                {
                    "type": "tool_result", "tool_use_id": "toolu_2", "content": "there is no such file",
                    "is_error": true, "cache_control": breakpoint,
                },
            ]},
            {"role": "assistant", "content": second},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_3"}]},
        ])
    );
    assert_eq!(bodies[1]["messages"][1]["content"], json!(first));
}

#[tokio::test]
async fn the_settings_are_sent_as_headers() {
    let server = Server::answering([conversation()[2].template(true)]).await;
    let model = Claude::with_auth_token("token")
        .base_url(format!("{}/v1", server.uri()))
        .version("2026-10-21")
        .beta("one")
        .beta("two")
        .header("x-team", "research")
        .build()
        .unwrap();
    assert_eq!(model.id(), "anthropic:claude-sonnet-5-5");
    ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    let headers = &server.requests().await[0].headers;
    assert_eq!(headers["authorization"], "Bearer token");
    assert_eq!(headers["anthropic-version"], "2026-10-21");
    assert_eq!(headers["anthropic-beta"], "one,two");
    assert_eq!(headers["x-team"], "research");
    assert!(!headers.contains_key("x-api-key"));
    assert!(!format!("{model:?}").contains("token\""), "{model:?}");
}

#[tokio::test]
async fn a_server_without_a_key_gets_no_key() {
    let server = Server::answering([conversation()[2].template(true)]).await;
    let model = Claude::at(server.uri()).build().unwrap();
    ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    let headers = &server.requests().await[0].headers;
    assert!(!headers.contains_key("x-api-key") && !headers.contains_key("authorization"), "{headers:?}");
}

#[tokio::test]
async fn what_is_set_on_the_transport_last_counts() {
    let server = Server::answering([conversation()[2].template(true)]).await;
    let settings = claude(&server)
        .header("x-team", "research")
        .transport(|transport| transport.header("x-team", "writing").query("a", "1"))
        .transport(|transport| transport.header("x-team", "support"));
    ask(&settings.build().unwrap(), ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    let request = &server.requests().await[0];
    assert_eq!((&request.headers["x-team"], request.url.query()), (&"support".parse().unwrap(), Some("a=1")));
    assert_eq!(request.headers["x-api-key"], "sk-ant-test");
}

#[tokio::test]
async fn a_stream_labelled_as_a_body_and_a_body_in_place_of_a_stream_are_read() {
    let answer = &conversation()[2];
    let mislabelled = ResponseTemplate::new(200).set_body_raw(sse(&answer.events()), "application/json");
    let server = Server::answering([mislabelled, answer.template(false)]).await;
    let model = claude(&server).build().unwrap();
    for _ in 0..2 {
        let (_, response) = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
        assert_eq!(response.stop, StopReason::EndTurn);
        assert_eq!(response.items.len(), 1);
    }
}

#[tokio::test]
async fn events_without_a_name_and_pings_anywhere_are_read() {
    let mut body = String::new();
    for event in conversation()[0].events() {
        body.push_str(&format!("data: {event}\n\ndata: {{\"type\": \"ping\"}}\n\n"));
    }
    let server =
        Server::answering([ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")]).await;
    let model = claude(&server).build().unwrap();
    let (_, response) = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    assert_eq!(response.items.len(), 5);
    assert_eq!(response.stop, StopReason::ToolCalls);
}

#[tokio::test]
async fn refusals_of_the_server_carry_status_request_id_and_delay() {
    let cases = [
        (error(401, "authentication_error", "invalid x-api-key"), ModelErrorKind::Authentication),
        (error(400, "invalid_request_error", "max_tokens: too large"), ModelErrorKind::InvalidRequest),
        (
            error(429, "rate_limit_error", "slow down").insert_header("retry-after", "7"),
            ModelErrorKind::RateLimited,
        ),
        (error(529, "overloaded_error", "Overloaded"), ModelErrorKind::Overloaded),
    ];
    for (template, kind) in cases {
        let server = Server::answering([template]).await;
        let model = without_retries(&server);
        let error = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.status().is_some(), "{error}");
        assert_eq!(error.request_id(), Some("req_test"), "{error}");
        let delay = (kind == ModelErrorKind::RateLimited).then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), delay, "{error}");
        assert_eq!(server.requests().await.len(), 1);
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_an_error_with_the_status() {
    let page = ResponseTemplate::new(502).set_body_raw("<html><h1>Bad gateway</h1></html>", "text/html");
    let server = Server::answering([page]).await;
    let error = ask(&without_retries(&server), ModelRequest::new(&[Item::user("Hi")])).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ModelErrorKind::Server, Some(502)));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_rate_limit_and_an_overload_are_waited_out() {
    let busy = error(429, "rate_limit_error", "slow down").insert_header("retry-after-ms", "1");
    let overloaded = error(529, "overloaded_error", "Overloaded");
    let server = Server::answering([busy, overloaded, conversation()[2].template(true)]).await;
    let model = claude(&server).build().unwrap();
    let (_, response) = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    assert_eq!(response.stop, StopReason::EndTurn);
    assert_eq!(server.requests().await.len(), 3);
}

/// A stream that goes on after its first events in some other way.
async fn broken(events: &[Value]) -> (Vec<ModelEvent>, agentexec_agent_core::model::ModelError) {
    let server = Server::answering([stream_of(events)]).await;
    ask_for_events(&claude(&server).build().unwrap(), ModelRequest::new(&[Item::user("Hi")])).await
}

#[tokio::test]
async fn an_error_inside_a_stream_ends_it_with_the_providers_words() {
    let mut events = conversation()[2].events();
    events.truncate(3);
    events.push(json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}));
    let (said, error) = broken(&events).await;
    assert_eq!(said, [ModelEvent::TextDelta("There are ".into())]);
    assert_eq!(error.kind(), ModelErrorKind::Overloaded);
    assert_eq!(error.code(), Some("overloaded_error"));
    assert_eq!(error.request_id(), Some("req_test"));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_stream_without_its_terminal_event_is_cut_and_gives_no_response() {
    let mut events = conversation()[2].events();
    assert_eq!(events.pop().unwrap(), json!({"type": "message_stop"}));
    let (said, error) = broken(&events).await;
    assert_eq!(said.len(), 2);
    assert_eq!(error.kind(), ModelErrorKind::StreamCut);
    assert_eq!(error.request_id(), Some("req_test"));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_stream_that_ends_inside_an_event_is_cut() {
    let stream = sse(&conversation()[2].events());
    let middle = stream.len() - r#"stop"}__"#.len();
    let template = ResponseTemplate::new(200).set_body_raw(&stream[..middle], "text/event-stream");
    let server = Server::answering([template]).await;
    let model = claude(&server).build().unwrap();
    let error = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::StreamCut, "{error}");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_protocol_error() {
    let mut events = conversation()[2].events();
    events[1] = json!({"type": "content_block_start", "index": 0, "content_block": []});
    let (said, error) = broken(&events).await;
    assert!(said.is_empty());
    assert_eq!(error.kind(), ModelErrorKind::Protocol);
    assert_eq!(error.request_id(), Some("req_test"));
}

#[tokio::test]
async fn thoughts_that_the_model_does_not_know_again_stay_behind_and_newer_ones_go_back() {
    let refusal = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a \
                   different conversation.";
    let thought = json!({"type": "thinking", "thinking": "And now?", "signature": "bmV3"});
    for streaming in [true, false] {
        let [first, mut second, last] = conversation();
        second.content.insert(0, thought.clone());
        let refused = error(400, "invalid_request_error", refusal);
        let [one, two, three] = [&first, &second, &last].map(|answer| answer.template(streaming));
        let server = Server::answering([one, refused, two, three]).await;
        let model = claude(&server).streaming(streaming).build().unwrap();
        let mut transcript = Transcript::from_user("What is here?");
        let outputs = [
            vec![
                output("toolu_1", "read_file", "alpha", false),
                output("toolu_2", "read_file", "beta", false),
            ],
            vec![output("toolu_3", "list_files", "", false)],
            vec![],
        ];
        for outputs in outputs {
            let (_, response) = ask(&model, ModelRequest::new(transcript.items())).await.unwrap();
            transcript.extend(response.items.into_iter().chain(outputs));
        }
        assert_eq!(transcript.final_text(), "There are two files.");

        let bodies = server.bodies().await;
        let content = |body: usize, message: usize| bodies[body]["messages"][message]["content"].clone();
        assert_eq!(content(1, 1), json!(first.content));
        assert_eq!(content(2, 1), json!(first.content[2..]));
        assert_eq!(bodies.len(), 4, "the next request is not refused again");
        assert_eq!((content(3, 1), content(3, 3)), (json!(first.content[2..]), json!(second.content)));
    }
}

#[tokio::test]
async fn other_refusals_are_not_asked_again() {
    let server = Server::answering([error(400, "invalid_request_error", "tools.0: bad")]).await;
    let error =
        ask(&claude(&server).build().unwrap(), ModelRequest::new(&[Item::user("Hi")])).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
    assert_eq!(server.requests().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_may_be_long_is_streamed_and_folded_all_the_same() {
    let server = Server::answering([conversation()[2].template(true)]).await;
    let model = claude(&server).streaming(false).max_tokens(MAX_UNSTREAMED_TOKENS + 1).build().unwrap();
    let (_, response) = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    assert_eq!(response.stop, StopReason::EndTurn);
    assert_eq!(server.bodies().await[0]["stream"], true);
}

#[tokio::test]
async fn each_request_has_a_key_of_its_own_where_that_is_asked_for() {
    let busy = || error(529, "overloaded_error", "Overloaded");
    let answer = || conversation()[2].template(true);
    let server = Server::answering([busy(), answer(), answer()]).await;
    let model = claude(&server).idempotency_keys(true).build().unwrap();
    for _ in 0..2 {
        ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    }
    let requests = server.requests().await;
    let keys: Vec<&str> =
        requests.iter().map(|request| request.headers["idempotency-key"].to_str().unwrap()).collect();
    assert_eq!(keys[0], keys[1], "the same on every try");
    assert_ne!(keys[1], keys[2]);

    let server = Server::answering([answer()]).await;
    ask(&claude(&server).build().unwrap(), ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    assert!(!server.requests().await[0].headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_ping_shows_that_the_server_lives() {
    let mut events = conversation()[2].events();
    let ping = json!({"type": "ping"});
    events.splice(1..1, [ping.clone(), ping]);
    let server = Server::answering([stream_of(&events)]).await;
    let (model, question) = (claude(&server).build().unwrap(), [Item::user("Hi")]);
    let told: Vec<ModelEvent> = model.respond(ModelRequest::new(&question)).try_collect().await.unwrap();
    // The message's start is one too.
    assert!(
        told.starts_with(&[ModelEvent::Heartbeat, ModelEvent::Heartbeat, ModelEvent::Heartbeat]),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_wait_before_a_retry_is_told() {
    let server =
        Server::answering([error(529, "overloaded_error", "Overloaded"), conversation()[2].template(true)])
            .await;
    let (events, _) =
        ask(&claude(&server).build().unwrap(), ModelRequest::new(&[Item::user("Hi")])).await.unwrap();
    let ModelEvent::Retrying { retry, retries, error, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((*retry, *retries), (1, 2));
    assert!(error.contains("Overloaded"), "{error}");
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    for streaming in [true, false] {
        let server = Server::answering([error(200, "overloaded_error", "Overloaded")]).await;
        let model = claude(&server).streaming(streaming).retry(RetryPolicy::none()).build().unwrap();
        let error = ask(&model, ModelRequest::new(&[Item::user("Hi")])).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ModelErrorKind::Overloaded, Some(200)));
        assert!(error.is_retryable());
    }
}
