//! OpenAI Responses.
//!
//! Source of shapes and rules: the types of the official client library, and the errors that the service is
//! known to answer with. Nothing is stored: each request brings its whole input.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::sse::Event;
use serde_json::{Value, json};

use super::field::Field;
use super::rejection::{Provider, Rejection};
use super::{
    Choice, IssuedCall, Protocol, Request, Turn, add_instructions, arguments_pieces, openai, with, words,
};
use crate::brain::{Conversation, Item, Tool};

const ROLES: &[&str] = &["user", "assistant", "system", "developer"];
const ITEMS: &[&str] = &["message", "function_call", "function_call_output", "reasoning"];
const INPUT_OTHERS: &[&str] = &["input_image", "input_file", "input_audio"];
/// The smallest token limit that the service takes.
const MIN_OUTPUT_TOKENS: u64 = 16;

/// The parts of a request that its answer repeats.
pub(crate) struct Responses {
    echo: Value,
}

impl Protocol for Responses {
    const PROVIDER: Provider = Provider::OpenAi;
    const ID: &'static str = "resp_";
    const CALL_ID: &'static str = "call_";

    fn parse(body: &Value) -> Result<Request<Self>, Rejection> {
        let root = Field::root(Self::PROVIDER, body)?;
        let model = root.need("model")?.text()?;
        check_unstored(&root)?;
        let mut conversation = Conversation {
            model: model.to_owned(),
            instructions: root.text_at("instructions")?.unwrap_or_default().to_owned(),
            tools: tools(&root)?,
            parallel_tool_calls: root.flag_at("parallel_tool_calls")?.unwrap_or(true),
            ..Conversation::default()
        };
        let input = root.need("input")?;
        if input.value().is_string() {
            conversation.items.push(Item::User(input.text()?.to_owned()));
        } else {
            read_items(&input.full_list()?, &mut conversation)?;
        }
        let is_streamed = root.flag_at("stream")?.unwrap_or_default();
        let max_tokens = root.get("max_output_tokens").map(|limit| max_tokens(&limit)).transpose()?;
        Ok(Request { conversation, is_streamed, max_tokens, protocol: Self { echo: echo(body) } })
    }

    fn body(&self, turn: &Turn) -> Value {
        let mut output: Vec<Value> = Vec::new();
        if !turn.text.is_empty() {
            output.push(finished_message(turn));
        }
        output.extend(turn.calls.iter().map(|call| function_call(call, &call.arguments_text(), "completed")));
        let end = match turn.is_cut {
            true => json!({"incomplete_details": {"reason": "max_output_tokens"}}),
            false => json!({"completed_at": turn.created}),
        };
        let response = self.response(turn, status(turn), output);
        with(with(response, json!({"usage": usage(turn)})), end)
    }

    fn events(&self, turn: &Turn) -> Vec<Event> {
        let mut stream = Stream::default();
        for kind in ["response.created", "response.in_progress"] {
            stream.push(kind, json!({"response": self.response(turn, "in_progress", Vec::new())}));
        }
        if !turn.text.is_empty() {
            stream.message(turn);
        }
        for call in &turn.calls {
            stream.function_call(call);
        }
        let kind = if turn.is_cut { "response.incomplete" } else { "response.completed" };
        stream.push(kind, json!({"response": self.body(turn)}));
        stream.events
    }
}

impl Responses {
    fn response(&self, turn: &Turn, status: &str, output: Vec<Value>) -> Value {
        let response = json!({
            "id": turn.id,
            "object": "response",
            "created_at": turn.created,
            "completed_at": null,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "output": output,
            "usage": null,
        });
        with(self.echo.clone(), response)
    }
}

/// Numbers the events.
#[derive(Default)]
struct Stream {
    events: Vec<Event>,
    /// The index of the output item that is being written.
    output_index: usize,
}

impl Stream {
    fn push(&mut self, kind: &'static str, data: Value) {
        let data = with(data, json!({"type": kind, "sequence_number": self.events.len()}));
        self.events.push(Event::default().event(kind).data(data.to_string()));
    }

