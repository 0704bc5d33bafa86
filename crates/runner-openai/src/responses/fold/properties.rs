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
    /// Whether an item is said to be done.
    done: bool,
    /// Whether what is done and what is listed have other ids than what began.
    renames: bool,
    /// Whether they are written in another way.
    rewrites: bool,
    /// Whether all items have begun before the first is done.
    at_once: bool,
    /// Whether the end lists the items.
    lists: bool,
    /// Whether it lists a thought before them, of which nothing was told: each has another place then.
    thinks: bool,
}

fn styles() -> impl Strategy<Value = Style> {
    let flags = (any::<[bool; 9]>(), any::<Option<bool>>());
    flags.prop_map(|([index, begins, pieces, done, renames, rewrites, at_once, lists, thinks], id)| {
        // Something must tell one item from the next, and the name of a call must stand somewhere.
        let done = done || !(index || begins);
        let lists = lists || !(done || (begins && pieces));
        let at_once = at_once && (index || (begins && id == Some(true)));
        Style { index, id, begins, pieces, done, renames, rewrites, at_once, lists, thinks }
    })
}

/// A message, or a call of a name.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    name: Option<String>,
    text: String,
}

fn said() -> impl Strategy<Value = Said> {
    let message = ".{1,30}".prop_filter("a message says something", |text| !text.trim().is_empty());
    let message = message.prop_map(|text| Said { name: None, text });
    let call = ("[a-c]{1,2}", any::<String>(), any::<u8>()).prop_map(|(name, text, number)| Said {
        name: Some(name),
        text: json!({ "number": number, "text": text }).to_string(),
    });
    prop_oneof![message, call]
}

impl Said {
    /// The same in another form: without the space around it, or with that of JSON and its fields in another order.
    fn rewritten(&self) -> String {
        if self.name.is_none() {
            return self.text.trim().to_owned();
        }
        let value: Value = serde_json::from_str(&self.text).unwrap();
        format!("{{\n  \"text\": {},\n  \"number\": {}\n}}", value["text"], value["number"])
    }

    /// What does not depend on the form.
    fn meant(&self) -> (Option<String>, Value) {
        let text = match self.name {
            Some(_) => serde_json::from_str(&self.text).unwrap(),
            None => Value::from(self.text.trim()),
        };
        (self.name.clone(), text)
    }

    fn item(&self, id: &str, text: &str) -> Value {
        let item_id = format!("item_{id}");
        match &self.name {
            Some(name) => {
                json!({"type": "function_call", "id": item_id, "call_id": id, "name": name, "arguments": text})
            }
            None => {
                json!({"type": "message", "id": item_id, "content": [{"type": "output_text", "text": text}]})
            }
        }
    }

    /// The item as it is `stage`.
    fn finished(&self, place: usize, stage: &str, style: Style) -> Value {
        let id = if style.renames { format!("{stage}_{place}") } else { place.to_string() };
        self.item(&id, &if style.rewrites { self.rewritten() } else { self.text.clone() })
    }

    /// The events before it is done.
    fn events(&self, place: usize, size: usize, style: Style) -> Vec<Value> {
        let index = style.index.then_some(place);
        let mut events = Vec::new();
        if style.begins {
            events.push(json!({"type": "response.output_item.added", "output_index": index,
                "item": self.item(&place.to_string(), "")}));
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
        events
    }

    fn done(&self, place: usize, style: Style) -> Option<Value> {
        let index = style.index.then_some(place);
        let item = self.finished(place, "done", style);
        let event = json!({"type": "response.output_item.done", "output_index": index, "item": item});
        style.done.then_some(event)
    }
}

fn stream(answer: &[Said], size: usize, style: Style) -> Vec<Value> {
    let (mut events, mut done) = (Vec::new(), Vec::new());
    for (place, said) in answer.iter().enumerate() {
        events.extend(said.events(place, size, style));
        let last = if style.at_once { &mut done } else { &mut events };
        last.extend(said.done(place, style));
    }
    let thought =
        json!({"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]});
    let said = answer.iter().enumerate().map(|(place, said)| said.finished(place, "listed", style));
    let list = style.thinks.then_some(thought).into_iter().chain(said);
    let output: Vec<Value> = list.filter(|_| style.lists).collect();
    let end = json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
    events.into_iter().chain(done).chain([end]).collect()
}

proptest! {
    #[test]
    fn an_answer_is_the_same_however_it_is_told(
        answer in vec(said(), 0..5),
        size in 1_usize..9,
        style in styles(),
    ) {
        let (mut fold, mut events) = (ResponsesFold::new("test"), Vec::new());
        for event in stream(&answer, size, style) {
            fold.push(&event.to_string(), &mut events).unwrap();
        }

        let mut calls = Vec::new();
        let mut made = Vec::new();
        for item in fold.finish().unwrap().items {
            match item {
                Item::Assistant(AssistantItem { text, .. }) => made.push(Said { name: None, text }),
                Item::ToolCall(call) => {
                    let said = Said { name: Some(call.name), text: call.arguments };
                    calls.push((call.id, said.clone()));
                    made.push(said);
                }
                Item::Reasoning(_) if style.lists && style.thinks => {}
                other => panic!("{other:?}"),
            }
        }
        let meant = |said: &[Said]| said.iter().map(Said::meant).collect::<Vec<_>>();
        prop_assert_eq!(meant(&made), meant(&answer));

        // What was told adds up to it.
        let mut text = String::new();
        let mut begun: Vec<(String, Said)> = Vec::new();
        for event in events {
            match event {
                ModelEvent::TextDelta(delta) => text.push_str(&delta),
                ModelEvent::ToolCallStarted { call_id, name } => {
                    begun.push((call_id, Said { name: Some(name), text: String::new() }));
                }
                ModelEvent::ToolCallDelta { call_id, delta } => {
                    let call = begun.iter_mut().find(|(id, _)| *id == call_id);
                    call.expect("the call has begun").1.text.push_str(&delta);
                }
                ModelEvent::ReasoningDelta(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let asked = |calls: &[(String, Said)]| {
            calls.iter().map(|(id, said)| (id.clone(), said.meant())).collect::<Vec<_>>()
        };
        prop_assert_eq!(asked(&begun), asked(&calls));
        let without_space = |text: &str| text.split_whitespace().collect::<String>();
        let said = answer.iter().filter(|said| said.name.is_none()).map(|said| said.text.as_str());
        prop_assert_eq!(without_space(&text), without_space(&said.collect::<String>()));
    }
}
