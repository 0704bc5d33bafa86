//! What a model says, in the four forms in which it can come: two protocols, streamed and whole.

use std::sync::Arc;

use agentexec_agent_core::model::Model;
use agentexec_runner_openai::OpenAi;
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{settings, sse, stream, whole};

/// A protocol and the form of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    ChatStreamed,
    ChatWhole,
    ResponsesStreamed,
    ResponsesWhole,
}

pub(crate) const WIRES: [Wire; 4] =
    [Wire::ChatStreamed, Wire::ChatWhole, Wire::ResponsesStreamed, Wire::ResponsesWhole];

/// What a model says in one response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) text: String,
    /// Id, name and arguments of each call.
    pub(crate) calls: Vec<[String; 3]>,
    pub(crate) refusal: Option<String>,
    /// Why it ended, in Chat Completions and in the Responses API, where the calls do not say it.
    pub(crate) end: Option<(&'static str, &'static str)>,
    /// Tokens in, of them cached; tokens out, of them reasoning.
    pub(crate) usage: [u64; 4],
}

pub(crate) fn say(text: &str) -> Say {
    Say { text: text.into(), ..Say::default() }
}

impl Say {
    pub(crate) fn call(mut self, id: &str, name: &str, arguments: &str) -> Self {
        self.calls.push([id, name, arguments].map(str::to_owned));
        self
    }

    pub(crate) fn refusing(mut self, words: &str) -> Self {
        self.refusal = Some(words.into());
        self
    }

    /// Ends for this `finish_reason`, or for this reason of an incomplete response.
    pub(crate) fn ending(mut self, finish_reason: &'static str, incomplete: &'static str) -> Self {
        self.end = Some((finish_reason, incomplete));
        self
    }

    pub(crate) fn costing(mut self, usage: [u64; 4]) -> Self {
        self.usage = usage;
        self
    }
}

impl Wire {
    pub(crate) fn is_streamed(self) -> bool {
        matches!(self, Self::ChatStreamed | Self::ResponsesStreamed)
    }

    pub(crate) fn is_chat(self) -> bool {
        matches!(self, Self::ChatStreamed | Self::ChatWhole)
    }

    pub(crate) fn path(self) -> &'static str {
        if self.is_chat() { "/v1/chat/completions" } else { "/v1/responses" }
    }

    pub(crate) fn model(self, server: &MockServer) -> Arc<dyn Model> {
        self.model_of(&settings(server))
    }

    pub(crate) fn model_of(self, settings: &OpenAi) -> Arc<dyn Model> {
        let streaming = self.is_streamed();
        if self.is_chat() {
            Arc::new(settings.chat().unwrap().streaming(streaming))
        } else {
            Arc::new(settings.responses().unwrap().streaming(streaming))
        }
    }

    pub(crate) fn answer(self, say: &Say) -> ResponseTemplate {
        match self {
            Self::ChatStreamed => stream(&chunks(say), "data: [DONE]\n\n"),
            Self::ChatWhole => whole(&completion(say)),
            Self::ResponsesStreamed => stream(&events(say), ""),
            Self::ResponsesWhole => whole(&response(say, output(say))),
        }
    }

    /// A streamed answer as its bytes.
    pub(crate) fn bytes(self, say: &Say) -> String {
        let (events, tail) = match self.is_chat() {
            true => (chunks(say), "data: [DONE]\n\n"),
            false => (events(say), ""),
        };
        sse(&events) + tail
    }

    /// The events of an answer up to its end, which never comes.
    pub(crate) fn beginning(self, say: &Say) -> Vec<Value> {
        let mut events = if self.is_chat() { chunks(say) } else { events(say) };
        // The end of a stream: in Chat Completions the reason and the usage, in Responses the terminal event.
        events.truncate(events.len() - if self.is_chat() { 2 } else { 1 });
        events
    }

    /// Id and text of each tool output in a request.
    pub(crate) fn outputs(self, body: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pick = |item: &Value, kind: &str, is: &str, id: &str, output: &str| {
            (item[kind] == is).then(|| (text(&item[id]), text(&item[output])))
        };
        let items = self.items(body).iter();
        if self.is_chat() {
            items.filter_map(|item| pick(item, "role", "tool", "tool_call_id", "content")).collect()
        } else {
            items.filter_map(|item| pick(item, "type", "function_call_output", "call_id", "output")).collect()
        }
    }

    /// What the request tells of the conversation.
    pub(crate) fn items(self, body: &Value) -> &[Value] {
        body[if self.is_chat() { "messages" } else { "input" }].as_array().unwrap()
    }
}

