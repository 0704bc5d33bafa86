//! Error bodies of every shape, and what people and programs learn from them.

use agentexec_agent_core::model::ModelErrorKind::{self, *};
use agentexec_runner_http::{RetryPolicy, error_from_text};
use serde_json::json as value;

use crate::support::{Server, answer, ask, events_of, json, json_of, send};

async fn refused(status: &str, content_type: &str, body: &str) -> agentexec_agent_core::model::ModelError {
    let server = Server::always(vec![answer(status, content_type, body)]).await;
    ask(&server.builder().retry(RetryPolicy::none()).build().unwrap()).await.unwrap_err()
}

/// Status, body, then the kind, the message and the code that follow.
type Row = (u16, &'static str, ModelErrorKind, &'static str, Option<&'static str>);

const SHAPES: &[Row] = &[
    // One object around another.
    (
        400,
        r#"{"error":{"message":"Unknown parameter: 'x'.","type":"invalid_request_error","param":"x","code":"unknown_parameter"}}"#,
        InvalidRequest,
        "Test: Unknown parameter: 'x'.",
        Some("unknown_parameter"),
    ),
    (
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_body"}"#,
        Overloaded,
        "Test: Overloaded",
        Some("overloaded_error"),
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
        InvalidRequest,
        "Test: API key not valid.",
        Some("400"),
    ),
    // Flat ones.
    (
        400,
        r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#,
        InvalidRequest,
        "Test: bad",
        Some("BadRequestError"),
    ),
    (404, r#"{"error":"model 'x' not found"}"#, NotFound, "Test: model 'x' not found", None),
    (404, r#"{"error":"Not Found","message":"No route"}"#, NotFound, "Test: No route", Some("Not Found")),
    (404, r#"{"detail":"Not Found"}"#, NotFound, "Test: Not Found", None),
    (
        422,
        r#"{"detail":[{"loc":["body","messages",0],"msg":"field required","type":"missing"}]}"#,
        InvalidRequest,
        "Test: body.messages.0: field required",
        None,
    ),
    (
        422,
        r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","strict"],"msg":"Extra inputs are not permitted","input":true}]},"type":"invalid_request_error","param":null,"code":null}"#,
        InvalidRequest,
        "Test: body.strict: Extra inputs are not permitted",
        Some("invalid_request_error"),
    ),
    (403, r#"{"message":"Forbidden"}"#, PermissionDenied, "Test: Forbidden", None),
    (400, r#"{"error":null,"message":"a\n  b\u0000"}"#, InvalidRequest, "Test: a b", None),
    // An event, where a stream was asked for.
    (
        500,
        "data: {\"error\": {\"message\": \"It broke\", \"type\": \"internal_server_error\", \"code\": \"500\"}}\n\ndata: [DONE]\n\n",
        Server,
        "Test: It broke",
        Some("500"),
    ),
    // No JSON.
    (500, "upstream connect error", Server, "Test: upstream connect error", None),
    (500, r#"{"error":{"message":"cut of"#, Server, r#"Test: {"error":{"message":"cut of"#, None),
    (
        502,
        "<html><title>502 Bad Gateway</title>",
        Server,
        r#"Test: the answer is an HTML page ("502 Bad Gateway")"#,
        None,
    ),
    // Nothing.
    (401, "", Authentication, "Test: the key is missing, wrong or has expired", None),
    (429, "{}", RateLimited, "Test: too many requests", None),
    (500, "null", Server, "Test: the provider failed without a reason", None),
    (
        400,
        r#"{"error":{"code":"odd"}}"#,
        InvalidRequest,
        "Test: the request was refused without a reason",
        Some("odd"),
    ),
];

#[tokio::test]
async fn every_shape_gives_message_and_code() {
    for (status, body, kind, message, code) in SHAPES {
        let error = refused(&format!("{status} Status"), "application/json", body).await;
        assert_eq!((error.kind(), error.message(), error.code()), (*kind, *message, *code), "{body}");
        assert_eq!((error.status(), error.request_id()), (Some(*status), Some("req_1")));
        assert_eq!(error.body(), Some(*body).filter(|body| !body.is_empty()));
    }
}

#[tokio::test]
async fn a_request_id_in_the_body_serves_when_the_header_is_missing() {
    let body = r#"{"type":"error","error":{"type":"api_error","message":"Oops"},"request_id":"req_body"}"#;
    let answer = send(format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let server = Server::always(vec![answer]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!(error.to_string(), "Test: Oops (HTTP 500, request req_body)");
}

#[tokio::test]
async fn each_status_has_its_kind() {
    for (status, kind) in [
        (400, InvalidRequest),
        (401, Authentication),
        (402, QuotaExceeded),
        (403, PermissionDenied),
        (404, NotFound),
        (405, InvalidRequest),
        (408, Timeout),
        (409, Server),
        (413, RequestTooLarge),
        (418, InvalidRequest),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, Server),
        (501, Server),
        (503, Overloaded),
        (504, Server),
        (529, Overloaded),
    ] {
        assert_eq!(refused(&format!("{status} Status"), "text/plain", "").await.kind(), kind, "{status}");
    }
}

/// Status (0: inside a stream), code or type, message, kind.
const TELLING: &[(u16, &str, &str, ModelErrorKind)] = &[
    (400, "context_length_exceeded", "too long", ContextWindow),
    (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextWindow),
    (400, "BadRequestError", "This model's maximum context length is 4096 tokens.", ContextWindow),
    (400, "exceed_context_size_error", "the request exceeds the available context size", ContextWindow),
    (
        400,
        "",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ContextWindow,
    ),
    (
        400,
        "",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        ContextWindow,
    ),
    (
        400,
        "",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        ContextWindow,
    ),
    (
        422,
        "",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        ContextWindow,
    ),
    (
        400,
        "",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        ContextWindow,
    ),
    (
        400,
        "",
        "the model is loaded with context length of only 4096 tokens, which is not enough",
        ContextWindow,
    ),
    (413, "", "Input is too long for requested model.", ContextWindow),
    (0, "invalid_request_error", "Your input exceeds the context window of this model.", ContextWindow),
    (400, "content_filter", "filtered", ContentFilter),
    (400, "content_policy_violation", "rejected", ContentFilter),
    (400, "invalid_request_error", "Output blocked by content filtering policy", ContentFilter),
    (429, "insufficient_quota", "no money", QuotaExceeded),
    (400, "invalid_request_error", "Your credit balance is too low to access the API.", QuotaExceeded),
    (403, "billing_error", "pay", QuotaExceeded),
    (429, "rate_limit_exceeded", "Rate limit reached: tokens per min, context window or not", RateLimited),
    (500, "overloaded_error", "Overloaded", Overloaded),
    (500, "insufficient_quota", "a server error stays one", Server),
    (404, "invalid_request_error", "maximum context length of nothing", NotFound),
    (0, "overloaded_error", "Overloaded", Overloaded),
    (0, "api_error", "Internal server error", Server),
    (0, "server_error", "The server had an error", Server),
    (0, "rate_limit_error", "slow down", RateLimited),
    (0, "rate_limit_exceeded", "slow down", RateLimited),
    (0, "authentication_error", "no", Authentication),
    (0, "permission_error", "no", PermissionDenied),
    (0, "not_found_error", "no", NotFound),
    (0, "request_too_large", "no", RequestTooLarge),
    (0, "timeout_error", "late", Timeout),
    (0, "invalid_request_error", "no", InvalidRequest),
    (0, "insufficient_quota", "no", QuotaExceeded),
    (0, "something_new", "what?", Server),
];

#[tokio::test]
async fn a_code_or_a_message_tells_more_than_the_status() {
    for (status, code, message, kind) in TELLING {
        let body = value!({"error": {"type": code, "message": message}});
        let error = match status {
            0 => error_from_text(&body.to_string()),
            status => refused(&format!("{status} Status"), "application/json", &body.to_string()).await,
        };
        assert_eq!(error.kind(), *kind, "{status} {code}: {message}");
    }
}

#[test]
fn an_error_object_in_a_stream_may_have_any_shape() {
    for (body, kind, message, code) in [
        (
            value!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
            Overloaded,
            "busy",
            Some("overloaded_error"),
        ),
        (
            value!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null}),
            RateLimited,
            "slow",
            Some("rate_limit_exceeded"),
        ),
        (
            value!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "oops"}}}),
            Server,
            "oops",
            Some("server_error"),
        ),
        (value!({"code": "server_error", "message": "oops"}), Server, "oops", Some("server_error")),
        (value!({"error": {"code": 429, "message": "upstream"}}), RateLimited, "upstream", Some("429")),
        (value!({"error": {"code": "503", "message": "upstream"}}), Overloaded, "upstream", Some("503")),
        (value!({"error": "text"}), Server, "text", None),
        (value!({"detail": "text"}), Server, "text", None),
        (value!({"Message": "text"}), Server, "text", None),
        (value!({"errors": [{"message": "text"}]}), Server, "text", None),
        (value!({"message": ["text", "more"], "error": "Bad Request"}), Server, "text", Some("Bad Request")),
        (value!({"code": 500, "msg": "text", "success": false}), Server, "text", Some("500")),
        (value!({"fault": {"faultstring": "text", "detail": {"errorcode": "x"}}}), Server, "text", None),
        (
            value!({"type": "about:blank", "title": "text", "status": 503}),
            Overloaded,
            "text",
            Some("about:blank"),
        ),
        (value!([{"error": {"code": 503, "message": "text"}}]), Overloaded, "text", Some("503")),
        (value!("text"), Server, "text", None),
        (value!(null), Server, "the provider reported an error without saying which", None),
    ] {
        let error = error_from_text(&body.to_string());
        assert_eq!((error.kind(), error.message(), error.code()), (kind, message, code), "{body}");
    }
}

#[test]
fn nesting_without_end_is_no_danger() {
    let mut body = value!("deep");
    for _ in 0..100 {
        body = value!([{ "error": body }]);
    }
    assert_eq!(error_from_text(&body.to_string()).kind(), Server);
}

#[tokio::test]
async fn a_page_in_place_of_an_api_asks_about_the_base_url() {
    let server =
        Server::always(vec![answer("404 Not Found", "text/html", "<html><title>404</title></html>")]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!(
        error.message(),
        format!("Test: the answer is an HTML page (\"404\"): is {} the right base URL?", server.url)
    );
    let server = Server::always(vec![answer("404 Not Found", "text/plain", "")]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!(error.message(), format!("Test: no such address: is {} the right base URL?", server.url));
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    for (body, kind) in [
        (r#"{"error":{"message":"no","type":"invalid_request_error"}}"#, InvalidRequest),
        (r#"{"error":{"message":"no","code":401},"user_id":"u"}"#, Authentication),
        (r#"{"error":"no"}"#, Server),
        (r#"{"type":"error","error":{"type":"not_found_error","message":"no"}}"#, NotFound),
        (r#"{"object":"error","message":"no","type":"invalid_request_error","code":null}"#, InvalidRequest),
        (r#"{"detail":"no"}"#, Server),
        (r#"{"message":"no"}"#, Server),
        (r#"{"success":false,"errors":[{"code":10000,"message":"no"}],"result":null}"#, Server),
        (r#"{"fault":{"faultstring":"no","detail":{"errorcode":"policies.ratelimit"}}}"#, Server),
        (r#"{"type":"https://host/problem","title":"no","status":404}"#, NotFound),
        (r#"{"code":500,"msg":"no","success":false}"#, Server),
        (r#"{"msg":"no"}"#, Server),
        (r#"[{"error":{"message":"no","code":404}}]"#, NotFound),
    ] {
        let error = refused("200 OK", "application/json", body).await;
        assert_eq!((error.kind(), error.message(), error.status()), (kind, "Test: no", Some(200)), "{body}");
    }
}

#[tokio::test]
async fn a_response_with_an_error_field_is_a_response() {
    for body in [
        r#"{"id":"1","object":"response","status":"failed","error":{"code":"server_error","message":"x"}}"#,
        r#"{"id":"1","object":"response","status":"completed","error":null,"output":[]}"#,
        r#"{"id":"1","choices":[],"error":{"code":502,"message":"x"}}"#,
        r#"{"id":"1","type":"message","role":"assistant","content":[]}"#,
        r#"{"id":"1","message":"hello"}"#,
        r#"{"title":"hello","status":"done","errors":[]}"#,
        "{}",
    ] {
        let server = Server::always(vec![json(body)]).await;
        assert_eq!(json_of(ask(&server.transport()).await.unwrap()).bytes(), body.as_bytes());
    }
    let failed = r#"{"object":"response","error":{"code":"rate_limit_exceeded","message":"x"}}"#;
    let server = Server::always(vec![json(failed)]).await;
    let error = json_of(ask(&server.transport()).await.unwrap()).error();
    assert_eq!((error.kind(), error.status(), error.request_id()), (RateLimited, Some(200), Some("req_1")));
}

#[tokio::test]
async fn an_error_event_knows_its_answer() {
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let server = Server::always(vec![answer("200 OK", "text/event-stream", event)]).await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    let event = events.next().await.unwrap().unwrap();
    assert_eq!(event.name(), Some("error"));
    let error = event.error();
    assert_eq!(
        (error.kind(), error.code(), error.is_retryable()),
        (Overloaded, Some("overloaded_error"), true)
    );
    assert_eq!(error.to_string(), "Test: Overloaded (HTTP 200, request req_1)");
}

#[tokio::test]
async fn an_error_event_that_is_no_json_is_still_an_error() {
    let server =
        Server::always(vec![answer("200 OK", "text/event-stream", "event: error\ndata: it broke\n\n")]).await;
    let mut events = events_of(ask(&server.transport()).await.unwrap());
    let error = events.next().await.unwrap().unwrap().error();
    assert_eq!((error.kind(), error.message()), (Server, "Test: it broke"));
}
