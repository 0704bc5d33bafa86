//! Properties stand in the order in which the type names them: a model in strict mode writes them in that order, so
//! reasoning that is asked for before the answer comes before it.

use agentexec_tools::schema::{Dialect, schema_of};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema is looked at")]
struct Solution {
    reasoning: String,
    answer: String,
}

#[test]
fn properties_keep_the_order_of_the_type_in_every_dialect() {
    let schema = schema_of::<Solution>();
    for dialect in [Dialect::Plain, Dialect::OpenAiStrict, Dialect::Anthropic, Dialect::AnthropicStrict] {
        let converted = schema.in_dialect(dialect).schema;
        let names: Vec<&String> = converted["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["reasoning", "answer"], "{dialect:?}");
    }
}