fn finish_reason(say: &Say) -> &'static str {
    match say.end {
        Some((reason, _)) => reason,
        None if say.calls.is_empty() => "stop",
        None => "tool_calls",
    }
}

fn function(call: &[String; 3]) -> Value {
    let [id, name, arguments] = call;
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn chat_usage(say: &Say) -> Value {
    let [input, cached, output, reasoning] = say.usage;
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning}})
}

fn completion(say: &Say) -> Value {
    let content = (!say.text.is_empty()).then_some(&say.text);
    let mut message = json!({"role": "assistant", "content": content, "refusal": say.refusal});
    if !say.calls.is_empty() {
        message["tool_calls"] = say.calls.iter().map(function).collect();
    }
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x-1",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(say)}],
        "usage": chat_usage(say)})
}

/// The pieces of a text, of three characters each.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(3).map(|piece| piece.iter().collect()).collect()
}

fn chunks(say: &Say) -> Vec<Value> {
    let chunk = |choices: Value, usage: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x-1",
            "choices": choices, "usage": usage})
    };
    let delta = |delta: Value, reason: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": reason}]), Value::Null)
    };
    let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
    deltas.extend(pieces(&say.text).into_iter().map(|piece| json!({ "content": piece })));
    deltas.extend(
        pieces(say.refusal.as_deref().unwrap_or_default())
            .into_iter()
            .map(|piece| json!({ "refusal": piece })),
    );
    for (index, call) in say.calls.iter().enumerate() {
        let mut begun = function(call);
        begun["index"] = json!(index);
        begun["function"]["arguments"] = json!("");
        deltas.push(json!({"tool_calls": [begun]}));
        let [_, _, arguments] = call;
        deltas.extend(
            pieces(arguments)
                .into_iter()
                .map(|piece| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})),
        );
    }
    let mut chunks: Vec<Value> = deltas.into_iter().map(|piece| delta(piece, Value::Null)).collect();
    chunks.push(delta(json!({}), json!(finish_reason(say))));
    chunks.push(chunk(json!([]), chat_usage(say)));
    chunks
}

fn output(say: &Say) -> Vec<Value> {
    let mut content = Vec::new();
    content.extend(
        (!say.text.is_empty()).then(|| json!({"type": "output_text", "text": say.text, "annotations": []})),
    );
    content.extend(say.refusal.as_ref().map(|refusal| json!({"type": "refusal", "refusal": refusal})));
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content});
    let calls = say.calls.iter().map(|[id, name, arguments]| {
        json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
            "arguments": arguments, "status": "completed"})
    });
    (!content.is_empty()).then_some(message).into_iter().chain(calls).collect()
}

fn response(say: &Say, output: Vec<Value>) -> Value {
    let [input, cached, tokens, reasoning] = say.usage;
    let (status, details) = match say.end {
        Some((_, reason)) => ("incomplete", json!({ "reason": reason })),
        None => ("completed", Value::Null),
    };
    json!({"id": "resp_1", "object": "response", "status": status, "model": "gpt-x-1", "error": null,
        "incomplete_details": details, "output": output,
        "usage": {"input_tokens": input, "output_tokens": tokens, "total_tokens": input + tokens,
            "input_tokens_details": {"cached_tokens": cached}, "output_tokens_details": {"reasoning_tokens": reasoning}}})
}

fn events(say: &Say) -> Vec<Value> {
    let begun = json!({"id": "resp_1", "object": "response", "status": "in_progress", "output": []});
    let mut events = vec![json!({"type": "response.created", "sequence_number": 0, "response": begun})];
    for (index, item) in output(say).into_iter().enumerate() {
        let mut begun = item.clone();
        let mut deltas = Vec::new();
        let mut tell = |kind: &str, text: &Value| {
            let delta = |piece: String| json!({"type": kind, "output_index": index, "item_id": item["id"], "delta": piece});
            deltas.extend(pieces(text.as_str().unwrap()).into_iter().map(delta));
        };
        if item["type"] == "message" {
            begun["content"] = json!([]);
            for part in item["content"].as_array().unwrap() {
                match part["type"].as_str().unwrap() {
                    "refusal" => tell("response.refusal.delta", &part["refusal"]),
                    _ => tell("response.output_text.delta", &part["text"]),
                }
            }
        } else {
            begun["arguments"] = json!("");
            tell("response.function_call_arguments.delta", &item["arguments"]);
        }
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": begun}));
        events.extend(deltas);
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    let end = if say.end.is_some() { "response.incomplete" } else { "response.completed" };
    events.push(json!({"type": end, "response": response(say, vec![])}));
    events
}
