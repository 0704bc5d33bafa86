//! What a provider's error says, in whatever shape it comes.
//!
//! The same facts (message, code, type) are found in `{"error": {…}}`, `{"error": "text"}`, `{"detail": …}`,
//! `{"message": …}`, `{"type": "error", "error": {…}}`, an array around any of them (Gemini), an HTML page or
//! nothing. The kind then follows from the most telling of them: a code for quota, context window or content
//! filter first, then the HTTP status, then any other code.

use std::time::Duration;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use crate::origin::Origin;
use crate::text::{excerpt, one_line};

/// How deep an error object may lie inside others.
const MAX_DEPTH: usize = 4;

/// Reads an error object that came in the middle of an answer, for example the `error` of an OpenAI
/// `response.failed`, and says which kind of failure it is.
///
/// Any shape will do: the object itself (`code`, `type`, `message`), one that wraps it in `error`, or plain text. An
/// error that nobody here knows is of kind [`Server`](ModelErrorKind::Server). An error inside an event is read by
/// [`StreamEvent::error`](crate::StreamEvent::error), which adds status and request id.
///
/// ```
/// use agentexec_agent_core::model::ModelErrorKind;
/// use agentexec_runner_http::error_from_text;
///
/// let error = error_from_text(r#"{"type": "overloaded_error", "message": "Overloaded"}"#);
/// assert_eq!(error.kind(), ModelErrorKind::Overloaded);
/// assert_eq!(error.message(), "Overloaded");
/// ```
#[must_use]
pub fn error_from_text(text: &str) -> ModelError {
    Facts::read(text).into_error(None, None, text)
}

/// What an error object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) message: Option<String>,
    pub(crate) code: Option<String>,
    /// The `type`, a broader class than the code.
    pub(crate) class: Option<String>,
    /// A code that is a number: the status that an in-between server got.
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<String>,
    /// How long the body asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Facts {
    /// Reads an error body. LiteLLM has its JSON in an event where a stream was asked for. One that is no JSON is its own
    /// message.
    pub(crate) fn read(body: &str) -> Self {
        let json = |text: &str| serde_json::from_str(text).ok();
        let event = || body.lines().find_map(|line| line.strip_prefix("data:")).and_then(json);
        match json(body.trim_start_matches('\u{feff}')).or_else(event) {
            Some(value) => Self::of(&value),
            None => Self { message: Some(body.to_owned()), ..Self::default() },
        }
    }

    /// Reads an error object of any shape.
    pub(crate) fn of(value: &Value) -> Self {
        Self::at_depth(value, 0)
    }

    fn at_depth(value: &Value, depth: usize) -> Self {
        let Value::Object(object) = value else {
            return match value {
                Value::Array(items) if depth < MAX_DEPTH => {
                    items.first().map(|first| Self::at_depth(first, depth + 1)).unwrap_or_default()
                }
                other => Self { message: text_of(other), ..Self::default() },
            };
        };
        let get = |key: &str| object.get(key).filter(|value| !value.is_null());
        let mut facts = Self {
            message: [
                "message",
                "faultstring",
                "detail",
                "error_description",
                "msg",
                "Message",
                "errors",
                "title",
            ]
            .into_iter()
            .find_map(|key| text_of(get(key)?)),
            code: get("code").and_then(Value::as_str).map(str::to_owned),
            class: get("type").and_then(Value::as_str).filter(|class| *class != "error").map(str::to_owned),
            status: ["code", "status", "status_code"].into_iter().find_map(|key| status_of(get(key)?)),
            request_id: get("request_id").and_then(Value::as_str).map(str::to_owned),
            retry_after: get("details").and_then(retry_info),
        };
        match get("error").or_else(|| get("fault")).or_else(|| get("response")) {
            Some(inner @ (Value::Object(_) | Value::Array(_))) if depth < MAX_DEPTH => {
                facts = Self::at_depth(inner, depth + 1).or(facts);
            }
            // Beside a message of its own the text is a code (`{"error": "invalid_grant", "message": "…"}`).
            Some(Value::String(text)) if facts.message.is_some() => {
                facts.code.get_or_insert_with(|| text.clone());
            }
            Some(Value::String(text)) => facts.message = Some(text.clone()),
            _ => {}
        }
        facts.retry_after = facts.retry_after.or_else(|| retry_in(facts.message.as_deref()?));
        facts
    }

    fn or(self, outer: Self) -> Self {
        Self {
            message: self.message.or(outer.message),
            code: self.code.or(outer.code),
            class: self.class.or(outer.class),
            status: self.status.or(outer.status),
            request_id: self.request_id.or(outer.request_id),
            retry_after: self.retry_after.or(outer.retry_after),
        }
    }

    /// The error for people. `status` is that of the answer when it is an error status.
    pub(crate) fn into_error(self, status: Option<u16>, origin: Option<&Origin>, body: &str) -> ModelError {
        let kind = self.kind(status);
        // A secret may be spelled with escapes, which are gone here.
        let safe = |text: &str| one_line(&origin.map_or(text.into(), |origin| origin.redact(text)));
        let said = self.message.as_deref().map(safe).filter(|message| !message.is_empty());
        let message = match (origin, said) {
            (Some(origin), Some(said)) => format!("{}: {said}", origin.provider),
            (Some(origin), None) => format!("{}: {}", origin.provider, meaning(kind, origin)),
            (None, Some(said)) => said,
            (None, None) => "the provider reported an error without saying which".to_owned(),
        };
        let mut error = ModelError::new(kind, message);
        if let Some(code) = self.code.or(self.class) {
            error = error.with_code(safe(&code));
        } else if let Some(status) = self.status {
            error = error.with_code(status.to_string());
        }
        if let Some(id) = self.request_id {
            error = error.with_request_id(id);
        }
        if let Some(delay) = self.retry_after {
            error = error.with_retry_after(delay);
        }
        if body.is_empty() { error } else { error.with_body(excerpt(body)) }
    }

    fn kind(&self, status: Option<u16>) -> ModelErrorKind {
        let words = || [&self.code, &self.class].into_iter().flatten().map(String::as_str);
        let may_be_ours = status.is_none_or(|status| status < 500);
        if let Some(kind) = words().find_map(special).filter(|_| may_be_ours) {
            return kind;
        }
        let status = status.or(self.status);
        if matches!(status, None | Some(400 | 402 | 403 | 413 | 422 | 429))
            && let Some(kind) = self.message.as_deref().and_then(|said| special_message(said, status))
            // Gemini says of its limits per minute what OpenAI says of an account, and when to come back.
            && (kind != ModelErrorKind::QuotaExceeded || self.retry_after.is_none())
        {
            return kind;
        }
        let by_word = words().find_map(general);
        match status {
            // The one word that says more than its status.
            Some(500..) if by_word == Some(ModelErrorKind::Overloaded) => ModelErrorKind::Overloaded,
            Some(status) => by_status(status),
            None => by_word.unwrap_or(ModelErrorKind::Server),
        }
    }
}