    /// An event about the item that is being written.
    fn push_item(&mut self, kind: &'static str, data: Value) {
        self.push(kind, with(data, json!({"output_index": self.output_index})));
    }

    /// An event about the only content part of the message that is being written.
    fn push_part(&mut self, kind: &'static str, turn: &Turn, data: Value) {
        self.push_item(kind, with(data, json!({"item_id": message_id(turn), "content_index": 0})));
    }

    fn message(&mut self, turn: &Turn) {
        self.push_item(
            "response.output_item.added",
            json!({"item": message(turn, json!([]), "in_progress")}),
        );
        self.push_part("response.content_part.added", turn, json!({"part": text_part("")}));
        for word in words(&turn.text) {
            self.push_part("response.output_text.delta", turn, json!({"delta": word, "logprobs": []}));
        }
        self.push_part("response.output_text.done", turn, json!({"text": turn.text, "logprobs": []}));
        self.push_part("response.content_part.done", turn, json!({"part": text_part(&turn.text)}));
        self.push_item("response.output_item.done", json!({"item": finished_message(turn)}));
        self.output_index += 1;
    }

    fn function_call(&mut self, call: &IssuedCall) {
        let (arguments, id) = (call.arguments_text(), item_id(call));
        self.push_item("response.output_item.added", json!({"item": function_call(call, "", "in_progress")}));
        for piece in arguments_pieces(&arguments) {
            let delta = json!({"item_id": id, "delta": piece});
            self.push_item("response.function_call_arguments.delta", delta);
        }
        let done = json!({"item_id": id, "name": call.name, "arguments": arguments});
        self.push_item("response.function_call_arguments.done", done);
        let item = function_call(call, &arguments, "completed");
        self.push_item("response.output_item.done", json!({"item": item}));
        self.output_index += 1;
    }
}

fn status(turn: &Turn) -> &'static str {
    if turn.is_cut { "incomplete" } else { "completed" }
}

fn finished_message(turn: &Turn) -> Value {
    message(turn, json!([text_part(&turn.text)]), status(turn))
}

