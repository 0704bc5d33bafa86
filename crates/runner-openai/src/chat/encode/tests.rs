//! The body of a request, field by field.

use agentexec_agent_core::OutputFormat;
use agentexec_agent_core::model::ModelSettings;
use agentexec_agent_core::transcript::Item;
use serde_json::json;

use super::*;
use crate::fixtures::{conversation, tools};

pub(in crate::chat) const ORIGIN: &str = "openai-chat@test";

pub(in crate::chat) const OPTIONS: Options<'static> = Options {
    model: "gpt-x",
    streaming: true,
    strict_tools: true,
    without: Features::NONE,
    max_call_id: 40,
    origin: ORIGIN,
};

pub(in crate::chat) fn body(request: &ModelRequest<'_>, options: Options<'_>) -> Value {
    serde_json::to_value(Body::new(request, options).unwrap()).unwrap()
}

fn without(feature: Feature) -> Options<'static> {
    Options { without: Features::NONE.with(feature), ..OPTIONS }
}

#[test]
fn the_smallest_request_says_nothing_that_was_not_set() {
    let items = [Item::user("Hi")];
    let streamed = json!({
        "model": "gpt-x",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&ModelRequest::new(&items), OPTIONS), streamed);

    let whole = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(body(&ModelRequest::new(&items), Options { streaming: false, ..OPTIONS }), whole);
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
        "stream_options": {"include_usage": true},
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "parallel_tool_calls": false,
        "tool_choice": {"type": "function", "function": {"name": "add"}},
        "tools": [
            {"type": "function", "function": {
                "name": "add",
                "description": "Adds.",
                "parameters": {
                    "type": "object",
                    "properties": {"x": {"type": "integer"}},
                    "required": ["x"],
                    "additionalProperties": false,
                },
                "strict": true,
            }},
            // No strict form: sent as it is.
            {"type": "function", "function": {
                "name": "mul",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
            }},
        ],
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    });
    assert_eq!(body(&request, OPTIONS), expected);
}

#[test]
fn what_a_server_does_not_know_is_left_out_or_said_in_older_words() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut settings = ModelSettings::default();
    settings.max_output_tokens = Some(100);
    settings.parallel_tool_calls = Some(false);
    settings.reasoning_effort = Some("low".into());
    let mut request = ModelRequest::new(&items);
    request.settings = &settings;
    request.tools = &tools;
    let cases = [
        (Feature::StreamUsage, "stream_options"),
        (Feature::MaxCompletionTokens, "max_completion_tokens"),
        (Feature::ParallelToolCalls, "parallel_tool_calls"),
        (Feature::ReasoningEffort, "reasoning_effort"),
    ];
    for (feature, field) in cases {
        let full = Body::new(&request, OPTIONS).unwrap();
        assert!(full.features().has(feature), "{field}");
        let mut expected = serde_json::to_value(full).unwrap();
        expected.as_object_mut().unwrap().remove(field).unwrap();
        let less = Body::new(&request, without(feature)).unwrap();
        assert!(!less.features().has(feature), "{field}");
        if feature == Feature::MaxCompletionTokens {
            expected["max_tokens"] = json!(100);
            assert!(less.features().has(Feature::MaxTokens));
        }
        assert_eq!(serde_json::to_value(less).unwrap(), expected, "{field}");
    }
    // The older alone is left out only where it is sent, and neither is sent where neither is known.
    let newer = body(&request, without(Feature::MaxTokens));
    assert_eq!((&newer["max_completion_tokens"], newer.get("max_tokens")), (&json!(100), None));
    let neither = Features::NONE.with(Feature::MaxCompletionTokens).with(Feature::MaxTokens);
    let none = body(&request, Options { without: neither, ..OPTIONS });
    assert_eq!((none.get("max_completion_tokens"), none.get("max_tokens")), (None, None));
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
    request.instructions = Some("Be brief.");
    let ask = |features: &[Feature]| {
        let without = features.iter().copied().collect();
        let body = body(&request, Options { without, ..OPTIONS });
        (body["response_format"].clone(), body["messages"][0]["content"].as_str().unwrap().to_owned())
    };
    let enforced =
        |schema: Value| json!({"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}});
    let mut to_the_letter = enforced(strict);
    to_the_letter["json_schema"]["strict"] = json!(true);
    assert_eq!(ask(&[]), (to_the_letter, "Be brief.".to_owned()));
    assert_eq!(ask(&[Feature::Strict]), (enforced(schema.clone()), "Be brief.".to_owned()));

    let (object, told) = ask(&[Feature::JsonSchema]);
    assert_eq!(object, json!({"type": "json_object"}));
    assert!(told.starts_with("Be brief.\n\n") && told.ends_with(&schema.to_string()), "{told}");
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
    let full = body(&request, OPTIONS);
    assert_eq!((&full["tool_choice"], &full["parallel_tool_calls"]), (&json!("required"), &json!(true)));
    request.tool_choice = &ToolChoice::None;
    assert_eq!(body(&request, OPTIONS)["tool_choice"], "none");
}

#[test]
fn servers_without_strict_mode_get_the_plain_schema() {
    let (items, tools) = ([Item::user("Hi")], tools());
    let mut request = ModelRequest::new(&items);
    request.tools = &tools;
    let parameters = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]});
    let function = json!({"name": "add", "description": "Adds.", "parameters": parameters});
    for options in [Options { strict_tools: false, ..OPTIONS }, without(Feature::Strict)] {
        assert_eq!(body(&request, options)["tools"][0]["function"], function);
    }
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
