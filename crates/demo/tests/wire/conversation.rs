//! The same conversation in three protocols: a client that keeps the history and runs tools.

use agentexec_demo::DemoServer;
use serde_json::{Value, json};

use crate::client::{Answer, post};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Chat,
    Responses,
    Messages,
}

pub(crate) const WIRES: [Wire; 3] = [Wire::Chat, Wire::Responses, Wire::Messages];

/// A response as a client understands it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Turn {
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// What goes back in the next request.
    pub(crate) history: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

impl Turn {
    pub(crate) fn calls_of(&self, name: &str) -> Vec<&Value> {
        self.calls.iter().filter(|call| call.name == name).map(|call| &call.arguments).collect()
    }
}

impl Wire {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    pub(crate) fn user(self, text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    /// A request that goes on from this history, with tools as (name, properties).
    pub(crate) fn request(self, history: &[Value], tools: &[(&str, Value)], is_streamed: bool) -> Value {
        let offered: Vec<Value> =
            tools.iter().map(|(name, properties)| self.tool(name, properties)).collect();
        let mut request = match self {
            Self::Chat => json!({"model": "m", "messages": history}),
            Self::Responses => json!({"model": "m", "input": history, "store": false}),
            Self::Messages => json!({"model": "m", "messages": history, "max_tokens": 4096}),
        };
        if !offered.is_empty() {
            request["tools"] = Value::Array(offered);
        }
        if is_streamed {
            request["stream"] = json!(true);
            if self == Self::Chat {
                request["stream_options"] = json!({"include_usage": true});
            }
        }
        request
    }

    fn tool(self, name: &str, properties: &Value) -> Value {
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        match self {
            Self::Chat => {
                json!({"type": "function", "function": {"name": name, "parameters": schema, "strict": true}})
            }
            Self::Responses => {
                json!({"type": "function", "name": name, "parameters": schema, "strict": true})
            }
            Self::Messages => json!({"name": name, "description": "d", "input_schema": schema}),
        }
    }

    /// What answers the calls: (id, output, whether it is an error).
    pub(crate) fn outputs(self, outputs: &[(String, String, bool)]) -> Vec<Value> {
        let each = outputs.iter();
        match self {
            Self::Chat => each
                .map(|(id, output, _)| json!({"role": "tool", "tool_call_id": id, "content": output}))
                .collect(),
            Self::Responses => each
                .map(|(id, output, _)| json!({"type": "function_call_output", "call_id": id, "output": output}))
                .collect(),
            Self::Messages => {
                let result = |(id, output, is_error): &(String, String, bool)| {
                    json!({"type": "tool_result", "tool_use_id": id, "content": output, "is_error": is_error})
                };
                vec![json!({"role": "user", "content": each.map(result).collect::<Vec<_>>()})]
            }
        }
    }

    /// Reads an answer.
    pub(crate) fn read(self, answer: &Answer, is_streamed: bool) -> Turn {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let whole = match (self, is_streamed) {
            (_, false) => answer.json(),
            (Self::Chat, true) => crate::chat::fold(&answer.events()),
            (Self::Responses, true) => crate::responses::fold(&answer.events()),
            (Self::Messages, true) => crate::messages::fold(&answer.events()),
        };
        match self {
            Self::Chat => chat_turn(&whole),
            Self::Responses => responses_turn(&whole),
            Self::Messages => messages_turn(&whole),
        }
    }

    pub(crate) async fn send(self, server: &DemoServer, request: &Value) -> Turn {
        let answer = post(server, self.path(), request).await;
        self.read(&answer, request["stream"] == true)
    }
}

fn chat_turn(whole: &Value) -> Turn {
    let message = &whole["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| Call {
        id: call["id"].as_str().unwrap().to_owned(),
        name: call["function"]["name"].as_str().unwrap().to_owned(),
        arguments: serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap(),
    });
    Turn {
        text: message["content"].as_str().unwrap_or_default().to_owned(),
        calls: calls.collect(),
        input_tokens: whole["usage"]["prompt_tokens"].as_u64().unwrap(),
        output_tokens: whole["usage"]["completion_tokens"].as_u64().unwrap(),
        history: vec![message.clone()],
    }
}

fn responses_turn(whole: &Value) -> Turn {
    let mut turn = Turn {
        input_tokens: whole["usage"]["input_tokens"].as_u64().unwrap(),
        output_tokens: whole["usage"]["output_tokens"].as_u64().unwrap(),
        history: whole["output"].as_array().unwrap().clone(),
        ..Turn::default()
    };
    for item in &turn.history {
        match item["type"].as_str().unwrap() {
            "message" => turn.text.push_str(item["content"][0]["text"].as_str().unwrap()),
            "function_call" => turn.calls.push(Call {
                id: item["call_id"].as_str().unwrap().to_owned(),
                name: item["name"].as_str().unwrap().to_owned(),
                arguments: serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap(),
            }),
            other => panic!("unknown item {other}"),
        }
    }
    turn
}

fn messages_turn(whole: &Value) -> Turn {
    let mut turn = Turn {
        input_tokens: whole["usage"]["input_tokens"].as_u64().unwrap(),
        output_tokens: whole["usage"]["output_tokens"].as_u64().unwrap(),
        history: vec![json!({"role": "assistant", "content": whole["content"]})],
        ..Turn::default()
    };
    for block in whole["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => turn.text.push_str(block["text"].as_str().unwrap()),
            "tool_use" => turn.calls.push(Call {
                id: block["id"].as_str().unwrap().to_owned(),
                name: block["name"].as_str().unwrap().to_owned(),
                arguments: block["input"].clone(),
            }),
            other => panic!("unknown block {other}"),
        }
    }
    turn
}
