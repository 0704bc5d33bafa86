//! Anthropic Messages.
//!
//! Source of shapes and rules: the types of the official client library, and the errors that the service is
//! known to answer with.

use std::collections::HashSet;

use axum::response::sse::Event;
use serde_json::{Value, json};

use super::field::Field;
use super::rejection::{Provider, Rejection};
use super::{Choice, Protocol, Request, Turn, add_instructions, arguments_pieces, with, words};
use crate::brain::{Conversation, Item, Tool};

/// The longest name of a tool.
const MAX_NAME: usize = 128;
/// The smallest thinking budget, in tokens.
const MIN_THINKING: u64 = 1024;

/// Every answer has the same form here.
pub(crate) struct Messages;

impl Protocol for Messages {
    const PROVIDER: Provider = Provider::Anthropic;
    const ID: &'static str = "msg_";
    const CALL_ID: &'static str = "toolu_";

    fn parse(body: &Value) -> Result<Request<Self>, Rejection> {
        let root = Field::root(Self::PROVIDER, body)?;
        let model = root.need("model")?.text()?;
        let max_tokens = root.need("max_tokens")?.number()?;
        let messages = root.need("messages")?.list()?;
        check_thinking(&root, max_tokens)?;
        let mut conversation = Conversation {
            model: model.to_owned(),
            instructions: root
                .get("system")
                .map(|system| system_prompt(&system))
                .transpose()?
                .unwrap_or_default(),
            ..Conversation::default()
        };
        read_tools(&root, &mut conversation)?;
        read_turns(&turns(&messages, &mut conversation.instructions)?, &mut conversation.items)?;
        let is_streamed = root.flag_at("stream")?.unwrap_or_default();
        Ok(Request { conversation, is_streamed, max_tokens: Some(max_tokens), protocol: Self })
    }

    fn body(&self, turn: &Turn) -> Value {
        let mut content: Vec<Value> = Vec::new();
        if !turn.text.is_empty() {
            content.push(json!({"type": "text", "text": turn.text}));
        }
        content.extend(turn.calls.iter().map(
            |call| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}),
        ));
        message(turn, content, Some(stop_reason(turn)), turn.output_tokens)
    }

    fn events(&self, turn: &Turn) -> Vec<Event> {
        let mut events = vec![
            event("message_start", json!({"message": message(turn, Vec::new(), None, 1)})),
            event("ping", json!({})),
        ];
        let mut blocks: Vec<(Value, Vec<Value>)> = Vec::new();
        if !turn.text.is_empty() {
            let deltas = words(&turn.text).map(|word| json!({"type": "text_delta", "text": word})).collect();
            blocks.push((json!({"type": "text", "text": ""}), deltas));
        }
        for call in &turn.calls {
            let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
            let pieces = std::iter::once(String::new()).chain(arguments_pieces(&call.arguments_text()));
            let deltas =
                pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
            blocks.push((start, deltas));
        }
        for (index, (start, deltas)) in blocks.into_iter().enumerate() {
            events.push(event("content_block_start", json!({"index": index, "content_block": start})));
            let delta = |delta| event("content_block_delta", json!({"index": index, "delta": delta}));
            events.extend(deltas.into_iter().map(delta));
            events.push(event("content_block_stop", json!({"index": index})));
        }
        let delta = json!({"stop_reason": stop_reason(turn), "stop_sequence": null});
        let usage = json!({"output_tokens": turn.output_tokens});
        events.push(event("message_delta", json!({"delta": delta, "usage": usage})));
        events.push(event("message_stop", json!({})));
        events
    }
}

fn event(kind: &'static str, data: Value) -> Event {
    Event::default().event(kind).data(with(data, json!({"type": kind})).to_string())
}

fn message(turn: &Turn, content: Vec<Value>, stop_reason: Option<&str>, output_tokens: u64) -> Value {
    json!({
        "id": turn.id,
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {
            "input_tokens": turn.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        },
    })
}

fn stop_reason(turn: &Turn) -> &'static str {
    match (turn.is_cut, turn.calls.is_empty()) {
        (true, _) => "max_tokens",
        (false, false) => "tool_use",
        (false, true) => "end_turn",
    }
}