/// Codes that tell more than any status.
fn special(word: &str) -> Option<ModelErrorKind> {
    Some(match word {
        "insufficient_quota"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_balance" => ModelErrorKind::QuotaExceeded,
        "context_length_exceeded" | "model_context_window_exceeded" | "exceed_context_size_error" => {
            ModelErrorKind::ContextWindow
        }
        "content_filter" | "content_policy_violation" | "moderation_blocked" => ModelErrorKind::ContentFilter,
        _ => return None,
    })
}

/// What only the message tells. OpenAI has a code for each; Anthropic, vLLM, llama.cpp and others have words.
fn special_message(message: &str, status: Option<u16>) -> Option<ModelErrorKind> {
    const CONTEXT: [&str; 14] = [
        "prompt is too long",
        "input is too long",
        "maximum context length",
        "context length exceeded",
        "context window",
        "exceeds the context",
        "exceed context limit",
        "available context size",
        // Gemini, vLLM, SGLang, TGI, xAI and LM Studio, in this order.
        "exceeds the maximum number of tokens",
        "longer than the maximum model length",
        "longer than the model's context length",
        "`inputs` tokens + `max_new_tokens` must be",
        "maximum prompt length is",
        "context length of only",
    ];
    const FILTER: [&str; 2] = ["content filtering policy", "content management policy"];
    const QUOTA: [&str; 2] = ["credit balance is too low", "exceeded your current quota"];
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&QUOTA) {
        Some(ModelErrorKind::QuotaExceeded)
    } else if status != Some(429) && says(&CONTEXT) {
        Some(ModelErrorKind::ContextWindow)
    } else if status != Some(429) && says(&FILTER) {
        Some(ModelErrorKind::ContentFilter)
    } else {
        None
    }
}

