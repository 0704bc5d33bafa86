//! OpenAI Responses: any stream, and any body, is folded to a response or an error.
#![no_main]

use agentexec_agent_core::model::{ModelError, ModelEvent, ModelResponse};
use agentexec_fuzz::folded;
use agentexec_runner_openai::responses::ResponsesFold;
use libfuzzer_sys::fuzz_target;

fn fold<'a>(data: impl IntoIterator<Item = &'a str>) -> Result<(Vec<ModelEvent>, ModelResponse), ModelError> {
    let (mut fold, mut events) = (ResponsesFold::new("fuzz"), Vec::new());
    data.into_iter().try_for_each(|data| fold.push(data, &mut events))?;
    Ok((events, fold.finish()?))
}

fuzz_target!(|input: &[u8]| {
    folded(input, |data| fold(data.iter().map(String::as_str)));
    if let Ok(body) = str::from_utf8(input) {
        let _ = fold([body]);
    }
});
