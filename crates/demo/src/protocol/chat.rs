//! OpenAI Chat Completions.
//!
//! Source of shapes and rules: the types of the official client library, and the errors that the service is
//! known to answer with.

use std::collections::HashSet;

use axum::response::sse::Event;
use serde_json::{Value, json};

use super::field::Field;
use super::rejection::{Provider, Rejection};
use super::{Choice, Protocol, Request, Turn, add_instructions, arguments_pieces, openai, with, words};
use crate::brain::{Conversation, Item, Tool};

const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool"];
const USER_TEXTS: &[&str] = &["text"];
const USER_OTHERS: &[&str] = &["image_url", "input_audio", "file"];

/// What a request asks of the form of its answer.
pub(crate) struct Chat {
    /// Whether the stream ends with a chunk that holds the usage.
    include_usage: bool,
}

impl Protocol for Chat {
    const PROVIDER: Provider = Provider::OpenAi;
    const ID: &'static str = "chatcmpl-";
    const CALL_ID: &'static str = "call_";

    fn parse(body: &Value) -> Result<Request<Self>, Rejection> {
        let root = Field::root(Self::PROVIDER, body)?;
        let model = root.need("model")?.text()?;
        let messages = root.need("messages")?.full_list()?;
        let is_streamed = root.flag_at("stream")?.unwrap_or_default();
        let mut conversation = Conversation {
            model: model.to_owned(),
            tools: tools(&root)?,
            parallel_tool_calls: root.flag_at("parallel_tool_calls")?.unwrap_or(true),
            ..Conversation::default()
        };
        Messages::default().read(&messages, &mut conversation)?;
        let max_tokens = max_tokens(&root)?;
        let protocol = Self { include_usage: include_usage(&root, is_streamed)? };
        Ok(Request { conversation, is_streamed, max_tokens, protocol })
    }

    fn body(&self, turn: &Turn) -> Value {
        let message =
            json!({"role": "assistant", "content": content(turn), "refusal": null, "annotations": []});
        let calls = turn.calls.iter().map(|call| {
            let function = json!({"name": call.name, "arguments": call.arguments_text()});
            json!({"id": call.id, "type": "function", "function": function})
        });
        let calls: Vec<Value> = calls.collect();
        let message = if calls.is_empty() { message } else { with(message, json!({"tool_calls": calls})) };
        let finish_reason = finish_reason(turn);
        let choice =
            json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason});
        json!({
            "id": turn.id,
            "object": "chat.completion",
            "created": turn.created,
            "model": turn.model,
            "choices": [choice],
            "usage": usage(turn),
            "service_tier": "default",
            "system_fingerprint": null,
        })
    }

    fn events(&self, turn: &Turn) -> Vec<Event> {
        let delta = |delta: Value| self.chunk(turn, delta, None);
        let mut events =
            vec![delta(json!({"role": "assistant", "content": content(turn).map(|_| ""), "refusal": null}))];
        events.extend(words(&turn.text).map(|word| delta(json!({"content": word}))));
        for (index, call) in turn.calls.iter().enumerate() {
            let function = json!({"name": call.name, "arguments": ""});
            let first = json!({"index": index, "id": call.id, "type": "function", "function": function});
            events.push(delta(json!({"tool_calls": [first]})));
            events.extend(arguments_pieces(&call.arguments_text()).into_iter().map(|piece| {
                delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
            }));
        }
        events.push(self.chunk(turn, json!({}), Some(finish_reason(turn))));
        if self.include_usage {
            let last = with(self.envelope(turn, json!([])), json!({"usage": usage(turn)}));
            events.push(Event::default().data(last.to_string()));
        }
        events.push(Event::default().data("[DONE]"));
        events
    }
}

impl Chat {
    fn chunk(&self, turn: &Turn, delta: Value, finish_reason: Option<&str>) -> Event {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        Event::default().data(self.envelope(turn, json!([choice])).to_string())
    }

    fn envelope(&self, turn: &Turn, choices: Value) -> Value {
        let chunk = json!({
            "id": turn.id,
            "object": "chat.completion.chunk",
            "created": turn.created,
            "model": turn.model,
            "service_tier": "default",
            "system_fingerprint": null,
            "choices": choices,
        });
        if self.include_usage { with(chunk, json!({"usage": null})) } else { chunk }
    }
}

/// The text; none where there are only calls.
fn content(turn: &Turn) -> Option<&str> {
    Some(turn.text.as_str()).filter(|text| !text.is_empty() || turn.calls.is_empty())
}

fn finish_reason(turn: &Turn) -> &'static str {
    match (turn.is_cut, turn.calls.is_empty()) {
        (true, _) => "length",
        (false, false) => "tool_calls",
        (false, true) => "stop",
    }
}

