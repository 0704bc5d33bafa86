//! OpenAI Responses: any stream is folded to a response or an error.
#![no_main]

use agentexec_fuzz::folded;
use agentexec_runner_openai::responses::ResponsesFold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| folded(input, |data| {
    let (mut fold, mut events) = (ResponsesFold::new("fuzz"), Vec::new());
    data.iter().try_for_each(|data| fold.push(data, &mut events))?;
    Ok::<_, agentexec_agent_core::model::ModelError>((events, fold.finish()?))
}));