fn check_thinking(root: &Field<'_>, max_tokens: u64) -> Result<(), Rejection> {
    let Some(thinking) = root.get("thinking") else {
        return Ok(());
    };
    if thinking.need("type")?.text()? != "enabled" {
        return Ok(());
    }
    let budget = thinking.need("budget_tokens")?.number()?;
    if budget < MIN_THINKING {
        let message = format!(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING}"
        );
        return Err(Rejection::invalid(message));
    }
    if budget >= max_tokens {
        return Err(Rejection::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
    Ok(())
}

fn system_prompt(system: &Field<'_>) -> Result<String, Rejection> {
    if let Ok(blocks) = system.list() {
        for block in &blocks {
            check_text(block, "system")?;
        }
    }
    system.content(&["text"], &[])
}

fn read_tools(root: &Field<'_>, conversation: &mut Conversation) -> Result<(), Rejection> {
    let mut tools: Vec<Tool> = Vec::new();
    let offered = root.get("tools").map(|tools| tools.list()).transpose()?.unwrap_or_default();
    for tool in &offered {
        // Tools that run at the service are taken, and never used.
        if tool.text_at("type")?.is_none_or(|kind| kind == "custom") {
            let tool = custom_tool(tool)?;
            if tools.iter().any(|known| known.name == tool.name) {
                return Err(Rejection::invalid("tools: Tool names must be unique."));
            }
            tools.push(tool);
        }
    }
    conversation.parallel_tool_calls = true;
    let mut choice = Choice::Any;
    if let Some(field) = root.get("tool_choice") {
        if offered.is_empty() {
            let message = "tool_choice: tool_choice may only be specified while providing tools.";
            return Err(Rejection::invalid(message));
        }
        choice = tool_choice(&field)?;
        if let Some(name) = choice.unknown(&tools) {
            let message = format!("tool_choice: Tool '{name}' not found in provided tools");
            return Err(Rejection::invalid(message));
        }
        conversation.parallel_tool_calls = !field.flag_at("disable_parallel_tool_use")?.unwrap_or_default();
    }
    conversation.tools = choice.among(tools);
    Ok(())
}

fn custom_tool(tool: &Field<'_>) -> Result<Tool, Rejection> {
    let field = tool.need("name")?;
    let name = field.text()?;
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_valid) {
        let at = tool.path();
        let message =
            format!("{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,{MAX_NAME}}}$'");
        return Err(Rejection::invalid(message));
    }
    let schema = tool.need("input_schema")?.object()?;
    if schema.need("type")?.text()? != "object" {
        let message = format!("{}.custom.input_schema.type: Input should be 'object'", tool.path());
        return Err(Rejection::invalid(message));
    }
    let description = tool.text_at("description")?.unwrap_or_default();
    Ok(Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: schema.value().clone(),
    })
}

fn tool_choice(field: &Field<'_>) -> Result<Choice, Rejection> {
    let kind = field.clone().object()?.need("type")?;
    match kind.text()? {
        "auto" | "any" => Ok(Choice::Any),
        "none" => Ok(Choice::None),
        "tool" => Ok(Choice::Only(vec![field.need("name")?.text()?.to_owned()])),
        _ => Err(kind.unsupported(&["auto", "any", "tool", "none"])),
    }
}

/// Neighbouring messages of one role, which count as one turn.
struct Spoken<'a> {
    is_user: bool,
    /// The index of the first of the messages.
    at: usize,
    content: Vec<Field<'a>>,
}

/// The messages in turns. A string is content of its own; system messages go to the instructions.
fn turns<'a>(messages: &[Field<'a>], instructions: &mut String) -> Result<Vec<Spoken<'a>>, Rejection> {
    let mut turns: Vec<Spoken<'a>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message.clone().object()?.need("role")?;
        let content = message.need("content")?;
        let is_user = match role.text()? {
            "user" => true,
            "assistant" => false,
            "system" => {
                add_instructions(instructions, &system_prompt(&content)?);
                continue;
            }
            _ => return Err(role.unsupported(&["user", "assistant"])),
        };
        let blocks = if content.value().is_string() { vec![content.clone()] } else { content.list()? };
        if blocks.is_empty() || content.value() == "" {
            let role = role.text()?;
            return Err(Rejection::invalid(format!(
                "messages.{at}: {role} messages must have non-empty content"
            )));
        }
        match turns.last_mut().filter(|turn| turn.is_user == is_user) {
            Some(turn) => turn.content.extend(blocks),
            None => turns.push(Spoken { is_user, at, content: blocks }),
        }
    }
    match (turns.first(), turns.last()) {
        (Some(first), _) if !first.is_user => {
            Err(Rejection::invalid("messages: first message must use the \"user\" role"))
        }
        (_, Some(last)) if !last.is_user => Err(Rejection::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user \
             message.",
        )),
        (None, _) => Err(Rejection::invalid("messages: at least one message is required")),
        _ => Ok(turns),
    }
}

