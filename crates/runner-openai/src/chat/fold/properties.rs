//! Wherever a server splits an answer, and whatever it leaves out of the pieces, the response is the same.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// How a server says which call a piece belongs to.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// By index, the id in the first piece: the protocol's way.
    Index,
    /// By id in each piece.
    Id,
    /// Index 0 for every call, the id in the first piece.
    Zero,
    /// By index, without ids.
    IndexOnly,
    /// By index, an id in each piece that no other has.
    FreshId,
    /// By index, the id in the first piece, the name in each.
    RepeatedName,
    /// The name in each piece and nothing else.
    Name,
}

const STYLES: [Style; 7] = [
    Style::Index,
    Style::Id,
    Style::Zero,
    Style::IndexOnly,
    Style::FreshId,
    Style::RepeatedName,
    Style::Name,
];

impl Style {
    fn has_ids(self) -> bool {
        !matches!(self, Self::IndexOnly | Self::Name)
    }

    /// A piece of the call at `place`.
    fn piece(self, place: usize, number: usize, name: &str, arguments: &str) -> Value {
        let is_first = number == 0;
        let index = match self {
            Self::Index | Self::IndexOnly | Self::FreshId | Self::RepeatedName => json!(place),
            Self::Zero => json!(0),
            Self::Id | Self::Name => Value::Null,
        };
        let id = match self {
            Self::Id => Some(id(place)),
            Self::FreshId if !is_first => Some(format!("{}_{number}", id(place))),
            Self::Index | Self::Zero | Self::FreshId | Self::RepeatedName => is_first.then(|| id(place)),
            Self::IndexOnly | Self::Name => None,
        };
        let name = (is_first || matches!(self, Self::Name | Self::RepeatedName)).then_some(name);
        json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}})
    }
}

fn id(place: usize) -> String {
    format!("call_{place}")
}

/// The text in pieces of at most `size` characters; one empty piece when there is none.
fn split(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return vec![String::new()];
    }
    chars.chunks(size).map(|piece| piece.iter().collect()).collect()
}

proptest! {
    #[test]
    fn an_answer_is_the_same_however_it_is_split(
        text in any::<String>(),
        calls in vec(("[a-z]{1,3}", any::<String>()), 0..5),
        size in 1_usize..9,
        style in prop::sample::select(&STYLES[..]),
        again in any::<bool>(),
    ) {
        let calls: Vec<(String, String)> =
            calls.into_iter().map(|(name, value)| (name, json!({ "value": value }).to_string())).collect();
        let mut deltas: Vec<Value> =
            split(&text, size).into_iter().map(|piece| json!({ "content": piece })).collect();
        for (place, (name, arguments)) in calls.iter().enumerate() {
            for (number, piece) in split(arguments, size).iter().enumerate() {
                deltas.push(json!({"tool_calls": [style.piece(place, number, name, piece)]}));
            }
        }
        // Some servers report each call whole once more.
        for (place, (name, arguments)) in calls.iter().enumerate().filter(|_| again && style.has_ids()) {
            let function = json!({"name": name, "arguments": arguments});
            let index = calls.len() + place;
            deltas.push(json!({"tool_calls": [{"index": index, "id": id(place), "function": function}]}));
        }

        let mut fold = ChatFold::new("test");
        let mut events = Vec::new();
        for delta in deltas {
            fold.push(&json!({"choices": [{ "delta": delta }]}).to_string(), &mut events).unwrap();
        }
        fold.push("[DONE]", &mut events).unwrap();
        let response = fold.finish(&mut events).unwrap();

        let mut said = String::new();
        let mut made = Vec::new();
        for item in response.items {
            match item {
                Item::Assistant(item) => said = item.text,
                Item::ToolCall(call) => {
                    prop_assert!(!style.has_ids() || call.id == id(made.len()));
                    made.push((call.name, call.arguments));
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(said, text);
        prop_assert_eq!(made, calls);
    }
}
