//! The body of a request, field by field.

use agentexec_agent_core::OutputFormat;
use agentexec_agent_core::model::ModelSettings;
use agentexec_agent_core::transcript::Item;
use serde_json::json;

use super::*;
use crate::fixtures::{conversation, tools};

pub(in crate::responses) const ORIGIN: &str = "openai-responses@test";

pub(in crate::responses) const OPTIONS: Options<'static> = Options {
    model: "gpt-x",
    streaming: true,
    strict_tools: true,
    store: false,
    previous_response: false,
    reasoning_summary: None,
    without: Features::NONE,
    origin: ORIGIN,
};

pub(in crate::responses) fn body(request: &ModelRequest<'_>, options: Options<'_>) -> Value {
    serde_json::to_value(Body::new(request, options).unwrap()).unwrap()
}

fn without(feature: Feature) -> Options<'static> {
    Options { without: Features::NONE.with(feature), ..OPTIONS }
}

#[test]
fn the_smallest_request_says_nothing_that_was_not_set() {
    let items = [Item::user("Hi")];
    let expected = json!({
        "model": "gpt-x",
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&ModelRequest::new(&items), OPTIONS), expected);
}

#[test]
fn a_stored_response_needs_no_encrypted_reasoning() {
    let items = [Item::user("Hi")];
    let stored = body(&ModelRequest::new(&items), Options { store: true, streaming: false, ..OPTIONS });
    assert_eq!((&stored["store"], stored.get("include"), stored.get("stream")), (&json!(true), None, None));
    let plain = body(&ModelRequest::new(&items), without(Feature::EncryptedReasoning));
    assert_eq!((&plain["store"], plain.get("include")), (&json!(false), None));
}

#[test]
fn everything_that_is_set_is_said() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut settings = ModelSettings::default();
    settings.max_output_tokens = Some(100);
    settings.temperature = Some(0.5);
    settings.top_p = Some(0.9);
    settings.parallel_tool_calls = Some(false);
    settings.reasoning_effort = Some("low".into());
    let choice = ToolChoice::Tool("add".into());
    let mut request = ModelRequest::new(&items);
    request.model = Some("other");
    request.instructions = Some("Be brief.");
    request.tools = &tools;
    request.tool_choice = &choice;
    request.settings = &settings;
    let expected = json!({
        "model": "other",
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "parallel_tool_calls": false,
        "tool_choice": {"type": "function", "name": "add"},
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "Adds.",
                "parameters": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}},
                    "required": ["x"],
                    "additionalProperties": false,
                },
                "strict": true,
            },
            // No strict form. Left out, `strict` would mean true.
            {
                "type": "function",
                "name": "mul",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
                "strict": false,
            },
        ],
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&request, Options { reasoning_summary: Some("auto"), ..OPTIONS }), expected);
}

#[test]
fn what_a_server_does_not_know_is_left_out() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut settings = ModelSettings::default();
    settings.parallel_tool_calls = Some(false);
    settings.reasoning_effort = Some("low".into());
    let mut request = ModelRequest::new(&items);
    request.settings = &settings;
    request.tools = &tools;
    let options = |without| Options { without, reasoning_summary: Some("auto"), ..OPTIONS };
    let cases = [
        (Feature::ParallelToolCalls, "/parallel_tool_calls"),
        (Feature::ReasoningEffort, "/reasoning/effort"),
        (Feature::ReasoningSummary, "/reasoning/summary"),
        (Feature::EncryptedReasoning, "/include"),
        (Feature::Store, "/store"),
        (Feature::Strict, "/tools/1/strict"),
    ];
    for (feature, field) in cases {
        let full = Body::new(&request, options(Features::NONE)).unwrap();
        assert!(full.features().has(feature), "{field}");
        assert!(serde_json::to_value(full).unwrap().pointer(field).is_some(), "{field}");
        let less = Body::new(&request, options(Features::NONE.with(feature))).unwrap();
        assert!(!less.features().has(feature), "{field}");
        assert_eq!(serde_json::to_value(less).unwrap().pointer(field), None, "{field}");
    }
}

#[test]
fn the_form_of_the_answer_is_asked_for_in_the_best_way_that_the_server_knows() {
    let items = [Item::user("Hi")];
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let strict = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false});
    let format = OutputFormat::from_unchecked_schema("weather", schema.clone());
    let mut request = ModelRequest::new(&items);
    request.output = Some(&format);
    let ask = |features: &[Feature]| {
        let without = features.iter().copied().collect();
        let body = body(&request, Options { without, ..OPTIONS });
        (body["text"]["format"].clone(), body["instructions"].clone())
    };
    let enforced = |schema: Value| json!({"type": "json_schema", "name": "weather", "schema": schema});
    let mut to_the_letter = enforced(strict);
    to_the_letter["strict"] = json!(true);
    assert_eq!(ask(&[]), (to_the_letter, Value::Null));
    assert_eq!(ask(&[Feature::Strict]), (enforced(schema.clone()), Value::Null));

    let (object, told) = ask(&[Feature::JsonSchema]);
    assert_eq!(object, json!({"type": "json_object"}));
    assert!(told.as_str().unwrap().ends_with(&schema.to_string()), "{told}");
    assert_eq!(ask(&[Feature::JsonSchema, Feature::JsonObject]), (Value::Null, told));
}

#[test]
fn what_is_about_tools_is_said_only_with_tools() {
    let items = [Item::user("Hi")];
    let mut settings = ModelSettings::default();
    settings.parallel_tool_calls = Some(true);
    let mut request = ModelRequest::new(&items);
    request.tool_choice = &ToolChoice::Required;
    request.settings = &settings;
    let bare = body(&request, OPTIONS);
    for key in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert_eq!(bare.get(key), None, "{key}");
    }
    let tools = tools();
    request.tools = &tools;
    assert_eq!(body(&request, OPTIONS)["tool_choice"], "required");
}

#[test]
fn the_body_of_a_turn_begins_with_the_body_of_the_turn_before() {
    let (transcript, tools) = (conversation(), tools());
    let bytes = |items| {
        let mut request = ModelRequest::new(items);
        request.instructions = Some("Be brief.");
        request.tools = &tools;
        serde_json::to_string(&Body::new(&request, OPTIONS).unwrap()).unwrap()
    };
    let (before, now) = (bytes(&transcript.items()[..1]), bytes(transcript.items()));
    let prefix = before.strip_suffix("]}").unwrap();
    assert!(now.starts_with(prefix), "{now}\n{before}");
}