fn usage(turn: &Turn) -> Value {
    json!({
        "prompt_tokens": turn.input_tokens,
        "completion_tokens": turn.output_tokens,
        "total_tokens": turn.input_tokens + turn.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn tools(root: &Field<'_>) -> Result<Vec<Tool>, Rejection> {
    let offered = root.get("tools");
    let Some(offered) = offered else {
        return match root.get("tool_choice") {
            Some(_) => Err(Rejection::invalid(
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            )
            .at("tool_choice")),
            None => Ok(Vec::new()),
        };
    };
    let mut tools = Vec::new();
    for tool in offered.full_list()? {
        let kind = tool.need("type")?;
        match kind.text()? {
            "function" => tools.push(openai::function(&tool.need("function")?)?),
            "custom" => {}
            _ => return Err(kind.unsupported(&["function", "custom"])),
        }
    }
    let choice = root
        .get("tool_choice")
        .map(|choice| openai::choice(&choice, |tool| tool.need("function")?.need("name")));
    let choice = choice.transpose()?.unwrap_or(Choice::Any);
    openai::check_choice(&choice, &tools)?;
    Ok(choice.among(tools))
}

fn max_tokens(root: &Field<'_>) -> Result<Option<u64>, Rejection> {
    match (root.get("max_tokens"), root.get("max_completion_tokens")) {
        (Some(_), Some(_)) => Err(Rejection::invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        )
        .code("invalid_parameter_combination")),
        (limit, other) => limit.or(other).map(|limit| limit.number()).transpose(),
    }
}

fn include_usage(root: &Field<'_>, is_streamed: bool) -> Result<bool, Rejection> {
    match root.get("stream_options") {
        Some(_) if !is_streamed => {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            Err(Rejection::invalid(message).at("stream_options"))
        }
        Some(options) => Ok(options.flag_at("include_usage")?.unwrap_or_default()),
        None => Ok(false),
    }
}

/// Reads the messages in order, and holds which calls are not answered yet.
#[derive(Default)]
struct Messages {
    open: Vec<String>,
    /// The calls of the assistant message before.
    called: HashSet<String>,
}

impl Messages {
    fn read(mut self, messages: &[Field<'_>], conversation: &mut Conversation) -> Result<(), Rejection> {
        for (at, message) in messages.iter().enumerate() {
            let message = message.clone().object()?;
            let role = message.need("role")?;
            if role.text()? != "tool" {
                self.check_answered(at)?;
                self.called.clear();
            }
            let items = &mut conversation.items;
            match role.text()? {
                "system" | "developer" => {
                    let text = content_of(&message, at, &["text"], &[])?;
                    add_instructions(&mut conversation.instructions, &text);
                }
                "user" => items.push(Item::User(content_of(&message, at, USER_TEXTS, USER_OTHERS)?)),
                "assistant" => self.assistant(&message, at, items)?,
                "tool" => items.push(self.tool(&message, at)?),
                _ => return Err(role.unsupported(ROLES)),
            }
        }
        self.check_answered(messages.len().saturating_sub(1))
    }

    fn assistant(&mut self, message: &Field<'_>, at: usize, items: &mut Vec<Item>) -> Result<(), Rejection> {
        let calls = message.get("tool_calls");
        if calls.is_none() || message.get("content").is_some() {
            let text = content_of(message, at, &["text", "refusal"], &[])?;
            if !text.is_empty() {
                items.push(Item::Assistant(text));
            }
        }
        for call in calls.map(|calls| calls.full_list()).transpose()?.into_iter().flatten() {
            let id = call.need("id")?.text()?.to_owned();
            let function = call.need("function")?;
            let name = function.need("name")?.text()?.to_owned();
            let arguments = openai::arguments(function.need("arguments")?.text()?);
            self.open.push(id.clone());
            self.called.insert(id.clone());
            items.push(Item::ToolCall { id, name, arguments });
        }
        Ok(())
    }

    fn tool(&mut self, message: &Field<'_>, at: usize) -> Result<Item, Rejection> {
        let id = message.need("tool_call_id")?.text()?;
        if self.called.is_empty() {
            let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding \
                           message with 'tool_calls'.";
            return Err(Rejection::invalid(message).at(format!("messages.[{at}].role")));
        }
        if !self.called.contains(id) {
            let message = format!(
                "Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message."
            );
            return Err(Rejection::invalid(message).at(format!("messages.[{at}].tool_call_id")));
        }
        let Some(place) = self.open.iter().position(|open| open == id) else {
            let message = format!("Duplicate value for 'tool_call_id' of '{id}' in message[{at}]");
            return Err(Rejection::invalid(message).at(format!("messages.[{at}].tool_call_id")));
        };
        self.open.remove(place);
        let output = content_of(message, at, &["text"], &[])?;
        Ok(Item::ToolOutput { id: id.to_owned(), output, is_error: false })
    }

    fn check_answered(&self, at: usize) -> Result<(), Rejection> {
        if self.open.is_empty() {
            return Ok(());
        }
        let message = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            self.open.join(", ")
        );
        Err(Rejection::invalid(message).at(format!("messages.[{at}].role")))
    }
}

fn content_of(message: &Field<'_>, at: usize, texts: &[&str], others: &[&str]) -> Result<String, Rejection> {
    match message.get("content") {
        Some(content) if content.value().is_array() => {
            content.full_list()?;
            content.content(texts, others)
        }
        Some(content) => content.content(texts, others),
        None => {
            let message = "Invalid value for 'content': expected a string, got null.";
            Err(Rejection::invalid(message).at(format!("messages.[{at}].content")))
        }
    }
}
