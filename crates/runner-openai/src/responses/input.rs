//! The transcript as input items: those of this server as they came, the others in their neutral form.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use agentexec_agent_core::model::ModelError;
use agentexec_agent_core::transcript::{
    AssistantItem, Item, Media, MediaKind, MediaSource, Part, Raw, ToolCall, ToolOutputItem, UserItem,
};
use agentexec_runner_http::leaves_thoughts_behind;
use serde::Serialize;
use serde_json::Value;

use super::MAX_CALL_ID;
use super::encode::{Options, unsupported};
use super::item::is_custom;
use crate::features::Feature;
use crate::ids::fitting;
use crate::tool::{past_arguments, past_name, unanswered};

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    /// An item of this server, as it came.
    Own(Cow<'a, Value>),
    Neutral(Neutral<'a>),
}

impl Input<'_> {
    pub(super) fn is_thought(&self) -> bool {
        let Self::Own(value) = self else { return false };
        value.get("type").and_then(Value::as_str) == Some("reasoning")
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Neutral<'a> {
    Message { role: &'static str, content: Content<'a> },
    FunctionCall { call_id: Cow<'a, str>, name: Cow<'a, str>, arguments: Cow<'a, str> },
    FunctionCallOutput { call_id: Cow<'a, str>, output: Content<'a> },
    CustomToolCallOutput { call_id: Cow<'a, str>, output: Content<'a> },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Parts(Vec<ContentPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum ContentPart<'a> {
    #[serde(rename = "input_text")]
    Text { text: &'a str },
    #[serde(rename = "input_image")]
    Image {
        /// Said although it is the default: by the protocol's own types it must be.
        detail: Detail,
        image_url: Cow<'a, str>,
    },
    /// With its bytes, or by its address.
    #[serde(rename = "input_file")]
    File {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Detail {
    Auto,
}

/// The name of a file that has none: beside bytes there must be one.
const UNNAMED: &str = "file";

/// The items of the transcript from a place on. What each call was answered with goes with it; an answer to no call
/// does not go.
///
/// # Errors
/// [`InvalidRequest`](agentexec_agent_core::model::ModelErrorKind::InvalidRequest) when a tool call has no output,
/// since the server refuses that; [`Unsupported`](agentexec_agent_core::model::ModelErrorKind::Unsupported) for what
/// this protocol has no words for.
pub(super) fn inputs<'a>(
    items: &'a [Item],
    from: usize,
    options: Options<'a>,
) -> Result<Vec<Input<'a>>, ModelError> {
    let answered = answered(items)?;
    let known = match options.without.has(Feature::EchoedReasoning) {
        true => items.len(),
        false => items.iter().rposition(|item| leaves_thoughts_behind(item, options.origin)).unwrap_or(0),
    };
    let mut inputs = Vec::with_capacity(items.len().saturating_sub(from));
    for (place, item) in items.iter().enumerate().skip(from) {
        match item {
            Item::ToolOutput(output) => {
                if let Some(call) = answered.get(&place) {
                    inputs.push(call_output(call, output, options)?);
                }
            }
            Item::Reasoning(_) if !leads_to_something(items, place) => {}
            item => inputs.extend(input(item, place >= known, options)?),
        }
    }
    Ok(inputs)
}

/// The call that each output answers, by the place of the output: the oldest open one of its id before it.
fn answered(items: &[Item]) -> Result<HashMap<usize, &ToolCall>, ModelError> {
    let mut open: HashMap<&str, VecDeque<&ToolCall>> = HashMap::new();
    let mut answered = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        match item {
            Item::ToolCall(call) => open.entry(&call.id).or_default().push_back(call),
            Item::ToolOutput(output) => {
                let call = open.get_mut(output.call_id.as_str()).and_then(VecDeque::pop_front);
                answered.extend(call.map(|call| (place, call)));
            }
            _ => {}
        }
    }
    match open.into_values().flatten().map(|call| &call.id).min() {
        Some(id) => Err(unanswered(id)),
        None => Ok(answered),
    }
}

/// Whether anything that the model said follows in its turn. The server refuses thoughts that nothing came of.
fn leads_to_something(items: &[Item], place: usize) -> bool {
    let rest = items.iter().skip(place + 1).take_while(|item| item.is_from_model());
    rest.into_iter().any(|item| match item {
        Item::Assistant(_) | Item::ToolCall(_) => true,
        Item::Opaque(raw) => !raw.is_note(),
        _ => false,
    })
}

/// One item, or none where this server could make nothing of it. What came of thoughts that do not go back goes in its
/// neutral form: a server that knows it by its id would ask for them.
fn input<'a>(
    item: &'a Item,
    with_thoughts: bool,
    options: Options<'a>,
) -> Result<Option<Input<'a>>, ModelError> {
    let own = |raw: &'a Option<Raw>| {
        raw.as_ref()?.of(options.origin).filter(|value| with_thoughts || is_custom(value))
    };
    let as_it_came = |value| Input::Own(Cow::Borrowed(value));
    Ok(match item {
        Item::User(user) => Some(Input::Neutral(Neutral::Message { role: "user", content: said(user)? })),
        Item::Assistant(said) => own(&said.raw).map(as_it_came).or_else(|| assistant(said)),
        Item::Reasoning(reasoning) => {
            // A server that may have lost a response may have lost its items.
            let is_stored = options.store && !options.previous_response;
            own(&reasoning.raw).filter(|raw| is_stored || is_self_contained(raw)).map(as_it_came)
        }
        Item::ToolCall(call) => Some(function_call(call, own(&call.raw))),
        Item::Opaque(raw) => raw.of(options.origin).map(as_it_came),
        _ => return Err(unsupported("an item of the transcript")),
    })
}

