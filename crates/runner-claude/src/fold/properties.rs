//! What holds for every stream: however it is cut into deltas, it comes to the same as the whole message.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A block of a message, and the deltas that a stream of it may be cut into: the field of the delta, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) whole: Value,
    opened: Value,
    deltas: Vec<Value>,
}

/// The text in pieces, some of them empty.
fn pieces(text: &str, cuts: &[prop::sample::Index]) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
    places.extend([0, chars.len()]);
    places.sort_unstable();
    places.windows(2).map(|place| chars[place[0]..place[1]].iter().collect()).collect()
}

fn deltas(kind: &str, field: &str, pieces: Vec<String>) -> Vec<Value> {
    pieces.into_iter().map(|piece| json!({"type": kind, field: piece})).collect()
}

fn made(kind: u8, text: &str, cuts: &[prop::sample::Index]) -> Made {
    let cut = |text: &str| pieces(text, cuts);
    match kind {
        0 => Made {
            whole: json!({"type": "text", "text": text}),
            opened: json!({"type": "text", "text": ""}),
            deltas: deltas("text_delta", "text", cut(text)),
        },
        1 => {
            let mut made = Made {
                whole: json!({"type": "thinking", "thinking": text, "signature": "s"}),
                opened: json!({"type": "thinking", "thinking": "", "signature": ""}),
                deltas: deltas("thinking_delta", "thinking", cut(text)),
            };
            made.deltas.push(json!({"type": "signature_delta", "signature": "s"}));
            made
        }
        2 => {
            let call = |input: Value| json!({"type": "tool_use", "id": text, "name": "add", "input": input});
            let input = json!({"text": text});
            Made {
                opened: call(json!({})),
                deltas: deltas("input_json_delta", "partial_json", cut(&input.to_string())),
                whole: call(input),
            }
        }
        3 => {
            let block = json!({"type": "redacted_thinking", "data": text});
            Made { whole: block.clone(), opened: block, deltas: vec![] }
        }
        _ => {
            let block =
                json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": text}]});
            Made {
                whole: block.clone(),
                opened: block,
                deltas: vec![json!({"type": "new_delta", "text": 3})],
            }
        }
    }
}

pub(crate) fn contents() -> impl Strategy<Value = Vec<Made>> {
    let block = (0..5u8, "[a-zß\"\\\\\n{}😀 ]{1,12}", vec(any::<prop::sample::Index>(), 0..4));
    vec(block.prop_map(|(kind, text, cuts)| made(kind, &text, &cuts)), 0..5)
}

proptest! {
    #[test]
    fn a_stream_comes_to_the_same_as_the_whole_however_it_is_cut(content in contents(), pings in any::<bool>()) {
        let (mut fold, mut told) = (MessagesFold::new("x"), Vec::new());
        let mut push = |event: Value| {
            fold.push(&event.to_string(), &mut told).unwrap();
            let before = told.len();
            if pings {
                fold.push(r#"{"type":"ping"}"#, &mut told).unwrap();
            }
            assert_eq!(told.len(), before);
        };
        push(json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}}));
        for (index, block) in content.iter().enumerate() {
            push(json!({"type": "content_block_start", "index": index, "content_block": block.opened}));
            for delta in &block.deltas {
                push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
            push(json!({"type": "content_block_stop", "index": index}));
        }
        let usage = json!({"input_tokens": 1, "output_tokens": 2});
        push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}));
        push(json!({"type": "message_stop"}));

        let content: Vec<Value> = content.into_iter().map(|block| block.whole).collect();
        let body = json!({"content": content, "model": "m", "stop_reason": "end_turn", "usage": usage});
        let mut whole = MessagesFold::new("x");
        whole.push_body(body.to_string().as_bytes(), &mut told).unwrap();
        prop_assert_eq!(fold.finish().unwrap(), whole.finish().unwrap());
    }
}