/// Reads the turns and checks that each tool use is answered at the head of the user's next turn.
fn read_turns(turns: &[Spoken<'_>], items: &mut Vec<Item>) -> Result<(), Rejection> {
    let mut ids: HashSet<String> = HashSet::new();
    let mut open: Vec<String> = Vec::new();
    let mut asked_at = 0;
    for turn in turns {
        if turn.is_user {
            check_results(turn, &open, asked_at)?;
            for block in &turn.content {
                read_user_block(block, items)?;
            }
        } else {
            asked_at = turn.at;
            open = turn
                .content
                .iter()
                .map(|block| read_assistant_block(block, items))
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            if !open.iter().all(|id| ids.insert(id.clone())) {
                return Err(Rejection::invalid("messages: `tool_use` ids must be unique"));
            }
        }
    }
    Ok(())
}

/// Every open tool use has one result, before anything else, and no other is answered.
fn check_results(turn: &Spoken<'_>, open: &[String], asked_at: usize) -> Result<(), Rejection> {
    let mut answered: Vec<&str> = Vec::new();
    let mut leading: Vec<&str> = Vec::new();
    for (place, block) in turn.content.iter().enumerate() {
        if block.text_at("type")? != Some("tool_result") {
            continue;
        }
        let id = block.need("tool_use_id")?.text()?;
        if !open.iter().any(|asked| asked == id) {
            let message = format!(
                "{}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block \
                 must have a corresponding `tool_use` block in the previous message.",
                block.path()
            );
            return Err(Rejection::invalid(message));
        }
        if answered.contains(&id) {
            let message = format!(
                "{}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: \
                 {id}",
                block.path()
            );
            return Err(Rejection::invalid(message));
        }
        answered.push(id);
        if leading.len() == place {
            leading.push(id);
        }
    }
    let missing: Vec<&str> = open.iter().map(String::as_str).filter(|id| !leading.contains(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Rejection::invalid(format!(
        "messages.{asked_at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. \
         Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        missing.join(", ")
    )))
}

fn read_user_block(block: &Field<'_>, items: &mut Vec<Item>) -> Result<(), Rejection> {
    if block.value().is_string() {
        items.push(Item::User(block.text()?.to_owned()));
        return Ok(());
    }
    let kind = block.clone().object()?.need("type")?;
    match kind.text()? {
        "text" => items.push(Item::User(check_text(block, "messages")?.to_owned())),
        "tool_result" => {
            let content = block.get("content");
            let output =
                content.map(|content| content.content(&["text"], &["image", "document", "search_result"]));
            items.push(Item::ToolOutput {
                id: block.need("tool_use_id")?.text()?.to_owned(),
                output: output.transpose()?.unwrap_or_default(),
                is_error: block.flag_at("is_error")?.unwrap_or_default(),
            });
        }
        "image" | "document" | "search_result" => {}
        _ => return Err(kind.unsupported(&["text", "image", "document", "search_result", "tool_result"])),
    }
    Ok(())
}

/// Reads what the model said; the id of a tool use is given back.
fn read_assistant_block(block: &Field<'_>, items: &mut Vec<Item>) -> Result<Option<String>, Rejection> {
    if block.value().is_string() {
        items.push(Item::Assistant(block.text()?.to_owned()));
        return Ok(None);
    }
    let kind = block.clone().object()?.need("type")?;
    match kind.text()? {
        "text" => items.push(Item::Assistant(check_text(block, "messages")?.to_owned())),
        "tool_use" => {
            let id = block.need("id")?.text()?.to_owned();
            let name = block.need("name")?.text()?.to_owned();
            let arguments = block.need("input")?.object()?.value().clone();
            items.push(Item::ToolCall { id: id.clone(), name, arguments });
            return Ok(Some(id));
        }
        "thinking" | "redacted_thinking" => {}
        _ => return Err(kind.unsupported(&["text", "thinking", "redacted_thinking", "tool_use"])),
    }
    Ok(None)
}

/// The text of a text block, which is never blank.
fn check_text<'a>(block: &Field<'a>, place: &str) -> Result<&'a str, Rejection> {
    let text = block.need("text")?.text()?;
    if text.is_empty() {
        return Err(Rejection::invalid(format!("{place}: text content blocks must be non-empty")));
    }
    if text.trim().is_empty() {
        return Err(Rejection::invalid(format!(
            "{place}: text content blocks must contain non-whitespace text"
        )));
    }
    Ok(text)
}
