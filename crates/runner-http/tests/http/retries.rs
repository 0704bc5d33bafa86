//! What is sent again, what is not, and what the caller then learns.

use std::time::Duration;

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::{Request, RetryPolicy, Sent};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Act, Server, answer, ask, chunk, chunked_head, head, json, quick, send, timeouts};

fn refusal(status: &str, headers: &str, body: &str) -> Act {
    send(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn each_try_is_the_same_request() {
    let server = MockServer::start().await;
    let overloaded = ResponseTemplate::new(529).insert_header("retry-after-ms", "1");
    Mock::given(any()).respond_with(overloaded).up_to_n_times(2).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(1)).mount(&server).await;
    let transport = agentexec_runner_http::Transport::builder(server.uri()).build().unwrap();
    let request = Request::post("ask", r#"{"q":1}"#).header("idempotency-key", "k1");
    assert_eq!(transport.send(request).await.unwrap().status(), 200);

    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.body, br#"{"q":1}"#);
        assert_eq!(request.headers["idempotency-key"], "k1");
    }
}

#[tokio::test]
async fn a_caller_can_be_told_of_each_retry_before_its_wait() {
    let busy = refusal("503 Busy", "retry-after-ms: 3\r\n", r#"{"error":{"message":"Busy"}}"#);
    let server = Server::start(vec![vec![busy.clone()], vec![busy], vec![json("1")]]).await;
    let mut sending = server.transport().sending(Request::post("ask", "{}")).unwrap();
    for retry in 1..=2 {
        let Sent::Retrying(told) = sending.next().await.unwrap() else { panic!("no retry {retry}") };
        assert_eq!((told.retry, told.retries, told.delay), (retry, 2, Duration::from_millis(3)));
        assert_eq!((told.error.status(), told.error.message()), (Some(503), "Test: Busy"));
        assert_eq!(server.requests().len() as u32, retry, "the next try waits for the next call");
    }
    assert!(matches!(sending.next().await.unwrap(), Sent::Reply(reply) if reply.status() == 200));
}

#[tokio::test]
async fn these_statuses_are_tried_three_times_and_others_once() {
    for (status, expected) in [
        (408, 3),
        (409, 3),
        (429, 3),
        (500, 3),
        (503, 3),
        (529, 3),
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (413, 1),
        (422, 1),
    ] {
        let server = Server::always(vec![refusal(&format!("{status} Status"), "", "{}")]).await;
        let error = ask(&server.transport()).await.unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.requests().len(), expected, "{status}");
        assert_eq!(error.is_retryable(), expected == 3, "{status}");
    }
}

#[tokio::test]
async fn the_server_decides_by_header() {
    let server = Server::always(vec![refusal("500 Status", "x-should-retry: false\r\n", "")]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!((server.requests().len(), error.is_retryable()), (1, false));

    let forced = refusal("400 Status", "x-should-retry: true\r\n", "");
    let server = Server::start(vec![vec![forced], vec![json("{}")]]).await;
    ask(&server.transport()).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_account_without_quota_is_not_asked_again() {
    for body in [
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        r#"{"error":{"message":"You exceeded your current quota, please check your plan","code":null}}"#,
        r#"{"error":{"message":"No quota. Retry in 2s.","type":"insufficient_quota","code":"insufficient_quota"}}"#,
    ] {
        let server = Server::always(vec![refusal("429 Too Many", "x-should-retry: true\r\n", body)]).await;
        let error = ask(&server.transport()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::QuotaExceeded, false));
        assert_eq!(server.requests().len(), 1);
    }
}

/// A limit per minute, in the words that OpenAI has for an account: Gemini's own form, and what a gateway makes of it.
#[tokio::test]
async fn a_quota_that_comes_back_is_waited_for() {
    let details = r#"[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.002s"}]"#;
    let said = "You exceeded your current quota, please check your plan.";
    for body in [
        format!(
            r#"[{{"error":{{"code":429,"message":"{said}","status":"RESOURCE_EXHAUSTED","details":{details}}}}}]"#
        ),
        format!(
            r#"{{"error":{{"code":429,"message":"{said}\nPlease retry in 2.0ms.","status":"RESOURCE_EXHAUSTED"}}}}"#
        ),
        format!(
            r#"{{"error":{{"message":"{said} Please retry in 0.002s.","type":"throttling_error","code":"429"}}}}"#
        ),
        format!(r#"{{"error":"{said} Please retry in 0.002s."}}"#),
    ] {
        let server = Server::always(vec![refusal("429 Too Many", "", &body)]).await;
        let error = ask(&server.transport()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::RateLimited, true), "{body}");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(2)), "{body}");
        assert_eq!(server.requests().len(), 3, "{body}");
    }
    let long = r#"{"error":{"code":429,"message":"slow","details":[{"retryDelay":"3600s"}]}}"#;
    let server = Server::always(vec![refusal("429 Too Many", "", long)]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!((error.retry_after(), server.requests().len()), (Some(Duration::from_secs(3600)), 1));
    let server = Server::always(vec![refusal("429 Too Many", "retry-after-ms: 1\r\n", long)]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!((error.retry_after(), server.requests().len()), (Some(Duration::from_millis(1)), 3));
}

#[tokio::test]
async fn a_long_wait_is_the_callers_decision() {
    let server = Server::always(vec![refusal("429 Too Many", "retry-after: 3600\r\n", "")]).await;
    let error = ask(&server.transport()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!((error.kind(), error.is_retryable()), (ModelErrorKind::RateLimited, true));
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let server = Server::always(vec![refusal("503 Busy", "retry-after: 100\r\n", "")]).await;
    let timeouts = timeouts(|timeouts| timeouts.request = Some(Duration::from_secs(60)));
    let error = server.builder().timeouts(timeouts).build().unwrap();
    let error = ask(&error).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ModelErrorKind::Overloaded, Some(Duration::from_secs(100)))
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_brought_nothing_is_sent_again() {
    let nothing = vec![Act::Close];
    let head_only = vec![chunked_head("text/event-stream"), Act::Close];
    let half_json = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":"), Act::Close];
    let error_body = vec![json(r#"{"error":{"message":"upstream","code":502}}"#)];
    for first in [nothing, head_only, half_json, error_body] {
        let server = Server::start(vec![first.clone(), vec![json("{}")]]).await;
        ask(&server.transport()).await.unwrap_or_else(|error| panic!("{first:?}: {error:#}"));
        assert_eq!(server.requests().len(), 2, "{first:?}");
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_is_not_sent_again() {
    let server =
        Server::always(vec![chunked_head("text/event-stream"), chunk("data: 1\n\n"), Act::Close]).await;
    let mut events = crate::support::events_of(ask(&server.transport()).await.unwrap());
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    let error = events.next().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.request_id()),
        (ModelErrorKind::StreamCut, Some(200), Some("req_1"))
    );
    assert!(events.next().await.unwrap().is_none(), "behind an error there is nothing");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_stays_wrong_is_not_asked_for_again() {
    let page = answer("200 OK", "text/html", "<html>");
    let refused = json(r#"{"error":{"message":"no such model","type":"invalid_request_error"}}"#);
    let too_large = vec![head("application/json"), send("{"), Act::Flood(vec![b' '; 4096], 1 << 20)];
    for acts in [vec![page], vec![refused], too_large] {
        let server = Server::always(acts).await;
        let mut limits = agentexec_runner_http::Limits::default();
        limits.body = 10_000;
        let error = ask(&server.builder().limits(limits).build().unwrap()).await.unwrap_err();
        assert_eq!(server.requests().len(), 1, "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn no_retries_on_request_and_more_when_asked() {
    let mut many = quick();
    many.max_retries = 5;
    many.cap = Duration::from_millis(1);
    for (policy, expected) in [(RetryPolicy::none(), 1), (many, 6)] {
        let server = Server::always(vec![Act::Close]).await;
        let error = ask(&server.builder().retry(policy).build().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::Unreachable, "{error:#}");
        assert_eq!(server.requests().len(), expected);
    }
}