fn message(turn: &Turn, content: Value, status: &str) -> Value {
    let phase = if turn.calls.is_empty() { "final_answer" } else { "commentary" };
    json!({
        "id": message_id(turn),
        "type": "message",
        "status": status,
        "role": "assistant",
        "phase": phase,
        "content": content,
    })
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn function_call(call: &IssuedCall, arguments: &str, status: &str) -> Value {
    json!({
        "id": item_id(call),
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    })
}

fn message_id(turn: &Turn) -> String {
    turn.id.replacen(Responses::ID, "msg_", 1)
}

/// The id of the item, which is not the one that the output answers.
fn item_id(call: &IssuedCall) -> String {
    call.id.replacen(Responses::CALL_ID, "fc_", 1)
}

fn usage(turn: &Turn) -> Value {
    json!({
        "input_tokens": turn.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": turn.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.input_tokens + turn.output_tokens,
    })
}

/// What the response repeats of the request, with the service's defaults for what it leaves out.
fn echo(body: &Value) -> Value {
    let mut echo = json!({
        "background": false,
        "instructions": null,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "metadata": {},
        "model": null,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "service_tier": "default",
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": null,
    });
    for (name, default) in echo.as_object_mut().into_iter().flatten() {
        if let Some(given) = body.get(name).filter(|given| !given.is_null()) {
            *default = given.clone();
        }
    }
    echo
}

/// Refuses what refers to something that the service would have stored.
fn check_unstored(root: &Field<'_>) -> Result<(), Rejection> {
    match root.text_at("previous_response_id")? {
        Some(id) => Err(Rejection::invalid(format!("Previous response with id '{id}' not found."))
            .at("previous_response_id")
            .code("previous_response_not_found")),
        None => Ok(()),
    }
}

fn max_tokens(limit: &Field<'_>) -> Result<u64, Rejection> {
    let number = limit.number()?;
    if number < MIN_OUTPUT_TOKENS {
        let path = limit.path();
        let message = format!(
            "Invalid '{path}': integer below minimum value. Expected a value >= {MIN_OUTPUT_TOKENS}, but got \
             {number} instead."
        );
        return Err(Rejection::invalid(message).at(path).code("integer_below_min_value"));
    }
    Ok(number)
}

/// The functions. Tools that run at the service are taken, and never used.
fn tools(root: &Field<'_>) -> Result<Vec<Tool>, Rejection> {
    let mut tools = Vec::new();
    for tool in root.get("tools").map(|tools| tools.list()).transpose()?.into_iter().flatten() {
        if tool.need("type")?.text()? == "function" {
            tools.push(openai::function(&tool)?);
        }
    }
    let Some(field) = root.get("tool_choice") else {
        return Ok(tools);
    };
    let choice = openai::choice(&field, |tool| tool.need("name"))?;
    if tools.is_empty() && field.value() == "required" {
        let message = "Tool choice 'required' must be specified with 'tools' parameter.";
        return Err(Rejection::invalid(message).at("tool_choice"));
    }
    openai::check_choice(&choice, &tools)?;
    Ok(Choice::among(&choice, tools))
}

/// Reads the input items in order and checks that calls and outputs match.
fn read_items(items: &[Field<'_>], conversation: &mut Conversation) -> Result<(), Rejection> {
    let mut open: Vec<String> = Vec::new();
    let mut answered: HashSet<String> = HashSet::new();
    for item in items {
        let item = item.clone().object()?;
        match item.text_at("type")?.unwrap_or("message") {
            "message" => read_message(&item, conversation)?,
            "reasoning" => {}
            "function_call" => {
                let id = item.need("call_id")?.text()?.to_owned();
                let name = item.need("name")?.text()?.to_owned();
                let arguments = openai::arguments(item.need("arguments")?.text()?);
                open.push(id.clone());
                conversation.items.push(Item::ToolCall { id, name, arguments });
            }
            "function_call_output" => {
                let id = item.need("call_id")?.text()?.to_owned();
                check_output(&id, &mut open, &mut answered)?;
                let output = item.need("output")?.content(&["input_text", "output_text"], INPUT_OTHERS)?;
                conversation.items.push(Item::ToolOutput { id, output, is_error: false });
            }
            "item_reference" => {
                let id = item.need("id")?.text()?;
                let message = format!("Item with id '{id}' not found.");
                return Err(Rejection::new(StatusCode::NOT_FOUND, message).at("input"));
            }
            _ => return Err(item.need("type")?.unsupported(ITEMS)),
        }
    }
    match open.first() {
        Some(id) => {
            Err(Rejection::invalid(format!("No tool output found for function call {id}.")).at("input"))
        }
        None => Ok(()),
    }
}

/// Each output answers one open call.
fn check_output(id: &str, open: &mut Vec<String>, answered: &mut HashSet<String>) -> Result<(), Rejection> {
    let Some(place) = open.iter().position(|call| call == id) else {
        let message = match answered.contains(id) {
            true => format!("Duplicate function call output found for call_id {id}."),
            false => format!("No tool call found for function call output with call_id {id}."),
        };
        return Err(Rejection::invalid(message).at("input"));
    };
    answered.insert(open.remove(place));
    Ok(())
}

fn read_message(item: &Field<'_>, conversation: &mut Conversation) -> Result<(), Rejection> {
    let role = item.need("role")?;
    let content = item.need("content")?;
    if content.value().is_array() {
        content.full_list()?;
    }
    match role.text()? {
        "assistant" => {
            let text = content.content(&["output_text", "refusal"], &[])?;
            conversation.items.push(Item::Assistant(text));
        }
        "user" => conversation.items.push(Item::User(content.content(&["input_text"], INPUT_OTHERS)?)),
        "system" | "developer" => {
            let text = content.content(&["input_text"], INPUT_OTHERS)?;
            add_instructions(&mut conversation.instructions, &text);
        }
        _ => return Err(role.unsupported(ROLES)),
    }
    Ok(())
}
