//! Answers that are errors: by their status, by their body, or by not being what a provider sends.

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::counts::count;
use crate::error::{Facts, by_status};
use crate::origin::Head;
use crate::text::{excerpt, html_title, is_html};

/// The error of an answer whose status is not 2xx.
pub(crate) fn refused(head: &Head, body: &[u8]) -> ModelError {
    let status = head.status;
    let text = head.text(body);
    let error = if (300..400).contains(&status) {
        redirect(head)
    } else if is_html(&text) {
        page(head, by_status(status), &text)
    } else {
        Facts::read(&text).into_error(Some(status), Some(&head.origin), &text)
    };
    head.complete(error)
}

/// A redirect is not followed: the key was given for the address that was asked.
fn redirect(head: &Head) -> ModelError {
    let origin = &head.origin;
    let target = reqwest::Url::parse(&origin.base)
        .ok()
        .zip(head.header("location"))
        .and_then(|(base, location)| base.join(location).ok())
        .map(|url| url.origin().ascii_serialization());
    let target = target.as_deref().unwrap_or("an address that cannot be read");
    let message = format!(
        "{}: {} redirects to {target}, and a key is not sent on: set the base URL to the address that answers",
        origin.provider, origin.base
    );
    ModelError::new(ModelErrorKind::Configuration, message)
}

/// The error of an answer with status 2xx that is neither JSON nor an event stream.
pub(crate) fn foreign(head: &Head, body: &[u8]) -> ModelError {
    let text = head.text(body);
    if is_html(&text) {
        return page(head, ModelErrorKind::Protocol, &text);
    }
    let origin = &head.origin;
    // An answer that broke off behind its head looks the same as an empty one.
    let (kind, what) = if text.trim().is_empty() {
        (ModelErrorKind::StreamCut, "an empty body")
    } else {
        (ModelErrorKind::Protocol, "neither JSON nor an event stream")
    };
    let message =
        format!("{}: the answer is {what}: is {} the right base URL?", origin.provider, origin.base);
    ModelError::new(kind, message).with_body(excerpt(&text))
}

fn page(head: &Head, kind: ModelErrorKind, text: &str) -> ModelError {
    let origin = &head.origin;
    let title = html_title(text).map(|title| format!(" ({title:?})")).unwrap_or_default();
    let hint = match head.status {
        // Where no API is; the others come from the machines in front of one.
        200..300 | 404 | 405 => format!(": is {} the right base URL?", origin.base),
        _ => String::new(),
    };
    let message = format!("{}: the answer is an HTML page{title}{hint}", origin.provider);
    ModelError::new(kind, message).with_body(excerpt(text))
}

/// The error that a body with status 2xx reports, if it reports one.
///
/// A response that failed halfway also has an `error` (OpenAI Responses); it is the provider's to read.
pub(crate) fn error_in(head: &Head, body: &[u8]) -> Option<ModelError> {
    let is_array = body.trim_ascii_start().starts_with(b"[");
    let is_error = is_array || serde_json::from_slice::<Probe>(body).is_ok_and(|probe| probe.is_error());
    is_error.then(|| head.reported(body))
}

/// Whether a JSON object reports an error, in one of the shapes that providers and the gateways before them use. It is to
/// be asked of one that is not known by what its protocol says.
///
/// ```
/// use agentexec_runner_http::reports_error;
///
/// assert!(reports_error(r#"{"fault": {"faultstring": "Rate limit quota violation"}}"#));
/// assert!(!reports_error(r#"{"choices": [], "error": null}"#));
/// ```
#[must_use]
pub fn reports_error(json: &str) -> bool {
    serde_json::from_str::<Probe>(json).is_ok_and(|probe| probe.is_error())
}

/// The fields that tell a response from an error.
#[derive(Deserialize)]
struct Probe {
    r#type: Option<Value>,
    object: Option<Value>,
    error: Option<IgnoredAny>,
    message: Option<Value>,
    detail: Option<Value>,
    /// Of Cloudflare.
    errors: Option<Value>,
    /// Of Apigee.
    fault: Option<Value>,
    /// Of RFC 9457, beside a status.
    title: Option<Value>,
    /// Of z.ai.
    msg: Option<Value>,
    status: Option<Value>,
    code: Option<Value>,
    success: Option<Value>,
    id: Option<IgnoredAny>,
    choices: Option<IgnoredAny>,
    output: Option<IgnoredAny>,
    content: Option<IgnoredAny>,
}

impl Probe {
    fn is_error(&self) -> bool {
        let says_error = |value: &Option<Value>| value.as_ref().is_some_and(|value| value == "error");
        if says_error(&self.r#type) || says_error(&self.object) {
            return true;
        }
        let has_content = self.choices.is_some() || self.output.is_some() || self.content.is_some();
        if has_content || self.object.is_some() {
            return false;
        }
        let class = self.r#type.as_ref().and_then(Value::as_str).unwrap_or("error").to_lowercase();
        let has_nothing_else = self.id.is_none() && class.contains("error");
        self.error.is_some() || self.is_of_a_gateway() || (has_nothing_else && self.is_complaint())
    }

    fn is_complaint(&self) -> bool {
        let says_something =
            |value: &Option<Value>| matches!(value, Some(Value::String(_) | Value::Array(_)));
        [&self.message, &self.detail, &self.msg].into_iter().any(says_something)
    }

    fn is_of_a_gateway(&self) -> bool {
        let is_text = |value: &Option<Value>| value.as_ref().is_some_and(Value::is_string);
        let is_failure =
            |value: &Option<Value>| value.as_ref().and_then(count).is_some_and(|code| code >= 400);
        let failed = is_failure(&self.status) || is_failure(&self.code) || self.success == Some(false.into());
        let lists = |value: &Option<Value>| {
            value.as_ref().and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        lists(&self.errors)
            || self.fault.as_ref().is_some_and(Value::is_object)
            || (failed && is_text(&self.title))
    }
}