fn said(user: &UserItem) -> Result<Content<'_>, ModelError> {
    if let [Part::Text { text }] = user.content.as_slice() {
        return Ok(Content::Text(text));
    }
    let parts = user.content.iter().map(|part| match part {
        Part::Text { text } => Ok(ContentPart::Text { text }),
        Part::Media { media } => shown(media),
        _ => Err(unsupported("a part of the user's message")),
    });
    Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
}

fn shown(media: &Media) -> Result<ContentPart<'_>, ModelError> {
    Ok(match (media.kind(), media.source()) {
        (MediaKind::Image, MediaSource::Url(url)) => {
            ContentPart::Image { detail: Detail::Auto, image_url: Cow::Borrowed(url) }
        }
        (MediaKind::Image, MediaSource::Data(data)) => {
            ContentPart::Image { detail: Detail::Auto, image_url: Cow::Owned(data.url()) }
        }
        // The address has the name in it.
        (MediaKind::File, MediaSource::Url(url)) => {
            ContentPart::File { filename: None, file_data: None, file_url: Some(url) }
        }
        (MediaKind::File, MediaSource::Data(data)) => ContentPart::File {
            filename: Some(media.name().unwrap_or(UNNAMED)),
            file_data: Some(data.url()),
            file_url: None,
        },
        _ => return Err(unsupported("media of this kind")),
    })
}

fn assistant(said: &AssistantItem) -> Option<Input<'_>> {
    let content = Content::Text(&said.text);
    (!said.text.is_empty()).then_some(Input::Neutral(Neutral::Message { role: "assistant", content }))
}

/// A call in the form that it came in, unless that form could not come back: with arguments that are no JSON, an id that
/// is too long, or a name that no tool can have.
fn function_call<'a>(call: &'a ToolCall, own: Option<&'a Value>) -> Input<'a> {
    let (call_id, arguments) = (fitting(&call.id, MAX_CALL_ID), past_arguments(&call.arguments));
    let name = past_name(&call.name);
    let Some(own) = own else {
        return Input::Neutral(Neutral::FunctionCall { call_id, name, arguments });
    };
    let is_custom = is_custom(own);
    let is = |key: &str, value: &str| own.get(key).and_then(Value::as_str) == Some(value);
    if is("call_id", &call_id) && is("name", &name) && (is_custom || is("arguments", &arguments)) {
        return Input::Own(Cow::Borrowed(own));
    }
    let mut mended = own.clone();
    if let Some(fields) = mended.as_object_mut() {
        fields.insert("call_id".to_owned(), call_id.into());
        fields.insert("name".to_owned(), name.into());
        if !is_custom {
            fields.insert("arguments".to_owned(), arguments.into());
        }
    }
    Input::Own(Cow::Owned(mended))
}

fn call_output<'a>(
    call: &ToolCall,
    item: &'a ToolOutputItem,
    options: Options<'_>,
) -> Result<Input<'a>, ModelError> {
    let call_id = fitting(&item.call_id, MAX_CALL_ID);
    let output = if item.media.is_empty() {
        Content::Text(&item.output)
    } else {
        let text = (!item.output.is_empty()).then_some(Ok(ContentPart::Text { text: &item.output }));
        Content::Parts(text.into_iter().chain(item.media.iter().map(shown)).collect::<Result<_, _>>()?)
    };
    let own = call.raw.as_ref().and_then(|raw| raw.of(options.origin));
    Ok(Input::Neutral(if own.is_some_and(is_custom) {
        Neutral::CustomToolCallOutput { call_id, output }
    } else {
        Neutral::FunctionCallOutput { call_id, output }
    }))
}

/// Whether a reasoning item says what it says by itself. Without encrypted content it is only a reference to
/// something that the server has not stored, and the server refuses it; models with open weights send their
/// reasoning as it is.
fn is_self_contained(reasoning: &Value) -> bool {
    let has = |key: &str| match reasoning.get(key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    };
    has("encrypted_content") || has("content")
}

#[cfg(test)]
mod tests;
