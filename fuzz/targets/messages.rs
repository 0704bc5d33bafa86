//! Anthropic Messages: any stream, and any body, is folded to a response or an error.
#![no_main]

use agentexec_agent_core::model::{ModelError, ModelEvent, ModelResponse};
use agentexec_fuzz::folded;
use agentexec_runner_claude::MessagesFold;
use libfuzzer_sys::fuzz_target;

fn fold(data: &[String]) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let (mut fold, mut events) = (MessagesFold::new("fuzz"), Vec::new());
    data.iter().try_for_each(|data| fold.push(data, &mut events))?;
    Ok((events, fold.finish()?))
}

fuzz_target!(|input: &[u8]| {
    folded(input, fold);
    let mut fold = MessagesFold::new("fuzz");
    if fold.push_body(input, &mut Vec::new()).is_ok() {
        fold.finish().expect("a whole body is a response");
    }
});