/// Codes and types that repeat what a status says; they decide where there is none.
fn general(word: &str) -> Option<ModelErrorKind> {
    Some(match word {
        "rate_limit_error" | "rate_limit_exceeded" | "too_many_requests" => ModelErrorKind::RateLimited,
        "overloaded_error"
        | "overloaded"
        | "server_overloaded"
        | "engine_overloaded"
        | "slow_down"
        | "service_unavailable" => ModelErrorKind::Overloaded,
        "timeout_error" | "timeout" => ModelErrorKind::Timeout,
        "authentication_error" | "invalid_api_key" => ModelErrorKind::Authentication,
        "permission_error" | "permission_denied" => ModelErrorKind::PermissionDenied,
        "not_found_error" | "model_not_found" => ModelErrorKind::NotFound,
        "request_too_large" => ModelErrorKind::RequestTooLarge,
        "invalid_request_error" | "invalid_request" | "invalid_prompt" | "BadRequestError" => {
            ModelErrorKind::InvalidRequest
        }
        _ => return None,
    })
}

/// The kind that an error status stands for.
pub(crate) fn by_status(status: u16) -> ModelErrorKind {
    match status {
        401 => ModelErrorKind::Authentication,
        402 => ModelErrorKind::QuotaExceeded,
        403 => ModelErrorKind::PermissionDenied,
        404 => ModelErrorKind::NotFound,
        408 => ModelErrorKind::Timeout,
        // A lock that the provider did not get in time: nothing that the request could do better.
        409 => ModelErrorKind::Server,
        413 => ModelErrorKind::RequestTooLarge,
        429 => ModelErrorKind::RateLimited,
        400..=499 => ModelErrorKind::InvalidRequest,
        503 | 529 => ModelErrorKind::Overloaded,
        _ => ModelErrorKind::Server,
    }
}

/// Our words for an error that brought none.
fn meaning(kind: ModelErrorKind, origin: &Origin) -> String {
    let base = &origin.base;
    match kind {
        ModelErrorKind::Authentication => "the key is missing, wrong or has expired".to_owned(),
        ModelErrorKind::PermissionDenied => "the key may not do this".to_owned(),
        ModelErrorKind::NotFound => format!("no such address: is {base} the right base URL?"),
        ModelErrorKind::RequestTooLarge => "the request is too large".to_owned(),
        ModelErrorKind::RateLimited => "too many requests".to_owned(),
        ModelErrorKind::QuotaExceeded => "the account has no quota or credit left".to_owned(),
        ModelErrorKind::Overloaded => "overloaded, try again later".to_owned(),
        ModelErrorKind::Timeout => "the provider waited too long for the request".to_owned(),
        ModelErrorKind::InvalidRequest => "the request was refused without a reason".to_owned(),
        _ => "the provider failed without a reason".to_owned(),
    }
}

/// The text in a value: itself, or of FastAPI's list of complaints its first, with the place that it is about.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let first = items.first()?;
            if let Value::String(text) = first {
                return Some(text.clone());
            }
            let complaint = first.get("msg").or_else(|| first.get("message"))?.as_str()?;
            let place: Vec<String> = first
                .get("loc")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                .collect();
            if place.is_empty() {
                Some(complaint.to_owned())
            } else {
                Some(format!("{}: {complaint}", place.join(".")))
            }
        }
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            let said = ["message", "error", "msg"].into_iter().find_map(text).map(str::to_owned);
            // Mistral puts FastAPI's complaints into an object of their own.
            said.or_else(|| text_of(object.get("detail").filter(|detail| detail.is_array())?))
        }
        _ => None,
    }
}

/// The delay of a `google.rpc.RetryInfo` among the details of an error.
fn retry_info(details: &Value) -> Option<Duration> {
    details.as_array()?.iter().find_map(|detail| seconds(detail.get("retryDelay")?.as_str()?))
}

/// The same in words, which is what is left of it behind a gateway: "Please retry in 26.5s."
fn retry_in(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("retry in ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    seconds(rest.get(..end)?.trim_end_matches('.'))
}

/// A duration of seconds or milliseconds, more than none: `26s`, `0.5s`, `820.5ms`.
fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let delay = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()?;
    Some(delay).filter(|delay| !delay.is_zero())
}

fn status_of(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}
