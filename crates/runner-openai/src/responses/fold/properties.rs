//! Wherever a server splits an answer, and whatever it leaves out of the events, the response is the same.

use agentexec_agent_core::transcript::AssistantItem;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// How a server says which item an event belongs to, and how much it says.
#[derive(Clone, Copy, Debug)]
struct Style {
    index: bool,
    /// The id in the events of an item; without it none, or another in each.
    id: Option<bool>,
    /// Whether an item is said to begin.
    begins: bool,
    /// Whether there are pieces.
    pieces: bool,
    /// Whether an item is said to be done, under another id when it is a call.
    done: bool,
    renames: bool,
    /// Whether the end lists the items.
    lists: bool,
}

fn styles() -> impl Strategy<Value = Style> {
    let flags = (any::<bool>(), any::<Option<bool>>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, any::<bool>(), any::<bool>()).prop_map(|((index, id, begins, pieces, done), renames, lists)| {
        // Something must tell one item from the next, and the name of a call must stand somewhere.
        let done = done || !(index || begins);
        let lists = lists || !(done || (begins && pieces));
        Style { index, id, begins, pieces, done, renames, lists }
    })
}

/// A message, or a call of a name.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    name: Option<String>,
    text: String,
}

fn said() -> impl Strategy<Value = Said> {
    let message = ".{1,30}".prop_map(|text| Said { name: None, text });
    let call = ("[a-z]{1,3}", any::<String>())
        .prop_map(|(name, value)| Said { name: Some(name), text: json!({ "value": value }).to_string() });
    prop_oneof![message, call]
}

impl Said {
    fn item(&self, place: usize, call_id: &str, text: &str) -> Value {
        let id = format!("item_{place}");
        match &self.name {
            Some(name) => {
                json!({"type": "function_call", "id": id, "call_id": call_id, "name": name, "arguments": text})
            }
            None => {
                json!({"type": "message", "id": id, "content": [{"type": "output_text", "text": text}]})
            }
        }
    }

    fn events(&self, place: usize, size: usize, style: Style) -> Vec<Value> {
        let call_id = format!("call_{place}");
        let index = style.index.then_some(place);
        let mut events = Vec::new();
        if style.begins {
            events.push(json!({"type": "response.output_item.added", "output_index": index,
                "item": self.item(place, &call_id, "")}));
        }
        let kind = match self.name {
            Some(_) => "response.function_call_arguments.delta",
            None => "response.output_text.delta",
        };
        let chars: Vec<char> = self.text.chars().collect();
        for (number, piece) in chars.chunks(size).enumerate().filter(|_| style.pieces) {
            let id = style.id.map(|is_same| match is_same {
                true => format!("item_{place}"),
                false => format!("{place}_{number}"),
            });
            let piece: String = piece.iter().collect();
            events.push(json!({"type": kind, "output_index": index, "item_id": id, "delta": piece}));
        }
        if style.done {
            let call_id = if style.renames { format!("other_{place}") } else { call_id };
            events.push(json!({"type": "response.output_item.done", "output_index": index,
                "item": self.item(place, &call_id, &self.text)}));
        }
        events
    }
}

proptest! {
    #[test]
    fn an_answer_is_the_same_however_it_is_told(
        answer in vec(said(), 0..5),
        size in 1_usize..9,
        style in styles(),
    ) {
        let (mut fold, mut events) = (ResponsesFold::new("test"), Vec::new());
        let list = answer.iter().enumerate();
        let list: Vec<Value> =
            list.map(|(place, said)| said.item(place, &format!("listed_{place}"), &said.text)).collect();
        let output = if style.lists { list } else { Vec::new() };
        let end = json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
        let told = answer.iter().enumerate().flat_map(|(place, said)| said.events(place, size, style));
        for event in told.chain([end]) {
            fold.push(&event.to_string(), &mut events).unwrap();
        }

        let mut calls = Vec::new();
        let mut made = Vec::new();
        for item in fold.finish().unwrap().items {
            match item {
                Item::Assistant(AssistantItem { text, .. }) => made.push(Said { name: None, text }),
                Item::ToolCall(call) => {
                    calls.push((call.id, call.name.clone(), call.arguments.clone()));
                    made.push(Said { name: Some(call.name), text: call.arguments });
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(&made, &answer);

        // What was told adds up to it.
        let mut text = String::new();
        let mut begun: Vec<(String, String, String)> = Vec::new();
        for event in events {
            match event {
                ModelEvent::TextDelta(delta) => text.push_str(&delta),
                ModelEvent::ToolCallStarted { call_id, name } => begun.push((call_id, name, String::new())),
                ModelEvent::ToolCallDelta { call_id, delta } => {
                    let call = begun.iter_mut().find(|(id, ..)| *id == call_id);
                    call.expect("the call has begun").2.push_str(&delta);
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(begun, calls);
        let said = answer.iter().filter(|said| said.name.is_none()).map(|said| said.text.as_str());
        prop_assert_eq!(text, said.collect::<String>());
    }
}
