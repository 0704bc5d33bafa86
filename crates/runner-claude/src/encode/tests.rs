use agentexec_agent_core::OutputFormat;
use agentexec_agent_core::model::{ModelSettings, ToolChoice, ToolSpec};
use agentexec_agent_core::transcript::{Item, Raw, ReasoningItem, ToolCall, ToolOutputItem};
use agentexec_tools::schema::Schema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

const ORIGIN: &str = "anthropic@api.anthropic.com";

fn settings() -> Settings {
    Settings {
        model: "claude-x".into(),
        max_tokens: 1000,
        streaming: true,
        without: Features::default(),
        steps_down: true,
        idempotency_keys: false,
        thinking: None,
        origin: ORIGIN.into(),
    }
}

/// Without what is on unless it is switched off.
fn plainly() -> Features {
    Features::default().with(Feature::PromptCache).with(Feature::StrictTools)
}

fn body(request: &ModelRequest<'_>, without: Features) -> Value {
    serde_json::to_value(encode(request, &settings(), without).unwrap()).unwrap()
}

/// A closed object with these properties, all required.
fn closed(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn tool_of(name: &str, schema: Value) -> ToolSpec {
    ToolSpec::new(name, format!("Does {name}."), Schema::from_value(schema).unwrap())
}

fn tool(name: &str) -> ToolSpec {
    tool_of(name, closed(json!({})))
}

fn call(id: &str, arguments: &str) -> Item {
    let call = ToolCall { id: id.into(), name: "add".into(), arguments: arguments.into(), raw: None };
    Item::ToolCall(call)
}

fn output(call_id: &str, output: &str) -> Item {
    Item::ToolOutput(ToolOutputItem::new(call_id, "add", output))
}

#[test]
fn a_whole_body() {
    let items = [Item::user("1 + 2?"), call("a", r#"{"a": 1}"#), output("a", "3"), Item::user("And 2 + 2?")];
    let (tools, choice) = ([tool("add"), tool("sub")], ToolChoice::Auto);
    let mut asked = ModelSettings::default();
    asked.max_output_tokens = Some(4096);
    asked.temperature = Some(0.5);
    asked.parallel_tool_calls = Some(false);
    asked.reasoning_effort = Some("low".into());
    let mut request = ModelRequest::new(&items);
    let format = OutputFormat::from_unchecked_schema("sum", closed(json!({"sum": {"type": "integer"}})));
    request.output = Some(&format);
    request.instructions = Some("Add.");
    request.tools = &tools;
    request.tool_choice = &choice;
    request.settings = &asked;
    let settings = Settings { thinking: Some(Thinking::budget(2048)), ..settings() };

    let body = encode(&request, &settings, Features::default()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "model": "claude-x",
      "max_tokens": 4096,
      "stream": true,
      "thinking": {
        "type": "enabled",
        "budget_tokens": 2048
      },
      "output_config": {
        "effort": "low",
        "format": {
          "type": "json_schema",
          "schema": {
            "type": "object",
            "properties": {
              "sum": {
                "type": "integer"
              }
            },
            "required": [
              "sum"
            ],
            "additionalProperties": false
          }
        }
      },
      "temperature": 0.5,
      "tool_choice": {
        "type": "auto",
        "disable_parallel_tool_use": true
      },
      "tools": [
        {
          "name": "add",
          "description": "Does add.",
          "input_schema": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": false
          },
          "strict": true
        },
        {
          "name": "sub",
          "description": "Does sub.",
          "input_schema": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": false
          },
          "strict": true,
          "cache_control": {
            "type": "ephemeral"
          }
        }
      ],
      "system": [
        {
          "type": "text",
          "text": "Add.",
          "cache_control": {
            "type": "ephemeral"
          }
        }
      ],
      "messages": [
        {
          "role": "user",
          "content": [
            {
              "type": "text",
              "text": "1 + 2?",
              "cache_control": {
                "type": "ephemeral"
              }
            }
          ]
        },
        {
          "role": "assistant",
          "content": [
            {
              "type": "tool_use",
              "id": "a",
              "name": "add",
              "input": {
                "a": 1
              }
            }
          ]
        },
        {
          "role": "user",
          "content": [
            {
              "type": "tool_result",
              "tool_use_id": "a",
              "content": "3"
            },
            {
              "type": "text",
              "text": "And 2 + 2?",
              "cache_control": {
                "type": "ephemeral"
              }
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn what_is_not_set_is_not_sent() {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    request.instructions = Some(" \n");
    request.tool_choice = &ToolChoice::Required;
    let plain = json!({
        "model": "claude-x", "max_tokens": 1000, "stream": true,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    });
    assert_eq!(body(&request, plainly()), plain);
    assert_eq!(encode(&request, &settings(), plainly()).unwrap().sent, Features::default());
}

#[test]
fn the_model_of_the_request_goes_before_the_one_of_the_settings() {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    request.model = Some("claude-y");
    assert_eq!(body(&request, plainly())["model"], "claude-y");
}

#[test]
fn a_long_answer_is_streamed_whatever_the_settings_say() {
    let items = [Item::user("Hi")];
    let unstreamed = |max_tokens| {
        let settings = Settings { streaming: false, max_tokens, ..settings() };
        encode(&ModelRequest::new(&items), &settings, plainly()).unwrap().stream
    };
    assert!(!unstreamed(MAX_UNSTREAMED_TOKENS));
    assert!(unstreamed(MAX_UNSTREAMED_TOKENS + 1));
}

#[test]
fn a_tool_that_cannot_be_described_is_named() {
    let items = [Item::user("Hi")];
    let tools = [tool_of("odd", closed(json!({"not a legal key!": {"type": "string"}})))];
    let mut request = ModelRequest::new(&items);
    request.tools = &tools;
    let error = encode(&request, &settings(), Features::default()).unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unsupported);
    assert!(error.message().contains("'odd'"), "{error}");
    assert!(error.message().contains("not a legal key!"), "{error}");
}

/// Which of the tools are strict.
fn strict(tools: &[ToolSpec], output: Option<&OutputFormat>) -> Vec<bool> {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    (request.tools, request.output) = (tools, output);
    let body = body(&request, Features::default());
    body["tools"].as_array().unwrap().iter().map(|tool| tool["strict"] == true).collect()
}

#[test]
fn a_tool_is_strict_where_its_schema_can_be() {
    let map = tool_of("map", json!({"type": "object", "additionalProperties": {"type": "string"}}));
    let open =
        tool_of("open", json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}));
    let tools = [map, open];
    assert_eq!(strict(&tools, None), [false, true]);

    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    request.tools = &tools;
    let schemas = body(&request, Features::default());
    assert_eq!(schemas["tools"][0]["input_schema"]["additionalProperties"], json!({"type": "string"}));
    assert_eq!(schemas["tools"][1]["input_schema"]["additionalProperties"], false);
    let plain = body(&request, plainly());
    assert_eq!(plain["tools"][1].get("strict"), None);
    assert_eq!(plain["tools"][1]["input_schema"]["properties"]["a"]["minimum"], 1);
}

#[test]
fn strict_schemas_keep_to_what_a_request_may_use_together() {
    let many: Vec<ToolSpec> = (0..22).map(|number| tool(&format!("tool_{number}"))).collect();
    let expected: Vec<bool> = (0..22).map(|number| number < 20).collect();
    assert_eq!(strict(&many, None), expected);

    let optional = |name: &str, count: usize| {
        let properties: serde_json::Map<_, _> =
            (0..count).map(|number| (format!("p{number}"), json!({"type": "string"}))).collect();
        json!({"type": "object", "title": name, "properties": properties, "additionalProperties": false})
    };
    let tools =
        [tool_of("a", optional("a", 13)), tool_of("b", optional("b", 12)), tool_of("c", optional("c", 11))];
    assert_eq!(strict(&tools, None), [true, false, true], "24 properties in all may be left out");
    let format = OutputFormat::from_unchecked_schema("form", optional("form", 12));
    assert_eq!(
        strict(&tools, Some(&format)),
        [false, true, false],
        "the form of the answer goes before them"
    );
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read for its schema alone")]
struct Weather {
    /// In degrees Celsius.
    temperature: i32,
    wind: Option<String>,
}

fn asking_for(format: &OutputFormat, without: Features) -> Value {
    let items = [Item::user("Hi")];
    let mut request = ModelRequest::new(&items);
    (request.instructions, request.output) = (Some("Be brief."), Some(format));
    body(&request, without)
}

#[test]
fn the_form_of_the_answer_is_sent_in_the_dialect_that_the_server_takes() {
    let body = asking_for(&OutputFormat::of::<Weather>(), plainly());
    let format = &body["output_config"]["format"];
    assert_eq!(format["type"], "json_schema");
    let schema = &format["schema"];
    assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
    let temperature = &schema["properties"]["temperature"];
    assert_eq!(temperature["type"], "integer");
    assert!(temperature["description"].as_str().unwrap().starts_with("In degrees Celsius."), "{temperature}");
    assert_eq!(schema.get("$schema"), None);
    assert_eq!(body["system"].as_array().unwrap().len(), 1);
}

#[test]
fn a_form_that_cannot_be_sent_is_told_in_words() {
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let list = json!({"type": "array", "items": {"type": "integer"}});
    let recursive = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
    for schema in [map, list, recursive] {
        let body =
            asking_for(&OutputFormat::from_unchecked_schema("form", schema.clone()), Features::default());
        assert_eq!(body.get("output_config"), None, "{schema}");
        assert_eq!(body["system"][0], json!({"type": "text", "text": "Be brief."}));
        let told = &body["system"][1];
        assert!(told["text"].as_str().unwrap().ends_with(&schema.to_string()), "{told}");
        assert_eq!(told["cache_control"], json!({"type": "ephemeral"}), "the breakpoint stands behind both");
    }
    let refused = asking_for(&OutputFormat::of::<Weather>(), Features::default().with(Feature::JsonSchema));
    assert_eq!(refused.get("output_config"), None);
    assert!(refused["system"][1]["text"].as_str().unwrap().contains("temperature"));
}

#[test]
fn tool_choices() {
    let cases = [
        (ToolChoice::Auto, None, Value::Null),
        (ToolChoice::Auto, Some(true), Value::Null),
        (ToolChoice::Auto, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (ToolChoice::Required, None, json!({"type": "any"})),
        (ToolChoice::Required, Some(false), json!({"type": "any", "disable_parallel_tool_use": true})),
        (ToolChoice::Tool("add".into()), None, json!({"type": "tool", "name": "add"})),
        (ToolChoice::None, Some(false), json!({"type": "none"})),
    ];
    let (items, tools) = ([Item::user("Hi")], [tool("add")]);
    for (choice, parallel, expected) in cases {
        let mut asked = ModelSettings::default();
        asked.parallel_tool_calls = parallel;
        let mut request = ModelRequest::new(&items);
        request.tools = &tools;
        request.tool_choice = &choice;
        request.settings = &asked;
        assert_eq!(body(&request, plainly())["tool_choice"], expected, "{choice:?}, {parallel:?}");
    }
}

#[test]
fn each_way_to_think_is_sent_as_the_api_writes_it() {
    let items = [Item::user("Hi")];
    for (thinking, expected) in [
        (Thinking::adaptive(), json!({"type": "adaptive"})),
        (Thinking::adaptive().summarized(), json!({"type": "adaptive", "display": "summarized"})),
        (Thinking::budget(1024), json!({"type": "enabled", "budget_tokens": 1024})),
        (
            Thinking::budget(1024).omitted(),
            json!({"type": "enabled", "budget_tokens": 1024, "display": "omitted"}),
        ),
        (Thinking::between_tools(), json!({"type": "between_tools"})),
        (Thinking::disabled(), json!({"type": "disabled"})),
    ] {
        let settings = Settings { max_tokens: 4000, thinking: Some(thinking), ..settings() };
        let body = encode(&ModelRequest::new(&items), &settings, plainly()).unwrap();
        assert_eq!(serde_json::to_value(&body).unwrap()["thinking"], expected);
    }
}

#[test]
fn a_thinking_budget_is_held_against_the_limit_of_the_request() {
    let items = [Item::user("Hi")];
    let settings = Settings { max_tokens: 4000, thinking: Some(Thinking::budget(2000)), ..settings() };
    let mut asked = ModelSettings::default();
    let mut request = ModelRequest::new(&items);
    assert!(encode(&request, &settings, plainly()).is_ok());
    asked.max_output_tokens = Some(2000);
    request.settings = &asked;
    assert!(encode(&request, &settings, plainly()).is_err());
    assert!(encode(&request, &settings, plainly().with(Feature::Thinking)).is_ok(), "it is not sent");
}

#[test]
fn a_tool_cannot_be_demanded_of_a_model_that_thinks_by_a_budget() {
    let (items, tools) = ([Item::user("Hi")], [tool("add")]);
    let thinking_by = |thinking: Thinking, choice: &ToolChoice| {
        let settings = Settings { max_tokens: 4000, thinking: Some(thinking), ..settings() };
        let mut request = ModelRequest::new(&items);
        (request.tools, request.tool_choice) = (&tools, choice);
        encode(&request, &settings, plainly()).map(drop)
    };
    for demand in [ToolChoice::Required, ToolChoice::Tool("add".into())] {
        let error = thinking_by(Thinking::budget(1024), &demand).unwrap_err();
        assert_eq!(error.kind(), ModelErrorKind::InvalidRequest);
        assert!(error.message().contains("Auto"), "{error}");
        assert!(thinking_by(Thinking::adaptive(), &demand).is_ok(), "the server knows which models take it");
    }
    for choice in [ToolChoice::Auto, ToolChoice::None] {
        assert!(thinking_by(Thinking::budget(1024), &choice).is_ok());
    }
}

/// Bodies of a conversation that grows by a turn at a time, with thoughts, tools and a form.
fn growing(without: Features) -> Vec<String> {
    let tools = [tool("add"), tool("sub")];
    let format = OutputFormat::of::<Weather>();
    let thinking = json!({"type": "thinking", "thinking": "Hm", "signature": "s"});
    let mut items = vec![Item::user("Go")];
    let mut bodies = Vec::new();
    for turn in 0..4 {
        let mut request = ModelRequest::new(&items);
        (request.instructions, request.tools, request.output) = (Some("Add."), &tools, Some(&format));
        bodies.push(serde_json::to_string(&encode(&request, &settings(), without).unwrap()).unwrap());
        let (first, second) = (format!("call_{turn}_1"), format!("call_{turn}_2"));
        let raw = Some(Raw::new(ORIGIN, thinking.clone()));
        items.push(Item::Reasoning(ReasoningItem { text: "Hm".into(), raw }));
        items.extend([call(&first, r#"{"z": 1, "a": 2}"#), call(&second, "")]);
        items.extend([output(&first, "3"), output(&second, "")]);
    }
    bodies
}

#[test]
fn a_turn_begins_with_the_bytes_of_the_turn_before() {
    let uncached = growing(Features::default().with(Feature::PromptCache));
    // The breakpoints move on; they are no part of what is cached.
    let cached = growing(Features::default());
    let unmarked = cached.iter().map(|body| body.replace(r#","cache_control":{"type":"ephemeral"}"#, ""));
    assert_eq!(unmarked.collect::<Vec<_>>(), uncached);
    for turns in uncached.windows(2) {
        let [before, now] = turns else { panic!("two turns") };
        assert!(now.starts_with(before.strip_suffix("]}").unwrap()), "{before}\n{now}");
    }
}

#[test]
fn breakpoints_stand_behind_the_tools_the_instructions_and_the_newest_turns_and_are_four_at_most() {
    let marked = |value: &Value| value["cache_control"] == json!({"type": "ephemeral"});
    for body in growing(Features::default()) {
        assert!(body.matches("cache_control").count() <= 4, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(!marked(&body["tools"][0]) && marked(&body["tools"][1]));
        assert!(marked(&body["system"][0]));
        let last =
            body["messages"].as_array().unwrap().last().unwrap()["content"].as_array().unwrap().clone();
        assert!(last.iter().any(marked), "{last:?}");
    }
    let uncached = growing(Features::default().with(Feature::PromptCache));
    assert!(uncached.iter().all(|body| !body.contains("cache_control")));
}
