//! What the targets share: a stream is decoded whole and in pieces, and both must come to the same.
//!
//! Nothing may panic, whatever the bytes. The last byte of an input says how it is cut.

use std::fmt::Debug;

use agentexec_agent_core::model::{ModelEvent, ModelResponse};
use agentexec_agent_core::transcript::Item;
use agentexec_runner_http::{SseDecoder, SseEvent};

/// The name and the data of an event.
pub type Event = (Option<String>, String);

fn owned(event: SseEvent<'_>) -> Event {
    (event.name.map(str::to_owned), event.data.to_owned())
}

/// The events of a stream, and the error that ended it, if one did.
pub fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<String>) {
    let (mut decoder, mut events) = (SseDecoder::new(), Vec::new());
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => events.push(owned(event)),
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string())),
            }
        }
    }
    match decoder.finish() {
        Ok(last) => events.extend(last.map(owned)),
        Err(error) => return (events, Some(error.to_string())),
    }
    (events, None)
}

/// The input without its last byte, and that in pieces of lengths that the byte decides.
pub fn cut(input: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (seed, stream) = input.split_last()?;
    let (mut state, mut rest, mut pieces) = (u32::from(*seed), stream, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, left) = rest.split_at(rest.len().min((state >> 28) as usize));
        pieces.push(piece);
        rest = left;
    }
    Some((stream, pieces))
}

/// A text without the ids of calls that were made up: each time others are.
fn without_made_up_ids(shown: &str) -> String {
    const ID: usize = 32;
    let mut parts = shown.split("call_");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_made_up = part.get(..ID).is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        left.push_str("call_");
        left.push_str(if is_made_up { &part[ID..] } else { part });
    }
    left
}

/// Folds the data of a stream's events, and holds the response against what was told on the way.
pub fn folded<E: Debug>(
    input: &[u8],
    fold: impl Fn(&[String]) -> Result<(Vec<ModelEvent>, ModelResponse), E>,
) {
    let Some((stream, _)) = cut(input) else { return };
    let data: Vec<String> = decode([stream]).0.into_iter().map(|(_, data)| data).collect();
    let (one, other) = (fold(&data), fold(&data));
    let shown = |folded: &_| without_made_up_ids(&format!("{folded:?}"));
    assert_eq!(shown(&one), shown(&other), "the same events come to the same");
    if let Ok((_, response)) = one {
        for item in &response.items {
            if let Item::ToolCall(call) = item {
                assert!(!call.id.is_empty(), "a call without an id could not be answered");
            }
        }
    }
}
