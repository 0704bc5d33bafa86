//! Anthropic Messages: any stream, and any body, is folded to a response or an error.
#![no_main]

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use agentexec_fuzz::folded;
use agentexec_runner_claude::fold::{Fold, Folded};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    folded(input, |data| {
        let (mut fold, mut events) = (Fold::new(), Vec::new());
        for data in data {
            match fold.push(data)? {
                Folded::Event(event) => events.push(event),
                Folded::Done(rest) => {
                    events.extend(rest);
                    return Ok((events, fold.finish()));
                }
                _ => {}
            }
        }
        Err(ModelError::new(ModelErrorKind::StreamCut, "no end"))
    });
    if let Ok((_, fold)) = Fold::whole(input) {
        let _ = fold.finish();
    }
});
