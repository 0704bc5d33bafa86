//! The transcript as messages.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use agentexec_agent_core::model::ModelError;
use agentexec_agent_core::transcript::{Item, Raw, ToolCall, ToolOutputItem};
use serde::Serialize;
use serde_json::{Map, Value};

use super::encode::{Function, Options};
use super::parts::{Content, ContentPart, answer, attachments, content};
use crate::features::Feature;
use crate::ids::fitting;
use crate::tool::{past_arguments, past_name, unanswered};

#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Message<'a> {
    System { content: Cow<'a, str> },
    User { content: Content<'a> },
    Assistant(Assistant<'a>),
    Tool { tool_call_id: Cow<'a, str>, content: &'a str },
}

impl Message<'_> {
    /// Whether it gives the server its reasoning back.
    pub(super) fn has_reasoning(&self) -> bool {
        matches!(self, Self::Assistant(said) if !said.extra.is_empty())
    }
}

/// Everything that the model said in one turn.
#[derive(Debug, Default, Serialize)]
pub(super) struct Assistant<'a> {
    /// Null beside tool calls; the protocol wants it otherwise.
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    /// Reasoning, in the fields that the server sent it in.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: Function,
    function: Called<'a>,
    /// What the server sent beside, for example a thought signature.
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Called<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

/// The messages: what the model said in one turn becomes one message, and the output of each of its calls stands
/// right behind it, in the order of the calls, wherever the transcript has it. Images and files of these outputs follow
/// in a message of the user.
pub(super) fn messages<'a>(
    items: &'a [Item],
    instructions: Option<Cow<'a, str>>,
    options: Options<'a>,
) -> Result<Vec<Message<'a>>, ModelError> {
    let mut outputs = Outputs::new(items);
    let mut messages: Vec<Message<'a>> =
        instructions.map(|content| Message::System { content }).into_iter().collect();
    for items in items.chunk_by(|one, next| one.is_from_model() && next.is_from_model()) {
        match items {
            [Item::User(user)] => messages.push(Message::User { content: content(&user.content)? }),
            // Already behind its call. One that answers no call cannot be sent.
            [Item::ToolOutput(_)] => {}
            turn => {
                messages.extend(Assistant::new(turn, options).unless_empty().map(Message::Assistant));
                let answers: Vec<_> =
                    calls(turn).map(|call| outputs.take(&call.id)).collect::<Result<_, _>>()?;
                messages.extend(answers.iter().map(|output| Message::Tool {
                    tool_call_id: fitting(&output.call_id, options.max_call_id),
                    content: answer(output),
                }));
                messages.extend(attachments(&answers)?.map(|content| Message::User { content }));
            }
        }
    }
    Ok(messages)
}

fn calls(turn: &[Item]) -> impl Iterator<Item = &ToolCall> {
    turn.iter().filter_map(|item| match item {
        Item::ToolCall(call) => Some(call),
        _ => None,
    })
}

/// The tool outputs by the call that they answer. Servers that number the calls of each turn from zero use an id
/// more than once, hence the queues.
struct Outputs<'a>(HashMap<&'a str, VecDeque<&'a ToolOutputItem>>);

impl<'a> Outputs<'a> {
    fn new(items: &'a [Item]) -> Self {
        let mut outputs: HashMap<&str, VecDeque<_>> = HashMap::new();
        for item in items {
            if let Item::ToolOutput(output) = item {
                outputs.entry(&output.call_id).or_default().push_back(output);
            }
        }
        Self(outputs)
    }

    fn take(&mut self, call_id: &str) -> Result<&'a ToolOutputItem, ModelError> {
        self.0.get_mut(call_id).and_then(VecDeque::pop_front).ok_or_else(|| unanswered(call_id))
    }
}

impl<'a> Assistant<'a> {
    fn new(turn: &'a [Item], options: Options<'a>) -> Self {
        let own = |raw: &'a Option<Raw>| raw.as_ref()?.of(options.origin)?.as_object();
        let mut assistant = Self::default();
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        let mut refusal = None;
        for item in turn {
            match item {
                Item::Assistant(said) => {
                    text += said.text.as_str();
                    refusal = refusal.or(own(&said.raw).and_then(|raw| raw.get("refusal")?.as_str()));
                }
                Item::Reasoning(reasoning) if !options.without.has(Feature::EchoedReasoning) => {
                    assistant.extra.extend(own(&reasoning.raw).cloned().into_iter().flatten());
                }
                Item::ToolCall(call) => {
                    assistant.tool_calls.push(Call::new(call, own(&call.raw), options.max_call_id));
                }
                // Reasoning and items of another server mean nothing to this one.
                _ => {}
            }
        }
        assistant.content = match (text.is_empty(), refusal) {
            (true, None) => None,
            (false, None) => Some(Content::Text(text)),
            (is_empty, Some(refusal)) => {
                let text = (!is_empty).then_some(ContentPart::Text { text });
                Some(Content::Parts(text.into_iter().chain([ContentPart::Refusal { refusal }]).collect()))
            }
        };
        assistant
    }

    /// A message with neither content nor calls is refused.
    fn unless_empty(self) -> Option<Self> {
        (self.content.is_some() || !self.tool_calls.is_empty()).then_some(self)
    }
}

impl<'a> Call<'a> {
    fn new(call: &'a ToolCall, extra: Option<&'a Map<String, Value>>, max_id: usize) -> Self {
        let function = Called { name: past_name(&call.name), arguments: past_arguments(&call.arguments) };
        Self { id: fitting(&call.id, max_id), r#type: Function::Function, function, extra }
    }
}

#[cfg(test)]
mod tests;
