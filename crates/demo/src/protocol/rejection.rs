//! What the services answer when they do not answer: status and error body.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// Whose error bodies a protocol has, and whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    OpenAi,
    Anthropic,
}

/// A refused request.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    message: String,
    /// The field that is wrong. OpenAI only.
    param: Option<String>,
    /// A word for programs. OpenAI only.
    code: Option<&'static str>,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    /// 400: the request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The error body. Only Anthropic's names the request.
    pub(crate) fn body(&self, provider: Provider, request_id: &str) -> Value {
        let kind = self.kind(provider);
        match provider {
            Provider::OpenAi => json!({
                "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code},
            }),
            Provider::Anthropic => json!({
                "type": "error",
                "error": {"type": kind, "message": self.message},
                "request_id": request_id,
            }),
        }
    }

    /// The `type` of the error, which follows from its status.
    fn kind(&self, provider: Provider) -> &'static str {
        match (provider, self.status.as_u16()) {
            (Provider::OpenAi, 429) => "requests",
            (Provider::OpenAi, 400..=499) => "invalid_request_error",
            (Provider::OpenAi, _) => "server_error",
            (Provider::Anthropic, 401) => "authentication_error",
            (Provider::Anthropic, 403) => "permission_error",
            (Provider::Anthropic, 404) => "not_found_error",
            (Provider::Anthropic, 413) => "request_too_large",
            (Provider::Anthropic, 429) => "rate_limit_error",
            (Provider::Anthropic, 400..=499) => "invalid_request_error",
            (Provider::Anthropic, 529) => "overloaded_error",
            (Provider::Anthropic, _) => "api_error",
        }
    }
}
